// Folded ranges against a simple model: the list of visible keys.
import { describe, expect, it } from "vitest";
import { type Fold, Folds } from "../../src/log/folds.js";
import { busyMs } from "../support/busy.js";

const BASE = 5;
const LAST = 60;

/** The visible keys, found by testing each. */
function shown(folds: readonly Fold[]): number[] {
  const keys = Array.from({ length: LAST - BASE + 1 }, (_, i) => BASE + i);
  return keys.filter((key) => folds.every(({ from, to }) => key < from || key > to));
}

function check(folds: Folds, ranges: readonly Fold[]): void {
  const keys = shown(ranges);
  keys.forEach((key, row) => {
    expect(folds.keyAt(row, BASE)).toBe(key);
    expect(key - BASE - folds.hiddenBelow(key)).toBe(row);
  });
  for (let key = BASE; key <= LAST; key++) {
    const range = ranges.find(({ from, to }) => key >= from && key <= to);
    expect(folds.at(key)).toEqual(range);
  }
}

const TABLES: Fold[][] = [
  [],
  [{ from: 6, to: 6 }],
  [{ from: 6, to: 20 }],
  [
    { from: 10, to: 12 },
    { from: 14, to: 14 },
    { from: 40, to: 60 },
  ],
  Array.from({ length: 18 }, (_, i) => ({ from: 6 + i * 3, to: 7 + i * 3 })),
];

describe("folds", () => {
  it.each(TABLES.map((ranges) => [ranges]))("%j map rows to keys and back", (ranges) => {
    const all = new Folds();
    all.set(ranges);
    check(all, ranges);
  });

  it("can be added in any order", () => {
    const ranges = TABLES[4] ?? [];
    const folds = new Folds();
    for (const { from, to } of [...ranges].reverse()) folds.hide(from, to);
    check(folds, ranges);
    expect(folds.size).toBe(ranges.length);
  });

  it("that overlap are merged", () => {
    const folds = new Folds();
    folds.hide(10, 15);
    folds.hide(20, 25);
    folds.hide(14, 21);
    check(folds, [{ from: 10, to: 25 }]);
    folds.hide(12, 13);
    check(folds, [{ from: 10, to: 25 }]);
  });

  it("open by any key in them, and the others stay closed", () => {
    const folds = new Folds();
    folds.set(TABLES[3] ?? []);
    folds.show(11);
    folds.show(13); // in none
    check(folds, (TABLES[3] ?? []).slice(1));
  });

  it("of a hundred thousand are looked up fast", () => {
    const folds = new Folds();
    folds.set(Array.from({ length: 100_000 }, (_, i) => ({ from: i * 100 + 2, to: i * 100 + 99 })));
    const before = busyMs();
    for (let i = 0; i < 100_000; i++) folds.keyAt((i * 7919) % 200_000, 1);
    expect(busyMs() - before).toBeLessThan(5000);
    expect(folds.keyAt(2, 1)).toBe(101);
  });
});
