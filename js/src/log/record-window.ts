// A window over a remote log of millions of records: pages by range, least recently used ones go, live ones come. What
// names a record here is its seq, or its rank among those that match: 1, 2, 3 ... without holes, either way.
// Knows no DOM and no transport: ranges come from an injected function, live records are pushed in by the owner.
// Bounded twice (records and characters), whatever arrives: what is dropped can always be fetched again.

import { PermanentError } from "../protocol/errors.js";
import type { LogRecord } from "../protocol/types.js";

export const PAGE = 250;
export const MAX_PAGES = 64;
export const MAX_CHARS = 8_000_000;
/** At most one new request in this time: dragging a scrollbar passes a million rows nobody stops at. */
export const PACE_MS = 40;
export const RETRY_MS = 1000;
const MAX_IN_FLIGHT = 2;

export type FetchRange = (after: number, limit: number, signal: AbortSignal) => Promise<readonly LogRecord[]>;

/** First and last row, both included. */
export type KeyRange = readonly [from: number, to: number];

/** Rows in order as stretches without a hole. */
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
  /** The oldest record that retention has left. */
  first = 1;
  /** The newest record there is, held here or not. 0: none yet. */
  last = 0;
  readonly #ranked: boolean;
  readonly #fetch: FetchRange;
  readonly #changed: () => void;
  /** In order of use, the least recently used page first. */
  readonly #pages = new Map<number, LinePage>();
  readonly #requests = new Map<number, Request>();
  #chars = 0;
  #wanted: readonly KeyRange[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #nextAt = 0;
  #refused = false;
  #disposed = false;

  /** `ranked`: records are named by their rank among all that `fetch` gives, not by their seq. */
  constructor(fetch: FetchRange, changed: () => void, ranked = false) {
    this.#fetch = fetch;
    this.#changed = changed;
    this.#ranked = ranked;
  }

  /** Pages and characters held, for those who watch the bound. */
  get held(): { pages: number; chars: number; requests: number } {
    return { pages: this.#pages.size, chars: this.#chars, requests: this.#requests.size };
  }

  get(key: number): LogRecord | undefined {
    return this.#pages.get(pageOf(key))?.slots[(key - 1) % PAGE];
  }

  /** These rows are looked at: fetch what is missing of them, keep what is there, give up what was wanted before. */
  ensure(...stretches: readonly KeyRange[]): void {
    this.#wanted = stretches.map(([from, to]) => [Math.max(from, this.first), Math.min(to, this.last)]);
    for (const [from, to] of this.#wanted) for (let page = pageOf(from); page <= pageOf(to); page++) this.#touch(page);
    for (const request of this.#requests.values()) if (!this.#isWanted(request.page)) this.#cancel(request);
    this.#pump();
  }

  /** Records as they come, in order. They are stored without a fetch, so following never asks for a range. */
  append(records: readonly LogRecord[]): void {
    for (const record of records) this.#put(this.#ranked ? this.last + 1 : record.seq, record);
    this.#evict();
    if (records.length > 0) this.#changed();
  }

  /** There are records up to `last`, which haven't been sent to us. */
  extend(last: number): void {
    if (last <= this.last) return;
    this.last = last;
    this.#changed();
  }

  /** Retention has removed everything before `first`. */
  removed(first: number): void {
    if (first <= this.first) return;
    this.first = first;
    this.last = Math.max(this.last, first - 1);
    this.#changed();
  }

  /** The user wants to try again what was refused. */
  retry(): void {
    this.#refused = false;
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

  #isWanted(page: number): boolean {
    return this.#wanted.some(([from, to]) => page >= pageOf(from) && page <= pageOf(to));
  }

  /** What is looked at stays, also while a flood passes by. */
  #evict(): void {
    for (const [key, page] of this.#pages) {
      if (this.#pages.size <= MAX_PAGES && this.#chars <= MAX_CHARS) return;
      if (this.#isWanted(key)) continue;
      this.#pages.delete(key);
      this.#chars -= page.chars;
    }
  }

  #missing(): number | undefined {
    for (const [from, to] of this.#wanted) {
      for (let key = from; key <= to; key++) {
        if (this.get(key) === undefined && !this.#requests.has(pageOf(key))) return pageOf(key);
      }
    }
    return undefined;
  }

  #pump(): void {
    if (this.#disposed || this.#refused || this.#timer !== undefined || this.#requests.size >= MAX_IN_FLIGHT) return;
    const page = this.#missing();
    if (page === undefined) return;
    const wait = this.#nextAt - Date.now();
    if (wait > 0) {
      this.#later(wait);
      return;
    }
    this.#nextAt = Date.now() + PACE_MS;
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
    const after = Math.max(page * PAGE, this.first - 1);
    const limit = (page + 1) * PAGE - after;
    try {
      const records = await this.#fetch(after, limit, abort.signal);
      if (abort.signal.aborted) return;
      this.#requests.delete(page);
      this.#arrived(after, limit, records);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#requests.delete(page);
      if (error instanceof PermanentError) this.#refused = true;
      else this.#later(RETRY_MS);
    }
  }

  #arrived(after: number, limit: number, records: readonly LogRecord[]): void {
    // The server starts later than asked: what lies before has been removed, also if no gap frame told us.
    const start = this.#ranked ? undefined : records[0]?.seq;
    if (start !== undefined && start > after + 1) this.removed(start);
    records.forEach((record, i) => {
      this.#put(this.#ranked ? after + 1 + i : record.seq, record);
    });
    this.#evict();
    this.#changed();
    // An answer that doesn't hold what we want (all removed, or not there yet) is asked for again, but not in a loop.
    if (records.length < Math.min(limit, this.last - after)) this.#later(RETRY_MS);
    else this.#pump();
  }

  #cancel(request: Request): void {
    request.abort.abort();
    this.#requests.delete(request.page);
  }
}
