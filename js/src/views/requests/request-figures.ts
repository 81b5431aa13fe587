// Figures above the request table: totals, one line per service, a chart of latency and cost over time. DOM only.

import type { CallStats, Figures, Row } from "../../protocol/request-log.js";
import { brief, dollars, tokens } from "../../tables/requests/request-labels.js";
import { thousands } from "../../text/format.js";
import { element, setText } from "../dom/dom.js";

const COLUMNS = ["Service", "Calls", "Active", "Errors", "Tokens in / out", "Cost", "p50", "p95"] as const;
/** Number of rows in the chart. */
const MAX_CHART_ROWS = 300;
const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [240, 64];

export class RequestFigures {
  readonly element: HTMLElement;
  readonly #body = element("tbody", "");
  readonly #table = element("table", "figures");
  readonly #chart = new Chart();
  #painted: Figures | undefined;

  constructor() {
    const head = element("tr", "", ...COLUMNS.map((label) => cell("th", label)));
    this.#table.append(element("thead", "", head), this.#body);
    this.#table.setAttribute("aria-label", "Totals and figures by service");
    this.element = element("div", "summary", this.#table, this.#chart.element);
    this.element.tabIndex = 0; // it can overflow, and keyboard users must be able to scroll it
    this.element.dataset["lmSuppressShortcuts"] = "true";
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Figures");
  }

  update(figures: Figures | undefined, rows: readonly Row[]): void {
    this.#chart.update(rows);
    if (figures === this.#painted) return;
    this.#painted = figures;
    const lines =
      figures === undefined ? [] : [["All calls", figures.totals] as const, ...Object.entries(figures.by_provider)];
    while (this.#body.children.length > lines.length) this.#body.lastElementChild?.remove();
    lines.forEach(([name, tally], at) => {
      paintLine((this.#body.children[at] as HTMLElement | undefined) ?? newLine(this.#body), name, tally);
    });
  }
}

function newLine(body: HTMLElement): HTMLElement {
  const line = element("tr", "", cell("th", ""), ...COLUMNS.slice(1).map(() => cell("td", "")));
  line.firstElementChild?.setAttribute("scope", "row");
  body.append(line);
  return line;
}

function paintLine(line: HTMLElement, name: string, tally: CallStats): void {
  const texts = [
    name,
    thousands(tally.requests),
    thousands(tally.active),
    thousands(tally.errors),
    tokens(tally.input_tokens, tally.output_tokens),
    dollars(tally.cost_usd),
    brief(tally.duration_ms.p50),
    brief(tally.duration_ms.p95),
  ];
  texts.forEach((text, at) => {
    setText(line.children[at] as HTMLElement, text);
  });
  line.dataset["provider"] = name;
  (line.children[3] as HTMLElement).dataset["some"] = String(tally.errors > 0);
}

function cell(tag: "th" | "td", text: string): HTMLElement {
  return element(tag, "", text);
}

/** A dot per call at the height of its duration, and a line of the cumulative cost. */
class Chart {
  readonly element: HTMLElement;
  readonly #good = path("good");
  readonly #bad = path("bad");
  readonly #cost = path("cost");
  /** The parts of the caption; CSS puts a sign before each. */
  readonly #latest = element("span", "ofall");
  readonly #durations = element("span", "durations");
  readonly #spent = element("span", "spent");
  readonly #svg = document.createElementNS(SVG, "svg");
  #painted: readonly Row[] = [];

  constructor() {
    this.#svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.#svg.setAttribute("preserveAspectRatio", "none");
    this.#svg.setAttribute("role", "img");
    this.#svg.append(this.#cost, this.#good, this.#bad);
    const words = element("figcaption", "words", this.#latest, this.#durations, this.#spent);
    this.element = element("figure", "chart", this.#svg, words);
  }

  #paintCaption(calls: number, span: number, slowest: number, spent: number): void {
    const within = calls > 1 ? ` within ${brief(span)}` : "";
    const texts =
      calls === 0
        ? ["", "", ""]
        : [
            `${thousands(calls)} ${calls === 1 ? "call" : "calls"}${within}`,
            `up to ${brief(slowest)}`,
            dollars(spent || null),
          ];
    [this.#latest, this.#durations, this.#spent].forEach((target, at) => {
      setText(target, texts[at] ?? "");
    });
    const words = texts.filter(Boolean).join(", ");
    this.#svg.setAttribute("aria-label", `Latency and cost over time: ${words || "no calls yet"}`);
  }

  update(rows: readonly Row[]): void {
    if (rows === this.#painted) return;
    this.#painted = rows;
    const drawn = rows
      .slice(0, MAX_CHART_ROWS)
      .filter((row) => row.duration_ms !== null)
      .reverse();
    const from = drawn[0]?.initial_time ?? 0;
    const span = Math.max(1, (drawn.at(-1)?.initial_time ?? 0) - from);
    const slowest = Math.max(1, ...drawn.map((row) => row.duration_ms ?? 0));
    const spent = drawn.reduce((sum, row) => sum + (row.cost_usd ?? 0), 0);
    const x = (row: Row) => (4 + ((row.initial_time - from) / span) * (WIDTH - 8)).toFixed(1);
    const y = (part: number) => (HEIGHT - 4 - part * (HEIGHT - 8)).toFixed(1);
    const dot = (row: Row) => `M${x(row)} ${y((row.duration_ms ?? 0) / slowest)}h0`;
    this.#good.setAttribute(
      "d",
      drawn
        .filter((row) => row.error === null)
        .map(dot)
        .join(""),
    );
    this.#bad.setAttribute(
      "d",
      drawn
        .filter((row) => row.error !== null)
        .map(dot)
        .join(""),
    );
    let sum = 0;
    const steps = drawn.map((row) => {
      sum += row.cost_usd ?? 0;
      return `${x(row)} ${y(sum / spent)}`;
    });
    this.#cost.setAttribute("d", spent > 0 ? `M4 ${y(0)}L${steps.join("L")}` : "");
    this.#paintCaption(drawn.length, span, slowest, spent);
  }
}

function path(name: string): SVGPathElement {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("class", name);
  return made;
}
