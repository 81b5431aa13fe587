// Layout of a virtual list: rows of one height (exact, any number) or of variable height (measured when drawn). DOM only.
// A layout draws the visible rows and computes the extent that the scrollbar covers; log/scroll.ts and
// log/variable-height.ts do the arithmetic.

import * as scroll from "../../log/scroll.js";
import {
  clampPosition,
  heightOfRows,
  lastPosition,
  moveBy,
  RowHeights,
  type RowPosition,
  rowsInView,
} from "../../log/variable-height.js";
import type { Range } from "../../protocol/ranges.js";

const OVERSCAN_ROWS = 8;

/** The rows of a list: their number, their keys, and a function that draws a range into the DOM, one element per row. */
export interface RowSource {
  readonly count: number;
  keyAt(row: number): number;
  draw(range: Range): void;
}

export interface RowLayout {
  /** The total height of the rows as they were last laid out. */
  readonly extent: scroll.Extent;
  /** The scroll position within `extent`, in px. */
  readonly top: number;
  /**
   * Draws the visible rows, and reads nothing. `viewport`: its height in px. Returns whether their heights must be measured:
   * rows that do not fill the viewport then are drawn again.
   */
  layOut(rows: RowSource, viewport: number, following: boolean): boolean;
  /** Reads the heights of the drawn rows. Returns whether one differs from the one that was used. */
  measure(): boolean;
  /** The native scrollbar moved from `before` to `now`. */
  onNativeScroll(before: number, now: number): void;
  moveBy(px: number): void;
  moveTo(top: number): void;
  /** Scrolls a row to the middle. */
  center(row: number): void;
  /** Scrolls the shortest way that makes the row fully visible. */
  scrollIntoView(row: number): void;
  /** Rows were inserted before the first one, or removed there (negative): the visible rows stay in place. */
  shift(rows: number): void;
}

/** Rows of one height. */
export class UniformRowLayout implements RowLayout {
  extent: scroll.Extent;
  top = 0;
  readonly #list: HTMLElement;

  constructor(list: HTMLElement, rowHeight: number, row = 0) {
    this.#list = list;
    this.extent = { rows: 0, rowHeight, viewport: 0 };
    this.top = row * rowHeight;
  }

  layOut(rows: RowSource, viewport: number, following: boolean): boolean {
    this.extent = { ...this.extent, rows: rows.count, viewport };
    this.top = scroll.moveTo(this.extent, following ? scroll.maxTop(this.extent) : this.top).top;
    const range = scroll.visibleRows(this.extent, this.top, OVERSCAN_ROWS);
    rows.draw(range);
    this.#list.style.transform = `translateY(${range.from * this.extent.rowHeight - this.top}px)`;
    return false;
  }

  measure(): boolean {
    return false;
  }

  onNativeScroll(before: number, now: number): void {
    this.top = scroll.scrolled(this.extent, { top: this.top, scrollTop: before }, now).top;
  }

  moveBy(px: number): void {
    this.moveTo(this.top + px);
  }

  moveTo(top: number): void {
    this.top = scroll.moveTo(this.extent, top).top;
  }

  center(row: number): void {
    this.moveTo((row + 0.5) * this.extent.rowHeight - this.extent.viewport / 2);
  }

  scrollIntoView(row: number): void {
    const { rowHeight, viewport } = this.extent;
    const top = row * rowHeight;
    this.moveTo(Math.min(top, Math.max(this.top, top + rowHeight - viewport)));
  }

  shift(rows: number): void {
    this.top = Math.max(0, this.top + rows * this.extent.rowHeight);
  }
}

/** Rows of variable height. */
export class VariableRowLayout implements RowLayout {
  extent: scroll.Extent;
  readonly #list: HTMLElement;
  readonly #heights: RowHeights;
  #rows: RowSource | undefined;
  /** Keys of the drawn rows. */
  #drawn: readonly number[] = [];
  #position: RowPosition;

  constructor(list: HTMLElement, rowHeight: number, row = 0) {
    this.#list = list;
    this.#heights = new RowHeights(rowHeight);
    this.#position = { row: Math.floor(row), offset: (row % 1) * rowHeight };
    this.extent = { rows: 0, rowHeight, viewport: 0, last: 0 };
  }

  get top(): number {
    return this.#topAt(this.#position);
  }

  /** The width changed, so every measured height is invalid. */
  forgetHeights(): void {
    this.#heights.clear();
  }

  layOut(rows: RowSource, viewport: number, following: boolean): boolean {
    this.#rows = rows;
    const end = lastPosition(rows.count, viewport, this.#heightOf);
    this.#position = following ? end : clampPosition(this.#position, end);
    const range = rowsInView(this.#position, rows.count, viewport, OVERSCAN_ROWS, this.#heightOf);
    rows.draw(range);
    this.#drawn = Array.from({ length: range.to - range.from }, (_, i) => rows.keyAt(range.from + i));
    const screen = heightOfRows(end, rows.count, viewport, this.#heightOf);
    this.extent = { rows: rows.count, rowHeight: this.#heights.mean, viewport, last: this.#topAt(end), screen };
    let above = this.#position.offset;
    for (let row = range.from; row < this.#position.row; row++) above += this.#heightOf(row);
    this.#list.style.transform = `translateY(${-above}px)`;
    return true;
  }

  measure(): boolean {
    let changed = false;
    for (const [i, key] of this.#drawn.entries()) {
      const px = this.#list.children[i]?.getBoundingClientRect().height ?? 0;
      changed ||= Math.abs(px - this.#heights.get(key)) > 0.5;
      this.#heights.set(key, px);
    }
    return changed;
  }

  onNativeScroll(before: number, now: number): void {
    if (scroll.isDrag(this.extent, now - before)) {
      this.moveTo(scroll.scrolled(this.extent, { top: this.top, scrollTop: before }, now).top);
    } else this.moveBy(now - before);
  }

  moveBy(px: number): void {
    this.#position = moveBy(this.#position, px, this.extent.rows, this.#heightOf);
  }

  moveTo(top: number): void {
    const at = Math.max(0, top) / this.extent.rowHeight;
    const row = Math.min(Math.floor(at), Math.max(0, this.extent.rows - 1));
    this.#position = { row, offset: Math.min(1, at - row) * this.#heightOf(row) };
  }

  center(row: number): void {
    const above = Math.max(0, this.extent.viewport - this.#heightOf(row)) / 2;
    this.#position = moveBy({ row, offset: 0 }, -above, this.extent.rows, this.#heightOf);
  }

  scrollIntoView(row: number): void {
    const { viewport } = this.extent;
    let below = -this.#position.offset; // from the viewport's top to the row's bottom
    for (let above = this.#position.row; above <= row && below <= viewport; above++) below += this.#heightOf(above);
    if (row <= this.#position.row) this.#position = { row, offset: 0 };
    else if (below > viewport) {
      this.#position = moveBy({ row, offset: 0 }, this.#heightOf(row) - viewport, this.extent.rows, this.#heightOf);
    }
  }

  shift(rows: number): void {
    this.#position = { ...this.#position, row: Math.max(0, this.#position.row + rows) };
  }

  readonly #heightOf = (row: number): number => {
    return this.#rows === undefined ? this.extent.rowHeight : this.#heights.get(this.#rows.keyAt(row));
  };

  #topAt({ row, offset }: RowPosition): number {
    return (row + offset / Math.max(1, this.#heightOf(row))) * this.#heights.mean;
  }
}
