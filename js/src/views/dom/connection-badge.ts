// Connection badge at the left end of a header, with a button that retries at once. DOM only.

import type { Status, Workload } from "../../protocol/types.js";
import { badge } from "../../text/format.js";
import { button, element, icon, setData, setIcon, setText } from "./dom.js";

export class ConnectionBadge {
  readonly elements: readonly HTMLElement[];
  readonly #sign = icon("ring");
  readonly #label = element("span", "label");
  readonly #detail = element("span", "detail");
  readonly #badge = element("span", "badge", this.#sign, this.#label, this.#detail);
  readonly #retry: HTMLButtonElement;

  constructor(retry: () => void) {
    this.#retry = button("retry", "retry now", "Retry now", retry);
    this.elements = [this.#badge, this.#retry];
  }

  /** `job`: the workload of the view, if it has one. `pollsByChoice`: the user chose polling, so there is nothing to retry. */
  update(job: Workload | undefined, status: Status, pollsByChoice = false): void {
    const { tone, sign, label, detail } = badge(job, status, Date.now());
    setData(this.#badge, "tone", tone);
    setIcon(this.#sign, sign);
    setText(this.#label, label);
    setText(this.#detail, detail);
    const { rung } = status;
    const isDegraded = rung === "reconnecting" || rung === "error" || (rung === "polling" && !pollsByChoice);
    this.#retry.hidden = !isDegraded;
  }
}
