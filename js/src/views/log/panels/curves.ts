// Sparklines of the numbers in a log, one of which opens larger. DOM (SVG) only; numbers come from log/overview/metrics.ts.

import type { Series } from "../../../log/overview/metrics.js";
import { extremes, linear, meanPath, shortNumber } from "../../../text/chart.js";
import { element, setText, svg } from "../../dom/dom.js";
import { type Chart, mountChart } from "./chart.js";

/** So many curves are shown; the others are counted, and one click away. */
const SHOWN = 6;
const [WIDTH, HEIGHT] = [64, 18];

export interface Curves {
  /** Shows these series, the first ones small. Nothing is shown for none. */
  update(series: readonly Series[]): void;
  dispose(): void;
}

export interface CurvesOptions {
  /** Show a line of the log. */
  readonly jump: (seq: number) => void;
}

interface Sparkline {
  readonly button: HTMLButtonElement;
  readonly value: HTMLElement;
  readonly path: SVGElement;
}

export function mountCurves(host: HTMLElement, { jump }: CurvesOptions): Curves {
  const curves = new CurveStrip(jump);
  host.append(curves.element);
  return { update: (series) => curves.update(series), dispose: () => curves.dispose() };
}

class CurveStrip {
  readonly element: HTMLElement;
  readonly #strip = element("div", "curve-strip");
  readonly #more = element("button", "curve-more");
  readonly #sparklines = new Map<string, Sparkline>();
  readonly #chart: Chart;
  #open: string | undefined;
  #all = false;
  #series: readonly Series[] = [];

  constructor(jump: (seq: number) => void) {
    this.#strip.setAttribute("role", "group");
    this.#strip.setAttribute("aria-label", "Metrics in the log");
    this.#more.type = "button";
    this.#more.addEventListener("click", () => {
      this.#all = !this.#all;
      this.#render();
    });
    this.#strip.append(this.#more);
    const area = element("div", "curve-area");
    this.#chart = mountChart(area, { jump, close: () => this.#choose(undefined) });
    this.element = element("div", "curves", this.#strip, area);
    this.element.hidden = true;
  }

  update(series: readonly Series[]): void {
    this.#series = series;
    this.#render();
  }

  dispose(): void {
    this.#chart.dispose();
    this.element.remove();
  }

  #choose(name: string | undefined): void {
    const before = this.#open;
    this.#open = name;
    this.#render();
    if (name === undefined && before !== undefined) this.#sparklines.get(before)?.button.focus();
  }

  #render(): void {
    const series = this.#series;
    const shown = this.#all ? series : series.slice(0, SHOWN);
    this.#drop(new Set(shown.map(({ name }) => name)));
    shown.forEach((one, i) => {
      show(this.#sparkline(one.name, shown.slice(i + 1)), one, one.name === this.#open);
    });
    const left = series.length - SHOWN;
    this.#more.hidden = left <= 0;
    setText(this.#more, this.#all ? "Show fewer" : `+${left}`);
    this.#more.setAttribute("aria-label", this.#all ? "Show fewer metrics" : `Show ${left} more metrics`);
    this.element.hidden = series.length === 0;
    this.#chart.update(series.find(({ name }) => name === this.#open));
  }

  #drop(kept: ReadonlySet<string>): void {
    for (const [name, { button }] of this.#sparklines) {
      if (kept.has(name)) continue;
      this.#sparklines.delete(name);
      button.remove();
    }
  }

  /** Only what is new is placed, before the next one that is there: a button that moved would lose the focus. */
  #sparkline(name: string, after: readonly Series[]): Sparkline {
    const known = this.#sparklines.get(name);
    if (known !== undefined) return known;
    const sparkline = make(name, () => this.#choose(this.#open === name ? undefined : name));
    const next = after.map((series) => this.#sparklines.get(series.name)).find((it) => it !== undefined);
    this.#sparklines.set(name, sparkline);
    this.#strip.insertBefore(sparkline.button, next?.button ?? this.#more);
    return sparkline;
  }
}

function make(name: string, act: () => void): Sparkline {
  const path = svg("path", "line");
  const spark = svg("svg", "spark", path);
  spark.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  spark.setAttribute("aria-hidden", "true");
  const value = element("span", "value");
  const button = element("button", "curve", element("span", "name", name), spark, " ", value);
  button.type = "button";
  button.title = `${name}: show as a chart`;
  button.addEventListener("click", act);
  return { button, value, path };
}

function show({ button, value, path }: Sparkline, series: Series, open: boolean): void {
  const { points } = series;
  const [min, max] = extremes(points);
  const x = linear(points[0]?.seq ?? 0, points.at(-1)?.seq ?? 0, 1, WIDTH - 1);
  path.setAttribute("d", meanPath(points, x, linear(min, max, HEIGHT - 2, 2)));
  setText(value, shortNumber(series.last));
  button.setAttribute("aria-expanded", String(open));
  button.setAttribute(
    "aria-label",
    `${series.name} ${shortNumber(series.last)}, between ${shortNumber(min)} and ${shortNumber(max)}`,
  );
}
