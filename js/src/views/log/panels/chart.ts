// Chart of one metric: axes, mean and range of values, and a crosshair for pointer and arrow keys. DOM (SVG) only.
// Enter or a click shows the line that the value was read from.

import type { Series } from "../../../log/overview/metrics.js";
import type { Point } from "../../../text/chart.js";
import {
  bandPath,
  extremes,
  linear,
  logarithmic,
  meanPath,
  nearest,
  type Scale,
  shortNumber,
  ticks,
} from "../../../text/chart.js";
import { thousands } from "../../../text/format.js";
import { element, icon, setLabel, setText, svg } from "../../dom/dom.js";

const HEIGHT_PX = 160;
/** Margins of the plot, px. */
const MARGIN = { left: 52, right: 12, top: 10, bottom: 22 };
const MIN_WIDTH_PX = 320;

export interface ChartOptions {
  readonly jump: (seq: number) => void;
  readonly close: () => void;
}

export class Chart {
  readonly element: HTMLElement;
  readonly #jump: (seq: number) => void;
  readonly #grid = svg("g", "grid");
  readonly #band = svg("path", "band");
  readonly #line = svg("path", "line");
  readonly #cross = svg("path", "cross");
  readonly #plot = svg("svg", "plot", this.#grid, this.#band, this.#line, this.#cross);
  readonly #title = element("span", "title");
  readonly #readout = element("span", "readout");
  readonly #log = element("button", "log-scale", "log");
  readonly #observer = new ResizeObserver(() => this.#onResize());
  #series: Series | undefined;
  #cursor: number | undefined;
  #x: Scale = () => 0;
  #logarithmic = false;
  #width = MIN_WIDTH_PX;

  constructor({ jump, close }: ChartOptions) {
    this.#jump = jump;
    const closeButton = element("button", "close", icon("cross"));
    closeButton.setAttribute("aria-label", "Close the chart (Escape)");
    closeButton.title = "Close the chart (Escape)";
    for (const button of [closeButton, this.#log]) button.type = "button";
    closeButton.addEventListener("click", close);
    this.#log.title = "Logarithmic scale";
    this.#log.setAttribute("aria-label", this.#log.title);
    this.#log.addEventListener("click", () => {
      this.#logarithmic = !this.#logarithmic;
      this.#draw();
    });
    this.#readout.setAttribute("role", "status");
    const head = element("div", "chart-head", this.#title, this.#readout, this.#log, closeButton);
    this.element = element("div", "chart", head, this.#plot);
    this.element.hidden = true;
    this.#listen(close);
    this.#observer.observe(this.element);
  }

  /** Draws a series; undefined: hides the chart. */
  update(series: Series | undefined): void {
    if (series?.name !== this.#series?.name) this.#cursor = undefined;
    this.#series = series;
    this.element.hidden = series === undefined;
    this.#draw();
  }

  dispose(): void {
    this.#observer.disconnect();
    this.element.remove();
  }

  #listen(close: () => void): void {
    const plot = this.#plot;
    plot.setAttribute("tabindex", "0");
    plot.setAttribute("role", "img");
    // Keeps JupyterLab from handling the keys: see viewport.ts.
    plot.setAttribute("data-lm-suppress-shortcuts", "true");
    plot.addEventListener("pointermove", (event) => this.#onPointer(event.offsetX));
    plot.addEventListener("pointerleave", () => this.#setCursor(undefined));
    plot.addEventListener("click", () => this.#showLine());
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
      else if (event.target !== plot || !this.#handleKey(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  #handleKey(key: string): boolean {
    const last = (this.#series?.points.length ?? 0) - 1;
    const at = this.#cursor ?? last;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: last }[key];
    if (key === "Enter") this.#showLine();
    else if (to === undefined) return false;
    else this.#setCursor(Math.min(last, Math.max(0, to)));
    return true;
  }

  #onPointer(offsetX: number): void {
    const points = this.#series?.points ?? [];
    if (points.length === 0) return;
    // The scale is linear in the line number, so its two ends suffice to invert it.
    const [first, last] = [points[0] as Point, points.at(-1) as Point];
    const [a, b] = [this.#x(first.seq), this.#x(last.seq)];
    this.#setCursor(nearest(points, first.seq + ((offsetX - a) / (b - a || 1)) * (last.seq - first.seq)));
  }

  #setCursor(at: number | undefined): void {
    this.#cursor = at;
    this.#draw();
  }

  #showLine(): void {
    const point = this.#series?.points[this.#cursor ?? -1];
    if (point !== undefined) this.#jump(point.seq);
  }

  /** The only place that reads a size: a read between the writes of a frame would cost a layout. */
  #onResize(): void {
    const width = Math.max(MIN_WIDTH_PX, this.element.clientWidth);
    if (width === this.#width) return;
    this.#width = width;
    this.#draw();
  }

  #draw(): void {
    const series = this.#series;
    if (series === undefined) return;
    const width = this.#width;
    const [min, max] = extremes(series.points);
    const log = this.#logarithmic && min > 0;
    this.#log.hidden = !(min > 0);
    this.#log.setAttribute("aria-pressed", String(log));
    const [first, last] = [series.points[0]?.seq ?? 0, series.points.at(-1)?.seq ?? 0];
    const x = linear(first, last, MARGIN.left, width - MARGIN.right);
    const y = (log ? logarithmic : linear)(min, max, HEIGHT_PX - MARGIN.bottom, MARGIN.top);
    this.#x = x;
    this.#plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT_PX}`);
    this.#plot.setAttribute("width", String(width));
    this.#plot.setAttribute("height", String(HEIGHT_PX));
    this.#band.setAttribute("d", bandPath(series.points, x, y));
    this.#line.setAttribute("d", meanPath(series.points, x, y));
    const rows = log ? [min, Math.sqrt(min * max), max] : ticks(min, max, 4);
    const columns = ticks(first, last, Math.max(2, Math.floor(width / 160))).filter(Number.isInteger);
    this.#grid.replaceChildren(
      ...rows.flatMap((value) => across(y(value), width, shortNumber(value))),
      ...columns.map((seq) => label(x(seq), HEIGHT_PX - 6, thousands(seq), "middle")),
    );
    setText(this.#title, series.name);
    this.#drawCross(series, x, y);
  }

  #drawCross(series: Series, x: Scale, y: Scale): void {
    const point = this.#cursor === undefined ? undefined : series.points[this.#cursor];
    const [px, py] = point === undefined ? [0, 0] : [x(point.seq), y(point.mean)];
    const ring = `M${px - 3} ${py}a3 3 0 1 0 6 0a3 3 0 1 0-6 0`;
    this.#cross.setAttribute(
      "d",
      point === undefined ? "" : `M${px} ${MARGIN.top}V${HEIGHT_PX - MARGIN.bottom}${ring}`,
    );
    const [min, max] = extremes(series.points);
    const all = `${shortNumber(min)} to ${shortNumber(max)}, now ${shortNumber(series.last)}`;
    setText(this.#readout, point === undefined ? all : `${valueText(point)} · line ${thousands(point.seq)}`);
    setLabel(this.#plot, "aria-label", `${series.name}: ${this.#readout.textContent}`);
  }
}

function valueText({ mean, min, max, n }: Point): string {
  return n === 1 || min === max
    ? shortNumber(mean)
    : `${shortNumber(mean)} (${shortNumber(min)} to ${shortNumber(max)})`;
}

function across(y: number, width: number, text: string): SVGElement[] {
  const line = svg("path", "");
  line.setAttribute("d", `M${MARGIN.left} ${y}H${width - MARGIN.right}`);
  return [line, label(MARGIN.left - 6, y + 4, text, "end")];
}

function label(x: number, y: number, text: string, anchor: string): SVGElement {
  const node = svg("text", "");
  node.setAttribute("x", String(x));
  node.setAttribute("y", String(y));
  node.setAttribute("text-anchor", anchor);
  node.textContent = text;
  return node;
}
