// Virtual scrolling: the mapping between native scroll positions and rows in a log of any length. Page. Pure functions.
// Browsers limit an element to about 16.8 million px, so a longer log is scaled: a small native move scrolls by as many
// pixels, a large one (a drag of the scrollbar) jumps to that share of the log. Near both ends nothing is scaled, so that a
// wheel reaches the end of the log and of the scrollbar together.

import type { Range } from "../protocol/ranges.js";

/** Height of the scrolled element at most. */
const MAX_SPACER_PX = 8_000_000;
/** Distance from either end within which nothing is scaled. */
const EDGE_PX = 40_000;
/** A native move beyond this many viewports is a drag of the scrollbar. */
const JUMP_VIEWPORTS = 6;

export interface Extent {
  readonly rows: number;
  readonly rowHeight: number;
  /** Height of the viewport in px. */
  readonly viewport: number;
  /** Where rows differ in height (then `rowHeight` is their mean): top of the last screenful, and its own height. */
  readonly last?: number;
  readonly screen?: number;
}

/** `top`: px from the top of the whole log to the top of the viewport. `scrollTop`: the native scroll position. */
interface Position {
  readonly top: number;
  readonly scrollTop: number;
}

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), Math.max(low, high));

export function spacerHeight(extent: Extent): number {
  const all =
    extent.last === undefined ? extent.rows * extent.rowHeight : extent.last + (extent.screen ?? extent.viewport);
  return Math.min(all, MAX_SPACER_PX);
}

export function maxTop(extent: Extent): number {
  return extent.last ?? Math.max(0, extent.rows * extent.rowHeight - extent.viewport);
}

function maxScrollTop(extent: Extent): number {
  return Math.max(0, spacerHeight(extent) - extent.viewport);
}

function isScaled(extent: Extent): boolean {
  return extent.last !== undefined || extent.rows * extent.rowHeight > MAX_SPACER_PX;
}

function toTop(extent: Extent, scrollTop: number): number {
  const [low, high] = [maxScrollTop(extent), maxTop(extent)];
  if (scrollTop <= EDGE_PX || low === high) return scrollTop;
  if (scrollTop >= low - EDGE_PX) return high - (low - scrollTop);
  return EDGE_PX + ((scrollTop - EDGE_PX) / (low - 2 * EDGE_PX)) * (high - 2 * EDGE_PX);
}

function toScrollTop(extent: Extent, top: number): number {
  const [low, high] = [maxScrollTop(extent), maxTop(extent)];
  if (top <= EDGE_PX || low === high) return top;
  if (top >= high - EDGE_PX) return low - (high - top);
  return EDGE_PX + ((top - EDGE_PX) / (high - 2 * EDGE_PX)) * (low - 2 * EDGE_PX);
}

/** The position at `top`, clamped; both ends are reached exactly, also natively. */
export function moveTo(extent: Extent, top: number): Position {
  const to = clamp(top, 0, maxTop(extent));
  return { top: to, scrollTop: toScrollTop(extent, to) };
}

/** Is a native move of `delta` px a drag of the scrollbar, not a wheel, a finger or a key? */
export function isDrag(extent: Extent, delta: number): boolean {
  return Math.abs(delta) > JUMP_VIEWPORTS * extent.viewport;
}

/** The position after the native scrollbar moved to `scrollTop`. */
export function scrolled(extent: Extent, before: Position, scrollTop: number): Position {
  const delta = scrollTop - before.scrollTop;
  const isJump = !isScaled(extent) || isDrag(extent, delta);
  return { top: clamp(isJump ? toTop(extent, scrollTop) : before.top + delta, 0, maxTop(extent)), scrollTop };
}

/** Has the scrollbar reached an end before the log (or the reverse), so that its position must be set at once? */
export function isStuck(extent: Extent, position: Position): boolean {
  const atNativeEnd = position.scrollTop <= 1 || position.scrollTop >= maxScrollTop(extent) - 1;
  const atEnd = position.top <= 1 || position.top >= maxTop(extent) - 1;
  return isScaled(extent) && atNativeEnd !== atEnd;
}

/** Rows to draw, `to` exclusive, with `overscan` rows more on either side. */
export function visibleRows(extent: Extent, top: number, overscan: number): Range {
  const from = Math.floor(top / extent.rowHeight) - overscan;
  const to = Math.ceil((top + extent.viewport) / extent.rowHeight) + overscan;
  return { from: clamp(from, 0, extent.rows), to: clamp(to, 0, extent.rows) };
}

export function isAtBottom(extent: Extent, top: number): boolean {
  return top >= maxTop(extent) - extent.rowHeight / 2;
}

/** Following stops when the user scrolls up, and resumes when scrolling down reaches the bottom. */
export function follows(extent: Extent, following: boolean, before: number, after: number): boolean {
  if (after < before - 0.5) return false;
  return following || (after > before && isAtBottom(extent, after));
}
