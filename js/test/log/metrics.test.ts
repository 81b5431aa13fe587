// Metrics of a log: bounded series, and their order of interest.
import { describe, expect, it } from "vitest";
import { MAX_FILLED_LINES, MAX_LINES, MAX_POINTS, MAX_SERIES, Metrics } from "../../src/log/overview/metrics.js";
import { record } from "../support/workload.js";

const lines = (from: number, to: number, message: (seq: number) => string) =>
  Array.from({ length: to - from + 1 }, (_, i) => record(from + i, { message: message(from + i), ts: from + i }));

/** In batches, as they arrive. */
function take(metrics: Metrics, records: ReturnType<typeof lines>): void {
  for (let i = 0; i < records.length; i += 100) metrics.take(records.slice(i, i + 100));
}

describe("a series", () => {
  it("has a point per line with its number", () => {
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

  it("stays bounded and keeps its extremes, its ends and every line's weight", () => {
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

  it("counts a record once, also if it is fetched again", () => {
    const metrics = new Metrics();
    metrics.take(lines(1, 10, (seq) => `loss=${seq}`));
    metrics.take(lines(5, 12, (seq) => `loss=${seq}`));
    expect(metrics.series[0]?.points).toHaveLength(12);
  });

  it("follows the unfinished line", () => {
    const metrics = new Metrics();
    metrics.rewrite("fit:  8%|4   | 4/50 [00:00<00:01, 32.5it/s, loss=0.5]", 5);
    metrics.rewrite("fit: 10%|5   | 5/50 [00:00<00:01, 32.6it/s, loss=0.4]", 6);
    expect(metrics.series.map(({ name, last }) => [name, last])).toEqual([
      ["it/s", 32.6],
      ["loss", 0.4],
    ]);
  });

  it("reports NaN as its value and has no point for it", () => {
    const metrics = new Metrics();
    metrics.take([record(1, { message: "loss=1" }), record(2, { message: "loss=nan" })]);
    expect(metrics.series[0]?.last).toBeNaN();
    expect(metrics.series[0]?.points).toHaveLength(1);
  });
});

describe("history", () => {
  it("is placed before live points", async () => {
    const metrics = new Metrics();
    metrics.take(lines(91, 100, (seq) => `loss=${seq} acc=1`));
    await metrics.fill(lines(1, 95, (seq) => `loss=${seq}`));
    const loss = metrics.series.find(({ name }) => name === "loss");
    expect(loss?.points.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(loss).toMatchObject({ last: 100, seq: 100 });
    metrics.take(lines(101, 101, () => "loss=5"));
    expect(metrics.series.find(({ name }) => name === "loss")?.last).toBe(5);
  });
});

describe("gaps", () => {
  it("interrupt the curve where a number is not finite, also when neighbours are joined", () => {
    const metrics = new Metrics();
    const values = ["7.4e-06", "nan", "1.23E+02", "-inf", "NaN", "5"];
    metrics.take(values.map((value, i) => record(i + 1, { message: `Loss: ${value}` })));
    const loss = () => metrics.series[0]?.points ?? [];
    expect(loss().map(({ mean, isBehindGap }) => [mean, isBehindGap === true])).toEqual([
      [7.4e-6, false],
      [123, true],
      [5, true],
    ]);
    take(
      metrics,
      lines(7, 5000, (seq) => (seq === 2500 ? "Loss: nan" : "Loss: 1")),
    );
    const gaps = loss().filter(({ isBehindGap }) => isBehindGap);
    expect(gaps.some(({ seq }) => seq > 2400 && seq <= 2501)).toBe(true);
    expect(loss().every(({ mean }) => Number.isFinite(mean))).toBe(true);
  });
});

describe("workers", () => {
  it("that lines name have a series each", async () => {
    const metrics = new Metrics();
    metrics.take(lines(101, 120, (seq) => `[rank${seq % 2}] loss=${seq} lr=0.1`));
    await metrics.fill(lines(1, 100, (seq) => `[rank${seq % 2}] loss=${seq} lr=0.1`));
    const loss = metrics.plottable;
    expect(loss.map(({ name, points }) => [name, points.length])).toEqual([
      ["loss (rank 1)", 60],
      ["loss (rank 0)", 60],
    ]);
    expect([...metrics.names]).toEqual(["loss", "lr"]);
  });

  it("are not named where there is one", () => {
    const metrics = new Metrics();
    metrics.take(lines(1, 5, (seq) => `rank=0 loss=${seq}`));
    expect(metrics.plottable.map(({ name }) => name)).toEqual(["loss"]);
  });
});

describe("bounds", () => {
  it("of older lines a sample is searched, in turns", async () => {
    const metrics = new Metrics();
    metrics.take(lines(50_001, 50_001, (seq) => `loss=${seq}`));
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await metrics.fill(lines(1, 50_000, (seq) => `loss=${seq}`));
    clearInterval(timer);
    const { points } = metrics.series[0] ?? { points: [] };
    expect(turns).toBeGreaterThan(5);
    expect(points.reduce((sum, { n }) => sum + n, 0)).toBe(MAX_FILLED_LINES + 1);
    expect([points[0]?.seq, metrics.series[0]?.last]).toEqual([1, 50_001]);
  });

  it("of a flood a fixed number of lines is sampled, from beginning to end", () => {
    const metrics = new Metrics();
    metrics.take(lines(1, 100_000, (seq) => `loss=${seq}`));
    const { points } = metrics.series[0] ?? { points: [] };
    expect(points.length).toBeLessThanOrEqual(MAX_LINES);
    expect(points.at(-1)?.seq).toBeGreaterThan(99_000);
  });

  it("limit the names; a name seen once is dropped first", () => {
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

describe("interesting metrics", () => {
  it("are numbers that change, losses first and rates last, without counters", () => {
    const metrics = new Metrics();
    metrics.take(lines(1, 5, (seq) => `epoch ${seq}/5 ${seq}0it/s size=${seq} acc=0.${seq} loss=${1 / seq} lr=0.1`));
    expect(metrics.plottable.map(({ name }) => name)).toEqual(["loss", "acc", "size", "it/s"]);
  });

  it("need three points", () => {
    const metrics = new Metrics();
    metrics.take(lines(1, 2, (seq) => `loss=${seq}`));
    expect(metrics.plottable).toEqual([]);
  });
});
