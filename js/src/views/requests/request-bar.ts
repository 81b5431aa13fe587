// Controls of the request table's bar: polling, service, model. DOM only; reports what the user selects.

import { button, element, setName } from "../dom/dom.js";

export interface RequestBarModel {
  readonly polling: boolean;
  /** The options of the two selects. */
  readonly services: readonly string[];
  readonly models: readonly string[];
  /** "": any. */
  readonly service: string;
  readonly model: string;
}

export interface RequestBarActions {
  poll(on: boolean): void;
  service(name: string): void;
  model(name: string): void;
}

export class RequestBar {
  readonly buttons: readonly HTMLElement[];
  readonly selects: readonly HTMLElement[];
  readonly #polling: HTMLButtonElement;
  readonly #service: HTMLSelectElement;
  readonly #model: HTMLSelectElement;

  constructor(actions: RequestBarActions) {
    this.#polling = button("polling", "Poll", "Poll: reload every 3 seconds instead of following live", () =>
      actions.poll(this.#polling.getAttribute("aria-pressed") !== "true"),
    );
    this.#service = select("Any service", "Filter by service", actions.service);
    this.#model = select("Any model", "Filter by model", actions.model);
    this.buttons = [this.#polling];
    this.selects = [this.#service, this.#model];
  }

  update({ polling, services, models, service, model }: RequestBarModel): void {
    this.#polling.setAttribute("aria-pressed", String(polling));
    fill(this.#service, services, service);
    fill(this.#model, models, model);
  }
}

function select(any: string, title: string, chosen: (value: string) => void): HTMLSelectElement {
  const made = element("select", "select");
  setName(made, title);
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

/** Replaces all options but the first one ("any"). */
function fill(target: HTMLSelectElement, values: readonly string[], chosen: string): void {
  const known = [...target.options].slice(1).map(({ value }) => value);
  if (known.length !== values.length || known.some((value, at) => value !== values[at])) {
    const any = target.options[0] as HTMLOptionElement;
    target.replaceChildren(any, ...values.map((value) => option(value, value)));
  }
  if (target.value !== chosen) target.value = chosen;
}
