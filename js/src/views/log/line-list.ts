// The lines on the screen: draws the rows of a row model that are in sight, follows the end or stands still, shows one record
// among millions, marks what was found or chosen. DOM only: no fetch. Painted at most once per frame, whatever arrives.

import { ExpandableRows } from "../../log/expandable-rows.js";
import type { Folding } from "../../log/grouping.js";
import type { Log } from "../../log/log.js";
import { contiguousRanges } from "../../log/record-window.js";
import { type RowContent, RowModel } from "../../log/row-model.js";
import type { LogSource } from "../../protocol/log-source.js";
import { isFinal, type LogRecord, type StreamFilter } from "../../protocol/types.js";
import { stamp, type Times, WIDTHS } from "../../text/time-column.js";
import { setData } from "../dom/dom.js";
import { LineRows, type Look, type Painter } from "./line-rows.js";
import type { Highlight } from "./line-text.js";
import type { RowSource } from "./row-layout.js";
import { Viewport } from "./viewport.js";

/** How the user wants lines to look. */
export interface LineStyle extends Folding {
  readonly wrap: boolean;
  readonly dense: boolean;
  readonly times: Times;
}

const MAX_PASSES = 4;

export interface Chosen {
  readonly from: number;
  readonly to: number;
}

export class LineList implements Painter, RowSource {
  readonly rowModel: RowModel;
  readonly viewport: Viewport;
  readonly rows = new LineRows((key) => this.#toggle(key));
  readonly #expandable: ExpandableRows;
  readonly #log: Log;
  readonly #view: HTMLElement;
  readonly #changed: () => void;
  #times: Times = "none";
  #wrap = false;
  /** The record that was looked for or is marked, and its key as far as that is known. */
  #hit: number | undefined;
  #key: number | undefined;
  #chosen: Chosen | undefined;
  #base = 1;
  /** First and last key that are in the DOM. */
  #drawn: readonly [number, number] = [1, 0];
  #epoch = 0;
  #seeking: AbortController | undefined;

  /** `view`: the element that has the font, and carries classes and variables of the look. */
  constructor(log: Log, source: LogSource, view: HTMLElement, changed: () => void) {
    this.#log = log;
    this.#view = view;
    this.#changed = changed;
    this.rowModel = new RowModel(log, source, changed);
    this.#expandable = new ExpandableRows(this.rowModel, source);
    this.viewport = new Viewport(this.rows.element, this.measure(), changed);
  }

  /** Takes the user's font, which may be known only now; px of a row of one line. */
  measure(): number {
    const size = Number.parseFloat(getComputedStyle(this.#view).fontSize) || 13;
    const height = Math.round(size * (this.#view.classList.contains("dense") ? 1.25 : 1.5));
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
    this.#vary();
  }

  set highlight(highlight: Highlight | undefined) {
    this.rows.highlight = highlight;
  }

  /** Lines that the user has chosen, by seq. */
  get chosen(): Chosen | undefined {
    return this.#chosen;
  }

  set chosen(chosen: Chosen | undefined) {
    this.#chosen = chosen;
  }

  /** The seq of the first line in sight, or of the last where the end is followed. */
  get seq(): number {
    const { count } = this.rowModel;
    if (count === 0) return 0;
    const row = this.viewport.following ? count - 1 : Math.ceil(this.viewport.row);
    const content = this.rowModel.content(this.rowModel.keyAt(Math.min(row, count - 1)));
    return content.kind === "record" ? content.record.seq : this.#log.lines.last;
  }

  choose(filter: StreamFilter, around?: number): void {
    this.#seeking?.abort();
    this.#expandable.clear();
    this.#key = undefined;
    this.rowModel.setFilter(filter, around);
    this.viewport.follow(true);
    this.#base = this.rowModel.base;
  }

  /** Shows only the records from `from` up to the one before `next` (undefined: to the end, as it grows). */
  async narrow(from: number, next: number | undefined): Promise<void> {
    this.#seeking?.abort();
    this.#seeking = new AbortController();
    const { signal } = this.#seeking;
    const keys = [from, next].map((seq) => (seq === undefined ? undefined : this.rowModel.find(seq, signal)));
    const [first, beyond] = await Promise.all(keys).catch(() => [undefined, undefined]);
    if (signal.aborted || first === undefined) return;
    this.rowModel.setKeyRange(first, beyond === undefined ? undefined : beyond - 1);
    this.viewport.follow(false);
    this.paint();
    this.viewport.top();
  }

  /**
   * Shows a record in the middle and marks it, or marks none any more. `at`: its key, where that is known. What hides it is
   * opened, unless `folded`: then the line that stands for it is marked.
   */
  async reveal(seq: number | undefined, at?: number, folded = false): Promise<void> {
    this.#seeking?.abort();
    this.#hit = seq;
    this.#key = undefined;
    if (seq === undefined) return;
    if (!folded) this.#expandable.uncover(seq);
    const seeking = new AbortController();
    this.#seeking = seeking;
    const key = at ?? (await this.rowModel.find(seq, seeking.signal).catch(() => undefined));
    if (seeking.signal.aborted || key === undefined) return;
    this.#key = key;
    this.paint(); // what was opened is to have its place
    this.viewport.reveal(this.rowModel.rowOf(key));
  }

  /** Marks the next line, or the one before; without a mark the first in sight. The record, if it is here. */
  mark(by: number): LogRecord | undefined {
    const { rowModel, viewport } = this;
    this.#seeking?.abort();
    const first = viewport.following ? rowModel.count - 1 : Math.ceil(viewport.row);
    const row = this.#key === undefined ? first : rowModel.rowOf(this.#key) + by;
    const key = rowModel.keyAt(Math.max(0, Math.min(row, rowModel.count - 1)));
    const content = rowModel.content(key);
    if (content.kind !== "record") return undefined;
    [this.#hit, this.#key] = [content.record.seq, key];
    viewport.bring(rowModel.rowOf(key));
    return content.record;
  }

  /** The record that is marked. */
  get marked(): number | undefined {
    return this.#hit;
  }

  /** Folds or opens what the marked line stands for. */
  toggle(): void {
    if (this.#key !== undefined) this.#toggle(this.#key);
  }

  /** First and last of the lines that belong together with the marked one. */
  get together(): Chosen | undefined {
    return this.#hit === undefined
      ? undefined
      : (this.#expandable.around(this.#hit) ?? { from: this.#hit, to: this.#hit });
  }

  paint(): void {
    const { rowModel, viewport } = this;
    if (this.#log.epoch !== this.#epoch) viewport.follow(true);
    this.#epoch = this.#log.epoch;
    const before = rowModel.count;
    rowModel.refresh();
    const { base } = rowModel;
    // What went before the first row took the rows below it along; those that were folded there had no height.
    if (base !== this.#base && before > 0) viewport.shift(this.#base - base);
    this.#base = base;
    const digits = String(Math.max(3, String(this.#log.lines.last).length));
    if (this.#view.style.getPropertyValue("--digits") !== digits) this.#view.style.setProperty("--digits", digits);
    viewport.layout(this);
    // What is folded makes room for other lines, in which there may be something to fold.
    for (let pass = 0; this.#group(); pass++) {
      viewport.layout(this);
      if (pass < MAX_PASSES) continue;
      this.#changed(); // the rest in the next frame
      return;
    }
  }

  /** Folds what is in sight and is to be folded; the line at the top stays there. True if that has changed anything. */
  #group(): boolean {
    const [from, to] = this.#drawn;
    const { rowModel, viewport } = this;
    if (to < from) return false;
    const row = Math.min(Math.floor(viewport.row), Math.max(0, rowModel.count - 1));
    const top = rowModel.keyAt(row);
    if (!this.#expandable.update(from, to)) return false;
    viewport.shift(rowModel.rowOf(top) - row);
    this.#vary();
    return true;
  }

  #vary(): void {
    this.viewport.vary(this.#wrap || this.#expandable.tall);
  }

  #toggle(key: number): void {
    const done = () => {
      this.#vary();
      this.#changed();
    };
    void this.#expandable.toggle(key).then(done, () => undefined); // can't be asked now: it stays as it is
  }

  dispose(): void {
    this.#seeking?.abort();
    this.#expandable.dispose();
    this.viewport.dispose();
    this.rowModel.dispose();
  }

  // --- what the viewport asks (RowSource) ---

  get count(): number {
    return this.rowModel.count;
  }

  keyAt(row: number): number {
    return this.rowModel.keyAt(row);
  }

  draw({ from, to }: { from: number; to: number }): void {
    const keys: number[] = [];
    for (let row = from; row < to; row++) keys.push(this.rowModel.keyAt(row));
    this.rowModel.lines.ensure(...contiguousRanges(keys));
    this.#drawn = [keys[0] ?? 1, keys.at(-1) ?? 0];
    const { job } = this.#log;
    this.rows.paint(keys, this, from, job !== undefined && isFinal(job.state) ? this.rowModel.count : -1);
  }

  // --- what the rows ask (Painter) ---

  content(key: number): RowContent {
    return this.rowModel.content(key);
  }

  pendingSeq(key: number, content: RowContent): string | undefined {
    return content.kind === "pending" && this.rowModel.isUnfiltered ? String(key) : undefined;
  }

  look(key: number, content: RowContent): Look {
    if (content.kind !== "record") return {};
    const { record } = content;
    const { seq } = record;
    return {
      ...this.#expandable.at(key, record),
      stamp: this.#stamp(key, content),
      hit: seq === this.#hit || this.#standsForHit(key),
      chosen: this.#chosen !== undefined && seq >= this.#chosen.from && seq <= this.#chosen.to,
    };
  }

  #standsForHit(key: number): boolean {
    if (this.#hit === undefined || !this.rowModel.canFold) return false;
    return this.rowModel.folds.at(this.#hit)?.from === key + 1;
  }

  #stamp(key: number, content: RowContent): string | undefined {
    if (this.#times === "none" || content.kind !== "record") return undefined;
    const since = this.#times === "start" ? this.#log.job?.started : this.rowModel.lines.get(key - 1)?.ts;
    return stamp(this.#times, content.record, since ?? undefined);
  }
}
