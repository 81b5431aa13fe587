// The button over lines or rows that says how many came beyond what is looked at, and leads there. DOM only.

import { thousands } from "../../text/format.js";
import { element, type IconName, icon, setText } from "./dom.js";

export class NewRowsButton {
  readonly #label = element("span", "label");
  readonly element: HTMLButtonElement;
  readonly #noun: string;

  /** `noun`: of one that is new; `go`: leads to it. */
  constructor(sign: IconName, noun: string, go: () => void) {
    this.#noun = noun;
    this.element = element("button", "news", icon(sign), this.#label);
    this.element.type = "button";
    this.element.addEventListener("click", go);
  }

  update(count: number): void {
    this.element.hidden = count <= 0;
    setText(this.#label, count === 1 ? `1 new ${this.#noun}` : `${thousands(count)} new ${this.#noun}s`);
  }
}
