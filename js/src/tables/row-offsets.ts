// Where the rows of a table lie: all of one height, some with a taller thing open below them. Pure; no DOM.

import type { Range } from "../protocol/ranges.js";

export class RowOffsets {
  readonly rows: number;
  readonly rowHeight: number;
  /** Height of what is open below a row, by row; in ascending order. */
  readonly #below: readonly (readonly [row: number, px: number])[];

  constructor(rows: number, rowHeight: number, below: ReadonlyMap<number, number> = new Map()) {
    this.rows = rows;
    this.rowHeight = rowHeight;
    this.#below = [...below].sort(([a], [b]) => a - b);
  }

  get height(): number {
    return this.top(this.rows);
  }

  /** Where a row begins. */
  top(row: number): number {
    let top = row * this.rowHeight;
    for (const [above, px] of this.#below) if (above < row) top += px;
    return top;
  }

  /** The row at a height, or the one above what is open there. */
  at(y: number): number {
    let before = 0; // of what is open above
    for (const [row, px] of this.#below) {
      const under = (row + 1) * this.rowHeight + before;
      if (y < under) break;
      if (y < under + px) return row;
      before += px;
    }
    return Math.min(Math.max(0, Math.floor((y - before) / this.rowHeight)), Math.max(0, this.rows - 1));
  }

  /** Rows between two heights, `to` exclusive. */
  between(from: number, to: number): Range {
    if (this.rows === 0) return { from: 0, to: 0 };
    return { from: this.at(from), to: this.at(Math.max(from, to)) + 1 };
  }
}
