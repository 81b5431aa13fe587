// The time column.
import { describe, expect, it } from "vitest";
import { stamp, WIDTHS } from "../../src/text/time-column.js";
import { record } from "../support/workload.js";

const at = new Date(2026, 0, 2, 3, 4, 5, 67).getTime();
const line = record(1, { ts: at });

describe("a time", () => {
  it("of day is the user's own", () => {
    expect(stamp("clock", line, undefined)).toBe("03:04:05.067");
  });

  it.each([
    [0, "+00:00.00"],
    [61_230, "+01:01.23"],
    [3_600_000 * 25 + 61_000, "+25:01:01"],
  ])("since the start: %i ms", (ms, text) => expect(stamp("start", line, at - ms)).toBe(text));

  it.each([
    [0, "·"],
    [12.4, "+12 ms"],
    [1500, "+1.5 s"],
    [600_000, "+10 min"],
    [-3, "-3 ms"],
  ])("since the line before: %f ms", (ms, text) => expect(stamp("delta", line, at - ms)).toBe(text));

  it("is empty if it is unknown, and absent if the column is off", () => {
    expect(stamp("start", line, undefined)).toBe("");
    expect(stamp("delta", line, undefined)).toBe("");
    expect(stamp("none", line, 0)).toBeUndefined();
  });

  it("fits its column", () => {
    for (const ms of [0, 999, 59_999, 3_599_999, 359_999_000, 1e9]) {
      expect((stamp("start", line, at - ms) ?? "").length).toBeLessThanOrEqual(WIDTHS.start);
      expect((stamp("delta", line, at - ms) ?? "").length).toBeLessThanOrEqual(WIDTHS.delta);
    }
    expect((stamp("clock", line, 0) ?? "").length).toBeLessThanOrEqual(WIDTHS.clock);
  });
});
