// Folded rows: ranges of keys without overlap, and the mapping between keys and rows. Page.
// The key before a range stays visible and represents it. Lookups are binary searches. The callers bound the number. No DOM.

export interface Fold {
  /** First and last key that are hidden. */
  readonly from: number;
  readonly to: number;
}

export class Folds {
  #folds: Fold[] = [];
  /** Number of hidden keys before the range of the same index. */
  #before: number[] = [];

  get size(): number {
    return this.#folds.length;
  }

  /** Replaces all ranges; they must be sorted and without overlap. */
  set(folds: readonly Fold[]): void {
    this.#folds = [...folds];
    this.#count(0);
  }

  clear(): void {
    this.set([]);
  }

  /** Hides the keys `from` to `to`; ranges that overlap are merged. */
  hide(from: number, to: number): void {
    if (to < from) return;
    const first = this.#indexOf(from);
    let last = first;
    let [low, high] = [from, to];
    for (; last < this.#folds.length && (this.#folds[last] as Fold).from <= to; last++) {
      low = Math.min(low, (this.#folds[last] as Fold).from);
      high = Math.max(high, (this.#folds[last] as Fold).to);
    }
    this.#folds.splice(first, last - first, { from: low, to: high });
    this.#count(first);
  }

  /** Opens the range that `key` lies in. */
  show(key: number): void {
    const at = this.#indexOf(key);
    if ((this.#folds[at]?.from ?? Number.POSITIVE_INFINITY) > key) return;
    this.#folds.splice(at, 1);
    this.#count(at);
  }

  /** The range that a key lies in. */
  at(key: number): Fold | undefined {
    const fold = this.#folds[this.#indexOf(key)];
    return fold !== undefined && fold.from <= key ? fold : undefined;
  }

  /** Number of hidden keys below `key`. */
  hiddenBelow(key: number): number {
    const at = this.#indexOf(key);
    const fold = this.#folds[at];
    const inside = fold === undefined ? 0 : Math.max(0, key - fold.from);
    return this.#hiddenBefore(at) + inside;
  }

  /** The key in `row`, where row 0 has the key `base` and nothing before it is hidden. */
  keyAt(row: number, base: number): number {
    let [low, high] = [0, this.#folds.length];
    // The first range after the key: all ranges before it shift the key.
    while (low < high) {
      const middle = (low + high) >> 1;
      const start = (this.#folds[middle] as Fold).from;
      if (start - this.#hiddenBefore(middle) - base <= row) low = middle + 1;
      else high = middle;
    }
    return base + row + this.#hiddenBefore(low);
  }

  #hiddenBefore(at: number): number {
    if (at < this.#before.length) return this.#before[at] as number;
    const last = this.#folds.at(-1);
    return last === undefined ? 0 : (this.#before.at(-1) as number) + last.to - last.from + 1;
  }

  /** The first range that does not end below `key`. */
  #indexOf(key: number): number {
    let [low, high] = [0, this.#folds.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#folds[middle] as Fold).to < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #count(from: number): void {
    this.#before.length = Math.min(from, this.#before.length);
    for (let at = this.#before.length; at < this.#folds.length; at++) {
      const previous = this.#folds[at - 1];
      const hidden = previous === undefined ? 0 : previous.to - previous.from + 1;
      this.#before.push(at === 0 ? 0 : (this.#before[at - 1] as number) + hidden);
    }
  }
}
