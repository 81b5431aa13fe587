// The scrolling part of a log: native scrollbar, keys, wheel and following, for any number of rows. DOM only; what a row
// holds is not its business, nor where each lies (arrangement.ts).
// The rows lie in a sticky layer as tall as the viewport, so no element has a large coordinate and no jump shows white.

import * as scroll from "../../log/scroll.js";
import { element } from "../dom/dom.js";
import { type RowLayout, type RowSource, UniformRowLayout, VariableRowLayout } from "./row-layout.js";

/** Scrolling rests: time to put the scrollbar where it belongs. */
const REST_MS = 150;

export class Viewport {
  readonly element = element("div", "viewport");
  readonly #spacer: HTMLElement;
  readonly #layer: HTMLElement;
  readonly #list: HTMLElement;
  readonly #changed: () => void;
  #at: RowLayout;
  #rowHeight: number;
  #height = 0;
  #width = 0;
  #listHeight = 0;
  /** Where the native scrollbar stood when we last looked. */
  #native = 0;
  #spacerHeight = -1;
  #following = true;
  #rest: ReturnType<typeof setTimeout> | undefined;
  readonly #observer: ResizeObserver;

  constructor(list: HTMLElement, rowHeight: number, changed: () => void) {
    this.#list = list;
    this.#rowHeight = rowHeight;
    this.#changed = changed;
    this.#at = new UniformRowLayout(list, rowHeight);
    this.#layer = element("div", "layer", list);
    this.#spacer = element("div", "spacer", this.#layer);
    this.element.append(this.#spacer);
    this.element.tabIndex = 0;
    // JupyterLab takes keys of anything focused that isn't an input ("d d" deletes the cell), unless it says so itself.
    this.element.dataset["lmSuppressShortcuts"] = "true";
    this.element.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.element.addEventListener("wheel", (event) => this.#onWheel(event), { passive: true });
    this.element.addEventListener("pointerdown", (event) => this.#onPress(event));
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    this.#observer = new ResizeObserver(() => this.#onResize());
    this.#observer.observe(this.element);
    this.#observer.observe(this.#spacer);
    this.#observer.observe(list); // of different heights, rows may still change theirs when a font or a part of them comes
  }

  get following(): boolean {
    return this.#following;
  }

  get height(): number {
    return this.#height;
  }

  /** The first row in sight; its fraction says how much of it is above the edge. */
  get row(): number {
    return this.#at.top / this.#at.extent.rowHeight;
  }

  follow(on: boolean): void {
    this.#following = on;
    this.#changed();
  }

  /** Brings a row to the middle; that is looking at something else than the end. */
  reveal(row: number): void {
    this.#following = false;
    this.#at.reveal(row);
    this.#settle();
    this.#changed();
  }

  /** Moves as little as brings a row into sight. */
  bring(row: number): void {
    this.#following = false;
    this.#at.bring(row);
    this.#settle();
    this.#changed();
  }

  /** To the first row. */
  top(): void {
    this.#following = false;
    this.#at.to(0);
    this.#settle();
    this.#changed();
  }

  /** Are rows of different heights to be expected? What is looked at stays. */
  vary(on: boolean): void {
    if (on === this.#at instanceof VariableRowLayout) return;
    this.#at = on
      ? new VariableRowLayout(this.#list, this.#rowHeight, this.row)
      : new UniformRowLayout(this.#list, this.#rowHeight, this.row);
    this.#spacer.style.minWidth = "";
    this.#changed();
  }

  /** The user's font has changed, or is known only now. */
  setRowHeight(px: number): void {
    if (px === this.#rowHeight) return;
    this.#rowHeight = px;
    const { row } = this;
    this.#at =
      this.#at instanceof VariableRowLayout
        ? new VariableRowLayout(this.#list, px, row)
        : new UniformRowLayout(this.#list, px, row);
    this.#changed();
  }

  /** Keeps its height while fewer rows are shown: the page must not jump at each letter of a question. */
  hold(on: boolean): void {
    this.element.style.minHeight = on ? `${this.#height}px` : "";
  }

  /** Rows were put in before the first one (or taken away there): what is looked at stays where it is. */
  shift(rows: number): void {
    this.#at.shift(rows);
  }

  /** Lays out the rows and draws those in sight. Once per frame. */
  layout(rows: RowSource): void {
    if (this.#height === 0) this.#measure();
    this.#at.lay(rows, this.#height, this.#following);
    if (this.#fitSpacer()) this.#at.lay(rows, this.#height, this.#following);
    const at = scroll.moveTo(this.#at.extent, this.#at.top);
    if (this.#following || (this.#rest === undefined && !this.#isNear(at.scrollTop))) this.#stand(at.scrollTop);
  }

  dispose(): void {
    this.#observer.disconnect();
    clearTimeout(this.#rest);
  }

  /** Does the native position fit, as far as small moves have let it drift? */
  #isNear(scrollTop: number): boolean {
    return Math.abs(scrollTop - this.#native) <= 1;
  }

  /** True if the viewport has grown with its rows: a frame with too few of them is saved by laying them out again. */
  #fitSpacer(): boolean {
    const spacer = scroll.spacerHeight(this.#at.extent);
    // While the user scrolls, what has been measured meanwhile must not move the scrollbar under the hand.
    if (spacer === this.#spacerHeight || (this.#at instanceof VariableRowLayout && this.#rest !== undefined))
      return false;
    this.#spacerHeight = spacer;
    this.#spacer.style.height = `${spacer}px`;
    if (spacer > this.#height + this.#rowHeight) return false;
    const before = this.#height;
    this.#measure();
    return this.#height !== before;
  }

  #measure(): void {
    this.#height = this.element.clientHeight;
    this.#layer.style.height = `${this.#height}px`;
  }

  #stand(scrollTop: number): void {
    this.#native = scrollTop;
    if (Math.abs(this.element.scrollTop - scrollTop) > 0.5) this.element.scrollTop = scrollTop;
  }

  #onResize(): void {
    const width = this.#spacer.offsetWidth;
    const own = this.element.clientWidth;
    // As wide as the longest row seen: else the horizontal scrollbar would come and go with the rows.
    if (!(this.#at instanceof VariableRowLayout) && width > own) this.#spacer.style.minWidth = `max(100%, ${width}px)`;
    const isSame = this.element.clientHeight === this.#height && own === this.#width;
    if (this.#at instanceof VariableRowLayout) {
      if (own !== this.#width) this.#at.forget();
      if (this.#list.offsetHeight !== this.#listHeight) this.#changed();
      this.#listHeight = this.#list.offsetHeight;
    }
    this.#width = own;
    if (isSame) return;
    this.#measure();
    // At once: else the native scrollbar's own correction would be taken for a user who scrolls up. An element that was
    // out of sight or out of the document has lost its native position, too.
    const extent = { ...this.#at.extent, viewport: this.#height };
    this.#stand(scroll.moveTo(extent, this.#following ? scroll.maxTop(extent) : this.#at.top).scrollTop);
    this.#changed();
  }

  #onScroll(): void {
    if (this.#height === 0) return;
    const native = this.element.scrollTop;
    if (this.#isNear(native)) return;
    this.#moved(() => this.#at.scrolled(this.#native, native));
    this.#native = native;
    clearTimeout(this.#rest);
    if (scroll.isStuck(this.#at.extent, { top: this.#at.top, scrollTop: native })) this.#settle();
    else this.#rest = setTimeout(() => this.#settle(), REST_MS);
  }

  #settle(): void {
    clearTimeout(this.#rest);
    this.#rest = undefined;
    this.#stand(scroll.moveTo(this.#at.extent, this.#at.top).scrollTop);
    if (this.#at instanceof VariableRowLayout) this.#changed();
  }

  /** Before the native scroll: in a flood each paint goes to the end, and a small move would be lost in between. */
  #onWheel(event: WheelEvent): void {
    if (event.deltaY >= 0 || event.shiftKey || !this.#following || this.#at.top <= 0) return;
    this.#following = false;
    this.#changed();
  }

  /** Text is being selected: rows that go on moving would take the selection with them. */
  #onPress(event: PointerEvent): void {
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
    this.#moved(move);
    if (event.key === "End") this.#following = true;
    this.#settle();
  }

  #moveOf(event: KeyboardEvent): (() => void) | undefined {
    const page = Math.max(this.#rowHeight, this.#height - this.#rowHeight);
    const step = { ArrowUp: -this.#rowHeight, ArrowDown: this.#rowHeight, PageUp: -page, PageDown: page }[event.key];
    if (step !== undefined) return () => this.#at.by(step);
    if (event.key === " ") return () => this.#at.by(event.shiftKey ? -page : page);
    if (event.key === "Home") return () => this.#at.to(0);
    return event.key === "End" ? () => this.#at.to(scroll.maxTop(this.#at.extent)) : undefined;
  }

  #moved(move: () => void): void {
    const before = this.#at.top;
    move();
    this.#following = scroll.follows(this.#at.extent, this.#following, before, this.#at.top);
    this.#changed();
  }
}
