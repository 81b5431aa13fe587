// The matching records of a log, by rank: 1 is the oldest match. Page.
// Ranges are fetched, new matches arrive by a stream with the same filter; both meet at a seq, so no match is lost or counted
// twice. Bounded by its record window. No DOM.

import { PermanentError } from "../protocol/errors.js";
import type { LogSource } from "../protocol/log-source.js";
import { type Frame, type HubEvent, isFinal, type StreamFilter, type Subscription } from "../protocol/types.js";
import { matchesBefore } from "./match-rank.js";
import { RecordWindow } from "./record-window.js";

/** Matches requested at first: fill any viewport. */
const TAIL_MATCHES = 250;
/** Matches of the second request, which reaches the end of the log. */
const PAGE_MATCHES = 5000;
const RETRY_MS = 2000;

export class Matches {
  readonly lines: RecordWindow;
  readonly filter: StreamFilter;
  /** Is the number of matches known? */
  counted = false;
  /** Why the search failed (a malformed expression, one that takes too long); "" if it did not. */
  error = "";
  readonly #source: LogSource;
  readonly #changed: () => void;
  #subscription: Subscription | undefined;
  #counting: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Every match up to this seq is counted. */
  #countedTo = 0;

  constructor(source: LogSource, filter: StreamFilter, changed: () => void) {
    this.filter = filter;
    this.#source = source;
    this.#changed = changed;
    const fetch = (after: number, limit: number, signal: AbortSignal) =>
      source.page({ ...filter, offset: after, limit }, signal).then(({ records }) => records);
    this.lines = new RecordWindow(fetch, changed, true);
  }

  get total(): number {
    return this.lines.last;
  }

  /** Starts or restarts: after retention all ranks change. `known`: the newest seq of the log. */
  async open(known: number): Promise<void> {
    this.close();
    const counting = new AbortController();
    this.#counting = counting;
    try {
      const final = await this.#count(known, counting.signal);
      if (!counting.signal.aborted && !final) this.#follow();
    } catch (error) {
      if (counting.signal.aborted) return;
      this.error = error instanceof Error ? error.message : String(error);
      // A permanent error stays; after a connection failure the request is repeated.
      if (!(error instanceof PermanentError)) this.#timer = setTimeout(() => void this.open(known), RETRY_MS);
    }
    this.#changed();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#counting?.abort();
    this.#subscription?.close();
    this.#subscription = undefined;
  }

  dispose(): void {
    this.close();
    this.lines.dispose();
  }

  /** The rank of a record, or of the first match after it. */
  async rankOf(seq: number, signal: AbortSignal): Promise<number> {
    const before = await matchesBefore(this.#source, this.filter, seq, signal);
    return Math.max(1, Math.min(before + 1, this.lines.last));
  }

  /** Counts the matches and fetches the tail. True if the log has ended, so that no more can come. */
  async #count(known: number, signal: AbortSignal): Promise<boolean> {
    let page = await this.#source.page({ ...this.filter, offset: 0, limit: TAIL_MATCHES }, signal);
    let offset = 0;
    if (page.total > page.records.length) {
      offset = Math.max(0, page.total - TAIL_MATCHES);
      page = await this.#source.page({ ...this.filter, offset, limit: PAGE_MATCHES }, signal);
    }
    if (signal.aborted) return true;
    this.lines.reset();
    this.lines.extend(offset);
    this.lines.append(page.records);
    const reached = page.records.at(-1)?.seq ?? 0;
    // A page of long lines ends early: the stream brings the rest.
    if (page.next === null) this.lines.extend(page.total);
    this.#countedTo = page.next === null ? Math.max(known, reached) : reached;
    this.counted = true;
    this.error = "";
    return isFinal(page.state) && offset + page.records.length >= page.total;
  }

  #follow(): void {
    this.#subscription = this.#source.subscribe({ ...this.filter, after: this.#countedTo }, (event) =>
      this.#onEvent(event),
    );
  }

  #onEvent(event: HubEvent): void {
    // Another view follows the same matches already: those up to its cursor are not delivered again.
    if (event.kind === "snapshot") {
      if (typeof event.cursor === "number" && event.cursor > this.#countedTo) void this.open(this.#countedTo);
    } else if (event.kind === "frame") this.#applyFrame(event.type, event.data);
  }

  #applyFrame(type: string, data: Frame): void {
    if (type === "logs") {
      const fresh = (data.logs ?? []).filter((record) => record.seq > this.#countedTo);
      this.#countedTo = fresh.at(-1)?.seq ?? this.#countedTo;
      this.lines.append(fresh);
    }
    if (typeof data.cursor === "number") this.#countedTo = Math.max(this.#countedTo, data.cursor);
    if (type === "reset" || type === "gap") void this.open(0);
  }
}
