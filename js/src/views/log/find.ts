// Search field: text, mode, the number of hits, and buttons for the next and previous one. DOM only.
// Searching and showing a hit are injected as a FindDelegate.

import type { Hit, Hits } from "../../log/hits.js";
import { MODES, type Mode } from "../../log/search.js";
import { thousands } from "../../text/format.js";
import { button, element, setText } from "../dom/dom.js";

export interface FindDelegate {
  /** The text or the mode changed. */
  search(text: string, mode: Mode): void;
  /** The hits of the search; undefined if it has none to step through. */
  hits(): Hits | undefined;
  /** Finds the first hit to show. */
  firstHit(hits: Hits): Promise<Hit | undefined>;
  /** Shows a record; undefined: none is current any more. */
  reveal(seq: number | undefined, nth: number): void;
  close(): void;
}

/** Debounce of typing. */
const DEBOUNCE_MS = 150;
/** A search that takes longer shows "Searching…". */
const BUSY_DELAY_MS = 200;

const MODE_LABELS: { readonly [mode in Mode]: string } = {
  find: "Highlight matches",
  only: "Only matches",
  around: "Matches with context",
  not: "Exclude matches",
};

export class Find {
  readonly element: HTMLElement;
  readonly #delegate: FindDelegate;
  readonly #input = element("input", "query");
  readonly #mode = element("select", "mode");
  readonly #count = element("span", "matches");
  readonly #steps: readonly HTMLButtonElement[];
  #debounce: ReturnType<typeof setTimeout> | undefined;
  #busy: ReturnType<typeof setTimeout> | undefined;

  constructor(delegate: FindDelegate) {
    this.#delegate = delegate;
    this.#input.type = "text";
    this.#input.placeholder = "Find text or /regular expression/";
    this.#input.setAttribute("aria-label", this.#input.placeholder);
    this.#input.spellcheck = false;
    this.#input.addEventListener("input", () => this.#onInput());
    this.#input.addEventListener("keydown", (event) => this.#onKey(event));
    for (const mode of MODES) {
      const option = element("option", "", MODE_LABELS[mode]);
      option.value = mode;
      this.#mode.append(option);
    }
    this.#mode.setAttribute("aria-label", "How to show matching lines");
    this.#mode.addEventListener("change", () => this.#search());
    this.#mode.addEventListener("keydown", (event) => event.stopPropagation());
    this.#count.setAttribute("role", "status");
    const previous = button("icon-button", "", "Previous match (Shift+Enter, N)", () => this.step(-1), "up");
    const next = button("icon-button", "", "Next match (Enter, n)", () => this.step(1), "down");
    const close = button("icon-button", "", "Close (Escape)", () => this.#delegate.close(), "cross");
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

  /** Empties the field. */
  clear(): void {
    this.dispose();
    this.#input.value = "";
    this.#mode.value = "find";
    setText(this.#count, "");
  }

  dispose(): void {
    clearTimeout(this.#debounce);
    clearTimeout(this.#busy);
  }

  /** Shows the next hit, or the previous one. */
  step(by: number): void {
    const hits = this.#delegate.hits();
    if (this.#debounce !== undefined) this.#search();
    else if (hits !== undefined) void this.#show(hits.total === 0 ? this.#delegate.firstHit(hits) : hits.step(by));
  }

  showCount(text: string): void {
    setText(this.#count, text);
  }

  /** Repeats the search, when other lines are searched. */
  repeat(): void {
    const hits = this.#delegate.hits();
    for (const step of this.#steps) step.disabled = hits === undefined;
    if (hits === undefined) this.#delegate.reveal(undefined, 0);
    else void this.#show(this.#delegate.firstHit(hits));
  }

  #onKey(event: KeyboardEvent): void {
    event.stopPropagation(); // typed characters are not shortcuts of the view or of JupyterLab
    if (event.key === "Escape") this.#delegate.close();
    else if (event.key === "Enter") this.step(event.shiftKey ? -1 : 1);
  }

  #onInput(): void {
    this.dispose();
    setText(this.#count, "");
    this.#debounce = setTimeout(() => this.#search(), DEBOUNCE_MS);
  }

  #search(): void {
    this.dispose();
    this.#debounce = undefined;
    this.#delegate.search(this.text, this.#mode.value as Mode);
    this.repeat();
  }

  async #show(pending: Promise<Hit | undefined>): Promise<void> {
    clearTimeout(this.#busy);
    this.#busy = setTimeout(() => setText(this.#count, "Searching…"), BUSY_DELAY_MS);
    const text = this.text;
    try {
      const hit = await pending;
      if (hit === undefined || text !== this.text) return; // superseded by another search
      clearTimeout(this.#busy);
      setText(this.#count, countText(hit));
      this.#delegate.reveal(hit.seq, hit.nth);
    } catch (error) {
      clearTimeout(this.#busy);
      setText(this.#count, error instanceof Error ? error.message : String(error));
    }
  }
}

/** "3 of 17", and the line at which the server stopped if the search ran out of time. */
export function countText({ nth, total, stopped }: Omit<Hit, "seq">): string {
  const count = total === 0 ? "No matches" : `${thousands(nth + 1)} of ${thousands(total)}`;
  return stopped === undefined ? count : `${count}, stopped at line ${thousands(stopped)}`;
}
