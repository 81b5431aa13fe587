// Metric curves: the named numbers of lines as series over the log. Page; pure; bounded in series and points.
// Large batches are sampled; a long series is thinned by joining neighbours, whose minimum and maximum stay.

import type { LogRecord } from "../../protocol/types.js";
import type { Point } from "../../text/chart.js";
import { numbers } from "../../text/numbers.js";

/** Most series; a further name replaces one that occurred once, or is left out. */
export const MAX_SERIES = 32;
/** Points of a series; beyond, neighbours are joined in pairs. */
export const MAX_POINTS = 512;
/** Lines of one batch that are searched, evenly spread over a larger one. */
export const MAX_LINES = 400;

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** The newest number, and its line. */
  readonly last: number;
  readonly seq: number;
}

class Curve {
  points: Point[] = [];
  last = Number.NaN;
  seq = 0;
  /** Lines per point. */
  #stride = 1;

  add(point: Point): void {
    this.last = point.mean;
    this.seq = point.seq;
    if (!Number.isFinite(point.mean)) return;
    const newest = this.points.at(-1);
    if (newest !== undefined && newest.n < this.#stride) this.points[this.points.length - 1] = join(newest, point);
    else this.points.push(point);
    if (this.points.length > MAX_POINTS) this.#thin();
  }

  #thin(): void {
    const joined: Point[] = [];
    for (let i = 0; i < this.points.length; i += 2) {
      const [one, other] = [this.points[i] as Point, this.points[i + 1]];
      joined.push(other === undefined ? one : join(one, other));
    }
    this.points = joined;
    this.#stride *= 2;
  }
}

function join(a: Point, b: Point): Point {
  const n = a.n + b.n;
  const mean = (a.mean * a.n + b.mean * b.n) / n;
  return { seq: a.seq, ts: a.ts, mean, min: Math.min(a.min, b.min), max: Math.max(a.max, b.max), n };
}

export class Metrics {
  #curves = new Map<string, Curve>();
  /** The newest record counted: a page that is fetched again counts once. */
  #last = 0;

  /** Adds live records, in order. */
  take(records: readonly LogRecord[]): void {
    const step = Math.max(1, records.length / MAX_LINES);
    for (let i = 0; i < records.length; i += step) {
      const record = records[Math.floor(i)] as LogRecord;
      if (record.seq <= this.#last || record.source === "system") continue;
      this.#last = record.seq;
      this.#note(record.seq, record.ts, record.message);
    }
  }

  /** Adds the numbers of the line being written, under the number of the record that it will become. */
  rewrite(text: string, ts: number): void {
    this.#note(this.#last + 1, ts, text);
  }

  /** Inserts older records, fetched later and in order, before the records added so far. */
  fill(older: readonly LogRecord[]): void {
    const newer = this.#curves;
    const last = this.#last;
    this.#curves = new Map();
    const first = Math.min(...[...newer.values()].map((curve) => curve.points[0]?.seq ?? last + 1), last + 1);
    for (const { seq, ts, message, source } of older)
      if (seq < first && source !== "system") this.#note(seq, ts, message);
    for (const [name, { points, last: value, seq }] of newer) {
      for (const point of points) this.#add(name, point);
      const curve = this.#curves.get(name);
      if (curve !== undefined) Object.assign(curve, { last: value, seq });
    }
    this.#last = last;
  }

  clear(): void {
    this.#curves.clear();
    this.#last = 0;
  }

  /** All series, in order of first appearance. */
  get series(): readonly Series[] {
    return [...this.#curves].map(([name, { points, last, seq }]) => ({ name, points, last, seq }));
  }

  /** Series with at least three points and a change: losses first, then scores, the rest, rates last. */
  get plottable(): readonly Series[] {
    const shown = this.series.filter(({ name, points }) => !AXES.test(name) && points.length >= 3 && varies(points));
    return shown.sort((a, b) => rank(a.name) - rank(b.name));
  }

  #note(seq: number, ts: number, text: string): void {
    for (const [name, value] of numbers(text)) this.#add(name, { seq, ts, mean: value, min: value, max: value, n: 1 });
  }

  #add(name: string, point: Point): void {
    let curve = this.#curves.get(name);
    if (curve === undefined) {
      if (this.#curves.size >= MAX_SERIES && !this.#evict()) return;
      curve = new Curve();
      this.#curves.set(name, curve);
    }
    curve.add(point);
  }

  #evict(): boolean {
    for (const [name, curve] of this.#curves) if (curve.points.length < 2) return this.#curves.delete(name);
    return false;
  }
}

/** Names of counters, which are no metrics. */
const AXES = /^(?:epochs?|steps?|iter|iteration|global_step|batch|i|n|eta|elapsed)$/i;
const ORDER = [/loss|ppl|perplexity|error|mse|mae|rmse/i, /acc|f1|auc|score|reward|iou|bleu|precision|recall/i, /\/s$/];

function rank(name: string): number {
  const at = ORDER.findIndex((pattern) => pattern.test(name));
  // Rates last: nearly every progress bar has one.
  return at === 2 ? 4 : at === -1 ? 3 : at;
}

function varies(points: readonly Point[]): boolean {
  const [first] = points;
  return points.some(({ min, max }) => min !== first?.min || max !== first?.max);
}
