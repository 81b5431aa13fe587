// Metric curves: the named numbers of lines as series over the log. Page; pure; bounded in series and points.
// Large batches are sampled; a long series is thinned by joining neighbours, whose minimum and maximum stay. Where lines
// name several workers (`rank=3`), each has a series of its own.

import type { LogRecord } from "../../protocol/types.js";
import type { Point } from "../../text/chart.js";
import { numbers, worker } from "../../text/numbers.js";

/** Most series; a further name replaces one that occurred once, or is left out. */
export const MAX_SERIES = 32;
/** Points of a series; beyond, neighbours are joined in pairs. */
export const MAX_POINTS = 512;
/** Lines of one batch that are searched, evenly spread over a larger one. */
export const MAX_LINES = 400;
/** The same for older lines, which are searched in turns so that the page stays responsive. */
export const MAX_FILLED_LINES = 2000;
const LINES_PER_TURN = 50;

export interface Series {
  /** The number's name; with its worker behind it if several workers have one. */
  readonly name: string;
  readonly points: readonly Point[];
  /** The newest number, and its line. */
  readonly last: number;
  readonly seq: number;
}

class Curve {
  readonly name: string;
  readonly worker: string | undefined;
  points: Point[] = [];
  last = Number.NaN;
  seq = 0;
  /** Lines per point. */
  #stride = 1;
  /** A number that is not finite came after the newest point. */
  #isGap = false;

  constructor(name: string, worker: string | undefined) {
    this.name = name;
    this.worker = worker;
  }

  add(point: Point): void {
    this.last = point.mean;
    this.seq = point.seq;
    if (!Number.isFinite(point.mean)) {
      this.#isGap = this.points.length > 0;
      return;
    }
    const newest = this.points.at(-1);
    if (this.#isGap) this.points.push({ ...point, isBehindGap: true });
    else if (newest !== undefined && newest.n < this.#stride) this.points[this.points.length - 1] = join(newest, point);
    else this.points.push(point);
    this.#isGap = false;
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
  const joined = { seq: a.seq, ts: a.ts, mean, min: Math.min(a.min, b.min), max: Math.max(a.max, b.max), n };
  return a.isBehindGap || b.isBehindGap ? { ...joined, isBehindGap: true } : joined;
}

/** By name and worker. */
type Curves = Map<string, Curve>;

export class Metrics {
  #curves: Curves = new Map();
  /** The newest record counted: a page that is fetched again counts once. */
  #last = 0;

  /** Adds live records, in order. */
  take(records: readonly LogRecord[]): void {
    const step = Math.max(1, records.length / MAX_LINES);
    for (let i = 0; i < records.length; i += step) {
      const record = records[Math.floor(i)] as LogRecord;
      if (record.seq <= this.#last || record.source === "system") continue;
      this.#last = record.seq;
      note(this.#curves, record.seq, record.ts, record.message);
    }
  }

  /** Adds the numbers of the line being written, under the number of the record that it will become. */
  rewrite(text: string, ts: number): void {
    note(this.#curves, this.#last + 1, ts, text);
  }

  /** Inserts older records, fetched later and in order, before the records added so far; a large number is sampled. */
  async fill(older: readonly LogRecord[]): Promise<void> {
    const before = this.#curves;
    const first = Math.min(...[...before.values()].map(({ points }) => points[0]?.seq ?? Infinity), this.#last + 1);
    const curves: Curves = new Map();
    const step = Math.max(1, older.length / MAX_FILLED_LINES);
    for (let i = 0, lines = 0; i < older.length; i += step, lines++) {
      if (lines % LINES_PER_TURN === LINES_PER_TURN - 1) await new Promise((resolve) => setTimeout(resolve));
      const { seq, ts, message, source } = older[Math.floor(i)] as LogRecord;
      if (seq < first && source !== "system") note(curves, seq, ts, message);
    }
    if (this.#curves !== before) return; // cleared meanwhile, or filled
    for (const { name, worker: of, points, last, seq } of before.values()) {
      const curve = curveOf(curves, name, of);
      for (const point of points) curve?.add(point);
      if (curve !== undefined) Object.assign(curve, { last, seq });
    }
    this.#curves = curves;
  }

  clear(): void {
    this.#curves = new Map();
    this.#last = 0;
  }

  /** The names of all numbers. */
  get names(): ReadonlySet<string> {
    return new Set([...this.#curves.values()].map(({ name }) => name));
  }

  /** All series, in order of first appearance. */
  get series(): readonly Series[] {
    const curves = [...this.#curves.values()];
    const workers = new Map<string, number>();
    for (const { name } of curves) workers.set(name, (workers.get(name) ?? 0) + 1);
    return curves.map(({ name, worker: of, points, last, seq }) => {
      const isShared = of !== undefined && (workers.get(name) ?? 0) > 1;
      return { name: isShared ? `${name} (${of})` : name, points, last, seq };
    });
  }

  /** Series with at least three points and a change: losses first, then scores, the rest, rates last. */
  get plottable(): readonly Series[] {
    const shown = this.series.filter(
      ({ name, points }) => !AXES.test(name.replace(/ \(.*/, "")) && points.length >= 3 && varies(points),
    );
    return shown.sort((a, b) => rank(a.name) - rank(b.name));
  }
}

/** Adds the numbers of a line. */
function note(curves: Curves, seq: number, ts: number, text: string): void {
  const found = numbers(text);
  const of = found.size > 0 ? worker(text) : undefined;
  for (const [name, value] of found)
    curveOf(curves, name, of)?.add({ seq, ts, mean: value, min: value, max: value, n: 1 });
}

/** The curve of a name and worker, made at its first number; undefined if MAX_SERIES are there and none makes room. */
function curveOf(curves: Curves, name: string, of: string | undefined): Curve | undefined {
  const key = of === undefined ? name : `${name}\n${of}`;
  let curve = curves.get(key);
  if (curve === undefined) {
    if (curves.size >= MAX_SERIES && !evict(curves)) return undefined;
    curve = new Curve(name, of);
    curves.set(key, curve);
  }
  return curve;
}

function evict(curves: Curves): boolean {
  for (const [key, curve] of curves) if (curve.points.length < 2) return curves.delete(key);
  return false;
}

/** Names of counters, which are no metrics. */
const AXES = /^(?:epochs?|steps?|iter|iteration|global_step|batch|i|n|eta|elapsed)$/i;
const ORDER = [
  /loss|ppl|perplexity|error|mse|mae|rmse/i,
  /acc|f1|auc|score|reward|iou|bleu|precision|recall/i,
  /\/s(?: \(|$)/,
];

function rank(name: string): number {
  const at = ORDER.findIndex((pattern) => pattern.test(name));
  // Rates last: nearly every progress bar has one.
  return at === 2 ? 4 : at === -1 ? 3 : at;
}

function varies(points: readonly Point[]): boolean {
  const [first] = points;
  return points.some(({ min, max }) => min !== first?.min || max !== first?.max);
}
