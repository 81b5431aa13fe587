// Scroll arithmetic for short logs, and for logs taller than an element can be.
import { describe, expect, it } from "vitest";
import * as scroll from "../../src/log/scroll.js";

const extent = (rows: number): scroll.Extent => ({ rows, rowHeight: 20, viewport: 300 });
const SIZES = [1_000_000, 10_000_000, 500_000_000];

describe("a log that fits an element", () => {
  it("has the position of the native scrollbar", () => {
    const at = scroll.scrolled(extent(1000), { top: 0, scrollTop: 0 }, 12_345);
    expect(at).toEqual({ top: 12_345, scrollTop: 12_345 });
  });

  it("draws the visible rows and some on either side", () => {
    expect(scroll.visibleRows(extent(1000), 2000, 5)).toEqual({ from: 95, to: 120 });
    expect(scroll.visibleRows(extent(1000), 0, 5)).toEqual({ from: 0, to: 20 });
    expect(scroll.visibleRows(extent(3), 0, 5)).toEqual({ from: 0, to: 3 });
  });

  it("does not scroll if it is shorter than the viewport", () => {
    expect(scroll.moveTo(extent(3), 500)).toEqual({ top: 0, scrollTop: 0 });
    expect(scroll.isAtBottom(extent(3), 0)).toBe(true);
  });
});

describe.each(SIZES)("a log of %i rows", (rows) => {
  const e = extent(rows);
  const native = scroll.spacerHeight(e) - e.viewport;

  it("needs no element taller than the browsers' limit", () => {
    expect(scroll.spacerHeight(e)).toBeLessThanOrEqual(8_000_000);
  });

  it("reaches both ends exactly by a drag of the scrollbar", () => {
    const middle = scroll.moveTo(e, scroll.maxTop(e) / 2);
    expect(scroll.scrolled(e, middle, native).top).toBe(scroll.maxTop(e));
    expect(scroll.scrolled(e, middle, 0).top).toBe(0);
    expect(scroll.visibleRows(e, scroll.maxTop(e), 0).to).toBe(rows);
  });

  it("reaches every part of the log by a drag, near the proportional position", () => {
    for (let share = 0; share <= 1; share += 0.01) {
      const at = scroll.scrolled(e, scroll.moveTo(e, share > 0.5 ? 0 : scroll.maxTop(e)), share * native);
      expect(Math.abs(at.top / scroll.maxTop(e) - share)).toBeLessThan(0.006);
    }
  });

  it("sets the native scrollbar where a drag would put it", () => {
    for (let share = 0; share <= 1; share += 0.01) {
      const at = scroll.moveTo(e, share * scroll.maxTop(e));
      const far = { top: 0, scrollTop: at.scrollTop > native / 2 ? 0 : native };
      expect(Math.abs(scroll.scrolled(e, far, at.scrollTop).top - at.top)).toBeLessThan(0.001 * scroll.maxTop(e) + 1);
    }
  });

  it("lets the wheel move from either end without hitting the scrollbar's end", () => {
    let at = scroll.moveTo(e, 30_000);
    while (at.top > 0) {
      at = scroll.moveTo(e, scroll.scrolled(e, at, at.scrollTop - 300).top);
      expect(scroll.isStuck(e, at)).toBe(false);
    }
    expect(at).toEqual({ top: 0, scrollTop: 0 });
    at = scroll.moveTo(e, scroll.maxTop(e) - 30_000);
    for (let turn = 0; turn < 100; turn++) at = scroll.moveTo(e, scroll.scrolled(e, at, at.scrollTop + 300).top);
    expect(at).toEqual({ top: scroll.maxTop(e), scrollTop: native });
  });

  it("moves by pixels when the wheel turns", () => {
    const at = scroll.moveTo(e, 1_000_000);
    expect(scroll.scrolled(e, at, at.scrollTop + 120).top).toBe(1_000_120);
    expect(scroll.scrolled(e, at, at.scrollTop - 120).top).toBe(999_880);
  });

  it("resynchronizes the scrollbar after many small moves without moving the log", () => {
    let at = scroll.moveTo(e, scroll.maxTop(e) / 2);
    for (let i = 0; i < 1000; i++) at = scroll.scrolled(e, at, at.scrollTop + 100);
    const settled = scroll.moveTo(e, at.top);
    expect(settled.top).toBe(at.top);
    expect(Math.abs(settled.scrollTop / native - at.top / scroll.maxTop(e))).toBeLessThan(0.006);
  });

  it("reports a scrollbar at its end while the log is not", () => {
    expect(scroll.isStuck(e, { top: 5000, scrollTop: 0 })).toBe(true);
    expect(scroll.isStuck(e, { top: 0, scrollTop: 0 })).toBe(false);
    expect(scroll.isStuck(e, { top: scroll.maxTop(e) - 5000, scrollTop: native })).toBe(true);
    expect(scroll.isStuck(e, scroll.moveTo(e, scroll.maxTop(e)))).toBe(false);
  });
});

describe("following", () => {
  const e = extent(1000);
  const bottom = scroll.maxTop(e);

  it.each([
    ["ends on a move up", true, bottom, bottom - 10, false],
    ["stays while nothing moves", true, bottom, bottom, true],
    ["catches on when a move down ends at the bottom", false, bottom - 100, bottom, true],
    ["catches on half a row above the bottom", false, bottom - 100, bottom - 9, true],
    ["stays off when a move down ends above the bottom", false, bottom - 200, bottom - 100, false],
    ["stays off when nothing moves, also at the bottom", false, bottom, bottom, false],
  ])("%s", (_name, before, from, to, after) => expect(scroll.follows(e, before, from, to)).toBe(after));
});
