// Lines chosen by their numbers, with the mouse or the keyboard, and what can be done with them: copy, copy a link. Also
// sees to it that text selected in the usual way is copied as it was written. DOM only; where lines come from is injected.

import { exportLines } from "../../log/export-text.js";
import type { LogSource } from "../../protocol/log-source.js";
import type { StreamFilter } from "../../protocol/types.js";
import { thousands } from "../../text/format.js";
import { copyText } from "../dom/clipboard.js";
import { button, element, setText } from "../dom/dom.js";
import type { LineList } from "./line-list.js";
import { linkTo } from "./permalink.js";

const SAID_MS = 1500;

export class LineSelection {
  readonly element: HTMLElement;
  readonly #list: LineList;
  readonly #source: LogSource;
  readonly #filter: () => StreamFilter;
  readonly #changed: () => void;
  readonly #label = element("span", "label");
  #anchor = 0;
  #taking: AbortController | undefined;
  #said: ReturnType<typeof setTimeout> | undefined;

  constructor(list: LineList, source: LogSource, filter: () => StreamFilter, changed: () => void) {
    this.#list = list;
    this.#source = source;
    this.#filter = filter;
    this.#changed = changed;
    const copy = button("copy", "Copy", "Copy the selected lines (Ctrl+C)", () => void this.copy(), "copy");
    const link = button("link-to", "Link", "Copy a link to this line", () => void this.#link(), "hash");
    link.hidden = source.title !== undefined;
    const close = button("step", "", "Clear the selection (Escape)", () => this.clear(), "cross");
    this.#label.setAttribute("role", "status");
    this.element = element("div", "choice", this.#label, copy, link, close);
    this.element.hidden = true;
    list.viewport.element.addEventListener("click", (event) => this.#onClick(event));
  }

  get active(): boolean {
    return this.#list.selection !== undefined;
  }

  /** Chooses a line, or `upTo` it all from the one that was chosen first. */
  start(seq: number, upTo: boolean): void {
    if (!upTo || !this.active) this.#anchor = seq;
    this.choose(this.#anchor, seq);
  }

  choose(from: number, to: number): void {
    this.#list.selection = { from: Math.min(from, to), to: Math.max(from, to) };
    const lines = Math.abs(to - from) + 1;
    setText(this.#label, lines === 1 ? `Line ${thousands(from)}` : `${thousands(lines)} lines`);
    this.element.hidden = false;
    this.#list.viewport.follow(false);
    this.#changed();
  }

  clear(): void {
    this.#taking?.abort();
    clearTimeout(this.#said);
    this.#list.selection = undefined;
    this.element.hidden = true;
    this.#changed();
  }

  /** Copies the chosen lines, as they were written. */
  async copy(): Promise<void> {
    const chosen = this.#list.selection;
    if (chosen === undefined) return;
    this.#taking?.abort();
    this.#taking = new AbortController();
    const { signal } = this.#taking;
    try {
      const taken = await exportLines(this.#source, this.#filter(), chosen.from, chosen.to, signal);
      if (signal.aborted) return;
      const done = await copyText(taken.text);
      const count = taken.lines === 1 ? "Copied" : `${thousands(taken.lines)} lines copied`;
      this.#say(
        done
          ? taken.truncated
            ? `${count}: the size limit was reached, later lines are missing`
            : count
          : "Copying is blocked by the browser",
      );
    } catch (error) {
      if (!signal.aborted) this.#say(error instanceof Error ? error.message : String(error));
    }
  }

  dispose(): void {
    this.#taking?.abort();
    clearTimeout(this.#said);
  }

  async #link(): Promise<void> {
    const seq = this.#list.selection?.from;
    if (seq !== undefined)
      this.#say(
        (await copyText(linkTo(this.#source.workload, seq))) ? "Link copied" : "Copying is blocked by the browser",
      );
  }

  #say(text: string): void {
    const before = this.#label.textContent ?? "";
    setText(this.#label, text);
    clearTimeout(this.#said);
    this.#said = setTimeout(() => setText(this.#label, before), SAID_MS);
  }

  #isOnNumber(row: HTMLElement, x: number): boolean {
    const text = row.firstElementChild as HTMLElement;
    const width = text.getBoundingClientRect().left - row.getBoundingClientRect().left;
    return x - this.#list.viewport.element.getBoundingClientRect().left < width;
  }

  /** A click on a line's number chooses it, with Shift all lines up to it. */
  #onClick(event: MouseEvent): void {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>(".row.record, .row.part") : null;
    if (row === null || event.button !== 0 || !this.#isOnNumber(row, event.clientX)) return; // the text has its own clicks
    const seq = Number(row.dataset["seq"]);
    if (event.shiftKey && this.active) {
      this.start(seq, true);
      getSelection()?.removeAllRanges();
      return;
    }
    const again = this.#list.selection?.from === seq && this.#list.selection.to === seq;
    if (again) this.clear();
    else this.start(seq, false);
  }
}
