// Matches with context lines: the whole log, folded except around the matches. Page.
// Needs the seq of every match: beyond MAX_MATCHES it shows an error instead. No DOM.

import type { LogSource } from "../protocol/log-source.js";
import type { StreamFilter } from "../protocol/types.js";
import { thousands } from "../text/format.js";
import type { Fold, Folds } from "./folds.js";

/** Matches of one request. */
const PAGE_MATCHES = 5000;
export const MAX_MATCHES = 50_000;
/** While the log grows, new matches are requested at most this often. */
const THROTTLE_MS = 1000;

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
  #loadedTo = 0;
  #loading = false;
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

  /** Folds all rows but the matches and their context in a log of `first` to `last`; loads the matches that are missing. */
  fold(folds: Folds, first: number, last: number): void {
    if (last > this.#loadedTo && !this.#loading && this.#timer === undefined && this.error === "")
      void this.#load(last);
    const state = `${first} ${last} ${this.#seqs.length}`;
    if (state === this.#folded || this.total === undefined) return;
    this.#folded = state;
    folds.set(this.#gaps(first, last));
  }

  #gaps(first: number, last: number): Fold[] {
    const gaps: Fold[] = [];
    let from = first;
    const add = (to: number) => {
      // The first line of a gap represents it; a gap of one line is not folded.
      if (to > from) gaps.push({ from: from + 1, to });
    };
    for (const seq of this.#seqs) {
      if (seq - this.#around > from) add(seq - this.#around - 1);
      from = Math.max(from, seq + this.#around + 1);
    }
    add(last);
    return gaps;
  }

  async #load(last: number): Promise<void> {
    this.#loading = true;
    try {
      for (let after = this.#loadedTo; ; ) {
        const found = await this.#source.seqs(this.#filter, after, PAGE_MATCHES, this.#ended.signal);
        this.#seqs.push(...found);
        after = found.at(-1) ?? after;
        if (this.#seqs.length > MAX_MATCHES) {
          this.error = `More than ${thousands(MAX_MATCHES)} lines match: too many to show each with its context; narrow the search`;
          this.#seqs = [];
          break;
        }
        if (found.length < PAGE_MATCHES) break;
      }
      this.#loadedTo = last;
      this.total = this.#seqs.length;
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.error = error instanceof Error ? error.message : String(error);
    }
    this.#loading = false;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#changed();
    }, THROTTLE_MS);
    this.#changed();
  }
}
