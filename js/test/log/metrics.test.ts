// Curves out of a log: what is kept of it, within which bounds, and in which order they are worth seeing.
import { describe, expect, it } from "vitest";
import { MAX_LINES, MAX_POINTS, MAX_SERIES, Metrics } from "../../src/log/overview/metrics.js";
import { record } from "../support/workload.js";

const lines = (from: number, to: number, message: (seq: number) => string) =>
  Array.from({ length: to - from + 1 }, (_, i) => record(from + i, { message: message(from + i), ts: from + i }));

/** In batches, as they come. */
function take(metrics: Metrics, records: ReturnType<typeof lines>): void {
  for (let i = 0; i < records.length; i += 100) metrics.take(records.slice(i, i + 100));
}

describe("a series", () => {
  it("has a point per line that says its number", () => {
    const metrics = new Metrics();
    metrics.take([
      record(1, { message: "start" }),
      record(2, { message: "loss=2", ts: 7 }),
      record(3, { message: "loss=1" }),
    ]);
    expect(metrics.series).toMatchObject([
      {
        name: "loss",
        last: 1,
        seq: 3,
        points: [
          { seq: 2, ts: 7, mean: 2, n: 1 },
          { seq: 3, mean: 1 },
        ],
      },
    ]);
  });

  it("stays bounded, keeps its extremes, its ends and every line's weight", () => {
    const metrics = new Metrics();
    take(
      metrics,
      lines(1, 50_000, (seq) => `loss=${seq === 33_333 ? 1000 : seq / 50_000}`),
    );
    const points = metrics.series[0]?.points ?? [];
    expect(points.length).toBeLessThanOrEqual(MAX_POINTS);
    expect(points.length).toBeGreaterThanOrEqual(MAX_POINTS / 2);
    expect(points.reduce((sum, point) => sum + point.n, 0)).toBe(50_000);
    expect(Math.max(...points.map((point) => point.max))).toBe(1000);
    expect(points[0]?.seq).toBe(1);
    expect(metrics.series[0]?.last).toBe(1);
  });

  it("takes a record once, however often it is fetched", () => {
    const metrics = new Metrics();
    metrics.take(lines(1, 10, (seq) => `loss=${seq}`));
    metrics.take(lines(5, 12, (seq) => `loss=${seq}`));
    expect(metrics.series[0]?.points).toHaveLength(12);
  });

  it("moves with the line being written", () => {
    const metrics = new Metrics();
    metrics.rewrite("fit:  8%|4   | 4/50 [00:00<00:01, 32.5it/s, loss=0.5]", 5);
    metrics.rewrite("fit: 10%|5   | 5/50 [00:00<00:01, 32.6it/s, loss=0.4]", 6);
    expect(metrics.series.map(({ name, last }) => [name, last])).toEqual([
      ["it/s", 32.6],
      ["loss", 0.4],
    ]);
  });

  it("tells that it is no number now, and has no point for it", () => {
    const metrics = new Metrics();
    metrics.take([record(1, { message: "loss=1" }), record(2, { message: "loss=nan" })]);
    expect(metrics.series[0]?.last).toBeNaN();
    expect(metrics.series[0]?.points).toHaveLength(1);
  });
});

describe("what came before", () => {
  it("is put in front of what came live", () => {
    const metrics = new Metrics();
    metrics.take(lines(91, 100, (seq) => `loss=${seq} acc=1`));
    metrics.fill(lines(1, 95, (seq) => `loss=${seq}`));
    const loss = metrics.series.find(({ name }) => name === "loss");
    expect(loss?.points.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(loss).toMatchObject({ last: 100, seq: 100 });
    metrics.take(lines(101, 101, () => "loss=5"));
    expect(metrics.series.find(({ name }) => name === "loss")?.last).toBe(5);
  });
});

describe("bounds", () => {
  it("of a flood as many lines are looked at as of any batch, from its beginning to its end", () => {
    const metrics = new Metrics();
    metrics.take(lines(1, 100_000, (seq) => `loss=${seq}`));
    const { points } = metrics.series[0] ?? { points: [] };
    expect(points.length).toBeLessThanOrEqual(MAX_LINES);
    expect(points.at(-1)?.seq).toBeGreaterThan(99_000);
  });

  it("of names there are so many, and one that came once makes room", () => {
    const metrics = new Metrics();
    metrics.take(lines(1, 200, (seq) => `once_${String.fromCharCode(97 + (seq % 26))}${"x".repeat(seq)}=1`));
    take(
      metrics,
      lines(201, 210, (seq) => `loss=${seq}`),
    );
    expect(metrics.series.length).toBeLessThanOrEqual(MAX_SERIES);
    expect(metrics.plottable.map(({ name }) => name)).toEqual(["loss"]);
  });
});

describe("worth seeing", () => {
  it("are numbers that change, losses first and rates last; not what only counts", () => {
    const metrics = new Metrics();
    metrics.take(lines(1, 5, (seq) => `epoch ${seq}/5 ${seq}0it/s size=${seq} acc=0.${seq} loss=${1 / seq} lr=0.1`));
    expect(metrics.plottable.map(({ name }) => name)).toEqual(["loss", "acc", "size", "it/s"]);
  });

  it("needs three points", () => {
    const metrics = new Metrics();
    metrics.take(lines(1, 2, (seq) => `loss=${seq}`));
    expect(metrics.plottable).toEqual([]);
  });
});
