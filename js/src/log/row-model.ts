// Which rows a view of a log has, and what each holds: all records or those that match, less what is folded away or cleared,
// with words of ours where something is missing, and the lines being written at the end. No DOM: rows are numbers here.
// A row has a key that stays its own as others come and go: the record's seq, or its rank where a filter is on.

import type { LogSource } from "../protocol/log-source.js";
import { isEmpty } from "../protocol/query.js";
import type { LogRecord, StreamFilter } from "../protocol/types.js";
import { thousands } from "../text/format.js";
import { Context } from "./context.js";
import { Folds } from "./folds.js";
import type { Log } from "./log.js";
import { Matches } from "./matches.js";
import type { RecordWindow } from "./record-window.js";

/** A record; or words of ours (`note`); or the line being written (`progress`); or a record not fetched yet. */
export type RowContent =
  | { readonly kind: "record"; readonly record: LogRecord }
  | { readonly kind: "note" | "progress"; readonly text: string }
  | { readonly kind: "pending" };

export class RowModel {
  /** What the user, or a step, has folded. */
  readonly folds = new Folds();
  readonly #log: Log;
  readonly #source: LogSource;
  readonly #changed: () => void;
  #matches: Matches | undefined;
  #context: Context | undefined;
  /** The keys of a stretch of time; nothing else is shown. `to`: undefined while it goes on. */
  #span: { readonly from: number; readonly to: number | undefined } | undefined;
  #spanned = "";
  /** Cleared from the view up to this key. */
  #cleared = 0;
  #epoch = 0;
  #removed = 1;

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

  /** Does each key stand for a record of that seq? */
  get isUnfiltered(): boolean {
    return this.#matches === undefined;
  }

  /** How many match; undefined while that isn't known, or where no filter is on. */
  get matchCount(): number | undefined {
    if (this.#context !== undefined) return this.#context.total;
    return this.#matches?.counted ? this.#matches.total : undefined;
  }

  get filterError(): string {
    return this.#context?.error || (this.#matches?.error ?? "");
  }

  /** Shows only what matches; an empty filter: everything. `around`: so many neighbours of each match, too. */
  setFilter(filter: StreamFilter, around?: number): void {
    this.#matches?.dispose();
    this.#context?.dispose();
    this.#matches = this.#context = undefined;
    this.#cleared = 0;
    this.#span = undefined;
    this.folds.clear();
    const known = this.#log.lines.last;
    if (isEmpty(filter)) this.#changed();
    else if (around === undefined) {
      this.#matches = new Matches(this.#source, filter, this.#changed);
      void this.#matches.open(known);
    } else this.#context = new Context(this.#source, filter, around, this.#changed);
  }

  /** Shows only the keys `from` to `to` (undefined: to the end, as it grows), or all again. */
  setKeyRange(from: number | undefined, to?: number): void {
    this.#span = from === undefined ? undefined : { from, to };
    this.#spanned = "";
    this.folds.clear();
    this.#changed();
  }

  /** May lines be folded that belong together? Not while others are left out: what stands beside which is not known. */
  get canFold(): boolean {
    return this.isUnfiltered && this.#context === undefined && this.#span === undefined;
  }

  /** Hides what there is; what comes is shown. */
  clear(): void {
    this.#cleared = this.lines.last;
    this.#changed();
  }

  unclear(): void {
    this.#cleared = 0;
    this.#changed();
  }

  /** To be called before rows are asked for: takes in what has changed in the log. */
  refresh(): void {
    const { epoch, lines } = this.#log;
    if (epoch !== this.#epoch || lines.first !== this.#removed) void this.#matches?.open(0);
    if (epoch !== this.#epoch) {
      this.#cleared = 0;
      this.#span = undefined;
      this.folds.clear();
    }
    this.#epoch = epoch;
    this.#removed = lines.first;
    this.#context?.fold(this.folds, lines.first, lines.last);
    this.#foldAround();
  }

  #foldAround(): void {
    if (this.#span === undefined || this.#context !== undefined) return;
    const [{ from, to }, { first, last }] = [this.#span, this.lines];
    const state = `${first} ${last}`;
    if (state === this.#spanned) return;
    this.#spanned = state;
    const folds = [];
    if (from > first + 1) folds.push({ from: first + 1, to: from - 1 });
    if (to !== undefined && last > to + 1) folds.push({ from: to + 2, to: last });
    this.folds.set(folds);
  }

  /** Key of the first row. */
  get base(): number {
    const first = Math.max(this.lines.first, this.#cleared + 1);
    return first > 1 ? first - 1 : 1;
  }

  get count(): number {
    const end = this.lines.last + 1 + this.#written.length;
    return Math.max(0, end - this.base - this.folds.hiddenBelow(end) + this.folds.hiddenBelow(this.base));
  }

  keyAt(row: number): number {
    if (this.folds.size === 0) return this.base + row;
    return this.folds.keyAt(row, this.base - this.folds.hiddenBelow(this.base));
  }

  /** The row of a key; of a hidden one that which stands for it. */
  rowOf(key: number): number {
    const fold = this.folds.at(key);
    const shown = Math.max(this.base, fold === undefined ? key : fold.from - 1);
    return shown - this.base - this.folds.hiddenBelow(shown) + this.folds.hiddenBelow(this.base);
  }

  /** The key of a record; with a filter on, of the first match not before it. */
  async find(seq: number, signal: AbortSignal): Promise<number> {
    return this.#matches === undefined ? seq : this.#matches.rankOf(seq, signal);
  }

  content(key: number): RowContent {
    const { lines } = this;
    if (key <= this.#cleared) return { kind: "note", text: `${thousands(this.#cleared)} lines cleared from this view` };
    if (key < lines.first) return { kind: "note", text: `Lines 1–${thousands(key)} ${this.#whyGone}` };
    if (key > lines.last) return { kind: "progress", text: this.#written[key - lines.last - 1] ?? "" };
    const isGapped = this.#context !== undefined || this.#span !== undefined;
    const gap = isGapped ? this.folds.at(key + 1) : undefined;
    if (gap?.from === key + 1) return { kind: "note", text: `⋯ ${thousands(gap.to - key + 1)} lines` };
    const record = lines.get(key);
    return record === undefined ? { kind: "pending" } : { kind: "record", record };
  }

  dispose(): void {
    this.#matches?.dispose();
    this.#context?.dispose();
  }

  get #whyGone(): string {
    return this.#source.title === undefined ? "were removed by retention" : "are no longer kept";
  }

  /** The lines being written: whether they match nobody knows before they are records. */
  get #written(): readonly string[] {
    return this.#matches === undefined && this.#context === undefined ? [...this.#log.progress.values()] : [];
  }
}
