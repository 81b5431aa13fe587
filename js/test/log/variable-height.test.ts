// Rows of variable height: moving, the end position, and estimates for unmeasured rows.
import { describe, expect, it } from "vitest";
import {
  clampPosition,
  heightOfRows,
  lastPosition,
  moveBy,
  RowHeights,
  rowsInView,
} from "../../src/log/variable-height.js";

/** Row n (from 1) is n * 10 px high. */
const heightOf = (row: number) => (row + 1) * 10;

describe("moving", () => {
  it.each([
    ["within a row", { row: 2, offset: 5 }, 10, { row: 2, offset: 15 }],
    ["over edges", { row: 0, offset: 0 }, 35, { row: 2, offset: 5 }],
    ["to the very edge", { row: 0, offset: 0 }, 30, { row: 2, offset: 0 }],
    ["up over edges", { row: 2, offset: 5 }, -30, { row: 0, offset: 5 }],
    ["up beyond the first row", { row: 1, offset: 5 }, -1000, { row: 0, offset: 0 }],
  ])("%s", (_name, from, px, to) => expect(moveBy(from, px, 100, heightOf)).toEqual(to));

  it("back and forth returns to the start", () => {
    let place = { row: 50, offset: 17 };
    for (let i = 1; i < 40; i++) place = moveBy(place, i % 2 === 0 ? 333 : -333, 1000, heightOf);
    expect(moveBy(place, 333, 1000, heightOf)).toEqual({ row: 50, offset: 17 });
  });

  it("measures a bounded number of rows for a long jump", () => {
    let measured = 0;
    const counting = () => {
      measured += 1;
      return 1;
    };
    moveBy({ row: 0, offset: 0 }, 10_000_000, 100_000_000, counting);
    expect(measured).toBeLessThan(10_000);
  });
});

describe("the end", () => {
  it("is the position where the last row meets the lower edge", () => {
    const end = lastPosition(10, 150, heightOf); // 100 + 90: the second last row is clipped by 40
    expect(end).toEqual({ row: 8, offset: 40 });
    expect(moveBy(end, 150, 10, heightOf)).toEqual({ row: 9, offset: 100 });
  });

  it("is the beginning if all rows fit", () => {
    expect(lastPosition(3, 150, heightOf)).toEqual({ row: 0, offset: 0 });
    expect(lastPosition(0, 150, heightOf)).toEqual({ row: 0, offset: 0 });
    expect(heightOfRows({ row: 0, offset: 0 }, 3, 150, heightOf)).toBe(60);
  });

  it("clamps later positions only", () => {
    expect(clampPosition({ row: 9, offset: 0 }, { row: 8, offset: 40 })).toEqual({ row: 8, offset: 40 });
    expect(clampPosition({ row: 8, offset: 41 }, { row: 8, offset: 40 })).toEqual({ row: 8, offset: 40 });
    expect(clampPosition({ row: 8, offset: 39 }, { row: 8, offset: 40 })).toEqual({ row: 8, offset: 39 });
  });

  it("shows a full screen", () => {
    expect(heightOfRows({ row: 8, offset: 40 }, 10, 150, heightOf)).toBe(150);
  });
});

describe("drawing", () => {
  it("covers the viewport and some rows on either side", () => {
    const { from, to } = rowsInView({ row: 5, offset: 10 }, 100, 200, 2, heightOf);
    expect(from).toBe(3);
    let filled = -10;
    for (let row = 5; row < to - 2; row++) filled += heightOf(row);
    expect(filled).toBeGreaterThanOrEqual(200);
  });

  it("draws few rows if they are higher than the viewport", () => {
    const { from, to } = rowsInView({ row: 50, offset: 100 }, 100, 200, 8, () => 10_000);
    expect([from, to]).toEqual([49, 52]);
  });
});

describe("heights", () => {
  it("of unmeasured rows are the mean of the others", () => {
    const heights = new RowHeights(20);
    expect(heights.get(1)).toBe(20);
    heights.set(1, 20);
    heights.set(2, 100);
    expect(heights.get(3)).toBe(60);
    heights.set(2, 40);
    expect([heights.get(2), heights.get(3)]).toEqual([40, 30]);
  });

  it("are bounded: the cache is cleared when it is full", () => {
    const heights = new RowHeights(20);
    for (let key = 0; key < 50_000; key++) heights.set(key, 30);
    const known = Array.from({ length: 50_000 }, (_, key) => key).filter((key) => heights.get(key) === 30);
    expect(known.length).toBeGreaterThan(0);
    heights.clear();
    expect(heights.get(49_999)).toBe(20);
  });
});
