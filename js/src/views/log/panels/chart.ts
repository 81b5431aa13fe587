// One curve, large: axes, the range of values at each place, and a crosshair that follows pointer and arrow keys; Enter
// or a click shows the line that said the number. DOM (SVG) only.

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
import { element, icon, setText, svg } from "../../dom/dom.js";

const HEIGHT = 160;
const BOX = { left: 52, right: 12, top: 10, bottom: 22 };
const NARROW = 320;

export interface Chart {
  /** Draws a series; none: hides. */
  update(series: Series | undefined): void;
  dispose(): void;
}

export interface ChartOptions {
  readonly jump: (seq: number) => void;
  readonly close: () => void;
}

export function mountChart(host: HTMLElement, options: ChartOptions): Chart {
  const chart = new LargeChart(options);
  host.append(chart.element);
  return { update: (series) => chart.update(series), dispose: () => chart.dispose() };
}

class LargeChart {
  readonly element: HTMLElement;
  readonly #jump: (seq: number) => void;
  readonly #grid = svg("g", "grid");
  readonly #band = svg("path", "band");
  readonly #line = svg("path", "line");
  readonly #cross = svg("path", "cross");
  readonly #plot = svg("svg", "plot", this.#grid, this.#band, this.#line, this.#cross);
  readonly #title = element("span", "title");
  readonly #said = element("span", "said");
  readonly #log = element("button", "log-scale", "log");
  readonly #observer = new ResizeObserver(() => this.#draw());
  #series: Series | undefined;
  #at: number | undefined;
  #x: Scale = () => 0;
  #logarithmic = false;

  constructor({ jump, close }: ChartOptions) {
    this.#jump = jump;
    const shut = element("button", "close", icon("cross"));
    shut.setAttribute("aria-label", "Close the chart (Escape)");
    shut.title = "Close the chart (Escape)";
    for (const button of [shut, this.#log]) button.type = "button";
    shut.addEventListener("click", close);
    this.#log.title = "Logarithmic scale";
    this.#log.setAttribute("aria-label", this.#log.title);
    this.#log.addEventListener("click", () => {
      this.#logarithmic = !this.#logarithmic;
      this.#draw();
    });
    this.#said.setAttribute("role", "status");
    const head = element("div", "chart-head", this.#title, this.#said, this.#log, shut);
    this.element = element("div", "chart", head, this.#plot);
    this.element.hidden = true;
    this.#listen(close);
    this.#observer.observe(this.element);
  }

  update(series: Series | undefined): void {
    if (series?.name !== this.#series?.name) this.#at = undefined;
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
    // Else JupyterLab takes the keys for itself: see viewport.ts.
    plot.setAttribute("data-lm-suppress-shortcuts", "true");
    plot.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    plot.addEventListener("pointerleave", () => this.#stand(undefined));
    plot.addEventListener("click", () => this.#show());
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
      else if (event.target !== plot || !this.#key(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  #key(key: string): boolean {
    const last = (this.#series?.points.length ?? 0) - 1;
    const at = this.#at ?? last;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: last }[key];
    if (key === "Enter") this.#show();
    else if (to === undefined) return false;
    else this.#stand(Math.min(last, Math.max(0, to)));
    return true;
  }

  #point(offsetX: number): void {
    const points = this.#series?.points ?? [];
    if (points.length === 0) return;
    // Points lie evenly enough by line number: the inverse of a linear scale needs its two ends only.
    const [first, last] = [points[0] as Point, points.at(-1) as Point];
    const [a, b] = [this.#x(first.seq), this.#x(last.seq)];
    this.#stand(nearest(points, first.seq + ((offsetX - a) / (b - a || 1)) * (last.seq - first.seq)));
  }

  #stand(at: number | undefined): void {
    this.#at = at;
    this.#draw();
  }

  #show(): void {
    const point = this.#series?.points[this.#at ?? -1];
    if (point !== undefined) this.#jump(point.seq);
  }

  #draw(): void {
    const series = this.#series;
    if (series === undefined) return;
    const width = Math.max(NARROW, this.element.clientWidth);
    const [min, max] = extremes(series.points);
    const log = this.#logarithmic && min > 0;
    this.#log.hidden = !(min > 0);
    this.#log.setAttribute("aria-pressed", String(log));
    const [first, last] = [series.points[0]?.seq ?? 0, series.points.at(-1)?.seq ?? 0];
    const x = linear(first, last, BOX.left, width - BOX.right);
    const y = (log ? logarithmic : linear)(min, max, HEIGHT - BOX.bottom, BOX.top);
    this.#x = x;
    this.#plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#plot.setAttribute("width", String(width));
    this.#plot.setAttribute("height", String(HEIGHT));
    this.#band.setAttribute("d", bandPath(series.points, x, y));
    this.#line.setAttribute("d", meanPath(series.points, x, y));
    const rows = log ? [min, Math.sqrt(min * max), max] : ticks(min, max, 4);
    const columns = ticks(first, last, Math.max(2, Math.floor(width / 160))).filter(Number.isInteger);
    this.#grid.replaceChildren(
      ...rows.flatMap((value) => across(y(value), width, shortNumber(value))),
      ...columns.map((seq) => label(x(seq), HEIGHT - 6, thousands(seq), "middle")),
    );
    setText(this.#title, series.name);
    this.#drawCross(series, x, y);
  }

  #drawCross(series: Series, x: Scale, y: Scale): void {
    const point = this.#at === undefined ? undefined : series.points[this.#at];
    const [px, py] = point === undefined ? [0, 0] : [x(point.seq), y(point.mean)];
    const ring = `M${px - 3} ${py}a3 3 0 1 0 6 0a3 3 0 1 0-6 0`;
    this.#cross.setAttribute("d", point === undefined ? "" : `M${px} ${BOX.top}V${HEIGHT - BOX.bottom}${ring}`);
    const [min, max] = extremes(series.points);
    const all = `${shortNumber(min)} to ${shortNumber(max)}, now ${shortNumber(series.last)}`;
    setText(this.#said, point === undefined ? all : `${words(point)} · line ${thousands(point.seq)}`);
    this.#plot.setAttribute("aria-label", `${series.name}: ${this.#said.textContent}`);
  }
}

function words({ mean, min, max, n }: Point): string {
  return n === 1 || min === max
    ? shortNumber(mean)
    : `${shortNumber(mean)} (${shortNumber(min)} to ${shortNumber(max)})`;
}

function across(y: number, width: number, text: string): SVGElement[] {
  const line = svg("path", "");
  line.setAttribute("d", `M${BOX.left} ${y}H${width - BOX.right}`);
  return [line, label(BOX.left - 6, y + 4, text, "end")];
}

function label(x: number, y: number, text: string, anchor: string): SVGElement {
  const made = svg("text", "");
  made.setAttribute("x", String(x));
  made.setAttribute("y", String(y));
  made.setAttribute("text-anchor", anchor);
  made.textContent = text;
  return made;
}
