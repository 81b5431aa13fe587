// Finding text in a whole log: a field, what becomes of the lines that hold it, how many they are, and steps from one to
// the next. DOM only; who searches and how a hit is shown is injected.

import type { Hit, Hits } from "../../log/hits.js";
import { MODES, type Mode } from "../../log/search.js";
import { thousands } from "../../text/format.js";
import { button, element, setText } from "../dom/dom.js";

export interface FindDelegate {
  /** The question has changed, or what is to become of the answer. */
  asked(text: string, mode: Mode): void;
  /** The hits of the question; undefined where it has none to step through. */
  hits(): Hits | undefined;
  /** The first one to show. */
  first(hits: Hits): Promise<Hit | undefined>;
  /** Show a record, or none any more. */
  reveal(seq: number | undefined, nth: number): void;
  close(): void;
}

/** Typing rests this long before the log is asked. */
const REST_MS = 150;
/** A search that takes longer is told to be under way. */
const PATIENCE_MS = 200;

const WORDS: { readonly [mode in Mode]: string } = {
  find: "Highlight matches",
  only: "Only matches",
  around: "Matches with context",
  not: "Exclude matches",
};

export class Find {
  readonly element: HTMLElement;
  readonly #finder: FindDelegate;
  readonly #input = element("input", "query");
  readonly #mode = element("select", "mode");
  readonly #count = element("span", "matches");
  readonly #steps: readonly HTMLButtonElement[];
  #rest: ReturnType<typeof setTimeout> | undefined;
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(finder: FindDelegate) {
    this.#finder = finder;
    this.#input.type = "text";
    this.#input.placeholder = "Find text or /regular expression/";
    this.#input.setAttribute("aria-label", this.#input.placeholder);
    this.#input.spellcheck = false;
    this.#input.addEventListener("input", () => this.#later());
    this.#input.addEventListener("keydown", (event) => this.#onKey(event));
    for (const mode of MODES) {
      const option = element("option", "", WORDS[mode]);
      option.value = mode;
      this.#mode.append(option);
    }
    this.#mode.setAttribute("aria-label", "How to show matching lines");
    this.#mode.addEventListener("change", () => this.#ask());
    this.#mode.addEventListener("keydown", (event) => event.stopPropagation());
    this.#count.setAttribute("role", "status");
    const previous = button("step", "", "Previous match (Shift+Enter, N)", () => this.step(-1), "up");
    const next = button("step", "", "Next match (Enter, n)", () => this.step(1), "down");
    const close = button("step", "", "Close (Escape)", () => this.#finder.close(), "cross");
    this.#steps = [previous, next];
    this.element = element("div", "find", this.#input, this.#mode, this.#count, previous, next, close);
  }

  get text(): string {
    return this.#input.value;
  }

  focus(): void {
    this.#input.focus();
    this.#input.select();
  }

  /** Forgets what was asked. */
  clear(): void {
    this.dispose();
    this.#input.value = "";
    this.#mode.value = "find";
    setText(this.#count, "");
  }

  dispose(): void {
    clearTimeout(this.#rest);
    clearTimeout(this.#patience);
  }

  /** To the next hit, or to the one before. */
  step(by: number): void {
    const hits = this.#finder.hits();
    if (this.#rest !== undefined) this.#ask();
    else if (hits !== undefined) void this.#go(hits.total === 0 ? this.#finder.first(hits) : hits.step(by));
  }

  /** Says how many there are, where that is known from elsewhere. */
  told(text: string): void {
    setText(this.#count, text);
  }

  #onKey(event: KeyboardEvent): void {
    event.stopPropagation(); // what is typed is meant for nobody else
    if (event.key === "Escape") this.#finder.close();
    else if (event.key === "Enter") this.step(event.shiftKey ? -1 : 1);
  }

  #later(): void {
    this.dispose();
    setText(this.#count, "");
    this.#rest = setTimeout(() => this.#ask(), REST_MS);
  }

  #ask(): void {
    this.dispose();
    this.#rest = undefined;
    this.#finder.asked(this.text, this.#mode.value as Mode);
    this.again();
  }

  /** Looks for the same once more, among other lines. */
  again(): void {
    const hits = this.#finder.hits();
    for (const step of this.#steps) step.disabled = hits === undefined;
    if (hits === undefined) this.#finder.reveal(undefined, 0);
    else void this.#go(this.#finder.first(hits));
  }

  async #go(asked: Promise<Hit | undefined>): Promise<void> {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => setText(this.#count, "Searching…"), PATIENCE_MS);
    const text = this.text;
    try {
      const hit = await asked;
      if (hit === undefined || text !== this.text) return; // another question was asked meanwhile
      clearTimeout(this.#patience);
      setText(this.#count, hit.total === 0 ? "No matches" : `${thousands(hit.nth + 1)} of ${thousands(hit.total)}`);
      this.#finder.reveal(hit.seq, hit.nth);
    } catch (error) {
      clearTimeout(this.#patience);
      setText(this.#count, error instanceof Error ? error.message : String(error));
    }
  }
}
