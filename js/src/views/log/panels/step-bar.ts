// Step bar: the steps of a workload as one proportional bar with states and durations. DOM only.
// A click shows the first line of a step and makes it the current step; the button beside the bar then filters the log by
// it. The bar is one tab stop: arrow keys, Home and End move between steps, Enter clicks.

import { type Span, spans } from "../../../log/step-spans.js";
import type { Step } from "../../../protocol/types.js";
import { stateBadge } from "../../../text/format.js";
import { button, element, icon, setData, setIcon, setName, setText } from "../../dom/dom.js";

/** Smallest flex-grow of a segment: with less than 1 in all, the segments would not fill the bar. */
const MIN_GROW = 0.01;

export interface StepBarModel {
  readonly steps: readonly Step[];
  /** Server time in ms, for the duration of running steps. */
  readonly now: number;
  /** The step that the log is filtered by. */
  readonly only?: string | undefined;
}

export interface StepBarOptions {
  /** Shows the first line of a step. */
  readonly jump: (name: string) => void;
  /** Filters the log by a step; undefined: shows all lines. */
  readonly filter: (name: string | undefined) => void;
}

interface Segment {
  readonly button: HTMLButtonElement;
  readonly sign: SVGElement;
  readonly name: HTMLElement;
  readonly took: HTMLElement;
}

export class StepBar {
  readonly element: HTMLElement;
  readonly #options: StepBarOptions;
  readonly #track = element("div", "step-track");
  readonly #only: HTMLButtonElement;
  readonly #segments: Segment[] = [];
  #current: string | undefined;
  #model: StepBarModel = { steps: [], now: 0 };

  constructor(options: StepBarOptions) {
    this.#options = options;
    this.#only = button("step-only", "Only this step", "", () => this.#toggleFilter(), "filter");
    this.#track.setAttribute("role", "toolbar");
    this.#track.setAttribute("aria-label", "Steps");
    this.#track.addEventListener("keydown", (event) => this.#onKey(event));
    this.element = element("div", "step-bar", this.#track, this.#only);
    this.element.hidden = true;
  }

  /** Shows these steps; the bar is hidden while there are none. */
  update(model: StepBarModel): void {
    this.#model = model;
    const shown = spans(model.steps, model.now);
    this.element.hidden = shown.length === 0;
    while (this.#segments.length > shown.length) this.#segments.pop()?.button.remove();
    for (const [i, span] of shown.entries()) show(this.#segments[i] ?? this.#addSegment(), span, this.#current);
    this.#updateTabStop();
    const name = model.only ?? this.#current;
    this.#only.hidden = name === undefined;
    this.#only.setAttribute("aria-pressed", String(model.only !== undefined));
    setName(
      this.#only,
      model.only === undefined ? `Show only the lines of step ${name}` : "Show the lines of all steps",
    );
  }

  dispose(): void {
    this.element.remove();
  }

  #addSegment(): Segment {
    const [sign, name, took] = [icon("dot"), element("span", "name"), element("span", "took")];
    const made = element("button", "step-segment", sign, name, " ", took);
    made.type = "button";
    made.addEventListener("click", () => this.#jump(made));
    const segment = { button: made, sign, name, took };
    this.#segments.push(segment);
    this.#track.append(made);
    return segment;
  }

  #jump(target: HTMLElement): void {
    this.#current = target.dataset["name"];
    this.update(this.#model);
    if (this.#current !== undefined) this.#options.jump(this.#current);
  }

  #toggleFilter(): void {
    this.#options.filter(this.#model.only === undefined ? this.#current : undefined);
  }

  /** The tab stop is the current step; without one, the newest. */
  #updateTabStop(): void {
    const current = this.#segments.find(({ button }) => button.getAttribute("aria-current") === "true");
    const stop = current ?? this.#segments.at(-1);
    for (const segment of this.#segments) segment.button.tabIndex = segment === stop ? 0 : -1;
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const enabled = this.#segments.map(({ button }) => button).filter(({ disabled }) => !disabled);
    const at = enabled.indexOf(event.target as HTMLButtonElement);
    const last = enabled.length - 1;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    enabled[Math.min(last, Math.max(0, to))]?.focus();
    event.preventDefault();
    event.stopPropagation();
  }
}

function show({ button, sign, name, took }: Segment, span: Span, current: string | undefined): void {
  const isGap = span.state === "left-out";
  const state = span.state === "left-out" ? undefined : stateBadge(span.state);
  button.disabled = isGap;
  setData(button, "state", span.state);
  setData(button, "name", span.name);
  button.setAttribute("aria-current", String(!isGap && span.name === current));
  setIcon(sign, state?.sign ?? "more");
  setText(name, span.name);
  setText(took, span.took);
  const grow = String(Math.max(MIN_GROW, Math.round(span.share * 1000) / 10));
  if (button.style.flexGrow !== grow) button.style.flexGrow = grow;
  setName(button, [`${span.name} ${span.took}`, state?.label].filter(Boolean).join(", "));
}
