// Steps folded at the line that opens them: all lines of one run, however often the step comes again.
import { describe, expect, it } from "vitest";
import { Folds } from "../../src/log/folds.js";
import { StepFolds } from "../../src/log/step-folds.js";
import type { LogSource, RecordQuery } from "../../src/protocol/log-source.js";
import type { LogRecord } from "../../src/protocol/types.js";
import { record } from "../support/workload.js";

/** A log by its steps: "a" a line of step a, "+a" the line that opens it, "." a line of none. */
function log(steps: string): LogRecord[] {
  return steps.split(" ").map((word, i) => {
    const step = word.replace("+", "");
    const message = word.startsWith("+") ? `::step:: ${step}` : "x";
    return record(i + 1, step === "." ? { message } : { message, step });
  });
}

function stage(records: readonly LogRecord[]) {
  const folds = new Folds();
  const asked: RecordQuery[] = [];
  const page = async (question: RecordQuery) => {
    asked.push(question);
    const matching = records.filter(({ step }) => step === question.step);
    const from = matching.filter(({ seq }) => seq > (question.after ?? 0)).slice(question.offset ?? 0);
    return { records: from.slice(0, question.limit), total: matching.length, next: null, state: "running" as const };
  };
  return { folds, asked, steps: new StepFolds(folds, { page } as unknown as LogSource) };
}

describe("a step", () => {
  it("folds to the line that opens it, and unfolds", async () => {
    const records = log(". +load load load +fit fit .");
    const { folds, steps } = stage(records);
    const opener = records[1] as LogRecord;
    expect(steps.at(opener)).toEqual({ folded: false, words: "" });
    await steps.toggle(opener);
    expect(folds.at(3)).toEqual({ from: 3, to: 4 });
    expect(folds.at(5)).toBeUndefined();
    expect(steps.at(opener)).toEqual({ folded: true, words: "load · 3 lines" });
    await steps.toggle(opener);
    expect(folds.size).toBe(0);
  });

  it("that comes again is folded run by run", async () => {
    const records = log("+a a a +b b +a a . +a a a a");
    const { folds, steps } = stage(records);
    await steps.toggle(records[0] as LogRecord);
    expect(folds.at(2)).toEqual({ from: 2, to: 3 });
    await steps.toggle(records[5] as LogRecord);
    expect(folds.at(7)).toEqual({ from: 7, to: 7 });
    await steps.toggle(records[8] as LogRecord);
    expect(folds.at(10)).toEqual({ from: 10, to: 12 });
  });

  it("costs two questions where it comes once, however long it is", async () => {
    const records = log(`+a ${"a ".repeat(5000)}.`);
    const { folds, steps, asked } = stage(records);
    await steps.toggle(records[0] as LogRecord);
    expect(folds.at(2)).toEqual({ from: 2, to: 5001 });
    expect(asked.length).toBe(2);
  });

  it("is opened by its marker only", () => {
    const records = log("+a a .");
    const { steps } = stage(records);
    expect([1, 2].map((i) => steps.at(records[i] as LogRecord))).toEqual([undefined, undefined]);
  });
});
