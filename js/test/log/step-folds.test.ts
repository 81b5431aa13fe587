// Folding a step at its first line: all lines of one run of a repeated step.
import { describe, expect, it } from "vitest";
import { Folds } from "../../src/log/folds.js";
import { StepFolds } from "../../src/log/step-folds.js";
import type { LogSource, RecordQuery } from "../../src/protocol/log-source.js";
import type { LogRecord } from "../../src/protocol/types.js";
import { record } from "../support/workload.js";

/** A log by its steps: "a" is a line of step a, "+a" its first line, "." a line without a step. */
function log(steps: string): LogRecord[] {
  return steps.split(" ").map((word, i) => {
    const step = word.replace("+", "");
    const message = word.startsWith("+") ? `::step:: ${step}` : "x";
    return record(i + 1, step === "." ? { message } : { message, step });
  });
}

function stage(records: readonly LogRecord[]) {
  const folds = new Folds();
  const queries: RecordQuery[] = [];
  const page = async (query: RecordQuery) => {
    queries.push(query);
    const matching = records.filter(({ step }) => step === query.step);
    const from = matching.filter(({ seq }) => seq > (query.after ?? 0)).slice(query.offset ?? 0);
    return { records: from.slice(0, query.limit), total: matching.length, next: null, state: "running" as const };
  };
  return { folds, queries, steps: new StepFolds(folds, { page } as unknown as LogSource) };
}

describe("a step", () => {
  it("folds to its first line, and unfolds", async () => {
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

  it("that repeats is folded run by run", async () => {
    const records = log("+a a a +b b +a a . +a a a a");
    const { folds, steps } = stage(records);
    await steps.toggle(records[0] as LogRecord);
    expect(folds.at(2)).toEqual({ from: 2, to: 3 });
    await steps.toggle(records[5] as LogRecord);
    expect(folds.at(7)).toEqual({ from: 7, to: 7 });
    await steps.toggle(records[8] as LogRecord);
    expect(folds.at(10)).toEqual({ from: 10, to: 12 });
  });

  it("that occurs once needs two requests, at any length", async () => {
    const records = log(`+a ${"a ".repeat(5000)}.`);
    const { folds, steps, queries } = stage(records);
    await steps.toggle(records[0] as LogRecord);
    expect(folds.at(2)).toEqual({ from: 2, to: 5001 });
    expect(queries.length).toBe(2);
  });

  it("starts at its marker only", () => {
    const records = log("+a a .");
    const { steps } = stage(records);
    expect([1, 2].map((i) => steps.at(records[i] as LogRecord))).toEqual([undefined, undefined]);
  });
});
