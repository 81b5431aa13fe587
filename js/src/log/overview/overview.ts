// What a log comes to beside its lines: how many over time, progress bars, numbers as curves, the first error. Fed with what
// the log hears, and by a few bounded questions to the source about what was before. No DOM; failures cost the picture only.

import type { LogSource, RecordQuery } from "../../protocol/log-source.js";
import { isEmpty } from "../../protocol/query.js";
import type { LogRecord, StreamFilter } from "../../protocol/types.js";
import { history } from "../history.js";
import type { RecordWindow } from "../record-window.js";
import { type FirstError, firstError } from "./first-error.js";
import { Histogram, timelineOf } from "./histogram.js";
import { Metrics } from "./metrics.js";
import { ProgressBars } from "./moving-bars.js";

const BUCKETS = 300;
/** The server's counts are asked for again once in this time, where live lines alone don't tell; of a long log rarer. */
const PACE_MS = 5000;
export const paceOf = (lines: number) => PACE_MS + lines / 200;
const TAIL = 200;
/** Lines that are simply fetched; lines that are searched for the names of numbers; of more, samples are taken. */
const ALL = 5000;
const SEARCHED = 100_000;
/** Lines per ms that the first question waits. */
const SETTLE = 5000;
const [SAMPLES, SAMPLE] = [24, 100];
/** Fewer lines, or less time, are seen at a glance. */
const FEWEST_LINES = 50;
const SHORTEST_MS = 2000;

export class Overview {
  readonly histogram = new Histogram();
  readonly bars = new ProgressBars();
  readonly metrics = new Metrics();
  error: FirstError | undefined;
  readonly #source: LogSource;
  readonly #lines: RecordWindow;
  readonly #changed: () => void;
  readonly #ended = new AbortController();
  #filter: StreamFilter = {};
  #openedAt: number | undefined;
  #settling: ReturnType<typeof setTimeout> | undefined;
  /** Have any records come, or is all that we know from ranges? */
  #heard = false;
  #asking = false;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** The newest line, and which it was when the server was asked last. */
  #last = 0;
  #askedFor = 0;
  /** Names whose numbers before the page looked have been asked for. */
  #filled = new Set<string>();

  constructor(source: LogSource, lines: RecordWindow, changed: () => void) {
    this.#source = source;
    this.#lines = lines;
    this.#changed = changed;
  }

  /** Is there so much over so long a time that a picture helps? */
  get isWorthSeeing(): boolean {
    const { histogram } = this;
    return !histogram.empty && histogram.to - histogram.from >= SHORTEST_MS && this.#last >= FEWEST_LINES;
  }

  records(records: readonly LogRecord[]): void {
    this.#heard ||= records.length > 0;
    for (const record of records) this.bars.record(record, Date.now());
    this.metrics.take(records);
    if (isEmpty(this.#filter)) this.histogram.take(records);
  }

  progress(source: string, message: string): void {
    const now = Date.now();
    // What is drawn over and over is a bar, or its numbers may be curves.
    if (this.bars.rewrite(source, message, now)) this.metrics.rewrite(message, now);
  }

  /** The workload has ended. */
  end(): void {
    this.bars.end();
  }

  /** The log began again from nothing. */
  reset(): void {
    this.bars.clear();
    this.metrics.clear();
    this.histogram.clear();
    this.#filled.clear();
    this.error = undefined;
    this.#askedFor = 0;
    this.#askedAt = Number.NEGATIVE_INFINITY;
  }

  /** Only the lines of this filter count in the picture over time. */
  set filter(filter: StreamFilter) {
    this.#filter = filter;
    this.#askedFor = 0;
    this.#askedAt = Number.NEGATIVE_INFINITY;
    this.histogram.clear();
  }

  /** To be called as the log grows: asks what live lines don't tell. `last`: newest line; `errors`: as far as known. */
  update(last: number, errors: number): void {
    this.#last = last;
    if (!this.#heard && this.#lines.get(last) !== undefined) this.#catchUp(last);
    if (this.#asking || last === 0 || last === this.#askedFor) return;
    const isFirst = this.#askedFor === 0;
    const wantsError = errors > 0 && errors !== this.error?.errors;
    if (!isFirst && isEmpty(this.#filter) && !wantsError) return;
    if (isFirst && !this.#isSettled(last)) return;
    // Whoever waits for the first error shall not wait long.
    const pace = wantsError && this.error === undefined ? PACE_MS / 10 : paceOf(last);
    if (!isFirst && performance.now() - this.#askedAt < pace) return;
    this.#asking = true;
    this.#askedAt = performance.now();
    this.#askedFor = last;
    const filter = this.#filter;
    this.#ask(filter)
      .catch(() => undefined) // a picture less; the lines are there
      .finally(() => {
        this.#asking = false;
        if (!this.#ended.signal.aborted) this.#changed();
      });
  }

  /** Counting ten million lines keeps the server busy: the lines that are looked at first come first. */
  #isSettled(last: number): boolean {
    const wait = last / SETTLE;
    if (wait < 20) return true;
    this.#settling ??= setTimeout(() => this.#changed(), wait + 1);
    this.#openedAt ??= performance.now();
    return performance.now() - this.#openedAt >= wait;
  }

  dispose(): void {
    clearTimeout(this.#settling);
    this.#ended.abort();
  }

  /** Others on the page follow this log already, so its end wasn't told to us: what the view has fetched of it will do. */
  #catchUp(last: number): void {
    this.#heard = true;
    const held: LogRecord[] = [];
    for (let seq = last; seq > last - TAIL; seq--) {
      const record = this.#lines.get(seq);
      if (record === undefined) break;
      held.unshift(record);
    }
    this.metrics.take(held);
    this.#fillCurves(this.#ended.signal).then(this.#changed, () => undefined);
  }

  async #ask(filter: StreamFilter): Promise<void> {
    const { signal } = this.#ended;
    const summed = await this.#source.summary?.(filter, BUCKETS, signal);
    if (summed === undefined) await this.#fillCurves(signal);
    if (summed === undefined || signal.aborted || filter !== this.#filter) return;
    this.histogram.set(timelineOf(summed, !isEmpty(filter)));
    await this.#fillCurves(signal);
    const { first_error: record, errors } = summed;
    if (record === null || !isEmpty(filter)) return;
    if (this.error?.seq === record.seq && this.error.errors === errors) return;
    const records = async (after: number, limit: number) => (await this.#source.page({ after, limit }, signal)).records;
    const count = async (q: string) => (await this.#source.page({ q, limit: 1 }, signal)).total;
    this.error = await firstError(record, errors, { records, count }, signal);
  }

  /** The numbers of lines that the page hasn't seen, as far as that costs the server little. */
  async #fillCurves(signal: AbortSignal): Promise<void> {
    const names = this.metrics.series.map(({ name }) => name).filter((name) => !this.#filled.has(name));
    if (names.length === 0) return;
    for (const name of names) this.#filled.add(name);
    const { first, last } = this.#lines;
    const page = async (asked: RecordQuery) => await this.#source.page(asked, signal);
    if (last - first < ALL) this.metrics.fill((await page({ after: first - 1, limit: ALL })).records);
    else if (last - first < SEARCHED) {
      this.metrics.fill(await history(names, (q, offset, limit) => page({ q, offset, limit }), signal));
    } else {
      const sampled: LogRecord[] = [];
      for (let i = 0; i < SAMPLES; i++) {
        const after = first - 1 + Math.floor(((last - first) * i) / SAMPLES);
        sampled.push(...(await page({ after, limit: SAMPLE })).records);
      }
      this.metrics.fill(sampled);
    }
  }
}
