// Vertical offsets of the rows of a table: rows of one height, some with a taller panel below. Pure; no DOM.

import type { Range } from "../protocol/ranges.js";

export class RowOffsets {
  readonly rows: number;
  readonly rowHeight: number;
  /** Heights of the open panels by row, in ascending order. */
  readonly #below: readonly (readonly [row: number, px: number])[];

  constructor(rows: number, rowHeight: number, below: ReadonlyMap<number, number> = new Map()) {
    this.rows = rows;
    this.rowHeight = rowHeight;
    this.#below = [...below].sort(([a], [b]) => a - b);
  }

  get height(): number {
    return this.top(this.rows);
  }

  /** The top of a row in px. */
  top(row: number): number {
    let top = row * this.rowHeight;
    for (const [above, px] of this.#below) if (above < row) top += px;
    return top;
  }

  /** The row at an offset; within a panel, the row above it. */
  at(y: number): number {
    let before = 0; // height of the panels above
    for (const [row, px] of this.#below) {
      const under = (row + 1) * this.rowHeight + before;
      if (y < under) break;
      if (y < under + px) return row;
      before += px;
    }
    return Math.min(Math.max(0, Math.floor((y - before) / this.rowHeight)), Math.max(0, this.rows - 1));
  }

  /** The rows between two offsets, `to` exclusive. */
  between(from: number, to: number): Range {
    if (this.rows === 0) return { from: 0, to: 0 };
    return { from: this.at(from), to: this.at(Math.max(from, to)) + 1 };
  }
}
