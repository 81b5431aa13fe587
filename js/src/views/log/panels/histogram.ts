// Lines over time, drawn: a column per stretch of time, stacked by level. Drag (or Shift and the arrow keys) selects a
// range, a click (or Enter) goes to its first line. DOM (SVG, a path per level) only; counting is log/overview/histogram.ts.

import { areas, type Column, clock, countsInWords, type Histogram, STACK } from "../../../log/overview/histogram.js";
import { element, icon, setText, svg } from "../../dom/dom.js";

const HEIGHT = 40;
/** Narrower columns are hard to hit. */
const COLUMN_PX = 4;
/** A pointer that moves less than this has clicked. */
const DRAG_PX = 4;

/** A stretch of time that was selected, ms, and the first line in it. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
  readonly seq: number | undefined;
}

export interface HistogramOptions {
  /** Show a line of the log. */
  readonly jump: (seq: number) => void;
  /** A stretch of time was selected; undefined: not any more. */
  readonly select: (stretch: TimeRange | undefined) => void;
}

export interface HistogramView {
  /** Draws it as it stands now. Nothing is shown where there is no span of time. */
  update(histogram: Histogram): void;
  dispose(): void;
}

export function mountHistogram(host: HTMLElement, options: HistogramOptions): HistogramView {
  const view = new HistogramPlot(options);
  host.append(view.element);
  return { update: (histogram) => view.update(histogram), dispose: () => view.dispose() };
}

class HistogramPlot {
  readonly element: HTMLElement;
  readonly #options: HistogramOptions;
  readonly #paths = new Map(STACK.map((level) => [level, svg("path", `level-${level}`)]));
  readonly #marked = svg("path", "marked");
  readonly #cursor = svg("path", "cursor");
  readonly #plot = svg("svg", "columns", this.#marked, ...this.#paths.values(), this.#cursor);
  readonly #start = element("span", "start");
  readonly #said = element("span", "said");
  readonly #end = element("span", "end");
  readonly #clear = element("button", "clear-range", icon("cross"), element("span", "label", "All"));
  readonly #observer = new ResizeObserver(() => this.#draw());
  #histogram: Histogram | undefined;
  #columns: readonly Column[] = [];
  #width = 0;
  /** The column under the pointer or the keys, and the one where a selection began. */
  #at: number | undefined;
  #anchor: number | undefined;
  /** Where the button was pressed. */
  #pressed: number | undefined;
  #range: { readonly from: number; readonly to: number } | undefined;

  constructor(options: HistogramOptions) {
    this.#options = options;
    this.#clear.type = "button";
    this.#clear.title = "Clear the time selection (Escape)";
    this.#clear.setAttribute("aria-label", this.#clear.title);
    this.#clear.addEventListener("click", () => this.#select(undefined));
    const foot = element("div", "axis", this.#start, this.#said, this.#clear, this.#end);
    this.element = element("div", "histogram", this.#plot, foot);
    this.element.hidden = true;
    this.#listen();
    this.#observer.observe(this.element);
  }

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
    plot.addEventListener("pointerdown", (event) => this.#press(event));
    plot.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    plot.addEventListener("pointerup", (event) => this.#release(event));
    plot.addEventListener("pointercancel", () => this.#drop());
    plot.addEventListener("pointerleave", () => {
      if (this.#pressed === undefined) this.#stand(undefined);
    });
    plot.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || !this.#key(event)) return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  #press(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.#plot.setPointerCapture?.(event.pointerId);
    this.#pressed = event.offsetX;
    this.#anchor = this.#columnAt(event.offsetX);
  }

  #point(x: number): void {
    this.#stand(this.#columnAt(x));
  }

  #release(event: PointerEvent): void {
    const pressed = this.#pressed;
    if (pressed === undefined) return;
    const column = this.#columns[this.#columnAt(event.offsetX)];
    const dragged = Math.abs(event.offsetX - pressed) >= DRAG_PX;
    const range = dragged ? this.#between() : undefined;
    this.#drop();
    if (range !== undefined) this.#select(range);
    else if (column?.seq !== undefined) this.#options.jump(column.seq);
  }

  #drop(): void {
    this.#pressed = undefined;
    this.#anchor = undefined;
    this.#draw();
  }

  #key({ key, shiftKey }: KeyboardEvent): boolean {
    const last = this.#columns.length - 1;
    const at = this.#at ?? last;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[key];
    if (to !== undefined) {
      this.#anchor = shiftKey ? (this.#anchor ?? at) : undefined;
      this.#stand(Math.min(last, Math.max(0, to)));
      return true;
    }
    if (key === "Enter") this.#enter(at);
    else if (key === "Escape" && (this.#range !== undefined || this.#anchor !== undefined)) this.#select(undefined);
    else return false;
    return true;
  }

  #enter(at: number): void {
    const range = this.#between();
    const seq = this.#columns[at]?.seq;
    if (range !== undefined) this.#select(range);
    else if (seq !== undefined) this.#options.jump(seq);
  }

  /** From where the selection began to where it stands, both columns included. */
  #between(): TimeRange | undefined {
    if (this.#anchor === undefined || this.#at === undefined) return undefined;
    const [a, b] = [Math.min(this.#anchor, this.#at), Math.max(this.#anchor, this.#at)];
    const chosen = this.#columns.slice(a, b + 1);
    const [first, last] = [chosen[0], chosen.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    return { from: first.from, to: last.to, seq: chosen.find(({ seq }) => seq !== undefined)?.seq };
  }

  #select(stretch: TimeRange | undefined): void {
    this.#range = stretch;
    this.#anchor = undefined;
    this.#options.select(stretch);
    this.#draw();
  }

  #columnAt(x: number): number {
    const last = this.#columns.length - 1;
    return Math.min(last, Math.max(0, Math.floor((x / Math.max(1, this.#width)) * (last + 1))));
  }

  #stand(at: number | undefined): void {
    this.#at = at;
    this.#draw();
  }

  // --- drawing ---

  #draw(): void {
    const histogram = this.#histogram;
    if (histogram === undefined || histogram.empty) return;
    this.#width = Math.max(1, this.#plot.clientWidth || this.element.clientWidth || 600);
    this.#columns = histogram.columns(Math.max(8, Math.floor(this.#width / COLUMN_PX)));
    const paths = areas(this.#columns, this.#width, HEIGHT);
    for (const [level, path] of this.#paths) path.setAttribute("d", paths.get(level) ?? "");
    this.#plot.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    this.#plot.setAttribute("preserveAspectRatio", "none");
    this.#drawMarks(histogram);
    this.#say(histogram);
  }

  #drawMarks(histogram: Histogram): void {
    const x = (ts: number) => ((ts - histogram.from) / (histogram.to - histogram.from)) * this.#width;
    const range = this.#between() ?? this.#range;
    this.#marked.setAttribute(
      "d",
      range === undefined ? "" : `M${x(range.from)} 0H${x(range.to)}V${HEIGHT}H${x(range.from)}z`,
    );
    const column = this.#at === undefined ? undefined : this.#columns[this.#at];
    this.#cursor.setAttribute("d", column === undefined ? "" : `M${(x(column.from) + x(column.to)) / 2} 0V${HEIGHT}`);
  }

  #say(histogram: Histogram): void {
    const span = histogram.to - histogram.from;
    const [first] = this.#columns;
    const width = first === undefined ? span : first.to - first.from;
    const time = (ts: number) => clock(ts, span > 20_000 ? Math.max(1000, width) : width, span);
    setText(this.#start, time(histogram.from));
    setText(this.#end, time(histogram.to));
    const column = this.#at === undefined ? undefined : this.#columns[Math.min(this.#at, this.#columns.length - 1)];
    const range = this.#between() ?? this.#range;
    const said = column === undefined ? "" : `${time(column.from)} · ${countsInWords(column)}`;
    const marked = range === undefined ? "" : `${time(range.from)} to ${time(range.to)}`;
    setText(this.#said, said || marked);
    this.#clear.hidden = this.#range === undefined;
    this.#plot.setAttribute("aria-valuemin", "0");
    this.#plot.setAttribute("aria-valuemax", String(this.#columns.length - 1));
    this.#plot.setAttribute("aria-valuenow", String(this.#at ?? this.#columns.length - 1));
    this.#plot.setAttribute("aria-valuetext", said || `${time(histogram.from)} to ${time(histogram.to)}`);
  }
}
