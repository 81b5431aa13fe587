// The scrolling part of a log: native scrollbar, keys, wheel and following, for any number of rows. DOM only; what a row
// holds is not its business. All arithmetic is in core/scroll.ts.
// The rows lie in a sticky layer as tall as the viewport, so no element has a large coordinate and no jump shows white.

import * as scroll from "../core/scroll.js";
import { element } from "./dom.js";

const OVERSCAN_ROWS = 8;
/** Scrolling rests: time to put the scrollbar of a scaled log where it belongs. */
const REST_MS = 150;

export class Viewport {
  readonly element = element("div", "viewport");
  readonly #spacer: HTMLElement;
  readonly #layer: HTMLElement;
  readonly #list: HTMLElement;
  readonly #changed: () => void;
  #rowHeight: number;
  #rows = 0;
  #height = 0;
  #position: scroll.Position = { top: 0, scrollTop: 0 };
  #spacerHeight = -1;
  #following = true;
  #rest: ReturnType<typeof setTimeout> | undefined;
  readonly #observer: ResizeObserver;

  constructor(list: HTMLElement, rowHeight: number, changed: () => void) {
    this.#list = list;
    this.#rowHeight = rowHeight;
    this.#changed = changed;
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
  }

  get following(): boolean {
    return this.#following;
  }

  get height(): number {
    return this.#height;
  }

  follow(on: boolean): void {
    this.#following = on;
    this.#changed();
  }

  /** Brings a row to the middle; that is looking at something else than the end. */
  reveal(row: number): void {
    this.#following = false;
    const position = scroll.moveTo(this.#extent(), (row + 0.5) * this.#rowHeight - this.#height / 2);
    this.#position = position;
    this.#stand(position);
    this.#changed();
  }

  /** The user's font has changed, or is known only now. */
  setRowHeight(px: number): void {
    if (px === this.#rowHeight) return;
    this.#position = { ...this.#position, top: (this.#position.top / this.#rowHeight) * px };
    this.#rowHeight = px;
    this.#changed();
  }

  /** Rows were put in before the first one (or taken away there): what is looked at stays where it is. */
  shift(rows: number): void {
    this.#position = { ...this.#position, top: Math.max(0, this.#position.top + rows * this.#rowHeight) };
  }

  /** Lays out for so many rows and says which of them to draw. Once per frame. */
  layout(rows: number): scroll.Range {
    this.#rows = rows;
    const spacer = scroll.spacerHeight(this.#extent());
    if (spacer !== this.#spacerHeight) {
      this.#spacerHeight = spacer;
      this.#spacer.style.height = `${spacer}px`;
      // A short log's viewport grows with it; reading now saves a frame with too few rows.
      if (spacer <= this.#height + this.#rowHeight || this.#height === 0) this.#measure();
    }
    const extent = this.#extent();
    const top = this.#following ? scroll.maxTop(extent) : this.#position.top;
    const at = scroll.moveTo(extent, top);
    if (this.#following || at.top !== this.#position.top) this.#stand(at);
    const range = scroll.visibleRows(extent, this.#position.top, OVERSCAN_ROWS);
    this.#list.style.transform = `translateY(${range.from * this.#rowHeight - this.#position.top}px)`;
    return range;
  }

  dispose(): void {
    this.#observer.disconnect();
    clearTimeout(this.#rest);
  }

  #extent(): scroll.Extent {
    return { rows: this.#rows, rowHeight: this.#rowHeight, viewport: this.#height };
  }

  #measure(): void {
    this.#height = this.element.clientHeight;
    this.#layer.style.height = `${this.#height}px`;
  }

  #stand(position: scroll.Position): void {
    this.#position = position;
    if (Math.abs(this.element.scrollTop - position.scrollTop) > 0.5) this.element.scrollTop = position.scrollTop;
  }

  #onResize(): void {
    // As wide as the longest row seen: else the horizontal scrollbar would come and go with the rows.
    const width = this.#spacer.offsetWidth;
    if (width > this.element.clientWidth) this.#spacer.style.minWidth = `max(100%, ${width}px)`;
    if (this.element.clientHeight === this.#height) return;
    this.#measure();
    // At once: else the native scrollbar's own correction would be taken for a user who scrolls up. An element that was
    // out of sight or out of the document has lost its native position, too.
    const extent = this.#extent();
    this.#stand(scroll.moveTo(extent, this.#following ? scroll.maxTop(extent) : this.#position.top));
    this.#changed();
  }

  #onScroll(): void {
    if (this.#height === 0) return;
    const native = this.element.scrollTop;
    if (Math.abs(native - this.#position.scrollTop) <= 1) return;
    this.#moved(scroll.scrolled(this.#extent(), this.#position, native));
    clearTimeout(this.#rest);
    if (scroll.isStuck(this.#extent(), this.#position)) this.#settle();
    else this.#rest = setTimeout(() => this.#settle(), REST_MS);
  }

  #settle(): void {
    this.#stand(scroll.settled(this.#extent(), this.#position));
  }

  /** Before the native scroll: in a flood each paint goes to the end, and a small move would be lost in between. */
  #onWheel(event: WheelEvent): void {
    if (event.deltaY >= 0 || event.shiftKey || !this.#following || this.#position.top <= 0) return;
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
    const to = this.#target(event);
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const position = scroll.moveTo(this.#extent(), to);
    if (event.key === "End") this.#following = true;
    this.#moved(position);
    this.#stand(position);
  }

  #target(event: KeyboardEvent): number | undefined {
    const page = Math.max(this.#rowHeight, this.#height - this.#rowHeight);
    const by = { ArrowUp: -this.#rowHeight, ArrowDown: this.#rowHeight, PageUp: -page, PageDown: page }[event.key];
    if (by !== undefined) return this.#position.top + by;
    if (event.key === " ") return this.#position.top + (event.shiftKey ? -page : page);
    if (event.key === "Home") return 0;
    return event.key === "End" ? scroll.maxTop(this.#extent()) : undefined;
  }

  #moved(position: scroll.Position): void {
    this.#following = scroll.follows(this.#extent(), this.#following, this.#position.top, position.top);
    this.#position = position;
    this.#changed();
  }
}
