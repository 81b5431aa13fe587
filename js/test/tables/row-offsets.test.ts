// Where rows lie when some have something open below them.
import { describe, expect, it } from "vitest";
import { RowOffsets } from "../../src/tables/row-offsets.js";

describe("a stack of rows", () => {
  const plain = new RowOffsets(10, 30);
  const open = new RowOffsets(
    10,
    30,
    new Map([
      [5, 100],
      [2, 200],
    ]),
  );

  it("is as high as its rows and what is open", () => {
    expect([plain.height, open.height, new RowOffsets(0, 30).height]).toEqual([300, 600, 0]);
  });

  it("places rows below what is open above them", () => {
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

  it("finds every row where it places it", () => {
    for (let row = 0; row < 10; row++) expect(open.at(open.top(row))).toBe(row);
  });

  it("says which rows lie between two heights", () => {
    expect(open.between(100, 300)).toEqual({ from: 2, to: 4 });
    expect(new RowOffsets(0, 30).between(0, 500)).toEqual({ from: 0, to: 0 });
  });
});
