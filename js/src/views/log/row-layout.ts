// Where the rows lie: all of one height (any number of them, exact), or of different heights (measured as they are drawn).
// Either says how long the whole is for the scrollbar, and draws what is in sight. DOM only; the arithmetic is in core/.

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
/** Rows are drawn, measured and, where they don't fill the viewport, drawn again: so often at most per frame. */
const MAX_PASSES = 4;

/** The rows of a view: how many, what names them, and how they get into the DOM, one element each, in order. */
export interface RowSource {
  readonly count: number;
  keyAt(row: number): number;
  draw(range: Range): void;
}

export interface RowLayout {
  /** Of the rows as they were last laid out. */
  readonly extent: scroll.Extent;
  /** How far down we are, of `extent`'s whole. */
  readonly top: number;
  lay(rows: RowSource, viewport: number, following: boolean): void;
  /** The native scrollbar has moved from `before` to `now`. */
  scrolled(before: number, now: number): void;
  by(px: number): void;
  to(top: number): void;
  /** Brings a row to the middle. */
  reveal(row: number): void;
  /** Moves as little as brings all of a row into sight. */
  bring(row: number): void;
  /** Rows were put in before the first one, or taken away there. */
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

  lay(rows: RowSource, viewport: number, following: boolean): void {
    this.extent = { ...this.extent, rows: rows.count, viewport };
    this.top = scroll.moveTo(this.extent, following ? scroll.maxTop(this.extent) : this.top).top;
    const range = scroll.visibleRows(this.extent, this.top, OVERSCAN_ROWS);
    rows.draw(range);
    this.#list.style.transform = `translateY(${range.from * this.extent.rowHeight - this.top}px)`;
  }

  scrolled(before: number, now: number): void {
    this.top = scroll.scrolled(this.extent, { top: this.top, scrollTop: before }, now).top;
  }

  by(px: number): void {
    this.to(this.top + px);
  }

  to(top: number): void {
    this.top = scroll.moveTo(this.extent, top).top;
  }

  reveal(row: number): void {
    this.to((row + 0.5) * this.extent.rowHeight - this.extent.viewport / 2);
  }

  bring(row: number): void {
    const { rowHeight, viewport } = this.extent;
    const top = row * rowHeight;
    this.to(Math.min(top, Math.max(this.top, top + rowHeight - viewport)));
  }

  shift(rows: number): void {
    this.top = Math.max(0, this.top + rows * this.extent.rowHeight);
  }
}

/** Rows of different heights. */
export class VariableRowLayout implements RowLayout {
  extent: scroll.Extent;
  readonly #list: HTMLElement;
  readonly #heights: RowHeights;
  #rows: RowSource | undefined;
  #position: RowPosition;

  constructor(list: HTMLElement, rowHeight: number, row = 0) {
    this.#list = list;
    this.#heights = new RowHeights(rowHeight);
    this.#position = { row: Math.floor(row), offset: (row % 1) * rowHeight };
    this.extent = { rows: 0, rowHeight, viewport: 0, last: 0 };
  }

  get top(): number {
    return this.#topOf(this.#position);
  }

  /** The width has changed: nothing is as high as it was. */
  forget(): void {
    this.#heights.clear();
  }

  lay(rows: RowSource, viewport: number, following: boolean): void {
    this.#rows = rows;
    let range: Range = { from: 0, to: 0 };
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      const end = lastPosition(rows.count, viewport, this.#heightOf);
      this.#position = following ? end : clampPosition(this.#position, end);
      range = rowsInView(this.#position, rows.count, viewport, OVERSCAN_ROWS, this.#heightOf);
      rows.draw(range);
      if (!this.#learn(range)) break;
    }
    const end = lastPosition(rows.count, viewport, this.#heightOf);
    this.#position = following ? end : clampPosition(this.#position, end);
    const screen = heightOfRows(end, rows.count, viewport, this.#heightOf);
    this.extent = { rows: rows.count, rowHeight: this.#heights.mean, viewport, last: this.#topOf(end), screen };
    let above = this.#position.offset;
    for (let row = range.from; row < this.#position.row; row++) above += this.#heightOf(row);
    this.#list.style.transform = `translateY(${-above}px)`;
  }

  scrolled(before: number, now: number): void {
    if (scroll.isDrag(this.extent, now - before)) {
      this.to(scroll.scrolled(this.extent, { top: this.top, scrollTop: before }, now).top);
    } else this.by(now - before);
  }

  by(px: number): void {
    this.#position = moveBy(this.#position, px, this.extent.rows, this.#heightOf);
  }

  to(top: number): void {
    const at = Math.max(0, top) / this.extent.rowHeight;
    const row = Math.min(Math.floor(at), Math.max(0, this.extent.rows - 1));
    this.#position = { row, offset: Math.min(1, at - row) * this.#heightOf(row) };
  }

  reveal(row: number): void {
    const above = Math.max(0, this.extent.viewport - this.#heightOf(row)) / 2;
    this.#position = moveBy({ row, offset: 0 }, -above, this.extent.rows, this.#heightOf);
  }

  bring(row: number): void {
    const { viewport } = this.extent;
    let below = -this.#position.offset; // from the upper edge to the row's lower one
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

  #topOf({ row, offset }: RowPosition): number {
    return (row + offset / Math.max(1, this.#heightOf(row))) * this.#heights.mean;
  }

  /** Measures what was drawn; was anything not as high as we thought? */
  #learn(range: Range): boolean {
    let changed = false;
    let row = range.from;
    for (const child of this.#list.children) {
      const px = child.getBoundingClientRect().height;
      changed ||= Math.abs(px - this.#heightOf(row)) > 0.5;
      if (this.#rows !== undefined) this.#heights.set(this.#rows.keyAt(row), px);
      row += 1;
    }
    return changed;
  }
}
