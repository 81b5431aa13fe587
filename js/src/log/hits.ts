// Stepping through the hits of a search in the whole log: their number, the current, next and previous one. Page.
// The server scans the log once for the density of the hits; the position of one is then found in a small part. One lookup
// at a time: a new one aborts the one before. No DOM.

import type { LogSource, MatchDensity } from "../protocol/log-source.js";
import type { StreamFilter } from "../protocol/types.js";
import { DENSITY_PARTS, matchAt, matchesBefore } from "./match-rank.js";

export interface Hit {
  /** From 0. */
  readonly nth: number;
  readonly total: number;
  readonly seq: number | undefined;
  /** The last line that was searched, if the search ran out of processor time. */
  readonly stopped?: number | undefined;
}

export class Hits {
  readonly filter: StreamFilter;
  readonly #source: LogSource;
  #lookup: AbortController | undefined;
  #density: MatchDensity | undefined;
  #nth = -1;

  constructor(source: LogSource, filter: StreamFilter) {
    this.#source = source;
    this.filter = filter;
  }

  get total(): number {
    return this.#density?.total ?? 0;
  }

  /** The distribution of the hits over the log; undefined until the first lookup. */
  get density(): MatchDensity | undefined {
    return this.#density;
  }

  /** Number of the current hit, from 0; -1: none yet. */
  get nth(): number {
    return this.#nth;
  }

  /** The last hit. This and the other lookups return undefined if a newer lookup aborted them. */
  newest(): Promise<Hit | undefined> {
    return this.#run(async ({ total }) => Math.max(0, total - 1));
  }

  first(): Promise<Hit | undefined> {
    return this.#run(async () => 0);
  }

  /** The first hit at or after `seq`, else the last one. */
  near(seq: number): Promise<Hit | undefined> {
    return this.#run(async (density, signal) => {
      const before = await matchesBefore(this.#source, this.filter, seq, signal, density);
      return Math.max(0, Math.min(before, density.total - 1));
    });
  }

  /** The next hit after a range of lines, or the previous one before it (`by` < 0); wraps around. */
  beyond({ from, to }: { readonly from: number; readonly to: number }, by: number): Promise<Hit | undefined> {
    return this.#run(async (density, signal) => {
      const before = await matchesBefore(this.#source, this.filter, by > 0 ? to + 1 : from, signal, density);
      const total = Math.max(1, density.total);
      return by > 0 ? before % total : (before - 1 + total) % total;
    });
  }

  /** The hit `by` further than the current one; wraps around. */
  step(by: number): Promise<Hit | undefined> {
    return this.#run(async (density) => {
      const total = Math.max(1, density.total);
      return (((this.#nth + by) % total) + total) % total;
    });
  }

  /** Counts the hits again after lines were appended. Undefined if a newer lookup aborted it. */
  async recount(): Promise<number | undefined> {
    const signal = this.#lookup?.signal ?? new AbortController().signal;
    const density = await this.#source.matchDensity(this.filter, DENSITY_PARTS, signal);
    if (signal.aborted) return undefined;
    this.#density = density;
    return density.total;
  }

  stop(): void {
    this.#lookup?.abort();
  }

  async #run(which: (density: MatchDensity, signal: AbortSignal) => Promise<number>): Promise<Hit | undefined> {
    this.stop();
    this.#lookup = new AbortController();
    const { signal } = this.#lookup;
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

  /** Undefined if retention removed counted hits: then they must be counted again. */
  async #find(
    which: (density: MatchDensity, signal: AbortSignal) => Promise<number>,
    signal: AbortSignal,
  ): Promise<Hit | undefined> {
    const density = this.#density?.total
      ? this.#density
      : await this.#source.matchDensity(this.filter, DENSITY_PARTS, signal);
    if (signal.aborted) return undefined;
    this.#density = density;
    const { stopped } = density;
    if (density.total === 0) return { nth: 0, total: 0, seq: undefined, stopped };
    const nth = await which(density, signal);
    const seq = await matchAt(this.#source, this.filter, nth, density, signal);
    if (seq === undefined && !signal.aborted) this.#density = undefined;
    return seq === undefined ? undefined : { nth, total: density.total, seq, stopped };
  }
}
