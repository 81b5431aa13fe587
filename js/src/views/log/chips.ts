// Filter chips: levels with their counts, sources, the step, and the filter as Python code. DOM only; it shows a search and
// reports clicks.

import { type ErrorCount, errorsInWords } from "../../log/error-lines.js";
import { codeFilter, type Search } from "../../log/search.js";
import { asPython, isEmpty } from "../../protocol/query.js";
import type { Level, LogRecord } from "../../protocol/types.js";
import { thousands } from "../../text/format.js";
import { COPY_BLOCKED, copyText } from "../dom/clipboard.js";
import { button, element, setText, setTitle } from "../dom/dom.js";

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
const CONFIRMATION_MS = 1500;
const COPY_TITLE = "Copy as Python";

/** What is known of the levels of a log. */
export interface LevelCounts {
  /** Lines by level. */
  readonly levels: ReadonlyMap<Level, number>;
  readonly errors: ErrorCount;
}

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
  #confirmation: ReturnType<typeof setTimeout> | undefined;

  /** `hasSources`: whether lines can come from more than one source. */
  constructor(actions: ChipActions, hasSources: boolean) {
    this.#levels = LEVELS.map(([level, name]) => {
      const count = element("span", "number");
      const chip = button("chip", name, `Show only lines of level ${name.toLowerCase()}`, () => actions.level(level));
      chip.removeAttribute("aria-label"); // its text, with the count, is its accessible name
      chip.dataset["level"] = level;
      chip.dataset["title"] = chip.title;
      chip.append(count);
      return [level, chip, count];
    });
    this.#sources = SOURCES.map((source) => {
      const chip = button("chip", source, `Show only lines written to ${source}`, () => actions.source(source));
      chip.removeAttribute("aria-label");
      chip.hidden = !hasSources;
      return [source, chip];
    });
    this.#step = button("chip", "", "Show the lines of all steps", () => actions.step(undefined), "cross");
    this.#step.append(element("span", "label"));
    this.#copy = button("icon-button", "", COPY_TITLE, () => void this.#copyCode(), "copy");
    const levels = element("span", "chipset", ...this.#levels.map(([, chip]) => chip));
    const sources = element("span", "chipset", ...this.#sources.map(([, chip]) => chip), this.#step);
    this.element = element("div", "chips", levels, sources, element("span", "coded", this.#code, this.#copy));
  }

  update(search: Search, { levels, errors }: LevelCounts): void {
    const continuing = errors.lines - errors.errors; // lines of tracebacks, which count as one error each
    for (const [level, chip, number] of this.#levels) {
      const isOn = search.levels.includes(level);
      const lines = levels.get(level) ?? 0;
      const count = level === "error" ? Math.max(Math.min(1, lines), lines - continuing) : lines;
      setTitle(chip, `${chip.dataset["title"]}${count < lines ? `: ${errorsInWords({ errors: count, lines })}` : ""}`);
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
    clearTimeout(this.#confirmation);
  }

  async #copyCode(): Promise<void> {
    const isCopied = await copyText(this.#code.textContent ?? "");
    this.#copy.title = isCopied ? "Copied" : COPY_BLOCKED;
    this.#copy.dataset["confirmed"] = this.#copy.title;
    clearTimeout(this.#confirmation);
    this.#confirmation = setTimeout(() => {
      this.#copy.title = COPY_TITLE;
      delete this.#copy.dataset["confirmed"];
    }, CONFIRMATION_MS);
  }
}
