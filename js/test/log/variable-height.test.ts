// Rows of different heights: walking over them, ending at the last, and that what nobody has measured is guessed.
import { describe, expect, it } from "vitest";
import { endPlace, filling, Heights, notBeyond, screenful, walk } from "../../src/log/variable-height.js";

/** Row n is n * 10 px high, beginning with 10. */
const heightOf = (row: number) => (row + 1) * 10;

describe("walking", () => {
  it.each([
    ["within a row", { row: 2, into: 5 }, 10, { row: 2, into: 15 }],
    ["over edges", { row: 0, into: 0 }, 35, { row: 2, into: 5 }],
    ["to the very edge", { row: 0, into: 0 }, 30, { row: 2, into: 0 }],
    ["up over edges", { row: 2, into: 5 }, -30, { row: 0, into: 5 }],
    ["up beyond the first row", { row: 1, into: 5 }, -1000, { row: 0, into: 0 }],
  ])("%s", (_name, from, px, to) => expect(walk(from, px, 100, heightOf)).toEqual(to));

  it("there and back ends where it began", () => {
    let place = { row: 50, into: 17 };
    for (let i = 1; i < 40; i++) place = walk(place, i % 2 === 0 ? 333 : -333, 1000, heightOf);
    expect(walk(place, 333, 1000, heightOf)).toEqual({ row: 50, into: 17 });
  });

  it("never takes more steps than a jump is worth", () => {
    let asked = 0;
    const counting = () => {
      asked += 1;
      return 1;
    };
    walk({ row: 0, into: 0 }, 10_000_000, 100_000_000, counting);
    expect(asked).toBeLessThan(10_000);
  });
});

describe("the end", () => {
  it("is where the last row ends at the lower edge", () => {
    const end = endPlace(10, 150, heightOf); // 100 + 90: the last but one is cut by 40
    expect(end).toEqual({ row: 8, into: 40 });
    expect(walk(end, 150, 10, heightOf)).toEqual({ row: 9, into: 100 });
  });

  it("is the beginning, where all rows fit", () => {
    expect(endPlace(3, 150, heightOf)).toEqual({ row: 0, into: 0 });
    expect(endPlace(0, 150, heightOf)).toEqual({ row: 0, into: 0 });
    expect(screenful({ row: 0, into: 0 }, 3, 150, heightOf)).toBe(60);
  });

  it("bounds a place, and leaves those before it", () => {
    expect(notBeyond({ row: 9, into: 0 }, { row: 8, into: 40 })).toEqual({ row: 8, into: 40 });
    expect(notBeyond({ row: 8, into: 41 }, { row: 8, into: 40 })).toEqual({ row: 8, into: 40 });
    expect(notBeyond({ row: 8, into: 39 }, { row: 8, into: 40 })).toEqual({ row: 8, into: 39 });
  });

  it("shows a full screen", () => {
    expect(screenful({ row: 8, into: 40 }, 10, 150, heightOf)).toBe(150);
  });
});

describe("drawing", () => {
  it("takes the rows that fill the viewport, and some on either side", () => {
    const { from, to } = filling({ row: 5, into: 10 }, 100, 200, 2, heightOf);
    expect(from).toBe(3);
    let filled = -10;
    for (let row = 5; row < to - 2; row++) filled += heightOf(row);
    expect(filled).toBeGreaterThanOrEqual(200);
  });

  it("takes few more where rows are higher than the viewport", () => {
    const { from, to } = filling({ row: 50, into: 100 }, 100, 200, 8, () => 10_000);
    expect([from, to]).toEqual([49, 52]);
  });
});

describe("heights", () => {
  it("of rows nobody has measured are the mean of the others", () => {
    const heights = new Heights(20);
    expect(heights.get(1)).toBe(20);
    heights.set(1, 20);
    heights.set(2, 100);
    expect(heights.get(3)).toBe(60);
    heights.set(2, 40);
    expect([heights.get(2), heights.get(3)]).toEqual([40, 30]);
  });

  it("are bounded: all are forgotten rather than too many known", () => {
    const heights = new Heights(20);
    for (let key = 0; key < 50_000; key++) heights.set(key, 30);
    const known = Array.from({ length: 50_000 }, (_, key) => key).filter((key) => heights.get(key) === 30);
    expect(known.length).toBeGreaterThan(0);
    heights.clear();
    expect(heights.get(49_999)).toBe(20);
  });
});
