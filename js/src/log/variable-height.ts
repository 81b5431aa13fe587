// Rows of different heights (wrapped lines, opened trees) in a log of any length: pure functions of what has been measured.
// A place is a row and so many pixels of it, never a distance from the top: of rows nobody has seen no height is known.
// Walking over more rows than MAX_STEPS is a jump. No DOM here.

import type { Range } from "../protocol/ranges.js";

/** RowHeights remembered; at the bound all are forgotten, and measured again when they are seen again. */
const MAX_MEASURED = 20_000;
/** A moveBy goes over so many rows at most. */
const MAX_STEPS = 2000;

/** The row at the upper edge, and how many px of it lie above that. */
export interface RowPosition {
  readonly row: number;
  readonly offset: number;
}

export class RowHeights {
  /** By key of row, not by its position: rows come and go before it. */
  readonly #known = new Map<number, number>();
  #sum = 0;
  readonly #usual: number;

  /** `usual`: px of a row of one line. */
  constructor(usual: number) {
    this.#usual = usual;
  }

  /** What a row that nobody has measured may be expected to take. */
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

  /** The width has changed, or the font. */
  clear(): void {
    this.#known.clear();
    this.#sum = 0;
  }
}

export type HeightOf = (row: number) => number;

/** `px` further down (negative: up), not beyond the first or last row. */
export function moveBy(place: RowPosition, px: number, rows: number, heightOf: HeightOf): RowPosition {
  let { row } = place;
  let offset = place.offset + px;
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

/** Where the last row ends at the lower edge; the first row, where all of them fit. */
export function lastPosition(rows: number, viewport: number, heightOf: HeightOf): RowPosition {
  let left = viewport;
  for (let row = rows - 1; row >= 0; row--) {
    left -= heightOf(row);
    if (left <= 0) return { row, offset: -left };
  }
  return { row: 0, offset: 0 };
}

/** Not below the place where the last row ends at the lower edge. */
export function clampPosition(place: RowPosition, end: RowPosition): RowPosition {
  return place.row > end.row || (place.row === end.row && place.offset > end.offset) ? end : place;
}

/** Rows to draw, `to` exclusive: those that fill the viewport, and on either side up to `overscan` more, or half of it. */
export function rowsInView(
  place: RowPosition,
  rows: number,
  viewport: number,
  overscan: number,
  heightOf: HeightOf,
): Range {
  let to = place.row;
  for (let left = viewport + place.offset; left > 0 && to < rows; to++) left -= heightOf(to);
  let from = place.row;
  const [top, bottom] = [Math.max(0, from - overscan), Math.min(rows, to + overscan)];
  for (let left = viewport / 2; left > 0 && from > top; from--) left -= heightOf(from - 1);
  for (let left = viewport / 2; left > 0 && to < bottom; to++) left -= heightOf(to);
  return { from, to };
}

/** Height of the rows from a place on, at most `viewport`. */
export function heightOfRows(place: RowPosition, rows: number, viewport: number, heightOf: HeightOf): number {
  let sum = -place.offset;
  for (let row = place.row; row < rows && sum < viewport; row++) sum += heightOf(row);
  return Math.min(sum, viewport);
}
