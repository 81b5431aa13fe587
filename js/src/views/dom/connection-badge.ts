// How a view is connected, at the left end of its bar: a badge, and a button to try at once where that may help. DOM only.

import type { Status, Workload } from "../../protocol/types.js";
import { badge } from "../../text/format.js";
import { button, element, icon, setData, setIcon, setText } from "./dom.js";

export class ConnectionBadge {
  readonly #sign = icon("ring");
  readonly #label = element("span", "label");
  readonly #detail = element("span", "detail");
  readonly #badge = element("span", "badge", this.#sign, this.#label, this.#detail);
  readonly #retry: HTMLButtonElement;
  readonly elements: readonly HTMLElement[];

  constructor(retry: () => void) {
    this.#retry = button("retry", "retry now", "Retry now", retry);
    this.elements = [this.#badge, this.#retry];
  }

  /** `job`: the workload that is looked at, if it is one; `asked`: it polls because the user wants that. */
  update(job: Workload | undefined, status: Status, asked = false): void {
    const { tone, sign, label, detail } = badge(job, status, Date.now());
    setData(this.#badge, "tone", tone);
    setIcon(this.#sign, sign);
    setText(this.#label, label);
    setText(this.#detail, detail);
    const { rung } = status;
    this.#retry.hidden = rung !== "reconnecting" && rung !== "error" && (rung !== "polling" || asked);
  }
}
