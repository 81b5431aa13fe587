// Histogram of lines over time, stacked by level. DOM (SVG, a path per level) only; log/overview/histogram.ts counts.
// Dragging (or Shift with arrow keys) selects a time range, a click (or Enter) shows the first line of a column.

import { areas, type Column, clock, countsInWords, type Histogram, STACK } from "../../../log/overview/histogram.js";
import { element, icon, setText, svg } from "../../dom/dom.js";

const HEIGHT_PX = 40;
/** Narrower columns are hard to click. */
const COLUMN_PX = 4;
/** Width that is drawn for until the plot's own is known; the plot is stretched to its box. */
const INITIAL_WIDTH_PX = 600;
/** A shorter move of the pointer is a click. */
const DRAG_PX = 4;

/** A range of time in ms, and the first line in it. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
  readonly seq: number | undefined;
}

export interface HistogramOptions {
  /** Shows a line of the log. */
  readonly jump: (seq: number) => void;
  /** A time range was selected; undefined: the selection was cleared. */
  readonly select: (range: TimeRange | undefined) => void;
}

export class HistogramView {
  readonly element: HTMLElement;
  readonly #options: HistogramOptions;
  readonly #paths = new Map(STACK.map((level) => [level, svg("path", `level-${level}`)]));
  readonly #selection = svg("path", "marked");
  readonly #cursor = svg("path", "cursor");
  readonly #plot = svg("svg", "columns", this.#selection, ...this.#paths.values(), this.#cursor);
  readonly #start = element("span", "start");
  readonly #readout = element("span", "readout");
  readonly #end = element("span", "end");
  readonly #clear = element("button", "clear-range", icon("cross"), element("span", "label", "All"));
  readonly #observer = new ResizeObserver((entries) => this.#onResize(entries.at(-1)?.contentRect.width ?? 0));
  #histogram: Histogram | undefined;
  #columns: readonly Column[] = [];
  #width = INITIAL_WIDTH_PX;
  /** The column under the pointer or the keyboard cursor, and the one where a selection began. */
  #cursorColumn: number | undefined;
  #anchor: number | undefined;
  /** Where the pointer was pressed, px. */
  #pressed: number | undefined;
  #range: { readonly from: number; readonly to: number } | undefined;

  constructor(options: HistogramOptions) {
    this.#options = options;
    this.#clear.type = "button";
    this.#clear.title = "Clear the time selection (Escape)";
    this.#clear.setAttribute("aria-label", this.#clear.title);
    this.#clear.addEventListener("click", () => this.#select(undefined));
    const foot = element("div", "axis", this.#start, this.#readout, this.#clear, this.#end);
    this.element = element("div", "histogram", this.#plot, foot);
    this.element.hidden = true;
    this.#listen();
    this.#observer.observe(this.#plot);
  }

  /** Draws the current counts; hidden while all lines have the same time. Reads nothing. */
  update(histogram: Histogram): void {
    this.#histogram = histogram;
    this.element.hidden = histogram.empty;
    this.#draw();
  }

  dispose(): void {
    this.#observer.disconnect();
    this.element.remove();
  }

  #listen(): void {
    const plot = this.#plot;
    plot.setAttribute("tabindex", "0");
    plot.setAttribute("role", "slider");
    plot.setAttribute("aria-label", "Lines over time");
    plot.setAttribute("data-lm-suppress-shortcuts", "true"); // see viewport.ts
    plot.addEventListener("pointerdown", (event) => this.#onPress(event));
    plot.addEventListener("pointermove", (event) => this.#onPointer(event.offsetX));
    plot.addEventListener("pointerup", (event) => this.#onRelease(event));
    plot.addEventListener("pointercancel", () => this.#cancelDrag());
    plot.addEventListener("pointerleave", () => {
      if (this.#pressed === undefined) this.#setCursor(undefined);
    });
    plot.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || !this.#handleKey(event)) return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  #onPress(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.#plot.setPointerCapture?.(event.pointerId);
    this.#pressed = event.offsetX;
    this.#anchor = this.#columnAt(event.offsetX);
  }

  #onPointer(x: number): void {
    this.#setCursor(this.#columnAt(x));
  }

  #onRelease(event: PointerEvent): void {
    const pressed = this.#pressed;
    if (pressed === undefined) return;
    const column = this.#columns[this.#columnAt(event.offsetX)];
    const dragged = Math.abs(event.offsetX - pressed) >= DRAG_PX;
    const range = dragged ? this.#selectedRange() : undefined;
    this.#cancelDrag();
    if (range !== undefined) this.#select(range);
    else if (column?.seq !== undefined) this.#options.jump(column.seq);
  }

  #cancelDrag(): void {
    this.#pressed = undefined;
    this.#anchor = undefined;
    this.#draw();
  }

  #handleKey({ key, shiftKey }: KeyboardEvent): boolean {
    const last = this.#columns.length - 1;
    const at = this.#cursorColumn ?? last;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[key];
    if (to !== undefined) {
      this.#anchor = shiftKey ? (this.#anchor ?? at) : undefined;
      this.#setCursor(Math.min(last, Math.max(0, to)));
      return true;
    }
    if (key === "Enter") this.#onEnter(at);
    else if (key === "Escape" && (this.#range !== undefined || this.#anchor !== undefined)) this.#select(undefined);
    else return false;
    return true;
  }

  #onEnter(at: number): void {
    const range = this.#selectedRange();
    const seq = this.#columns[at]?.seq;
    if (range !== undefined) this.#select(range);
    else if (seq !== undefined) this.#options.jump(seq);
  }

  /** The range between the selection's anchor and the cursor, both columns included. */
  #selectedRange(): TimeRange | undefined {
    if (this.#anchor === undefined || this.#cursorColumn === undefined) return undefined;
    const [a, b] = [Math.min(this.#anchor, this.#cursorColumn), Math.max(this.#anchor, this.#cursorColumn)];
    const selected = this.#columns.slice(a, b + 1);
    const [first, last] = [selected[0], selected.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    return { from: first.from, to: last.to, seq: selected.find(({ seq }) => seq !== undefined)?.seq };
  }

  #select(range: TimeRange | undefined): void {
    this.#range = range;
    this.#anchor = undefined;
    this.#options.select(range);
    this.#draw();
  }

  /** The column at a pointer position. Reads the plot's width, which at an event costs no layout. */
  #columnAt(x: number): number {
    const last = this.#columns.length - 1;
    const width = this.#plot.clientWidth || this.element.clientWidth || this.#width;
    return Math.min(last, Math.max(0, Math.floor((x / width) * (last + 1))));
  }

  #setCursor(at: number | undefined): void {
    this.#cursorColumn = at;
    this.#draw();
  }

  #onResize(width: number): void {
    if (width === 0 || width === this.#width) return;
    this.#width = width;
    this.#draw();
  }

  // --- drawing ---

  #draw(): void {
    const histogram = this.#histogram;
    if (histogram === undefined || histogram.empty) return;
    this.#columns = histogram.columns(Math.max(8, Math.floor(this.#width / COLUMN_PX)));
    const paths = areas(this.#columns, this.#width, HEIGHT_PX);
    for (const [level, path] of this.#paths) path.setAttribute("d", paths.get(level) ?? "");
    this.#plot.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT_PX}`);
    this.#plot.setAttribute("preserveAspectRatio", "none");
    this.#drawSelection(histogram);
    this.#updateText(histogram);
  }

  #drawSelection(histogram: Histogram): void {
    const x = (ts: number) => ((ts - histogram.from) / (histogram.to - histogram.from)) * this.#width;
    const range = this.#selectedRange() ?? this.#range;
    this.#selection.setAttribute(
      "d",
      range === undefined ? "" : `M${x(range.from)} 0H${x(range.to)}V${HEIGHT_PX}H${x(range.from)}z`,
    );
    const column = this.#cursorColumn === undefined ? undefined : this.#columns[this.#cursorColumn];
    this.#cursor.setAttribute(
      "d",
      column === undefined ? "" : `M${(x(column.from) + x(column.to)) / 2} 0V${HEIGHT_PX}`,
    );
  }

  #updateText(histogram: Histogram): void {
    const span = histogram.to - histogram.from;
    const [first] = this.#columns;
    const width = first === undefined ? span : first.to - first.from;
    const time = (ts: number) => clock(ts, span > 20_000 ? Math.max(1000, width) : width, span);
    setText(this.#start, time(histogram.from));
    setText(this.#end, time(histogram.to));
    const column =
      this.#cursorColumn === undefined
        ? undefined
        : this.#columns[Math.min(this.#cursorColumn, this.#columns.length - 1)];
    const range = this.#selectedRange() ?? this.#range;
    const columnText = column === undefined ? "" : `${time(column.from)} · ${countsInWords(column)}`;
    const rangeText = range === undefined ? "" : `${time(range.from)} to ${time(range.to)}`;
    setText(this.#readout, columnText || rangeText);
    this.#clear.hidden = this.#range === undefined;
    this.#plot.setAttribute("aria-valuemin", "0");
    this.#plot.setAttribute("aria-valuemax", String(this.#columns.length - 1));
    this.#plot.setAttribute("aria-valuenow", String(this.#cursorColumn ?? this.#columns.length - 1));
    this.#plot.setAttribute("aria-valuetext", columnText || `${time(histogram.from)} to ${time(histogram.to)}`);
  }
}
