// Button that shows the number of new lines or rows out of sight, and scrolls to them. DOM only.

import { thousands } from "../../text/format.js";
import { element, type IconName, icon, setText } from "./dom.js";

export class NewRowsButton {
  readonly #label = element("span", "label");
  readonly element: HTMLButtonElement;
  readonly #noun: string;

  /** `noun`: in the singular; `onClick`: scrolls to the new rows. */
  constructor(sign: IconName, noun: string, onClick: () => void) {
    this.#noun = noun;
    this.element = element("button", "news", icon(sign), this.#label);
    this.element.type = "button";
    this.element.addEventListener("click", onClick);
  }

  update(count: number): void {
    this.element.hidden = count <= 0;
    setText(this.#label, count === 1 ? `1 new ${this.#noun}` : `${thousands(count)} new ${this.#noun}s`);
  }
}
