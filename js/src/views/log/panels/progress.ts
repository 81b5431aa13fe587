// Progress bars of a log: name, bar, count, rate and remaining time. DOM only; log/overview/moving-bars.ts detects bars.
// Elements are reused by key, so that an update ten times a second writes only what changed.

import type { Bar } from "../../../log/overview/moving-bars.js";
import { duration } from "../../../text/format.js";
import { element, setData, setLabel, setText, setTitle } from "../../dom/dom.js";

export interface Progress {
  /** Shows these bars, in this order; hidden while there are none. */
  update(bars: readonly Bar[]): void;
  dispose(): void;
}

interface Row {
  readonly element: HTMLElement;
  readonly label: HTMLElement;
  readonly track: HTMLElement;
  readonly fill: HTMLElement;
  readonly percent: HTMLElement;
  readonly count: HTMLElement;
  readonly rate: HTMLElement;
  readonly left: HTMLElement;
}

export function mountProgress(host: HTMLElement): Progress {
  const list = element("div", "progress-bars");
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "Progress");
  list.hidden = true;
  host.append(list);
  const rows = new Map<string, Row>();
  return {
    update(bars) {
      const keys = new Set(bars.map((bar) => bar.key));
      for (const [key, row] of rows) if (!keys.has(key)) removeRow(rows, key, row);
      for (const bar of bars) {
        let row = rows.get(bar.key);
        if (row === undefined) {
          row = createRow();
          rows.set(bar.key, row);
          list.append(row.element);
        }
        show(row, bar);
      }
      list.hidden = bars.length === 0;
    },
    dispose: () => list.remove(),
  };
}

function removeRow(rows: Map<string, Row>, key: string, row: Row): void {
  rows.delete(key);
  row.element.remove();
}

function createRow(): Row {
  const fill = element("span", "fill");
  const track = element("span", "track", fill);
  track.setAttribute("role", "progressbar");
  track.setAttribute("aria-valuemin", "0");
  track.setAttribute("aria-valuemax", "100");
  const [label, percent] = [element("span", "label"), element("span", "percent")];
  const [count, rate, left] = [element("span", "count"), element("span", "rate"), element("span", "left")];
  return {
    element: element("div", "progress-bar", label, track, percent, count, rate, left),
    ...{ label, track, fill, percent, count, rate, left },
  };
}

function show(row: Row, bar: Bar): void {
  const { fraction, state } = bar;
  setData(row.element, "state", state);
  setData(row.element, "known", String(fraction !== undefined));
  setText(row.label, bar.label);
  setTitle(row.label, bar.label);
  const percent = fraction === undefined ? "" : `${Math.floor(fraction * 100)} %`;
  setText(row.percent, percent);
  setText(row.count, [bar.done, bar.total].filter(Boolean).join(" / "));
  setText(row.rate, bar.rate ?? "");
  setText(row.left, left(bar));
  const transform = `scaleX(${fraction ?? 1})`;
  if (row.fill.style.transform !== transform) row.fill.style.transform = transform;
  setLabel(row.track, "aria-label", bar.label || "Progress");
  const valueText = [percent, bar.done && bar.total ? `${bar.done} of ${bar.total}` : bar.done, bar.rate, left(bar)];
  setLabel(row.track, "aria-valuetext", valueText.filter(Boolean).join(", "));
  // Screen readers announce a progress bar without a value as indeterminate.
  if (fraction === undefined) row.track.removeAttribute("aria-valuenow");
  else row.track.setAttribute("aria-valuenow", String(Math.floor(fraction * 100)));
}

function left(bar: Bar): string {
  if (bar.state === "done") return "done";
  if (bar.state === "stopped") return "stopped";
  if (bar.eta === undefined) return "";
  if (bar.eta < 1) return "< 1 s left";
  return bar.eta < 10 ? `${Math.round(bar.eta)} s left` : `${duration(bar.eta * 1000)} left`;
}
