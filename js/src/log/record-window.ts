// A bounded window over a log of millions of records: an LRU cache of pages, fetched by range or appended live. Page.
// The key of a record is its seq, or its rank among the matches: 1, 2, 3 ... without holes. The fetch function is injected,
// the owner appends live records. Bounded in pages and characters; dropped pages are fetched again. No DOM.

import { PermanentError } from "../protocol/errors.js";
import type { LogRecord } from "../protocol/types.js";

/** Records of a page. */
export const PAGE = 250;
export const MAX_PAGES = 64;
export const MAX_CHARS = 8_000_000;
/** Minimum interval of requests: dragging the scrollbar passes a million rows without stopping. */
export const THROTTLE_MS = 40;
export const RETRY_MS = 1000;
const MAX_IN_FLIGHT = 2;

type FetchRange = (after: number, limit: number, signal: AbortSignal) => Promise<readonly LogRecord[]>;

/** First and last key, inclusive. */
export type KeyRange = readonly [from: number, to: number];

/** Sorted keys as ranges without holes. */
export function contiguousRanges(keys: readonly number[]): readonly KeyRange[] {
  const found: [number, number][] = [];
  for (const key of keys) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === key - 1) last[1] = key;
    else found.push([key, key]);
  }
  return found;
}

interface LinePage {
  readonly slots: (LogRecord | undefined)[];
  chars: number;
}

interface Request {
  readonly page: number;
  readonly abort: AbortController;
}

const pageOf = (seq: number) => Math.floor((seq - 1) / PAGE);

export class RecordWindow {
  /** Key of the oldest retained record. */
  first = 1;
  /** Key of the newest record, cached or not. 0: none yet. */
  last = 0;
  readonly #ranked: boolean;
  readonly #fetch: FetchRange;
  readonly #changed: () => void;
  /** In order of use, the least recently used page first. */
  readonly #pages = new Map<number, LinePage>();
  readonly #requests = new Map<number, Request>();
  #chars = 0;
  #visible: readonly KeyRange[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #nextAt = 0;
  #failed = false;
  #disposed = false;

  /** `ranked`: the key of a record is its rank in the results of `fetch`, not its seq. */
  constructor(fetch: FetchRange, changed: () => void, ranked = false) {
    this.#fetch = fetch;
    this.#changed = changed;
    this.#ranked = ranked;
  }

  /** Cached pages and characters, open requests: for tests of the bounds. */
  get held(): { pages: number; chars: number; requests: number } {
    return { pages: this.#pages.size, chars: this.#chars, requests: this.#requests.size };
  }

  get(key: number): LogRecord | undefined {
    return this.#pages.get(pageOf(key))?.slots[(key - 1) % PAGE];
  }

  /** These keys are visible: fetches the missing ones, keeps the others cached, aborts requests for keys no longer visible. */
  ensure(...stretches: readonly KeyRange[]): void {
    this.#visible = stretches.map(([from, to]) => [Math.max(from, this.first), Math.min(to, this.last)]);
    for (const [from, to] of this.#visible) for (let page = pageOf(from); page <= pageOf(to); page++) this.#touch(page);
    for (const request of this.#requests.values()) if (!this.#isVisible(request.page)) this.#cancel(request);
    this.#pump();
  }

  /** Appends live records, in order. Following a log therefore needs no range requests. */
  append(records: readonly LogRecord[]): void {
    for (const record of records) this.#put(this.#ranked ? this.last + 1 : record.seq, record);
    this.#evict();
    if (records.length > 0) this.#changed();
  }

  /** There are records up to `last`, not fetched yet. */
  extend(last: number): void {
    if (last <= this.last) return;
    this.last = last;
    this.#changed();
  }

  /** Retention removed everything before `first`. */
  removed(first: number): void {
    if (first <= this.first) return;
    this.first = first;
    this.last = Math.max(this.last, first - 1);
    this.#changed();
  }

  /** The user retries after a permanent error. */
  retry(): void {
    this.#failed = false;
    this.#pump();
  }

  reset(): void {
    for (const request of this.#requests.values()) this.#cancel(request);
    this.#pages.clear();
    this.#chars = 0;
    this.first = 1;
    this.last = 0;
    this.#changed();
  }

  dispose(): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    for (const request of this.#requests.values()) this.#cancel(request);
    this.#pages.clear();
  }

  #put(key: number, record: LogRecord): void {
    const number = pageOf(key);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = { slots: new Array<LogRecord | undefined>(PAGE).fill(undefined), chars: 0 };
      this.#pages.set(number, page);
    }
    const slot = (key - 1) % PAGE;
    if (page.slots[slot] !== undefined) return;
    page.slots[slot] = record;
    page.chars += record.message.length;
    this.#chars += record.message.length;
    if (key > this.last) this.last = key;
  }

  #touch(key: number): void {
    const page = this.#pages.get(key);
    if (page === undefined) return;
    this.#pages.delete(key);
    this.#pages.set(key, page);
  }

  #isVisible(page: number): boolean {
    return this.#visible.some(([from, to]) => page >= pageOf(from) && page <= pageOf(to));
  }

  /** Drops the least recently used pages beyond the bounds; visible pages stay. */
  #evict(): void {
    for (const [key, page] of this.#pages) {
      if (this.#pages.size <= MAX_PAGES && this.#chars <= MAX_CHARS) return;
      if (this.#isVisible(key)) continue;
      this.#pages.delete(key);
      this.#chars -= page.chars;
    }
  }

  #missing(): number | undefined {
    for (const [from, to] of this.#visible) {
      for (let key = from; key <= to; key++) {
        if (this.get(key) === undefined && !this.#requests.has(pageOf(key))) return pageOf(key);
      }
    }
    return undefined;
  }

  #pump(): void {
    if (this.#disposed || this.#failed || this.#timer !== undefined || this.#requests.size >= MAX_IN_FLIGHT) return;
    const page = this.#missing();
    if (page === undefined) return;
    const wait = this.#nextAt - Date.now();
    if (wait > 0) {
      this.#later(wait);
      return;
    }
    this.#nextAt = Date.now() + THROTTLE_MS;
    void this.#request(page);
    this.#pump();
  }

  #later(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pump();
    }, ms);
  }

  async #request(page: number): Promise<void> {
    const abort = new AbortController();
    this.#requests.set(page, { page, abort });
    // The slots before the first missing one are cached: a page of long lines arrives in several answers.
    const start = Math.max(page * PAGE, this.first - 1);
    const missing = this.#pages.get(page)?.slots.indexOf(undefined, start - page * PAGE) ?? -1;
    const after = missing < 0 ? start : page * PAGE + missing;
    const limit = (page + 1) * PAGE - after;
    try {
      const records = await this.#fetch(after, limit, abort.signal);
      if (abort.signal.aborted) return;
      this.#requests.delete(page);
      this.#arrived(after, records);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#requests.delete(page);
      if (error instanceof PermanentError) this.#failed = true;
      else this.#later(RETRY_MS);
    }
  }

  #arrived(after: number, records: readonly LogRecord[]): void {
    // The answer starts after the requested key: retention removed what is before it.
    const start = this.#ranked ? undefined : records[0]?.seq;
    if (start !== undefined && start > after + 1) this.removed(start);
    records.forEach((record, i) => {
      this.#put(this.#ranked ? after + 1 + i : record.seq, record);
    });
    this.#evict();
    this.#changed();
    // An empty answer (removed, or not there yet) is requested again after a delay, the rest of an incomplete one at once.
    if (records.length === 0 && this.last > after) this.#later(RETRY_MS);
    else this.#pump();
  }

  #cancel(request: Request): void {
    request.abort.abort();
    this.#requests.delete(request.page);
  }
}
