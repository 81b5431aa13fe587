// The records of a log that match a filter, by rank: 1 is the oldest match. Ranges are asked of the server, new matches come
// by a stream of their own with the same filter, and the seam between the two is a seq, so none is lost or counted twice.
// No DOM; bounded as any window over a log is.

import { PermanentError } from "../protocol/errors.js";
import type { LogSource } from "../protocol/log-source.js";
import { type Frame, type HubEvent, isFinal, type StreamFilter, type Subscription } from "../protocol/types.js";
import { matchesBefore } from "./match-rank.js";
import { RecordWindow } from "./record-window.js";

/** Matches asked for at first: fills any viewport. */
const TAIL = 250;
const MOST = 5000;
const RETRY_MS = 2000;

export class Matches {
  readonly lines: RecordWindow;
  readonly filter: StreamFilter;
  /** Are there any numbers yet? */
  counted = false;
  /** Why nothing can be found, in a sentence: a malformed expression, one that takes too long. */
  error = "";
  readonly #source: LogSource;
  readonly #changed: () => void;
  #subscription: Subscription | undefined;
  #asked: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Every match up to this seq is counted. */
  #upto = 0;

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

  /** Begins, or begins again: retention has taken lines, and with them the ranks of all others. `known`: newest seq there is. */
  async open(known: number): Promise<void> {
    this.close();
    const asked = new AbortController();
    this.#asked = asked;
    try {
      const final = await this.#count(known, asked.signal);
      if (!asked.signal.aborted && !final) this.#follow();
    } catch (error) {
      if (asked.signal.aborted) return;
      this.error = error instanceof Error ? error.message : String(error);
      // What the server refuses it will refuse again; what was cut may go now.
      if (!(error instanceof PermanentError)) this.#timer = setTimeout(() => void this.open(known), RETRY_MS);
    }
    this.#changed();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#asked?.abort();
    this.#subscription?.close();
    this.#subscription = undefined;
  }

  dispose(): void {
    this.close();
    this.lines.dispose();
  }

  /** Where a record stands, or would stand: its rank, or that of the first match behind it. */
  async rankOf(seq: number, signal: AbortSignal): Promise<number> {
    const before = await matchesBefore(this.#source, this.filter, seq, signal);
    return Math.max(1, Math.min(before + 1, this.lines.last));
  }

  /** True if the log has ended: then these are all matches there will be. */
  async #count(known: number, signal: AbortSignal): Promise<boolean> {
    let page = await this.#source.page({ ...this.filter, offset: 0, limit: TAIL }, signal);
    let offset = 0;
    if (page.total > page.records.length) {
      offset = Math.max(0, page.total - TAIL);
      page = await this.#source.page({ ...this.filter, offset, limit: MOST }, signal);
    }
    if (signal.aborted) return true;
    this.lines.reset();
    this.lines.extend(offset);
    this.lines.append(page.records);
    this.lines.extend(page.total);
    this.#upto = Math.max(known, page.records.at(-1)?.seq ?? 0);
    this.counted = true;
    this.error = "";
    return isFinal(page.state) && offset + page.records.length >= page.total;
  }

  #follow(): void {
    this.#subscription = this.#source.subscribe({ ...this.filter, after: this.#upto }, (event) => this.#hear(event));
  }

  #hear(event: HubEvent): void {
    // Another view follows the same matches already: those up to its cursor won't be told again.
    if (event.kind === "snapshot") {
      if (typeof event.cursor === "number" && event.cursor > this.#upto) void this.open(this.#upto);
    } else if (event.kind === "frame") this.#take(event.type, event.data);
  }

  #take(type: string, data: Frame): void {
    if (type === "logs") {
      const fresh = (data.logs ?? []).filter((record) => record.seq > this.#upto);
      this.#upto = fresh.at(-1)?.seq ?? this.#upto;
      this.lines.append(fresh);
    }
    if (typeof data.cursor === "number") this.#upto = Math.max(this.#upto, data.cursor);
    if (type === "reset" || type === "gap") void this.open(0);
  }
}
