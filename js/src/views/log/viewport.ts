// Virtual scrolling of a log: native scrollbar, keys, wheel and following the end, for any number of rows. DOM only.
// Positions of rows come from row-layout.ts, contents from the RowSource. The rows are in a sticky layer as tall as the
// viewport, so no element has a large coordinate and no jump shows an empty area. Painting follows the phases of
// frame-scheduler.ts: `read`, then `layOut`, which only writes, then `scroll`.

import * as scroll from "../../log/scroll.js";
import { element } from "../dom/dom.js";
import { type RowLayout, type RowSource, UniformRowLayout, VariableRowLayout } from "./row-layout.js";

/** Delay after the last scroll event before the scrollbar is set to its exact position. */
const SETTLE_DELAY_MS = 150;

export class Viewport {
  readonly element = element("div", "viewport");
  readonly #spacer: HTMLElement;
  readonly #layer: HTMLElement;
  readonly #list: HTMLElement;
  readonly #changed: () => void;
  #layout: RowLayout;
  #rowHeight: number;
  #height = 0;
  #width = 0;
  #listHeight = 0;
  #layerHeight = -1;
  /** Width of the widest row so far, if it was wider than the viewport. */
  #minWidth = 0;
  /** The native scroll position that was last set or read. */
  #native = 0;
  #spacerHeight = -1;
  #following = true;
  /** Sizes depend on what was written since they were read. */
  #isStale = true;
  #settleTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #observer: ResizeObserver;

  constructor(list: HTMLElement, rowHeight: number, changed: () => void) {
    this.#list = list;
    this.#rowHeight = rowHeight;
    this.#changed = changed;
    this.#layout = new UniformRowLayout(list, rowHeight);
    this.#layer = element("div", "layer", list);
    this.#spacer = element("div", "spacer", this.#layer);
    this.element.append(this.#spacer);
    this.element.tabIndex = 0;
    // JupyterLab handles the keys of every focused element but inputs ("d d" deletes the cell) unless this attribute is set.
    this.element.dataset["lmSuppressShortcuts"] = "true";
    this.element.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.element.addEventListener("wheel", (event) => this.#onWheel(event), { passive: true });
    this.element.addEventListener("pointerdown", (event) => this.#onPointerDown(event));
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    this.#observer = new ResizeObserver(() => this.#onResize());
    this.#observer.observe(this.element);
    this.#observer.observe(this.#spacer);
    this.#observer.observe(list); // the height of a row changes when a font or the rest of its content loads
  }

  get following(): boolean {
    return this.#following;
  }

  get height(): number {
    return this.#height;
  }

  /** The first visible row; the fraction is the part of it above the edge. */
  get row(): number {
    return this.#layout.top / this.#layout.extent.rowHeight;
  }

  follow(on: boolean): void {
    this.#following = on;
    this.#changed();
  }

  /** Scrolls a row to the middle and stops following. */
  center(row: number): void {
    this.#following = false;
    this.#layout.center(row);
    this.#settle();
    this.#changed();
  }

  /** Scrolls the shortest way that makes a row visible, and stops following. */
  scrollIntoView(row: number): void {
    this.#following = false;
    this.#layout.scrollIntoView(row);
    this.#settle();
    this.#changed();
  }

  /** Scrolls to the first row and stops following. */
  toTop(): void {
    this.#following = false;
    this.#layout.moveTo(0);
    this.#settle();
    this.#changed();
  }

  /** Switches between the layouts for uniform and variable row heights; the top row stays in place. */
  setVariableHeights(on: boolean): void {
    if (on === this.#layout instanceof VariableRowLayout) return;
    this.#layout = on
      ? new VariableRowLayout(this.#list, this.#rowHeight, this.row)
      : new UniformRowLayout(this.#list, this.#rowHeight, this.row);
    this.#minWidth = 0;
    this.#spacer.style.minWidth = "";
    this.#changeSizes();
  }

  /** Sets the height of a one-line row in px, when the font has loaded or changed. */
  setRowHeight(px: number): void {
    if (px === this.#rowHeight) return;
    this.#rowHeight = px;
    const { row } = this;
    this.#layout =
      this.#layout instanceof VariableRowLayout
        ? new VariableRowLayout(this.#list, px, row)
        : new UniformRowLayout(this.#list, px, row);
    this.#changeSizes();
  }

  /** Keeps the current height while fewer rows are shown, so that the page does not jump at each letter of a search. */
  lockHeight(on: boolean): void {
    this.element.style.minHeight = on ? `${this.#height}px` : "";
  }

  /** Rows were inserted before the first one, or removed there (negative): the visible rows stay in place. */
  shift(rows: number): void {
    this.#layout.shift(rows);
  }

  /** Must sizes be read, since the last `layOut` can have changed them? */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** Reads the sizes that the next `layOut` needs. Returns whether one differs from what the last one assumed. */
  read(): boolean {
    if (!this.#isStale && this.#height > 0) return false;
    this.#isStale = false;
    const before = this.#height;
    this.#height = this.element.clientHeight;
    const rowsChanged = this.#layout.measure();
    return rowsChanged || this.#height !== before;
  }

  /** Lays out the rows and draws the visible ones, by the sizes that were read. */
  layOut(rows: RowSource): void {
    this.#setLayerHeight();
    const drewUnmeasured = this.#layout.layOut(rows, this.#height, this.#following);
    const canGrow = this.#fitSpacer();
    this.#isStale ||= drewUnmeasured || canGrow;
  }

  /** Moves the native scrollbar to where the rows are. */
  scroll(): void {
    const { scrollTop } = scroll.moveTo(this.#layout.extent, this.#layout.top);
    if (this.#following || (this.#settleTimer === undefined && !this.#isAtNative(scrollTop)))
      this.#setNative(scrollTop);
  }

  dispose(): void {
    this.#observer.disconnect();
    clearTimeout(this.#settleTimer);
  }

  /** Small moves let the native position drift by up to a pixel. */
  #isAtNative(scrollTop: number): boolean {
    return Math.abs(scrollTop - this.#native) <= 1;
  }

  /** Returns whether the viewport, which grows with its rows up to a limit, can have got another height. */
  #fitSpacer(): boolean {
    const spacer = scroll.spacerHeight(this.#layout.extent);
    // While the user drags the scrollbar, newly measured heights must not move it.
    if (spacer === this.#spacerHeight || (this.#layout instanceof VariableRowLayout && this.#settleTimer !== undefined))
      return false;
    const isFull = Math.min(spacer, this.#spacerHeight) > this.#height + this.#rowHeight;
    this.#spacerHeight = spacer;
    this.#spacer.style.height = `${spacer}px`;
    return !isFull;
  }

  #setLayerHeight(): void {
    if (this.#height === this.#layerHeight) return;
    this.#layerHeight = this.#height;
    this.#layer.style.height = `${this.#height}px`;
  }

  #setNative(scrollTop: number): void {
    this.#native = scrollTop;
    if (Math.abs(this.element.scrollTop - scrollTop) > 0.5) this.element.scrollTop = scrollTop;
  }

  #onResize(): void {
    const { clientWidth: own, clientHeight: height } = this.element;
    const [width, listHeight] = [this.#spacer.offsetWidth, this.#list.offsetHeight];
    // Keep the width of the widest row so far, or the horizontal scrollbar would flicker.
    if (!(this.#layout instanceof VariableRowLayout) && width > own && width !== this.#minWidth) {
      this.#minWidth = width;
      this.#spacer.style.minWidth = `max(100%, ${width}px)`;
    }
    const isSame = height === this.#height && own === this.#width;
    if (this.#layout instanceof VariableRowLayout) {
      if (own !== this.#width) this.#layout.forgetHeights();
      if (listHeight !== this.#listHeight) this.#changeSizes();
    }
    [this.#width, this.#listHeight] = [own, listHeight];
    if (isSame) return;
    this.#height = height;
    this.#setLayerHeight();
    // Immediately, or the browser's own correction of the position would look like the user scrolling up. An element that
    // was hidden or out of the document has lost its native position, too.
    const extent = { ...this.#layout.extent, viewport: this.#height };
    this.#setNative(scroll.moveTo(extent, this.#following ? scroll.maxTop(extent) : this.#layout.top).scrollTop);
    this.#changeSizes();
  }

  /** Sizes changed: they are read in the next frame. */
  #changeSizes(): void {
    this.#isStale = true;
    this.#changed();
  }

  #onScroll(): void {
    if (this.#height === 0) return;
    const native = this.element.scrollTop;
    if (this.#isAtNative(native)) return;
    this.#move(() => this.#layout.onNativeScroll(this.#native, native));
    this.#native = native;
    clearTimeout(this.#settleTimer);
    if (scroll.isStuck(this.#layout.extent, { top: this.#layout.top, scrollTop: native })) this.#settle();
    else this.#settleTimer = setTimeout(() => this.#settle(), SETTLE_DELAY_MS);
  }

  #settle(): void {
    clearTimeout(this.#settleTimer);
    this.#settleTimer = undefined;
    this.#setNative(scroll.moveTo(this.#layout.extent, this.#layout.top).scrollTop);
    if (this.#layout instanceof VariableRowLayout) this.#changed();
  }

  /** Stops following before the native scroll: with many new lines each paint scrolls to the end and undoes a small move. */
  #onWheel(event: WheelEvent): void {
    if (event.deltaY >= 0 || event.shiftKey || !this.#following || this.#layout.top <= 0) return;
    this.#following = false;
    this.#changed();
  }

  /** Pauses following while text is being selected, since moving rows would move the selection. */
  #onPointerDown(event: PointerEvent): void {
    const onScrollbar = event.offsetX > this.element.clientWidth && event.target === this.element;
    if (event.button !== 0 || !this.#following || onScrollbar) return;
    this.#following = false;
    this.#changed();
    const released = () => {
      const root = this.element.getRootNode() as { getSelection?: () => Selection | null };
      const selection = root.getSelection?.() ?? document.getSelection();
      if (selection === null || selection.isCollapsed) this.follow(true);
    };
    document.addEventListener("pointerup", released, { once: true });
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const move = this.#moveOf(event);
    if (move === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#move(move);
    if (event.key === "End") this.#following = true;
    this.#settle();
  }

  #moveOf(event: KeyboardEvent): (() => void) | undefined {
    const page = Math.max(this.#rowHeight, this.#height - this.#rowHeight);
    const step = { ArrowUp: -this.#rowHeight, ArrowDown: this.#rowHeight, PageUp: -page, PageDown: page }[event.key];
    if (step !== undefined) return () => this.#layout.moveBy(step);
    if (event.key === " ") return () => this.#layout.moveBy(event.shiftKey ? -page : page);
    if (event.key === "Home") return () => this.#layout.moveTo(0);
    return event.key === "End" ? () => this.#layout.moveTo(scroll.maxTop(this.#layout.extent)) : undefined;
  }

  #move(move: () => void): void {
    const before = this.#layout.top;
    move();
    this.#following = scroll.follows(this.#layout.extent, this.#following, before, this.#layout.top);
    this.#changed();
  }
}
