// Overview of a log: histogram, progress bars, metric curves, first error. Page; no DOM.
// Fed by live records, and by a few bounded requests for older ones. A failed request leaves a panel empty, nothing else.

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
/** Interval between summary requests while live records are not enough; it grows with the length of the log. */
const SUMMARY_INTERVAL_MS = 5000;
export const paceOf = (lines: number) => SUMMARY_INTERVAL_MS + lines / 200;
const TAIL_LINES = 200;
/** Logs up to this length are fetched whole for curves; up to the second length searched; longer ones sampled. */
const MAX_FETCHED_LINES = 5000;
const MAX_SEARCHED_LINES = 100_000;
/** The first summary request waits 1 ms per this many lines. */
const LINES_PER_WAIT_MS = 5000;
const [SAMPLES, SAMPLE_LINES] = [24, 100];
/** Shorter logs need no overview. */
const MIN_LINES = 50;
const MIN_SPAN_MS = 2000;

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
  /** Whether any live records arrived; otherwise all records came from ranges. */
  #hasLiveRecords = false;
  #isRequesting = false;
  #requestedAt = Number.NEGATIVE_INFINITY;
  /** The newest line, now and at the last request. */
  #last = 0;
  #requestedLast = 0;
  /** Names whose older numbers have been requested. */
  #filled = new Set<string>();

  constructor(source: LogSource, lines: RecordWindow, changed: () => void) {
    this.#source = source;
    this.#lines = lines;
    this.#changed = changed;
  }

  /** Whether the log is long enough, in lines and time, for a histogram. */
  get isWorthSeeing(): boolean {
    const { histogram } = this;
    return !histogram.empty && histogram.to - histogram.from >= MIN_SPAN_MS && this.#last >= MIN_LINES;
  }

  records(records: readonly LogRecord[]): void {
    this.#hasLiveRecords ||= records.length > 0;
    for (const record of records) this.bars.record(record, Date.now());
    this.metrics.take(records);
    if (isEmpty(this.#filter)) this.histogram.take(records);
  }

  progress(source: string, message: string): void {
    const now = Date.now();
    // A rewritten line is a progress bar, and its numbers can be curves.
    if (this.bars.rewrite(source, message, now)) this.metrics.rewrite(message, now);
  }

  /** The workload has ended. */
  end(): void {
    this.bars.end();
  }

  /** The log restarted from its first line. */
  reset(): void {
    this.bars.clear();
    this.metrics.clear();
    this.histogram.clear();
    this.#filled.clear();
    this.error = undefined;
    this.#requestedLast = 0;
    this.#requestedAt = Number.NEGATIVE_INFINITY;
  }

  /** Restricts the histogram to the lines of a filter. */
  set filter(filter: StreamFilter) {
    this.#filter = filter;
    this.#requestedLast = 0;
    this.#requestedAt = Number.NEGATIVE_INFINITY;
    this.histogram.clear();
  }

  /** Call when lines are appended: requests what live records do not give. `last`: newest line; `errors`: known count. */
  update(last: number, errors: number): void {
    this.#last = last;
    if (!this.#hasLiveRecords && this.#lines.get(last) !== undefined) this.#catchUp(last);
    if (this.#isRequesting || last === 0 || last === this.#requestedLast) return;
    const isFirst = this.#requestedLast === 0;
    const wantsError = errors > 0 && errors !== this.error?.errors;
    if (!isFirst && isEmpty(this.#filter) && !wantsError) return;
    if (isFirst && !this.#isSettled(last)) return;
    // The first error should appear soon.
    const pace = wantsError && this.error === undefined ? SUMMARY_INTERVAL_MS / 10 : paceOf(last);
    if (!isFirst && performance.now() - this.#requestedAt < pace) return;
    this.#isRequesting = true;
    this.#requestedAt = performance.now();
    this.#requestedLast = last;
    const filter = this.#filter;
    this.#request(filter)
      .catch(() => undefined) // only the overview is missing
      .finally(() => {
        this.#isRequesting = false;
        if (!this.#ended.signal.aborted) this.#changed();
      });
  }

  /** Counting ten million lines takes the server time: the visible lines are fetched first. */
  #isSettled(last: number): boolean {
    const wait = last / LINES_PER_WAIT_MS;
    if (wait < 20) return true;
    this.#settling ??= setTimeout(() => this.#changed(), wait + 1);
    this.#openedAt ??= performance.now();
    return performance.now() - this.#openedAt >= wait;
  }

  dispose(): void {
    clearTimeout(this.#settling);
    this.#ended.abort();
  }

  /** Another view follows this log already, so its tail is not sent again: use the records that the view fetched. */
  #catchUp(last: number): void {
    this.#hasLiveRecords = true;
    const tail: LogRecord[] = [];
    for (let seq = last; seq > last - TAIL_LINES; seq--) {
      const record = this.#lines.get(seq);
      if (record === undefined) break;
      tail.unshift(record);
    }
    this.metrics.take(tail);
    this.#fillCurves(this.#ended.signal).then(this.#changed, () => undefined);
  }

  async #request(filter: StreamFilter): Promise<void> {
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

  /** Requests the numbers of older lines, within a bounded cost for the server. */
  async #fillCurves(signal: AbortSignal): Promise<void> {
    const names = [...this.metrics.names].filter((name) => !this.#filled.has(name));
    if (names.length === 0) return;
    for (const name of names) this.#filled.add(name);
    const { first, last } = this.#lines;
    const page = async (query: RecordQuery) => await this.#source.page(query, signal);
    if (last - first < MAX_FETCHED_LINES)
      await this.metrics.fill((await page({ after: first - 1, limit: MAX_FETCHED_LINES })).records);
    else if (last - first < MAX_SEARCHED_LINES) {
      await this.metrics.fill(await history(names, (q, offset, limit) => page({ q, offset, limit }), signal));
    } else {
      const sampled: LogRecord[] = [];
      for (let i = 0; i < SAMPLES; i++) {
        const after = first - 1 + Math.floor(((last - first) * i) / SAMPLES);
        sampled.push(...(await page({ after, limit: SAMPLE_LINES })).records);
      }
      await this.metrics.fill(sampled);
    }
  }
}
