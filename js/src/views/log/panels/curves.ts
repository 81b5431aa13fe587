// Sparklines of the metrics in a log; a click opens one as a chart. DOM (SVG) only. log/overview/metrics.ts has the numbers.

import type { Series } from "../../../log/overview/metrics.js";
import { extremes, linear, meanPath, shortNumber } from "../../../text/chart.js";
import { element, setLabel, setText, setTitle, svg } from "../../dom/dom.js";
import { Chart } from "./chart.js";

/** This many curves are shown; a button shows the others. */
const MAX_SHOWN = 6;
const [WIDTH_PX, HEIGHT_PX] = [64, 18];

export interface CurvesOptions {
  /** Shows a line of the log. */
  readonly jump: (seq: number) => void;
}

interface Sparkline {
  readonly button: HTMLButtonElement;
  readonly value: HTMLElement;
  readonly path: SVGElement;
}

export class Curves {
  readonly element: HTMLElement;
  readonly #strip = element("div", "curve-strip");
  readonly #more = element("button", "curve-more");
  readonly #sparklines = new Map<string, Sparkline>();
  readonly #chart: Chart;
  #open: string | undefined;
  #all = false;
  #series: readonly Series[] = [];

  constructor({ jump }: CurvesOptions) {
    this.#strip.setAttribute("role", "group");
    this.#strip.setAttribute("aria-label", "Metrics in the log");
    this.#more.type = "button";
    this.#more.addEventListener("click", () => {
      this.#all = !this.#all;
      this.#render();
    });
    this.#strip.append(this.#more);
    const area = element("div", "curve-area");
    this.#chart = new Chart({ jump, close: () => this.#choose(undefined) });
    area.append(this.#chart.element);
    this.element = element("div", "curves", this.#strip, area);
    this.element.hidden = true;
  }

  /** Shows these series; hidden while there are none. */
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
    const shown = this.#all ? series : series.slice(0, MAX_SHOWN);
    this.#removeExcept(new Set(shown.map(({ name }) => name)));
    shown.forEach((one, i) => {
      show(this.#sparkline(one.name, shown.slice(i + 1)), one, one.name === this.#open);
    });
    const left = series.length - MAX_SHOWN;
    this.#more.hidden = left <= 0;
    setText(this.#more, this.#all ? "Show fewer" : `+${left}`);
    this.#more.setAttribute("aria-label", this.#all ? "Show fewer metrics" : `Show ${left} more metrics`);
    this.element.hidden = series.length === 0;
    this.#chart.update(series.find(({ name }) => name === this.#open));
  }

  #removeExcept(names: ReadonlySet<string>): void {
    for (const [name, { button }] of this.#sparklines) {
      if (names.has(name)) continue;
      this.#sparklines.delete(name);
      button.remove();
    }
  }

  /** Inserts only new sparklines, before the next existing one: a button that moved would lose the focus. */
  #sparkline(name: string, after: readonly Series[]): Sparkline {
    const known = this.#sparklines.get(name);
    if (known !== undefined) return known;
    const sparkline = createSparkline(name, () => this.#choose(this.#open === name ? undefined : name));
    const next = after.map((series) => this.#sparklines.get(series.name)).find((it) => it !== undefined);
    this.#sparklines.set(name, sparkline);
    this.#strip.insertBefore(sparkline.button, next?.button ?? this.#more);
    return sparkline;
  }
}

function createSparkline(name: string, onClick: () => void): Sparkline {
  const path = svg("path", "line");
  const spark = svg("svg", "spark", path);
  spark.setAttribute("viewBox", `0 0 ${WIDTH_PX} ${HEIGHT_PX}`);
  spark.setAttribute("aria-hidden", "true");
  const value = element("span", "value");
  const button = element("button", "curve", element("span", "name", name), spark, " ", value);
  button.type = "button";
  setTitle(button, `${name}: show as a chart`);
  button.addEventListener("click", onClick);
  return { button, value, path };
}

function show({ button, value, path }: Sparkline, series: Series, open: boolean): void {
  const { points } = series;
  const [min, max] = extremes(points);
  const x = linear(points[0]?.seq ?? 0, points.at(-1)?.seq ?? 0, 1, WIDTH_PX - 1);
  path.setAttribute("d", meanPath(points, x, linear(min, max, HEIGHT_PX - 2, 2)));
  setText(value, shortNumber(series.last));
  button.setAttribute("aria-expanded", String(open));
  setLabel(
    button,
    "aria-label",
    `${series.name} ${shortNumber(series.last)}, between ${shortNumber(min)} and ${shortNumber(max)}`,
  );
}
