// The list of visible lines: draws the rows in sight, follows the end or stays, scrolls to any record, and tracks the current
// and the selected lines. DOM only, no fetch. Painted at most once per animation frame: see frame-scheduler.ts.

import { ExpandableRows } from "../../log/expandable-rows.js";
import type { Log } from "../../log/log.js";
import { contiguousRanges } from "../../log/record-window.js";
import { type RowContent, RowModel } from "../../log/row-model.js";
import type { LogSource } from "../../protocol/log-source.js";
import type { Range } from "../../protocol/ranges.js";
import { isFinal, type LogRecord, type StreamFilter } from "../../protocol/types.js";
import { stamp, type Times, WIDTHS } from "../../text/time-column.js";
import { setData } from "../dom/dom.js";
import type { Pass } from "../dom/frame-scheduler.js";
import { type LineRow, LineRows } from "./line-rows.js";
import type { Highlight } from "./line-text.js";
import type { LineStyle } from "./preferences.js";
import type { RowSource } from "./row-layout.js";
import { Viewport } from "./viewport.js";

const MAX_FOLD_PASSES = 4;
const [ROW_EM, DENSE_ROW_EM] = [1.5, 1.25];

/** The records with these seqs, both included. */
export interface SeqRange {
  readonly from: number;
  readonly to: number;
}

export class LineList implements RowSource {
  readonly rowModel: RowModel;
  readonly viewport: Viewport;
  readonly rows = new LineRows((key) => this.#toggle(key));
  /** The records that the user has selected. */
  selection: SeqRange | undefined;
  readonly #expandable: ExpandableRows;
  readonly #log: Log;
  readonly #view: HTMLElement;
  readonly #changed: () => void;
  #times: Times = "none";
  #wrap = false;
  /** The current line: found, or moved to by keys; its key once that is known. */
  #currentSeq: number | undefined;
  #currentKey: number | undefined;
  /** Key of the first row at the last paint. */
  #base = 1;
  /** First and last key in the DOM. */
  #drawn: readonly [number, number] = [1, 0];
  #epoch = 0;
  /** Height of a one-line row, px. */
  #rowHeight = 0;
  /** Whether sizes differ from those that the rows were laid out with. */
  #isOutdated = false;
  #seeking: AbortController | undefined;

  /** `view`: the element that has the font and carries the classes and variables of the style. */
  constructor(log: Log, source: LogSource, view: HTMLElement, changed: () => void) {
    this.#log = log;
    this.#view = view;
    this.#changed = changed;
    this.rowModel = new RowModel(log, source, changed);
    this.#expandable = new ExpandableRows(this.rowModel, source);
    this.viewport = new Viewport(this.rows.element, this.measure(), changed);
  }

  /** Reads the font size, which can change after the view was attached. Returns the height of a one-line row in px. */
  measure(): number {
    const size = Number.parseFloat(getComputedStyle(this.#view).fontSize) || 13;
    const height = Math.round(size * (this.#view.classList.contains("dense") ? DENSE_ROW_EM : ROW_EM));
    if (height === this.#rowHeight) return height;
    this.#rowHeight = height;
    this.#view.style.setProperty("--row", `${height}px`);
    this.viewport?.setRowHeight(height);
    return height;
  }

  set style({ wrap, dense, times, groups, repeats }: LineStyle) {
    this.#view.classList.toggle("wrap", wrap);
    this.#view.classList.toggle("dense", dense);
    this.#times = times;
    this.#view.style.setProperty("--stamp", `${WIDTHS[times]}ch`);
    setData(this.#view, "times", times);
    this.measure();
    this.#wrap = wrap;
    this.#expandable.folding = { groups, repeats };
    this.#updateLayout();
  }

  set highlight(highlight: Highlight | undefined) {
    this.rows.highlight = highlight;
  }

  /** The seq of the first visible line, or of the last line while the end is followed; 0: there is none. */
  get topSeq(): number {
    const { count } = this.rowModel;
    if (count === 0) return 0;
    const content = this.rowModel.content(this.rowModel.keyAt(Math.min(this.#topRow, count - 1)));
    return content.kind === "record" ? content.record.seq : this.#log.lines.last;
  }

  get #topRow(): number {
    return this.viewport.following ? this.rowModel.count - 1 : Math.ceil(this.viewport.row);
  }

  /** Shows only matching lines; an empty filter shows all. `around`: lines of context on either side of each match. */
  applyFilter(filter: StreamFilter, around?: number): void {
    this.#seeking?.abort();
    this.#expandable.clear();
    this.#currentKey = undefined;
    this.rowModel.setFilter(filter, around);
    this.viewport.follow(true);
    this.#base = this.rowModel.base;
  }

  /** Shows only the records from `from` up to the one before `next`; undefined: to the end, as it grows. */
  async showRange(from: number, next: number | undefined): Promise<void> {
    const { signal } = this.#seek();
    const keys = [from, next].map((seq) => (seq === undefined ? undefined : this.rowModel.find(seq, signal)));
    const [first, beyond] = await Promise.all(keys).catch(() => [undefined, undefined]);
    if (signal.aborted || first === undefined) return;
    this.rowModel.setKeyRange(first, beyond === undefined ? undefined : beyond - 1);
    this.viewport.follow(false);
    this.paint();
    this.viewport.toTop();
  }

  /**
   * Scrolls a record to the middle and makes it the current line; undefined: there is no current line any more. `at`: its
   * key, if known. A fold that hides it is unfolded, unless `folded`: then the line that stands for it is highlighted.
   */
  async reveal(seq: number | undefined, at?: number, folded = false): Promise<void> {
    const { signal } = this.#seek();
    this.#currentSeq = seq;
    this.#currentKey = undefined;
    if (seq === undefined) return;
    if (!folded) this.#expandable.uncover(seq);
    const key = at ?? (await this.rowModel.find(seq, signal).catch(() => undefined));
    if (signal.aborted || key === undefined) return;
    this.#currentKey = key;
    this.paint(); // unfolded lines need their rows before the scroll position is computed
    this.viewport.center(this.rowModel.rowOf(key));
  }

  /** Makes the line `by` rows further the current one; without one, the first visible line. Returns its record, if loaded. */
  moveCurrent(by: number): LogRecord | undefined {
    const { rowModel, viewport } = this;
    this.#seeking?.abort();
    const row = this.#currentKey === undefined ? this.#topRow : rowModel.rowOf(this.#currentKey) + by;
    const key = rowModel.keyAt(Math.max(0, Math.min(row, rowModel.count - 1)));
    const content = rowModel.content(key);
    if (content.kind !== "record") return undefined;
    [this.#currentSeq, this.#currentKey] = [content.record.seq, key];
    viewport.scrollIntoView(rowModel.rowOf(key));
    return content.record;
  }

  get currentSeq(): number | undefined {
    return this.#currentSeq;
  }

  /** The group of lines (a traceback, repeats) that the current line belongs to; at least the line itself. */
  get currentGroup(): SeqRange | undefined {
    const seq = this.#currentSeq;
    return seq === undefined ? undefined : (this.#expandable.around(seq) ?? { from: seq, to: seq });
  }

  /** Folds or unfolds the current line. */
  toggleCurrent(): void {
    if (this.#currentKey !== undefined) this.#toggle(this.#currentKey);
  }

  /** Reads the sizes that `paint` needs. */
  read(): void {
    this.#isOutdated = this.viewport.read();
  }

  /** Lays the rows out again by the sizes they were found to have; undefined if these are known. */
  get correction(): Pass | undefined {
    return this.viewport.isStale ? this.#correction : undefined;
  }

  readonly #correction: Pass = {
    read: () => this.read(),
    write: () => {
      if (!this.#isOutdated) return undefined;
      this.paint();
      return this.correction;
    },
  };

  /** Draws the visible rows; reads nothing. */
  paint(): void {
    const { rowModel, viewport } = this;
    if (this.#log.epoch !== this.#epoch) viewport.follow(true);
    this.#epoch = this.#log.epoch;
    const before = rowModel.count;
    rowModel.refresh();
    const { base } = rowModel;
    // Rows removed before the first one move all rows below up; hidden ones among them had no height.
    if (base !== this.#base && before > 0) viewport.shift(this.#base - base);
    this.#base = base;
    const digits = String(Math.max(3, String(this.#log.lines.last).length));
    if (this.#view.style.getPropertyValue("--digits") !== digits) this.#view.style.setProperty("--digits", digits);
    viewport.layOut(this);
    // Folding brings other lines into sight, and these can contain groups to fold.
    for (let pass = 0; this.#foldVisible(); pass++) {
      viewport.layOut(this);
      if (pass < MAX_FOLD_PASSES) continue;
      this.#changed(); // the rest in the next frame
      return;
    }
  }

  dispose(): void {
    this.#seeking?.abort();
    this.#expandable.dispose();
    this.viewport.dispose();
    this.rowModel.dispose();
  }

  // --- RowSource, called by the viewport's layout ---

  get count(): number {
    return this.rowModel.count;
  }

  keyAt(row: number): number {
    return this.rowModel.keyAt(row);
  }

  draw({ from, to }: Range): void {
    const keys: number[] = [];
    for (let row = from; row < to; row++) keys.push(this.rowModel.keyAt(row));
    this.rowModel.lines.ensure(...contiguousRanges(keys));
    this.#drawn = [keys[0] ?? 1, keys.at(-1) ?? 0];
    const { job } = this.#log;
    const rows = keys.map((key) => this.#rowOf(key));
    this.rows.paint(rows, from, job !== undefined && isFinal(job.state) ? this.rowModel.count : -1);
  }

  #rowOf(key: number): LineRow {
    const content = this.rowModel.content(key);
    if (content.kind === "pending") return { key, content, seq: this.rowModel.isUnfiltered ? key : undefined };
    if (content.kind !== "record") return { key, content };
    const { record } = content;
    const { seq } = record;
    const { selection } = this;
    return {
      ...{ key, content, seq },
      ...this.#expandable.at(key, record),
      stamp: this.#stampOf(key, content),
      current: seq === this.#currentSeq || this.#hidesCurrent(key),
      selected: selection !== undefined && seq >= selection.from && seq <= selection.to,
    };
  }

  #hidesCurrent(key: number): boolean {
    if (this.#currentSeq === undefined || !this.rowModel.canFold) return false;
    return this.rowModel.folds.at(this.#currentSeq)?.from === key + 1;
  }

  #stampOf(key: number, content: RowContent): string | undefined {
    if (this.#times === "none" || content.kind !== "record") return undefined;
    const since = this.#times === "start" ? this.#log.job?.started : this.rowModel.lines.get(key - 1)?.ts;
    return stamp(this.#times, content.record, since ?? undefined);
  }

  // --- folding ---

  /** Folds the groups among the drawn lines and keeps the top line in place. Returns whether rows changed. */
  #foldVisible(): boolean {
    const [from, to] = this.#drawn;
    const { rowModel, viewport } = this;
    if (to < from) return false;
    const row = Math.min(Math.floor(viewport.row), Math.max(0, rowModel.count - 1));
    const top = rowModel.keyAt(row);
    if (!this.#expandable.update(from, to)) return false;
    viewport.shift(rowModel.rowOf(top) - row);
    this.#updateLayout();
    return true;
  }

  #updateLayout(): void {
    this.viewport.setVariableHeights(this.#wrap || this.#expandable.hasTallRows);
  }

  #toggle(key: number): void {
    const done = () => {
      this.#updateLayout();
      this.#changed();
    };
    void this.#expandable.toggle(key).then(done, () => undefined); // the request failed: the row stays as it is
  }

  /** Cancels the search for the previous target. */
  #seek(): AbortController {
    this.#seeking?.abort();
    this.#seeking = new AbortController();
    return this.#seeking;
  }
}
