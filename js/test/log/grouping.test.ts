// Folding of groups: what is hidden, what stays in view, and what opens.
import { expect, it } from "vitest";
import { Folds } from "../../src/log/folds.js";
import { Grouping } from "../../src/log/grouping.js";
import { record } from "../support/workload.js";

function grouped() {
  const folds = new Folds();
  const grouping = new Grouping(folds);
  grouping.folding = { groups: true, repeats: false };
  return { folds, grouping };
}

const tick = (seq: number) => record(seq, { message: `a: ${seq % 100}%|##   | ${seq}/9000 [00:00<00:10, 99.1it/s]` });

it("a run of ticks stays one row while its records are loaded and dropped again", () => {
  const { folds, grouping } = grouped();
  const window = (from: number, to: number) => (seq: number) => (seq >= from && seq <= to ? tick(seq) : undefined);
  grouping.update(window(1, 1500), 1, 1500);
  expect(grouping.at(1)).toMatchObject({ folded: true, words: "× 1,500" });
  grouping.update(window(1200, 2600), 1501, 2600);
  expect(grouping.at(1)).toMatchObject({ folded: true, words: "× 2,600" });
  expect(folds.hiddenBelow(2601)).toBe(2599);
  grouping.update(window(1, 40), 1, 40);
  expect(grouping.at(1)?.words).toBe("× 2,600");
  grouping.toggle(1);
  expect(folds.size).toBe(0);
});

it("a traceback hides its own lines only, and opens as a whole where one of them is shown", () => {
  const { folds, grouping } = grouped();
  const lines = [
    "Traceback (most recent call last):",
    "tick",
    '  File "a.py", line 1',
    "tick",
    "    f()",
    "ValueError: no",
  ];
  const get = (seq: number) => {
    const message = lines[seq - 1];
    return message === undefined
      ? undefined
      : record(seq, { message, source: message === "tick" ? "stdout" : "stderr" });
  };
  grouping.update(get, 1, 6);
  expect(grouping.at(1)).toEqual({ folded: true, title: "ValueError: no", words: "4 lines" });
  expect([1, 2, 3, 4, 5, 6].map((seq) => folds.at(seq) !== undefined)).toEqual([false, false, true, false, true, true]);
  grouping.uncover(5);
  expect(folds.size).toBe(0);
  grouping.update(get, 1, 6);
  expect(grouping.at(1)?.folded).toBe(false);
  grouping.toggle(1);
  expect(folds.size).toBe(2);
});
