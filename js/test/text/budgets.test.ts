// Budgets of the recognisers: whatever a line holds, its cost is linear in 500 characters and does not grow beyond. The
// slowest lines found are kept in tests/vectors/slow_lines.json, which Python passes, too (tests/text/test_budgets.py).
import { describe, expect, it } from "vitest";
import { groupsIn } from "../../src/text/groups.js";
import { linksIn } from "../../src/text/links.js";
import { numbers, worker } from "../../src/text/numbers.js";
import { readBar } from "../../src/text/progress-bars.js";
import { withoutTime } from "../../src/text/time-prefix.js";
import { begin, canContinue, readTraceback } from "../../src/text/tracebacks.js";
import { looksLikeData } from "../../src/text/tree.js";
import { busyMs } from "../support/busy.js";
import { vectors } from "../support/vectors.js";
import { record } from "../support/workload.js";

const BUDGET_CHARS = 500;
const { lines } = vectors<{ lines: [head: string, unit: string, tail: string][] }>("slow_lines");

const HEADERS = ["Traceback (most recent call last):", "panic: x", "thread 'a' panicked at a:1:2:", "XError: x {"];
const RECOGNISERS: { readonly [name: string]: (line: string) => unknown } = {
  numbers,
  worker,
  "progress bar": (line) => readBar(line),
  "progress bar being rewritten": (line) => readBar(line, true),
  "traceback begins": begin,
  "traceback continues": (line) => [
    canContinue(line),
    HEADERS.map((header) => readTraceback((at) => [header, "  x", line, line][at], 4)),
    readTraceback((at) => ["panic: x", "goroutine 1 [running]:", line, line][at], 4),
  ],
  "time prefix": withoutTime,
  data: looksLikeData,
  links: linksIn,
  groups: (line) => groupsIn((seq) => (seq < 3 ? record(seq, { message: line }) : undefined), 1, 2, true),
};

const lineOf = ([head, unit, tail]: readonly [string, string, string], length: number) =>
  (head + unit.repeat(length / unit.length + 1)).slice(0, length - tail.length) + tail;

/** Milliseconds of the processor's time, the least of four. */
function cost(recogniser: (line: string) => unknown, line: string, times: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < times; n++) recogniser(line); // compiled by then
  for (let i = 0; i < 4; i++) {
    const before = busyMs();
    for (let n = 0; n < times; n++) recogniser(line);
    least = Math.min(least, busyMs() - before);
  }
  return least / times;
}

describe.each(Object.entries(RECOGNISERS))("%s", (_name, recogniser) => {
  it("costs about twice as much for a line twice as long", () => {
    for (const form of lines) {
      const long = cost(recogniser, lineOf(form, BUDGET_CHARS), 10);
      if (long < 0.3) continue; // shorter times are within the budget, and noise
      expect(long / cost(recogniser, lineOf(form, BUDGET_CHARS / 2), 10), JSON.stringify(form)).toBeLessThan(3);
    }
  });

  it("costs a bounded multiple of a plain task for the slowest line of 4,000 characters", () => {
    const task = cost((line) => [...line].filter((char) => "aeiou".includes(char)).length, "x".repeat(4000), 20);
    for (const form of lines)
      expect(cost(recogniser, lineOf(form, 4000), 3) / task, JSON.stringify(form)).toBeLessThan(30);
  });
});
