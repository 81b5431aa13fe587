// @vitest-environment happy-dom
// Lines over time: bounded counting, drawing, selection and keyboard.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { areas, clock, countsInWords, Histogram, MAX_BUCKETS, timelineOf } from "../../src/log/overview/histogram.js";
import type { Timeline } from "../../src/protocol/log-source.js";
import { HistogramView } from "../../src/views/log/panels/histogram.js";
import { record } from "../support/workload.js";

const timeline: Timeline = {
  from: 1000,
  to: 5000,
  bucket: 1000,
  last: 60,
  buckets: [
    { ts: 1000, seq: 1, counts: { info: 10 } },
    { ts: 2000, seq: 11, counts: { info: 38, error: 2 } },
    { ts: 3000, seq: null, counts: {} },
    { ts: 4000, seq: 51, counts: { unknown: 10 } },
  ],
};
const totals = (histogram: Histogram, most = 1000) => histogram.columns(most).map(({ total }) => total);

describe("counting", () => {
  it("continues the server's counts without repeated lines", () => {
    const histogram = new Histogram();
    histogram.set(timeline);
    histogram.take([record(60, { ts: 4500 }), record(61, { ts: 4900 }), record(62, { ts: 6100, level: "error" })]);
    histogram.take([record(62, { ts: 6100 })]);
    expect(totals(histogram)).toEqual([10, 40, 0, 11, 0, 1]);
    expect(histogram.columns(10).at(-1)).toMatchObject({ from: 6000, to: 7000, seq: 62, counts: { error: 1 } });
  });

  it("takes the server's total as the newest line, except with a filter", () => {
    const summary = { ...timeline, total: 60, lines: 55, first: 1 };
    expect(timelineOf(summary, false).last).toBe(60);
    expect(timelineOf(summary, true).last).toBe(55);
  });

  it("keeps records received while the server counted, once", () => {
    const histogram = new Histogram();
    histogram.take([record(59, { ts: 4100 }), record(60, { ts: 4200 }), record(61, { ts: 4300 })]);
    histogram.set(timeline);
    expect(totals(histogram)).toEqual([10, 40, 0, 11]);
    histogram.take([record(62, { ts: 4400 })]);
    histogram.set({ ...timeline, last: 61 });
    expect(totals(histogram)).toEqual([10, 40, 0, 11]);
  });

  it("works without the server's counts", () => {
    const histogram = new Histogram();
    histogram.take([record(1, { ts: 1e12 }), record(2, { ts: 1e12 + 900 })]);
    expect(totals(histogram)).toEqual([1, 0, 0, 1]);
    expect(histogram.empty).toBe(false);
  });

  it("is bounded for a day of lines, a year of silence and clocks set back", () => {
    const histogram = new Histogram();
    for (let i = 1; i <= 10_000; i++) histogram.take([record(i, { ts: i * 8640 })]);
    histogram.take([record(10_001, { ts: 3e10 }), record(10_002, { ts: -5 })]);
    const columns = histogram.columns(1e6);
    expect(columns.length).toBeLessThanOrEqual(MAX_BUCKETS);
    expect(columns.reduce((sum, { total }) => sum + total, 0)).toBe(10_002);
    expect(columns[0]?.seq).toBe(1);
  });

  it("joins buckets if fewer columns fit", () => {
    const histogram = new Histogram();
    histogram.set(timeline);
    expect(histogram.columns(2)).toMatchObject([
      { from: 1000, to: 3000, seq: 1, total: 50, counts: { info: 48, error: 2 } },
      { from: 3000, to: 5000, seq: 51, total: 10 },
    ]);
  });
});

describe("drawing", () => {
  it("stacks errors at the bottom and makes few of them visible", () => {
    const histogram = new Histogram();
    histogram.set({ ...timeline, buckets: [{ ts: 0, seq: 1, counts: { error: 1, info: 9999 } }] });
    const paths = areas(histogram.columns(1), 10, 40);
    expect(paths.get("error")).toBe("M0 38h9v2h-9z");
    expect(paths.get("info")).toBe("M0 0h9v38h-9z");
  });

  it("describes counts and times as text", () => {
    const histogram = new Histogram();
    histogram.set(timeline);
    expect(countsInWords(histogram.columns(2)[0] as never)).toBe("50 lines, 2 error");
    const noon = new Date(2026, 10, 20, 12, 34, 56, 789).getTime();
    expect(clock(noon, 100, 1000)).toBe("12:34:56.789");
    expect(clock(noon, 5000, 100_000)).toBe("12:34:56");
    expect(clock(noon, 600_000, 1e9)).toBe("11/20 12:34");
  });
});

describe("in the page", () => {
  let host: HTMLElement;
  let view: HistogramView;
  const jump = vi.fn();
  const select = vi.fn();
  beforeEach(() => {
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(400);
    host = document.createElement("div");
    jump.mockClear();
    select.mockClear();
    view = new HistogramView({ jump, select });
    host.append(view.element);
    const histogram = new Histogram();
    histogram.set(timeline);
    view.update(histogram);
  });
  const plot = () => host.querySelector(".columns") as SVGElement;
  const press = (key: string, shiftKey = false) =>
    plot().dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true }));
  const pointer = (type: string, offsetX: number) => {
    const event = new MouseEvent(type, { button: 0 });
    Object.defineProperty(event, "offsetX", { value: offsetX });
    plot().dispatchEvent(event);
  };

  it("is absent without a time range", () => {
    view.update(new Histogram());
    expect((host.firstElementChild as HTMLElement).hidden).toBe(true);
  });

  it("a click goes to the first line of its time", () => {
    pointer("pointerdown", 150);
    pointer("pointerup", 151);
    expect(jump).toHaveBeenCalledWith(11);
    expect(select).not.toHaveBeenCalled();
  });

  it("a drag selects a time range, in either direction", () => {
    pointer("pointerdown", 390);
    pointer("pointermove", 130);
    pointer("pointerup", 130);
    expect(select).toHaveBeenLastCalledWith({ from: 2000, to: 5000, seq: 11 });
    (host.querySelector(".clear-range") as HTMLElement).click();
    expect(select).toHaveBeenLastCalledWith(undefined);
  });

  it("keys move through the columns, announce, select and go to them", () => {
    press("Home");
    press("ArrowRight");
    expect(plot().getAttribute("aria-valuetext")).toContain("40 lines, 2 error");
    press("Enter");
    expect(jump).toHaveBeenCalledWith(11);
    press("ArrowRight", true);
    press("ArrowRight", true);
    press("Enter");
    expect(select).toHaveBeenLastCalledWith({ from: 2000, to: 5000, seq: 11 });
    press("Escape");
    expect(select).toHaveBeenLastCalledWith(undefined);
  });

  it("other keys are not handled", () => {
    const heard = vi.fn();
    host.addEventListener("keydown", heard);
    press("ArrowLeft");
    press("x");
    expect(heard).toHaveBeenCalledTimes(1);
  });
});
