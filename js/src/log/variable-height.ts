// Virtual scrolling over rows of different heights (wrapped lines, open trees) in a log of any length. Page.
// A position is a row and an offset in it, never a distance from the top: the height of rows not yet drawn is unknown. Pure
// functions of measured heights. No DOM.

import type { Range } from "../protocol/ranges.js";

/** Measured heights; at the bound all are dropped, and measured again when drawn again. */
const MAX_MEASURED = 20_000;
/** Rows that one `moveBy` passes at most. */
const MAX_STEPS = 2000;

/** The row at the upper edge, and the px of it above that edge. */
export interface RowPosition {
  readonly row: number;
  readonly offset: number;
}

export class RowHeights {
  /** By key of row, not by its position: rows come and go before it. */
  readonly #known = new Map<number, number>();
  #sum = 0;
  readonly #usual: number;

  /** `usual`: height of a row of one line (px). */
  constructor(usual: number) {
    this.#usual = usual;
  }

  /** The expected height of a row not yet measured (px). */
  get mean(): number {
    return this.#known.size === 0 ? this.#usual : this.#sum / this.#known.size;
  }

  get(key: number): number {
    return this.#known.get(key) ?? this.mean;
  }

  set(key: number, px: number): void {
    if (this.#known.size >= MAX_MEASURED && !this.#known.has(key)) this.clear();
    this.#sum += px - (this.#known.get(key) ?? 0);
    this.#known.set(key, px);
  }

  /** Call it when the width or the font has changed. */
  clear(): void {
    this.#known.clear();
    this.#sum = 0;
  }
}

type HeightOf = (row: number) => number;

/** The position `px` further down (negative: up), clamped to the first and last row. */
export function moveBy(position: RowPosition, px: number, rows: number, heightOf: HeightOf): RowPosition {
  let { row } = position;
  let offset = position.offset + px;
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    if (offset < 0 && row > 0) {
      row -= 1;
      offset += heightOf(row);
    } else if (row < rows - 1 && offset >= heightOf(row)) {
      offset -= heightOf(row);
      row += 1;
    } else break;
  }
  return { row, offset: Math.max(0, offset) };
}

/** The position with the last row at the lower edge; the first row if all rows fit. */
export function lastPosition(rows: number, viewport: number, heightOf: HeightOf): RowPosition {
  let left = viewport;
  for (let row = rows - 1; row >= 0; row--) {
    left -= heightOf(row);
    if (left <= 0) return { row, offset: -left };
  }
  return { row: 0, offset: 0 };
}

/** The position, but not below `end`, see lastPosition. */
export function clampPosition(position: RowPosition, end: RowPosition): RowPosition {
  return position.row > end.row || (position.row === end.row && position.offset > end.offset) ? end : position;
}

/** Rows to draw, `to` exclusive: those that fill the viewport, and on either side up to `overscan` more, or half of it. */
export function rowsInView(
  position: RowPosition,
  rows: number,
  viewport: number,
  overscan: number,
  heightOf: HeightOf,
): Range {
  let to = position.row;
  for (let left = viewport + position.offset; left > 0 && to < rows; to++) left -= heightOf(to);
  let from = position.row;
  const [top, bottom] = [Math.max(0, from - overscan), Math.min(rows, to + overscan)];
  for (let left = viewport / 2; left > 0 && from > top; from--) left -= heightOf(from - 1);
  for (let left = viewport / 2; left > 0 && to < bottom; to++) left -= heightOf(to);
  return { from, to };
}

/** Height of the rows from a position on, at most `viewport`. */
export function heightOfRows(position: RowPosition, rows: number, viewport: number, heightOf: HeightOf): number {
  let sum = -position.offset;
  for (let row = position.row; row < rows && sum < viewport; row++) sum += heightOf(row);
  return Math.min(sum, viewport);
}
