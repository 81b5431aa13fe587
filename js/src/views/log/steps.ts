// The steps of a log, as a bar that opens below its header: how each stands and how long it takes; one click leads to its
// first line, or shows its lines only. DOM only; what jumping and filtering are is injected.

import { stepSign } from "../../log/steps.js";
import type { Step } from "../../protocol/types.js";
import { button, element, icon, setData, setIcon, setName, setText } from "../dom/dom.js";

export interface StepActions {
  jump(step: string): void;
  /** Shows the lines of one step, or of all; absent where the view cannot. */
  only?(step: string | undefined): void;
  /** The bar was closed: give the focus back. */
  closed(): void;
}

export interface StepsModel {
  readonly steps: readonly Step[];
  /** Now in the server's time. */
  readonly now: number;
  /** The step whose lines alone are shown. */
  readonly only?: string | undefined;
}

/** More steps than that are not listed: the newest are. */
const MOST = 200;

interface Item {
  readonly element: HTMLElement;
  readonly sign: SVGElement;
  readonly name: HTMLElement;
  readonly took: HTMLElement;
  readonly jump: HTMLButtonElement;
  readonly only: HTMLButtonElement;
}

export class Steps {
  readonly element = element("div", "steps");
  readonly #actions: StepActions;
  readonly #items: Item[] = [];
  readonly #left = element("span", "steps-left");
  #model: StepsModel = { steps: [], now: 0 };

  constructor(actions: StepActions) {
    this.#actions = actions;
    this.element.hidden = true;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Steps");
    this.element.append(this.#left);
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
  }

  toggle(): void {
    this.element.hidden = !this.element.hidden;
    if (this.element.hidden) this.#actions.closed();
    else this.#paint();
  }

  update(model: StepsModel): void {
    this.#model = model;
    if (model.steps.length === 0) this.element.hidden = true;
    if (!this.element.hidden) this.#paint();
  }

  #paint(): void {
    const { steps, now, only } = this.#model;
    const shown = steps.slice(-MOST);
    setText(this.#left, steps.length > shown.length ? `${steps.length - shown.length} earlier ones …` : "");
    while (this.#items.length > shown.length) this.#items.pop()?.element.remove();
    for (const [i, step] of shown.entries()) {
      const item = this.#items[i] ?? this.#make(i);
      const { sign, tone, label, name, took } = stepSign(step, now);
      setData(item.element, "tone", tone);
      setIcon(item.sign, sign);
      setText(item.name, name);
      setText(item.took, took);
      setName(item.jump, `${name} ${took}, ${label}`);
      item.only.setAttribute("aria-pressed", String(only === name));
    }
  }

  #make(at: number): Item {
    const sign = icon("ring", "sign");
    const [name, took] = [element("span", "step-name"), element("span", "step-took")];
    const nameOf = () => this.#model.steps.slice(-MOST)[at]?.name ?? "";
    const jump = button("step-jump", "", "", () => this.#actions.jump(nameOf()));
    jump.append(sign, name, " ", took);
    const only = button("step-only", "", "Only the lines of this step", () => this.#choose(nameOf()), "filter");
    only.hidden = this.#actions.only === undefined;
    const item = { element: element("span", "step-item", jump, only), sign, name, took, jump, only };
    item.element.dataset["lmSuppressShortcuts"] = "true";
    this.#items.push(item);
    this.element.append(item.element);
    return item;
  }

  #choose(name: string): void {
    this.#actions.only?.(this.#model.only === name ? undefined : name);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    this.toggle();
  }
}
