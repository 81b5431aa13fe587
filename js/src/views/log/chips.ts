// What lines to show, to be switched with the mouse: a chip per level with its count, one per source, and the Python that
// reads the same lines. DOM only; it shows what it is told and reports clicks.

import { codeFilter, type Search } from "../../log/search.js";
import { asPython, isEmpty } from "../../protocol/query.js";
import type { Level, LogRecord } from "../../protocol/types.js";
import { thousands } from "../../text/format.js";
import { copyText } from "../dom/clipboard.js";
import { button, element, setText } from "../dom/dom.js";

const LEVELS: readonly (readonly [Level, string])[] = [
  ["fatal", "Fatal"],
  ["error", "Error"],
  ["warn", "Warning"],
  ["info", "Info"],
  ["debug", "Debug"],
  ["trace", "Trace"],
  ["unknown", "No level"],
];
const SOURCES: readonly LogRecord["source"][] = ["stdout", "stderr"];
const SAID_MS = 1500;

export interface ChipActions {
  level(level: Level): void;
  source(source: LogRecord["source"]): void;
  step(step: undefined): void;
}

export class Chips {
  readonly element: HTMLElement;
  readonly #levels: readonly (readonly [Level, HTMLButtonElement, HTMLElement])[];
  readonly #sources: readonly (readonly [LogRecord["source"], HTMLButtonElement])[];
  readonly #step: HTMLButtonElement;
  readonly #code = element("code", "code");
  readonly #copy: HTMLButtonElement;
  #said: ReturnType<typeof setTimeout> | undefined;

  /** `sourced`: may its lines be of more than one source? */
  constructor(actions: ChipActions, sourced: boolean) {
    this.#levels = LEVELS.map(([level, word]) => {
      const count = element("span", "number");
      const chip = button("chip", word, `Show only lines of level ${word.toLowerCase()}`, () => actions.level(level));
      chip.removeAttribute("aria-label"); // its name is what it shows, with the count
      chip.dataset["level"] = level;
      chip.append(count);
      return [level, chip, count];
    });
    this.#sources = SOURCES.map((source) => {
      const chip = button("chip", source, `Show only lines written to ${source}`, () => actions.source(source));
      chip.removeAttribute("aria-label");
      chip.hidden = !sourced;
      return [source, chip];
    });
    this.#step = button("chip", "", "Show the lines of all steps", () => actions.step(undefined), "cross");
    const label = element("span", "label");
    this.#step.append(label);
    this.#copy = button("step", "", "Copy as Python", () => void this.#copyCode(), "copy");
    const levels = element("span", "chipset", ...this.#levels.map(([, chip]) => chip));
    const sources = element("span", "chipset", ...this.#sources.map(([, chip]) => chip), this.#step);
    this.element = element("div", "chips", levels, sources, element("span", "coded", this.#code, this.#copy));
  }

  update(search: Search, counts: ReadonlyMap<Level, number>): void {
    for (const [level, chip, number] of this.#levels) {
      const isOn = search.levels.includes(level);
      const count = counts.get(level) ?? 0;
      chip.setAttribute("aria-pressed", String(isOn));
      chip.hidden = count === 0 && !isOn;
      setText(number, count === 0 ? "" : thousands(count));
    }
    for (const [source, chip] of this.#sources) {
      chip.setAttribute("aria-pressed", String(search.source === source));
    }
    this.#step.hidden = search.step === undefined;
    setText(this.#step.lastElementChild as HTMLElement, `step ${search.step ?? ""}`);
    const filter = codeFilter(search);
    this.#code.hidden = this.#copy.hidden = isEmpty(filter);
    setText(this.#code, asPython(filter));
  }

  dispose(): void {
    clearTimeout(this.#said);
  }

  async #copyCode(): Promise<void> {
    const copied = await copyText(this.#code.textContent ?? "");
    this.#copy.title = copied ? "Copied" : "Copying is blocked by the browser";
    this.#copy.dataset["said"] = this.#copy.title;
    clearTimeout(this.#said);
    this.#said = setTimeout(() => {
      this.#copy.title = "Copy as Python";
      delete this.#copy.dataset["said"];
    }, SAID_MS);
  }
}
