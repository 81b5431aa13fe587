// The bar above a table: connection badge, filter chips with counts, search field. DOM only; reports what the user
// selects.

import type { Status } from "../../protocol/types.js";
import { type Badge, thousands } from "../../text/format.js";
import { ConnectionBadge } from "../dom/connection-badge.js";
import { button, element, icon, setData, setName, setText } from "../dom/dom.js";

/** The filter of a table: chips for one property, and a search field. */
export interface BarKind<Value extends string> {
  /** Accessible name of the chips. */
  readonly label: string;
  /** One chip each, in this order. */
  readonly values: readonly Value[];
  badgeOf(value: Value): Omit<Badge, "detail">;
  /** What the search field searches, for its accessible name. */
  readonly searches: string;
  /** Controls of this table only: right of the badge, and left of the search field. */
  readonly buttons?: readonly HTMLElement[];
  readonly selects?: readonly HTMLElement[];
}

export interface BarModel<Value extends string> {
  readonly status: Status;
  /** Whether the user switched polling on. */
  readonly polling?: boolean;
  readonly total: number;
  readonly count: (value: Value) => number;
  readonly chosen: ReadonlySet<Value>;
}

export interface BarActions<Value extends string> {
  retry(): void;
  /** Adds or removes a value; undefined: all. */
  choose(value: Value | undefined): void;
  search(text: string): void;
  /** The user left the search field by the keyboard. */
  left(): void;
}

export class TableBar<Value extends string> {
  readonly element: HTMLElement;
  readonly #kind: BarKind<Value>;
  readonly #actions: BarActions<Value>;
  readonly #connected: ConnectionBadge;
  readonly #chips = new Map<Value | undefined, HTMLButtonElement>();
  readonly #search = element("input", "search");

  constructor(kind: BarKind<Value>, actions: BarActions<Value>) {
    this.#kind = kind;
    this.#actions = actions;
    this.#connected = new ConnectionBadge(actions.retry);
    const chips = element("div", "chips", ...[undefined, ...kind.values].map((value) => this.#chip(value)));
    chips.setAttribute("role", "group");
    chips.setAttribute("aria-label", kind.label);
    this.#search.type = "search";
    this.#search.placeholder = "Filter";
    this.#search.spellcheck = false;
    setName(this.#search, `Filter by ${kind.searches} ( / )`);
    this.#search.addEventListener("input", () => actions.search(this.#search.value));
    this.#search.addEventListener("keydown", (event) => this.#onKey(event));
    const { buttons = [], selects = [] } = kind;
    const typed = selects.length === 0 ? this.#search : element("span", "selects", ...selects, this.#search);
    this.element = element("header", "bar tablebar", ...this.#connected.elements, ...buttons, chips, typed);
  }

  focusSearch(): void {
    this.#search.focus();
    this.#search.select();
  }

  clear(): void {
    this.#search.value = "";
  }

  update(model: BarModel<Value>): void {
    this.#connected.update(undefined, model.status, model.polling);
    for (const [value, chip] of this.#chips) this.#paintChip(chip, value, model);
  }

  #labelOf(value: Value | undefined): string {
    return value === undefined ? "All" : this.#kind.badgeOf(value).label;
  }

  #chip(value: Value | undefined): HTMLElement {
    const label = this.#labelOf(value);
    const chip = button("chip", label, label, () => this.#actions.choose(value));
    const { sign, tone } = value === undefined ? { sign: undefined, tone: "" } : this.#kind.badgeOf(value);
    if (sign !== undefined) chip.prepend(icon(sign, "sign"));
    setData(chip, "tone", tone);
    setData(chip, "of", value ?? "all");
    chip.append(" ", element("span", "number"));
    this.#chips.set(value, chip);
    return chip;
  }

  /** A value without rows is hidden unless it is pressed. */
  #paintChip(chip: HTMLButtonElement, value: Value | undefined, { total, count, chosen }: BarModel<Value>): void {
    const number = value === undefined ? total : count(value);
    const pressed = value === undefined ? chosen.size === 0 : chosen.has(value);
    chip.hidden = value !== undefined && number === 0 && !pressed;
    chip.setAttribute("aria-pressed", String(pressed));
    setText(chip.lastElementChild as HTMLElement, thousands(number));
    setName(chip, `${this.#labelOf(value)} ${thousands(number)}`);
  }

  #onKey(event: KeyboardEvent): void {
    event.stopPropagation(); // typing must not trigger Jupyter's shortcuts
    if (event.key === "Escape" && this.#search.value !== "") {
      event.preventDefault();
      this.clear();
      this.#actions.search("");
    } else if (event.key === "ArrowDown" || event.key === "Enter" || event.key === "Escape") {
      event.preventDefault();
      this.#actions.left();
    }
  }
}
