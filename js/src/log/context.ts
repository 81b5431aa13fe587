// Matches with their neighbours: the whole log with everything folded away that is far from a match. Needs the seq of every
// match, so their number is bounded; beyond MOST it says so and shows none. No DOM.

import type { LogSource } from "../protocol/log-source.js";
import type { StreamFilter } from "../protocol/types.js";
import { thousands } from "../text/format.js";
import type { Fold, Folds } from "./folds.js";

const PAGE = 5000;
export const MOST = 50_000;
/** While the log grows, new matches are asked for once in this time. */
const PACE_MS = 1000;

export class Context {
  total: number | undefined;
  error = "";
  readonly #source: LogSource;
  readonly #filter: StreamFilter;
  readonly #around: number;
  readonly #changed: () => void;
  readonly #ended = new AbortController();
  #seqs: number[] = [];
  /** Every match up to this seq is in `#seqs`. */
  #upto = 0;
  #asking = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #folded = "";

  constructor(source: LogSource, filter: StreamFilter, around: number, changed: () => void) {
    this.#source = source;
    this.#filter = filter;
    this.#around = around;
    this.#changed = changed;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#ended.abort();
  }

  /** Folds all but the matches and their neighbours; the log holds `first` to `last`. Asks for matches it doesn't know. */
  fold(folds: Folds, first: number, last: number): void {
    if (last > this.#upto && !this.#asking && this.#timer === undefined && this.error === "") void this.#ask(last);
    const state = `${first} ${last} ${this.#seqs.length}`;
    if (state === this.#folded || this.total === undefined) return;
    this.#folded = state;
    folds.set(this.#gaps(first, last));
  }

  #gaps(first: number, last: number): Fold[] {
    const gaps: Fold[] = [];
    let from = first;
    const add = (to: number) => {
      // The first line of a gap stands for it; a gap of one line is the line itself.
      if (to > from) gaps.push({ from: from + 1, to });
    };
    for (const seq of this.#seqs) {
      if (seq - this.#around > from) add(seq - this.#around - 1);
      from = Math.max(from, seq + this.#around + 1);
    }
    add(last);
    return gaps;
  }

  async #ask(last: number): Promise<void> {
    this.#asking = true;
    try {
      for (let after = this.#upto; ; ) {
        const found = await this.#source.seqs(this.#filter, after, PAGE, this.#ended.signal);
        this.#seqs.push(...found);
        after = found.at(-1) ?? after;
        if (this.#seqs.length > MOST) {
          this.error = `More than ${thousands(MOST)} lines match: too many to show each with its neighbours`;
          this.#seqs = [];
          break;
        }
        if (found.length < PAGE) break;
      }
      this.#upto = last;
      this.total = this.#seqs.length;
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.error = error instanceof Error ? error.message : String(error);
    }
    this.#asking = false;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#changed();
    }, PACE_MS);
    this.#changed();
  }
}
