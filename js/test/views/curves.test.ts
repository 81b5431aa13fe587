// @vitest-environment happy-dom
// Sparklines of metrics with their newest value, and the chart with a crosshair.
import { beforeEach, expect, it, vi } from "vitest";
import { Metrics } from "../../src/log/overview/metrics.js";
import { Curves } from "../../src/views/log/panels/curves.js";
import { record } from "../support/workload.js";

let host: HTMLElement;
let curves: Curves;
const jump = vi.fn();
const metrics = new Metrics();
metrics.take(
  Array.from({ length: 20 }, (_, i) =>
    record(i + 1, { message: `loss=${1 / (i + 1)} acc=${i} a=${i} b=${i} c=${i} d=${i} e=${i}` }),
  ),
);

beforeEach(() => {
  document.body.replaceChildren();
  host = document.createElement("div");
  document.body.append(host);
  jump.mockClear();
  curves = new Curves({ jump });
  host.append(curves.element);
  curves.update(metrics.plottable);
});
const buttons = () => [...host.querySelectorAll<HTMLButtonElement>(".curve")];
const plot = () => host.querySelector(".plot") as SVGElement;
const press = (key: string) => plot().dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));

it("the first six are shown with their newest value, the others by a button", () => {
  expect(buttons().map((it) => it.textContent)).toEqual(["loss 0.05", "acc 19", "a 19", "b 19", "c 19", "d 19"]);
  expect(buttons()[0]?.getAttribute("aria-label")).toBe("loss 0.05, between 0.05 and 1");
  host.querySelector<HTMLElement>(".curve-more")?.click();
  expect(buttons()).toHaveLength(7);
});

it("a later metric is inserted in order", () => {
  const later = new Metrics();
  const log = (from: number, text: string) =>
    later.take(
      Array.from({ length: 5 }, (_, i) => record(from + i, { message: text.replaceAll("#", String(from + i)) })),
    );
  log(1, "#it/s");
  curves.update(later.plottable);
  log(6, "#it/s loss=#");
  curves.update(later.plottable);
  expect(buttons().map((it) => it.querySelector(".name")?.textContent)).toEqual(["loss", "it/s"]);
});

it("a click opens a chart, a second one closes it", () => {
  buttons()[0]?.click();
  expect(buttons()[0]?.getAttribute("aria-expanded")).toBe("true");
  expect((host.querySelector(".chart") as HTMLElement).hidden).toBe(false);
  expect(plot().getAttribute("aria-label")).toBe("loss: 0.05 to 1, now 0.05");
  buttons()[0]?.click();
  expect((host.querySelector(".chart") as HTMLElement).hidden).toBe(true);
});

it("keys move the crosshair, Enter shows the line, Escape closes and restores the focus", () => {
  buttons()[0]?.click();
  press("Home");
  press("ArrowRight");
  expect(host.querySelector(".readout")?.textContent).toBe("0.5 · line 2");
  press("Enter");
  expect(jump).toHaveBeenCalledWith(2);
  press("Escape");
  expect(document.activeElement).toBe(buttons()[0]);
});

it("keys of the crosshair do not reach the notebook", () => {
  buttons()[0]?.click();
  const heard = vi.fn();
  document.body.addEventListener("keydown", heard);
  press("ArrowLeft");
  expect(heard).not.toHaveBeenCalled();
  expect(plot().getAttribute("data-lm-suppress-shortcuts")).toBe("true");
});

it("it is hidden without metrics", () => {
  curves.update([]);
  expect((host.firstElementChild as HTMLElement).hidden).toBe(true);
});
