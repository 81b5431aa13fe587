// The row model of a log view: which rows there are, and the content of each. Page.
// Rows are all records or the matching ones, minus folded and cleared ones, plus notes where something is missing and the
// lines being written at the end. A row has a stable key: the seq of its record, or its rank with a filter. No DOM.

import type { LogSource } from "../protocol/log-source.js";
import { isEmpty } from "../protocol/query.js";
import type { LogRecord, StreamFilter } from "../protocol/types.js";
import { thousands } from "../text/format.js";
import { withoutColours } from "../text/text.js";
import { Context } from "./context.js";
import { Folds } from "./folds.js";
import type { Log } from "./log.js";
import { Matches } from "./matches.js";
import type { RecordWindow } from "./record-window.js";

/** A record, a note of the view, a line being written (`progress`), or a record not yet fetched. */
export type RowContent =
  | { readonly kind: "record"; readonly record: LogRecord }
  | { readonly kind: "note" | "progress"; readonly text: string }
  | { readonly kind: "pending" };

export class RowModel {
  /** The folded rows: groups, steps, and what the user folded. */
  readonly folds = new Folds();
  readonly #log: Log;
  readonly #source: LogSource;
  readonly #changed: () => void;
  #matches: Matches | undefined;
  #context: Context | undefined;
  /** The only keys shown, those of a selected time range. `to`: undefined for an open end. */
  #keyRange: { readonly from: number; readonly to: number | undefined } | undefined;
  #rangeState = "";
  /** Rows up to this key are cleared from the view. */
  #clearedTo = 0;
  #epoch = 0;
  #firstSeq = 1;

  constructor(log: Log, source: LogSource, changed: () => void) {
    this.#log = log;
    this.#source = source;
    this.#changed = changed;
  }

  get lines(): RecordWindow {
    return this.#matches?.lines ?? this.#log.lines;
  }

  get filter(): StreamFilter {
    return this.#matches?.filter ?? {};
  }

  /** Is no filter on, so that each key is a seq? */
  get isUnfiltered(): boolean {
    return this.#matches === undefined;
  }

  /** Number of matches; undefined while it is unknown or no filter is on. */
  get matchCount(): number | undefined {
    if (this.#context !== undefined) return this.#context.total;
    return this.#matches?.counted ? this.#matches.total : undefined;
  }

  get filterError(): string {
    return this.#context?.error || (this.#matches?.error ?? "");
  }

  /** Shows only matching rows; an empty filter: all. `around`: also this many context lines on either side of a match. */
  setFilter(filter: StreamFilter, around?: number): void {
    this.#matches?.dispose();
    this.#context?.dispose();
    this.#matches = this.#context = undefined;
    this.#clearedTo = 0;
    this.#keyRange = undefined;
    this.folds.clear();
    const known = this.#log.lines.last;
    if (isEmpty(filter)) this.#changed();
    else if (around === undefined) {
      this.#matches = new Matches(this.#source, filter, this.#changed);
      void this.#matches.open(known);
    } else this.#context = new Context(this.#source, filter, around, this.#changed);
  }

  /** Shows only the keys `from` to `to` (undefined: the growing end); `from` undefined: all. */
  setKeyRange(from: number | undefined, to?: number): void {
    this.#keyRange = from === undefined ? undefined : { from, to };
    this.#rangeState = "";
    this.folds.clear();
    this.#changed();
  }

  /** Can groups be folded? Not while rows are left out: which lines are adjacent is unknown then. */
  get canFold(): boolean {
    return this.isUnfiltered && this.#context === undefined && this.#keyRange === undefined;
  }

  /** Hides all present rows; new ones are shown. */
  clear(): void {
    this.#clearedTo = this.lines.last;
    this.#changed();
  }

  /** Applies the changes of the log; call it before reading rows. */
  refresh(): void {
    const { epoch, lines } = this.#log;
    if (epoch !== this.#epoch || lines.first !== this.#firstSeq) void this.#matches?.open(0);
    if (epoch !== this.#epoch) {
      this.#clearedTo = 0;
      this.#keyRange = undefined;
      this.folds.clear();
    }
    this.#epoch = epoch;
    this.#firstSeq = lines.first;
    this.#context?.fold(this.folds, lines.first, lines.last);
    this.#foldOutsideRange();
  }

  #foldOutsideRange(): void {
    if (this.#keyRange === undefined || this.#context !== undefined) return;
    const [{ from, to }, { first, last }] = [this.#keyRange, this.lines];
    const state = `${first} ${last}`;
    if (state === this.#rangeState) return;
    this.#rangeState = state;
    const folds = [];
    if (from > first + 1) folds.push({ from: first + 1, to: from - 1 });
    if (to !== undefined && last > to + 1) folds.push({ from: to + 2, to: last });
    this.folds.set(folds);
  }

  /** Key of the first row. */
  get base(): number {
    const first = Math.max(this.lines.first, this.#clearedTo + 1);
    return first > 1 ? first - 1 : 1;
  }

  get count(): number {
    const end = this.lines.last + 1 + this.#linesBeingWritten.length;
    return Math.max(0, end - this.base - this.folds.hiddenBelow(end) + this.folds.hiddenBelow(this.base));
  }

  keyAt(row: number): number {
    if (this.folds.size === 0) return this.base + row;
    return this.folds.keyAt(row, this.base - this.folds.hiddenBelow(this.base));
  }

  /** The row of a key; for a hidden key the row that represents it. */
  rowOf(key: number): number {
    const fold = this.folds.at(key);
    const shown = Math.max(this.base, fold === undefined ? key : fold.from - 1);
    return shown - this.base - this.folds.hiddenBelow(shown) + this.folds.hiddenBelow(this.base);
  }

  /** The key of a record; with a filter, the key of the first match at or after it. */
  async find(seq: number, signal: AbortSignal): Promise<number> {
    return this.#matches === undefined ? seq : this.#matches.rankOf(seq, signal);
  }

  content(key: number): RowContent {
    const { lines } = this;
    if (key <= this.#clearedTo)
      return { kind: "note", text: `${thousands(this.#clearedTo)} lines cleared from this view` };
    if (key < lines.first) return { kind: "note", text: `Lines 1–${thousands(key)} ${this.#removalReason}` };
    if (key > lines.last) return { kind: "progress", text: this.#linesBeingWritten[key - lines.last - 1] ?? "" };
    const isGapped = this.#context !== undefined || this.#keyRange !== undefined;
    const gap = isGapped ? this.folds.at(key + 1) : undefined;
    if (gap?.from === key + 1) return { kind: "note", text: `⋯ ${thousands(gap.to - key + 1)} lines` };
    const record = lines.get(key);
    return record === undefined ? { kind: "pending" } : { kind: "record", record };
  }

  dispose(): void {
    this.#matches?.dispose();
    this.#context?.dispose();
  }

  get #removalReason(): string {
    return this.#source.title === undefined ? "were removed by retention" : "are no longer kept";
  }

  /** The lines being written that show text; none with a filter, since they match or not only once they are records. */
  get #linesBeingWritten(): readonly string[] {
    if (this.#matches !== undefined || this.#context !== undefined) return [];
    return [...this.#log.progress.values()].filter((text) => withoutColours(text) !== "");
  }
}
