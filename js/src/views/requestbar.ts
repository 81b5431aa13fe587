// The bar above the request table: how we are connected, listening or polling, and what may be chosen of the rows. DOM
// only; it shows what it is told and reports what was chosen.

import { badge, thousands } from "../core/format.js";
import type { RequestStatus } from "../core/requests.js";
import { STATUSES, statusBadge } from "../core/requestwords.js";
import type { Status } from "../core/types.js";
import { button, element, icon, setData, setIcon, setText } from "./dom.js";

export interface RequestBarModel {
  readonly status: Status;
  readonly polling: boolean;
  /** Rows in all, and of each status. */
  readonly total: number;
  readonly counts: ReadonlyMap<RequestStatus, number>;
  readonly statuses: ReadonlySet<RequestStatus>;
  /** Those that there are to choose from. */
  readonly services: readonly string[];
  readonly models: readonly string[];
  readonly service: string;
  readonly model: string;
}

export interface RequestBarActions {
  retry(): void;
  poll(on: boolean): void;
  /** One status more or less; undefined: all. */
  choose(status: RequestStatus | undefined): void;
  service(name: string): void;
  model(name: string): void;
  search(text: string): void;
  /** The search is left by the keyboard. */
  left(): void;
}

export class RequestBar {
  readonly element: HTMLElement;
  readonly #sign = icon("ring");
  readonly #label = element("span", "label");
  readonly #detail = element("span", "detail");
  readonly #badge = element("span", "badge", this.#sign, this.#label, this.#detail);
  readonly #retry: HTMLButtonElement;
  readonly #polling: HTMLButtonElement;
  readonly #chips = new Map<RequestStatus | undefined, HTMLButtonElement>();
  readonly #service: HTMLSelectElement;
  readonly #model: HTMLSelectElement;
  readonly #search = element("input", "search");

  constructor(actions: RequestBarActions) {
    this.#retry = button("retry", "retry now", "Retry now", actions.retry);
    this.#polling = button("polling", "Poll", "Poll: ask every few seconds instead of listening", () =>
      actions.poll(this.#polling.getAttribute("aria-pressed") !== "true"),
    );
    const chips = element("div", "chips", ...[undefined, ...STATUSES].map((status) => this.#chip(status, actions)));
    chips.setAttribute("role", "group");
    chips.setAttribute("aria-label", "Show by status");
    this.#service = select("Any service", "Show by service", actions.service);
    this.#model = select("Any model", "Show by model", actions.model);
    this.#search.type = "search";
    this.#search.placeholder = "Filter";
    this.#search.spellcheck = false;
    this.#search.title = "Filter by any text in a row ( / )";
    this.#search.setAttribute("aria-label", this.#search.title);
    this.#search.addEventListener("input", () => actions.search(this.#search.value));
    this.#search.addEventListener("keydown", (event) => this.#onKey(event, actions));
    const choice = element("span", "selects", this.#service, this.#model, this.#search);
    this.element = element("header", "bar tablebar", this.#badge, this.#retry, this.#polling, chips, choice);
  }

  focusSearch(): void {
    this.#search.focus();
    this.#search.select();
  }

  clear(): void {
    this.#search.value = "";
  }

  update(model: RequestBarModel): void {
    const shown = badge(undefined, model.status, Date.now());
    setData(this.#badge, "tone", shown.tone);
    setIcon(this.#sign, shown.sign);
    setText(this.#label, shown.label);
    setText(this.#detail, shown.detail);
    const { rung } = model.status;
    this.#retry.hidden = !["reconnecting", "error"].includes(rung) && (rung !== "polling" || model.polling);
    this.#polling.setAttribute("aria-pressed", String(model.polling));
    for (const [status, chip] of this.#chips) paintChip(chip, status, model);
    fill(this.#service, model.services, model.service);
    fill(this.#model, model.models, model.model);
  }

  #chip(status: RequestStatus | undefined, actions: RequestBarActions): HTMLElement {
    const { sign, label, tone } =
      status === undefined ? { sign: undefined, label: "All", tone: "" } : statusBadge(status);
    const chip = button("chip", label, label, () => actions.choose(status), sign);
    chip.querySelector(".icon")?.classList.add("sign");
    setData(chip, "tone", tone);
    setData(chip, "of", status ?? "all");
    chip.append(" ", element("span", "number"));
    this.#chips.set(status, chip);
    return chip;
  }

  #onKey(event: KeyboardEvent, actions: RequestBarActions): void {
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

/** A status that no row has is not offered. */
function paintChip(chip: HTMLButtonElement, status: RequestStatus | undefined, model: RequestBarModel): void {
  const number = status === undefined ? model.total : (model.counts.get(status) ?? 0);
  const pressed = status === undefined ? model.statuses.size === 0 : model.statuses.has(status);
  chip.hidden = status !== undefined && number === 0 && !pressed;
  chip.setAttribute("aria-pressed", String(pressed));
  setText(chip.lastElementChild as HTMLElement, thousands(number));
  const name = `${status === undefined ? "All" : statusBadge(status).label} ${thousands(number)}`;
  if (chip.title === name) return;
  chip.title = name;
  chip.setAttribute("aria-label", name);
}

function select(any: string, title: string, chosen: (value: string) => void): HTMLSelectElement {
  const made = element("select", "select");
  made.title = title;
  made.setAttribute("aria-label", title);
  made.dataset["lmSuppressShortcuts"] = "true";
  made.append(option("", any));
  made.addEventListener("change", () => chosen(made.value));
  return made;
}

function option(value: string, label: string): HTMLOptionElement {
  const made = element("option", "", label);
  made.value = value;
  return made;
}

/** The first one stays: any. */
function fill(target: HTMLSelectElement, values: readonly string[], chosen: string): void {
  const known = [...target.options].slice(1).map(({ value }) => value);
  if (known.length !== values.length || known.some((value, at) => value !== values[at])) {
    const any = target.options[0] as HTMLOptionElement;
    target.replaceChildren(any, ...values.map((value) => option(value, value)));
  }
  if (target.value !== chosen) target.value = chosen;
}
