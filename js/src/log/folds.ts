// Rows that are folded away: ranges of keys without overlap, and what that does to positions. A range has a head, the key
// before it, which stays and stands for it. Bounded by who adds them; looking one up takes steps, not a scan. No DOM.

export interface Fold {
  /** First and last key that are hidden. */
  readonly from: number;
  readonly to: number;
}

export class Folds {
  #folds: Fold[] = [];
  /** So many keys are hidden before the range of the same index. */
  #before: number[] = [];

  get size(): number {
    return this.#folds.length;
  }

  /** Takes the place of all that were folded; sorted, without overlap. */
  set(folds: readonly Fold[]): void {
    this.#folds = [...folds];
    this.#count(0);
  }

  clear(): void {
    this.set([]);
  }

  /** Hides the keys `from` to `to`; what was folded within goes into it. */
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

  /** So many keys below `key` are hidden. */
  hiddenBelow(key: number): number {
    const at = this.#indexOf(key);
    const fold = this.#folds[at];
    const inside = fold === undefined ? 0 : Math.max(0, key - fold.from);
    return this.#hiddenBefore(at) + inside;
  }

  /** The key that stands in `row`, where the keys begin with `base` in row 0 and nothing is hidden before that. */
  keyAt(row: number, base: number): number {
    let [low, high] = [0, this.#folds.length];
    // The first range that begins after the key: all before it have pushed that on.
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
