// Unprintable characters; Python passes the same table (tests/vectors/unprintable.json).
import { expect, it } from "vitest";
import { parseAnsi } from "../../src/text/ansi.js";
import { hasUnprintable, printable, standInForRun, unprintableIn } from "../../src/text/unprintable.js";
import { busyMs } from "../support/busy.js";
import { vectors } from "../support/vectors.js";

const { cases } = vectors<{ cases: [text: string, shown: string][] }>("unprintable");

it.each(cases)("%j is shown as %j", (text, shown) => {
  expect(printable(text)).toBe(shown);
  expect(hasUnprintable(text)).toBe(text !== shown);
  if (/[\u009f\b]/.test(text)) return; // these begin a sequence and move the cursor in terminal text
  expect(parseAnsi(text).map((span) => span.text)).toEqual([shown]);
});

it.each(cases)("the runs found in %j are replaced one by one as in the whole text", (text, shown) => {
  let made = "";
  let at = 0;
  for (const { index, 0: run } of unprintableIn(text)) {
    made += text.slice(at, index) + standInForRun(run);
    at = index + run.length;
  }
  expect(made + text.slice(at)).toBe(shown);
});

it("a stack of marks costs linear time", () => {
  const before = busyMs();
  expect(printable(`a${"\u0301".repeat(1_000_000)}`)).toHaveLength(10);
  expect(busyMs() - before).toBeLessThan(5000);
});
