// Selection of lines by number, with mouse or keyboard, to copy them or a link to the first one. DOM only.

import { exportLines } from "../../log/export-text.js";
import type { LogSource } from "../../protocol/log-source.js";
import type { StreamFilter } from "../../protocol/types.js";
import { thousands } from "../../text/format.js";
import { COPY_BLOCKED, copyText } from "../dom/clipboard.js";
import { button, element, setText } from "../dom/dom.js";
import type { LineList } from "./line-list.js";
import { linkTo } from "./permalink.js";

const CONFIRMATION_MS = 1500;

export class LineSelection {
  readonly element: HTMLElement;
  readonly #list: LineList;
  readonly #source: LogSource;
  readonly #filter: () => StreamFilter;
  readonly #changed: () => void;
  readonly #label = element("span", "label");
  #anchor = 0;
  #copying: AbortController | undefined;
  #confirmation: ReturnType<typeof setTimeout> | undefined;

  constructor(list: LineList, source: LogSource, filter: () => StreamFilter, changed: () => void) {
    this.#list = list;
    this.#source = source;
    this.#filter = filter;
    this.#changed = changed;
    const copy = button("copy", "Copy", "Copy the selected lines (Ctrl+C)", () => void this.copy(), "copy");
    const link = button("link-to", "Link", "Copy a link to this line", () => void this.#copyLink(), "hash");
    link.hidden = source.title !== undefined;
    const close = button("icon-button", "", "Clear the selection (Escape)", () => this.clear(), "cross");
    this.#label.setAttribute("role", "status");
    this.element = element("div", "choice", this.#label, copy, link, close);
    this.element.hidden = true;
    list.viewport.element.addEventListener("click", (event) => this.#onClick(event));
  }

  get active(): boolean {
    return this.#list.selection !== undefined;
  }

  /** Selects a line, or with `extend` all lines from the first selected one to it. */
  start(seq: number, extend: boolean): void {
    if (!extend || !this.active) this.#anchor = seq;
    this.#select(this.#anchor, seq);
  }

  clear(): void {
    this.#copying?.abort();
    clearTimeout(this.#confirmation);
    this.#list.selection = undefined;
    this.element.hidden = true;
    this.#changed();
  }

  /** Copies the selected lines as they were written, without colour codes. */
  async copy(): Promise<void> {
    const { selection } = this.#list;
    if (selection === undefined) return;
    this.#copying?.abort();
    this.#copying = new AbortController();
    const { signal } = this.#copying;
    try {
      const copied = await exportLines(this.#source, this.#filter(), selection.from, selection.to, signal);
      if (signal.aborted) return;
      const isCopied = await copyText(copied.text);
      const count = copied.lines === 1 ? "Copied" : `${thousands(copied.lines)} lines copied`;
      const limit = copied.truncated ? ": the size limit was reached, later lines are missing" : "";
      this.#confirm(isCopied ? `${count}${limit}` : COPY_BLOCKED);
    } catch (error) {
      if (!signal.aborted) this.#confirm(error instanceof Error ? error.message : String(error));
    }
  }

  dispose(): void {
    this.#copying?.abort();
    clearTimeout(this.#confirmation);
  }

  #select(from: number, to: number): void {
    this.#list.selection = { from: Math.min(from, to), to: Math.max(from, to) };
    const lines = Math.abs(to - from) + 1;
    setText(this.#label, lines === 1 ? `Line ${thousands(from)}` : `${thousands(lines)} lines`);
    this.element.hidden = false;
    this.#list.viewport.follow(false);
    this.#changed();
  }

  async #copyLink(): Promise<void> {
    const seq = this.#list.selection?.from;
    if (seq === undefined) return;
    this.#confirm((await copyText(linkTo(this.#source.workload, seq))) ? "Link copied" : COPY_BLOCKED);
  }

  /** Replaces the label for CONFIRMATION_MS. */
  #confirm(text: string): void {
    const before = this.#label.textContent ?? "";
    setText(this.#label, text);
    clearTimeout(this.#confirmation);
    this.#confirmation = setTimeout(() => setText(this.#label, before), CONFIRMATION_MS);
  }

  #isOnNumber(row: HTMLElement, x: number): boolean {
    const text = row.firstElementChild as HTMLElement;
    const width = text.getBoundingClientRect().left - row.getBoundingClientRect().left;
    return x - this.#list.viewport.element.getBoundingClientRect().left < width;
  }

  /** A click on a line number selects the line, Shift-click all lines up to it; a second click clears the selection. */
  #onClick(event: MouseEvent): void {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>(".row.record, .row.part") : null;
    if (row === null || event.button !== 0 || !this.#isOnNumber(row, event.clientX)) return; // clicks on text are the browser's
    const seq = Number(row.dataset["seq"]);
    const { selection } = this.#list;
    if (event.shiftKey && selection !== undefined) {
      this.start(seq, true);
      getSelection()?.removeAllRanges();
    } else if (selection?.from === seq && selection.to === seq) this.clear();
    else this.start(seq, false);
  }
}
