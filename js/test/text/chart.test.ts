// Arithmetic of charts: ticks, short numbers, paths.
import { expect, it } from "vitest";
import {
  bandPath,
  extremes,
  linear,
  logarithmic,
  meanPath,
  nearest,
  shortNumber,
  ticks,
} from "../../src/text/chart.js";

it.each<[number, number, number, number[]]>([
  [0, 10, 5, [0, 2, 4, 6, 8, 10]],
  [0.21, 2.3, 4, [1, 2]],
  [0, 1, 4, [0, 0.5, 1]],
  [-5, 5, 2, [-5, 0, 5]],
  [3, 3, 4, [3]],
  [1, Number.POSITIVE_INFINITY, 4, [1]],
])("ticks of %d to %d, about %d", (min, max, count, expected) => {
  expect(ticks(min, max, count).map((tick) => Number(tick.toFixed(9)))).toEqual(expected);
});

it.each<[number, string]>([
  [0, "0"],
  [0.214, "0.214"],
  [0.21401, "0.214"],
  [1, "1"],
  [100, "100"],
  [1234, "1234"],
  [12_345, "12.35k"],
  [1_500_000, "1.5M"],
  [1.2e-5, "1.2e-5"],
  [-0.5, "-0.5"],
  [2e20, "2e20"],
  [Number.NaN, "nan"],
  [Number.POSITIVE_INFINITY, "∞"],
])("%d is written %s", (value, text) => expect(shortNumber(value)).toBe(text));

const points = [1, 4, 2].map((mean, i) => ({ seq: 10 * i, ts: 0, mean, min: mean - 1, max: mean + 1, n: 2 }));

it("the line goes through the means, the area between the extremes", () => {
  const x = linear(0, 20, 0, 100);
  const y = linear(0, 5, 50, 0);
  expect(meanPath(points, x, y)).toBe("M0 40L50 10L100 30");
  expect(bandPath(points, x, y)).toBe("M0 30L50 0L100 20L100 40L50 20L0 50Z");
  expect(extremes(points)).toEqual([0, 5]);
});

it("gaps interrupt line and band; a point between two is a dot", () => {
  const point = (seq: number, isBehindGap = false) => ({ seq, ts: 0, mean: 1, min: 0, max: 2, n: 1, isBehindGap });
  const points = [point(0), point(1), point(3, true), point(5, true), point(6)];
  const x = linear(0, 10, 0, 100);
  const y = linear(0, 2, 20, 0);
  expect(meanPath(points, x, y)).toBe("M0 10L10 10M30 10h0M50 10L60 10");
  expect(bandPath(points, x, y).match(/M/g)).toHaveLength(3);
});

it("an empty range maps to the middle, a logarithmic scale has equal steps", () => {
  expect(linear(3, 3, 0, 10)(3)).toBe(5);
  expect(logarithmic(1, 100, 0, 10)(10)).toBeCloseTo(5);
});

it("nearest() finds the nearest point", () => {
  expect([-5, 4, 6, 14, 16, 99].map((seq) => nearest(points, seq))).toEqual([0, 0, 1, 1, 2, 2]);
});
