// The hits of a question in a whole log, one by one: how many, which of them, the next, the one before. The server goes through
// the log once, to tell where they lie; which one lies where is then asked of a small part. One question at a time: what was
// asked before is called off. Knows records' numbers, nothing of the screen; no DOM.

import type { LogSource, MatchDensity } from "../protocol/log-source.js";
import type { StreamFilter } from "../protocol/types.js";
import { DENSITY_PARTS, matchAt, matchesBefore } from "./match-rank.js";

export interface Hit {
  /** From 0. */
  readonly nth: number;
  readonly total: number;
  readonly seq: number | undefined;
}

export class Hits {
  readonly filter: StreamFilter;
  readonly #source: LogSource;
  #asked: AbortController | undefined;
  #marks: MatchDensity | undefined;
  #nth = -1;

  constructor(source: LogSource, filter: StreamFilter) {
    this.#source = source;
    this.filter = filter;
  }

  get total(): number {
    return this.#marks?.total ?? 0;
  }

  /** Where in the log they lie, as far as that was asked. */
  get marks(): MatchDensity | undefined {
    return this.#marks;
  }

  /** The one that was asked for last, from 0; -1: none yet. */
  get nth(): number {
    return this.#nth;
  }

  /** Undefined from this and the other questions: another one was asked meanwhile. */
  newest(): Promise<Hit | undefined> {
    return this.#ask(async ({ total }) => Math.max(0, total - 1));
  }

  first(): Promise<Hit | undefined> {
    return this.#ask(async () => 0);
  }

  /** The first at or after `seq`; the last, where none comes after. */
  near(seq: number): Promise<Hit | undefined> {
    return this.#ask(async (marks, signal) => {
      const before = await matchesBefore(this.#source, this.filter, seq, signal, marks);
      return Math.max(0, Math.min(before, marks.total - 1));
    });
  }

  /** The next one behind a stretch of lines, or the one before it (`by` < 0); and round. */
  beyond({ from, to }: { readonly from: number; readonly to: number }, by: number): Promise<Hit | undefined> {
    return this.#ask(async (marks, signal) => {
      const before = await matchesBefore(this.#source, this.filter, by > 0 ? to + 1 : from, signal, marks);
      const total = Math.max(1, marks.total);
      return by > 0 ? before % total : (before - 1 + total) % total;
    });
  }

  /** So many further, and round. */
  step(by: number): Promise<Hit | undefined> {
    return this.#ask(async (marks) => {
      const total = Math.max(1, marks.total);
      return (((this.#nth + by) % total) + total) % total;
    });
  }

  /** Lines have come: how many hits are there now? Undefined where another question was asked meanwhile. */
  async recount(): Promise<number | undefined> {
    const signal = this.#asked?.signal ?? new AbortController().signal;
    const marks = await this.#source.matchDensity(this.filter, DENSITY_PARTS, signal);
    if (signal.aborted) return undefined;
    this.#marks = marks;
    return marks.total;
  }

  stop(): void {
    this.#asked?.abort();
  }

  async #ask(which: (marks: MatchDensity, signal: AbortSignal) => Promise<number>): Promise<Hit | undefined> {
    this.stop();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    try {
      const hit = (await this.#find(which, signal)) ?? (await this.#find(which, signal));
      if (signal.aborted || hit === undefined) return undefined;
      this.#nth = hit.nth;
      return hit;
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  /** Undefined where retention has taken what was counted: then it is to be counted anew. */
  async #find(
    which: (marks: MatchDensity, signal: AbortSignal) => Promise<number>,
    signal: AbortSignal,
  ): Promise<Hit | undefined> {
    const marks = this.#marks?.total
      ? this.#marks
      : await this.#source.matchDensity(this.filter, DENSITY_PARTS, signal);
    if (signal.aborted) return undefined;
    this.#marks = marks;
    if (marks.total === 0) return { nth: 0, total: 0, seq: undefined };
    const nth = await which(marks, signal);
    const seq = await matchAt(this.#source, this.filter, nth, marks, signal);
    if (seq === undefined && !signal.aborted) this.#marks = undefined;
    return seq === undefined ? undefined : { nth, total: marks.total, seq };
  }
}
