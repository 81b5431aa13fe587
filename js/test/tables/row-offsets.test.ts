// Offsets of rows when some have an open panel.
import { describe, expect, it } from "vitest";
import { RowOffsets } from "../../src/tables/row-offsets.js";

describe("row offsets", () => {
  const plain = new RowOffsets(10, 30);
  const open = new RowOffsets(
    10,
    30,
    new Map([
      [5, 100],
      [2, 200],
    ]),
  );

  it("add up to the height of rows and panels", () => {
    expect([plain.height, open.height, new RowOffsets(0, 30).height]).toEqual([300, 600, 0]);
  });

  it("place rows below the panels above them", () => {
    expect([0, 2, 3, 5, 6, 9].map((row) => open.top(row))).toEqual([0, 60, 290, 350, 480, 570]);
  });

  it.each([
    [-50, 0],
    [0, 0],
    [29, 0],
    [30, 1],
    [89, 2],
    [90, 2],
    [289, 2],
    [290, 3],
    [479, 5],
    [480, 6],
    [599, 9],
    [5000, 9],
  ])("finds the row at %i px: %i", (y, row) => {
    expect(open.at(y)).toBe(row);
  });

  it("find every row at its offset", () => {
    for (let row = 0; row < 10; row++) expect(open.at(open.top(row))).toBe(row);
  });

  it("list the rows between two offsets", () => {
    expect(open.between(100, 300)).toEqual({ from: 2, to: 4 });
    expect(new RowOffsets(0, 30).between(0, 500)).toEqual({ from: 0, to: 0 });
  });
});
