// The hits of a question in a whole log, one by one: how many, which of them, the next, the one before. One question at a
// time: what was asked before is called off. Knows records' numbers, nothing of the screen; no DOM.

import { matchesBefore } from "./rank.js";
import type { LogSource } from "./source.js";
import type { StreamFilter } from "./types.js";

export interface Hit {
  /** From 0. */
  readonly nth: number;
  readonly total: number;
  readonly seq: number | undefined;
}

export class Hits {
  readonly #source: LogSource;
  readonly #filter: StreamFilter;
  #asked: AbortController | undefined;
  #total = 0;
  #nth = -1;

  constructor(source: LogSource, filter: StreamFilter) {
    this.#source = source;
    this.#filter = filter;
  }

  get total(): number {
    return this.#total;
  }

  /** The one that was asked for last, from 0; -1: none yet. */
  get nth(): number {
    return this.#nth;
  }

  /** Undefined from this and the other questions: another one was asked meanwhile. */
  newest(): Promise<Hit | undefined> {
    return this.#ask(async (signal) => {
      const { total } = await this.#at(0, signal);
      return Math.max(0, total - 1);
    });
  }

  first(): Promise<Hit | undefined> {
    return this.#ask(async () => 0);
  }

  /** The first at or after `seq`; the last, where none comes after. */
  near(seq: number): Promise<Hit | undefined> {
    return this.#ask(async (signal) => {
      const before = await matchesBefore(this.#source, this.#filter, seq, signal);
      const { total } = await this.#at(before, signal);
      return Math.max(0, Math.min(before, total - 1));
    });
  }

  /** So many further, and round. */
  step(by: number): Promise<Hit | undefined> {
    const total = Math.max(1, this.#total);
    return this.#ask(async () => (((this.#nth + by) % total) + total) % total);
  }

  /** Lines have come: how many hits are there now? */
  async recount(): Promise<number | undefined> {
    const asked = this.#asked;
    const signal = asked?.signal ?? new AbortController().signal;
    const { total } = await this.#source.page({ ...this.#filter, offset: 0, limit: 1 }, signal);
    if (signal.aborted) return undefined;
    this.#total = total;
    return total;
  }

  stop(): void {
    this.#asked?.abort();
  }

  async #ask(which: (signal: AbortSignal) => Promise<number>): Promise<Hit | undefined> {
    this.stop();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    try {
      const nth = await which(signal);
      const { total, seq } = await this.#at(nth, signal);
      if (signal.aborted) return undefined;
      this.#total = total;
      this.#nth = nth;
      return { nth, total, seq };
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  async #at(nth: number, signal: AbortSignal): Promise<{ total: number; seq: number | undefined }> {
    const { total, records } = await this.#source.page({ ...this.#filter, offset: nth, limit: 1 }, signal);
    return { total, seq: records[0]?.seq };
  }
}
