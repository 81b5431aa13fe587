// Histogram of lines over time by level: the server's counts of older lines plus counts of live lines. Page; pure.
// Bounded: at MAX_BUCKETS two neighbours are merged, so a log of any length costs the same. Times are Unix ms.

import type { LevelCounts, Summary, Timeline } from "../../protocol/log-source.js";
import type { Level, LogRecord } from "../../protocol/types.js";

/** Most buckets, whatever the time span. */
export const MAX_BUCKETS = 400;
/** Live lines buffered because a summary may not count them yet; beyond, the oldest are dropped. */
const MAX_RECENT_LINES = 20_000;
/** Width of a bucket before the first summary. */
const INITIAL_BUCKET_MS = 250;

/**
 * The summary as a timeline that live lines continue. The server counts after it reads the length of the log: without a
 * filter its total is the newer number.
 */
export function timelineOf(summary: Summary, filtered: boolean): Timeline {
  const { from, to, bucket, buckets, total, lines, first } = summary;
  return { from, to, bucket, buckets, last: filtered ? lines : Math.max(lines, first - 1 + total) };
}

/** The lines of each level within a time range. `seq`: the first of them. */
export interface Column {
  readonly from: number;
  readonly to: number;
  readonly seq: number | undefined;
  readonly counts: LevelCounts;
  readonly total: number;
}

interface Bucket {
  seq: number | undefined;
  counts: Partial<Record<Level, number>>;
}

export class Histogram {
  #from = 0;
  #width = INITIAL_BUCKET_MS;
  #buckets: Bucket[] = [];
  #last = 0;
  /** Seq, time and level of live lines, which a later summary may not count yet. */
  #recent: (readonly [seq: number, ts: number, level: Level])[] = [];

  /** Whether the log has no time span yet. */
  get empty(): boolean {
    return this.#buckets.length < 2;
  }

  get from(): number {
    return this.#from;
  }

  get to(): number {
    return this.#from + this.#buckets.length * this.#width;
  }

  /** Restarts from the server's counts and adds the live lines behind them. */
  set(timeline: Timeline): void {
    const recent = this.#recent;
    this.clear();
    this.#from = timeline.from;
    this.#width = Math.max(1, timeline.bucket);
    this.#last = timeline.last;
    this.#buckets = timeline.buckets.map(({ seq, counts }) => ({ seq: seq ?? undefined, counts: { ...counts } }));
    while (this.#buckets.length > MAX_BUCKETS) this.#halve();
    for (const [seq, ts, level] of recent) this.#count(seq, ts, level);
  }

  /** Counts live lines. Lines that are counted already are skipped. */
  take(records: readonly LogRecord[]): void {
    for (const { seq, ts, level } of records) this.#count(seq, ts, level);
    if (this.#recent.length > 2 * MAX_RECENT_LINES) this.#recent = this.#recent.slice(-MAX_RECENT_LINES);
  }

  clear(): void {
    this.#from = 0;
    this.#width = INITIAL_BUCKET_MS;
    this.#buckets = [];
    this.#last = 0;
    this.#recent = [];
  }

  /** At most `most` columns, each of one or more buckets. */
  columns(most: number): readonly Column[] {
    const each = Math.max(1, Math.ceil(this.#buckets.length / Math.max(1, most)));
    const columns: Column[] = [];
    for (let i = 0; i < this.#buckets.length; i += each) {
      const group = this.#buckets.slice(i, i + each);
      const { seq, counts } = group.reduce(joined, { seq: undefined, counts: {} });
      const from = this.#from + i * this.#width;
      const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
      columns.push({ from, to: from + group.length * this.#width, seq, counts, total });
    }
    return columns;
  }

  #count(seq: number, ts: number, level: Level): void {
    if (seq <= this.#last) return;
    this.#last = seq;
    this.#recent.push([seq, ts, level]);
    if (this.#buckets.length === 0) this.#from = ts;
    const bucket = this.#at(ts);
    bucket.seq ??= seq;
    bucket.counts[level] = (bucket.counts[level] ?? 0) + 1;
  }

  /** The bucket of a time. Times before the first bucket count in it: sources interleave, clocks are set back. */
  #at(ts: number): Bucket {
    while (ts - this.#from >= MAX_BUCKETS * this.#width) this.#halve();
    const index = Math.max(0, Math.floor((ts - this.#from) / this.#width));
    while (this.#buckets.length <= index) this.#buckets.push({ seq: undefined, counts: {} });
    return this.#buckets[index] as Bucket;
  }

  #halve(): void {
    const half: Bucket[] = [];
    for (let i = 0; i < this.#buckets.length; i += 2) half.push(this.#buckets.slice(i, i + 2).reduce(joined));
    this.#buckets = half;
    this.#width *= 2;
  }
}

function joined(a: Bucket, b: Bucket): Bucket {
  const counts = { ...a.counts };
  for (const [level, n] of Object.entries(b.counts) as [Level, number][]) counts[level] = (counts[level] ?? 0) + n;
  return { seq: a.seq ?? b.seq, counts };
}

/** Levels from the bottom of a column to its top: the most severe at the bottom. */
export const STACK: readonly Level[] = ["fatal", "error", "warn", "info", "debug", "trace", "unknown"];

/** One SVG path of rectangles per level, in a box of px; a count above 0 is at least 2 px high. */
export function areas(columns: readonly Column[], width: number, height: number): ReadonlyMap<Level, string> {
  const most = Math.max(1, ...columns.map(({ total }) => total));
  const each = width / Math.max(1, columns.length);
  const gap = each > 4 ? 1 : 0;
  const paths = new Map<Level, string>();
  columns.forEach(({ counts, total }, i) => {
    if (total === 0) return;
    let bottom = height;
    for (const level of STACK) {
      const n = counts[level] ?? 0;
      if (n === 0) continue;
      const top = Math.max(0, Math.min(bottom - 2, bottom - (n / most) * height));
      const [x, w, h] = [round(i * each), round(each - gap), round(bottom - top)];
      paths.set(level, `${paths.get(level) ?? ""}M${x} ${round(top)}h${w}v${h}h${-w}z`);
      bottom = top;
    }
  });
  return paths;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The counts in words: `1,200 lines, 3 error, 12 warn`. */
export function countsInWords({ counts, total }: Column): string {
  const severe = (["fatal", "error", "warn"] as const).flatMap((level) =>
    counts[level] ? [`${counts[level].toLocaleString("en-US")} ${level}`] : [],
  );
  return [total === 1 ? "1 line" : `${total.toLocaleString("en-US")} lines`, ...severe].join(", ");
}

/** A time of day with the digits that a bucket of `width` ms needs, and the date if the span exceeds a day. */
export function clock(ts: number, width: number, span: number): string {
  const date = new Date(ts);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = span > 86_400_000 ? `${date.getMonth() + 1}/${date.getDate()} ` : "";
  const minutes = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (width >= 60_000) return day + minutes;
  const milliseconds = width < 1000 ? `.${String(date.getMilliseconds()).padStart(3, "0")}` : "";
  return `${day}${minutes}:${two(date.getSeconds())}${milliseconds}`;
}
