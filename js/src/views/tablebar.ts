// The bar above a table of workloads: how we are connected, what may be chosen of it, and how many there are of each. DOM
// only; it shows what it is told and reports what was chosen.

import { STATES } from "../core/choice.js";
import { badge, stateBadge, thousands } from "../core/format.js";
import type { Status, WorkloadState } from "../core/types.js";
import { button, element, icon, setData, setIcon, setText } from "./dom.js";

export interface BarModel {
  readonly status: Status;
  readonly total: number;
  count(state: WorkloadState): number;
  readonly states: ReadonlySet<WorkloadState>;
}

export interface BarActions {
  retry(): void;
  /** One state more or less; undefined: all. */
  choose(state: WorkloadState | undefined): void;
  search(text: string): void;
  /** The search is left by the keyboard. */
  left(): void;
}

export class TableBar {
  readonly element: HTMLElement;
  readonly #sign = icon("ring");
  readonly #label = element("span", "label");
  readonly #detail = element("span", "detail");
  readonly #badge = element("span", "badge", this.#sign, this.#label, this.#detail);
  readonly #retry: HTMLButtonElement;
  readonly #chips = new Map<WorkloadState | undefined, HTMLButtonElement>();
  readonly #search = element("input", "search");

  constructor(actions: BarActions) {
    this.#retry = button("retry", "retry now", "Retry now", actions.retry);
    const chips = element("div", "chips", ...[undefined, ...STATES].map((state) => this.#chip(state, actions)));
    chips.setAttribute("role", "group");
    chips.setAttribute("aria-label", "Show by state");
    this.#search.type = "search";
    this.#search.placeholder = "Filter";
    this.#search.spellcheck = false;
    this.#search.title = "Filter by name, command, id, tag or last line ( / )";
    this.#search.setAttribute("aria-label", this.#search.title);
    this.#search.addEventListener("input", () => actions.search(this.#search.value));
    this.#search.addEventListener("keydown", (event) => this.#onKey(event, actions));
    this.element = element("header", "bar tablebar", this.#badge, this.#retry, chips, this.#search);
  }

  focusSearch(): void {
    this.#search.focus();
    this.#search.select();
  }

  clear(): void {
    this.#search.value = "";
  }

  update(model: BarModel): void {
    const { status } = model;
    const shown = badge(undefined, status, Date.now());
    setData(this.#badge, "tone", shown.tone);
    setIcon(this.#sign, shown.sign);
    setText(this.#label, shown.label);
    setText(this.#detail, shown.detail);
    this.#retry.hidden = !["reconnecting", "polling", "error"].includes(status.rung);
    for (const [state, chip] of this.#chips) this.#paintChip(chip, state, model);
  }

  #chip(state: WorkloadState | undefined, actions: BarActions): HTMLElement {
    const { sign, label, tone } = state === undefined ? { sign: undefined, label: "All", tone: "" } : stateBadge(state);
    const chip = button("chip", label, label, () => actions.choose(state), sign);
    chip.querySelector(".icon")?.classList.add("sign");
    setData(chip, "tone", tone);
    setData(chip, "of", state ?? "all");
    chip.append(" ", element("span", "number"));
    this.#chips.set(state, chip);
    return chip;
  }

  #paintChip(chip: HTMLButtonElement, state: WorkloadState | undefined, model: BarModel): void {
    const number = state === undefined ? model.total : model.count(state);
    const pressed = state === undefined ? model.states.size === 0 : model.states.has(state);
    chip.hidden = state !== undefined && number === 0 && !pressed;
    chip.setAttribute("aria-pressed", String(pressed));
    setText(chip.lastElementChild as HTMLElement, thousands(number));
    const name = `${state === undefined ? "All" : stateBadge(state).label} ${thousands(number)}`;
    if (chip.title !== name) chip.title = name;
    chip.setAttribute("aria-label", name);
  }

  #onKey(event: KeyboardEvent, actions: BarActions): void {
    event.stopPropagation(); // what is typed is meant for nobody else
    if (event.key === "Escape" && this.#search.value !== "") {
      event.preventDefault();
      this.#search.value = "";
      actions.search("");
    } else if (event.key === "ArrowDown" || event.key === "Enter" || event.key === "Escape") {
      event.preventDefault();
      actions.left();
    }
  }
}
