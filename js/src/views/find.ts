// Finding text in a whole log: a small bar with its count and its steps. DOM only; who searches and how a hit is shown is
// injected. One question at a time: what was asked before is called off.

import { thousands } from "../core/format.js";
import type { Match } from "../core/source.js";
import { element, icon, setText } from "./dom.js";

export interface Finder {
  /** How many records match, and the `nth` of them (from 0). */
  find(query: string, nth: number, signal: AbortSignal): Promise<Match>;
  /** Show a record, or none any more. */
  reveal(seq: number | undefined): void;
  /** The bar was closed: give the focus back. */
  closed(): void;
}

/** Typing rests this long before the log is asked. */
const REST_MS = 250;

export class Find {
  readonly element: HTMLElement;
  readonly #finder: Finder;
  readonly #input = element("input", "query");
  readonly #count = element("span", "matches");
  #asked: AbortController | undefined;
  #rest: ReturnType<typeof setTimeout> | undefined;
  #total = 0;
  #nth = 0;

  constructor(finder: Finder) {
    this.#finder = finder;
    this.#input.type = "text";
    this.#input.placeholder = "Find text or /regular expression/";
    this.#input.setAttribute("aria-label", this.#input.placeholder);
    this.#input.spellcheck = false;
    this.#input.addEventListener("input", () => this.#later());
    this.#input.addEventListener("keydown", (event) => this.#onKey(event));
    this.#count.setAttribute("role", "status");
    const previous = step("Previous match (Shift+Enter)", "up", () => this.#step(-1));
    const next = step("Next match (Enter)", "down", () => this.#step(1));
    const close = step("Close (Escape)", "cross", () => this.close());
    this.element = element("div", "find", this.#input, this.#count, previous, next, close);
    this.element.hidden = true;
  }

  open(): void {
    this.element.hidden = false;
    this.#input.focus();
    this.#input.select();
  }

  close(): void {
    this.dispose();
    this.element.hidden = true;
    this.#finder.reveal(undefined);
    this.#finder.closed();
  }

  dispose(): void {
    clearTimeout(this.#rest);
    this.#asked?.abort();
  }

  #onKey(event: KeyboardEvent): void {
    event.stopPropagation(); // what is typed is meant for nobody else
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter") this.#step(event.shiftKey ? -1 : 1);
  }

  #later(): void {
    this.dispose();
    this.#total = 0;
    setText(this.#count, "");
    if (this.#input.value === "") this.#finder.reveal(undefined);
    else this.#rest = setTimeout(() => void this.#go(undefined), REST_MS);
  }

  #step(by: number): void {
    if (this.#input.value === "") return;
    clearTimeout(this.#rest);
    const nth = (this.#nth + by + this.#total) % Math.max(1, this.#total);
    void this.#go(this.#total === 0 ? undefined : nth);
  }

  /** Shows the `nth` match; undefined: the newest one. */
  async #go(nth: number | undefined): Promise<void> {
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    try {
      let match = await this.#finder.find(this.#input.value, nth ?? 0, asked.signal);
      this.#nth = nth ?? Math.max(0, match.total - 1);
      if (nth === undefined && match.total > 1) {
        match = await this.#finder.find(this.#input.value, this.#nth, asked.signal);
      }
      if (asked.signal.aborted) return;
      this.#total = match.total;
      setText(this.#count, match.total === 0 ? "No match" : `${thousands(this.#nth + 1)} of ${thousands(match.total)}`);
      this.#finder.reveal(match.seq);
    } catch (error) {
      if (!asked.signal.aborted) setText(this.#count, error instanceof Error ? error.message : String(error));
    }
  }
}

function step(title: string, sign: "up" | "down" | "cross", act: () => void): HTMLButtonElement {
  const made = element("button", "step", icon(sign));
  made.type = "button";
  made.title = title;
  made.setAttribute("aria-label", title);
  made.addEventListener("click", act);
  return made;
}
