// Steps as a log shows them: markers, where one begins, how it stands, and which lines are its.
import { describe, expect, it } from "vitest";
import { lastOfRun, markerOf, stepBegins, stepSign } from "../../src/log/steps.js";
import { record } from "../support/workload.js";

describe("a marker", () => {
  it.each([
    ["::step:: load", true, "load"],
    ["::step::load", true, "load"],
    ["::group::load", true, "load"],
    ["\x1b[1m::step:: load\x1b[0m", true, "load"],
    ["::endstep::", false, ""],
    ["::endstep:: failed", false, "failed"],
    ["::endgroup::", false, ""],
  ])("%j opens: %s", (message, opens, name) => {
    expect(markerOf(record(1, { message, step: "load" }))).toEqual({ opens, name });
  });

  it.each(["step load", " ::step:: load", "::steps:: load", "print('::step:: load')"])("%j is none", (message) => {
    expect(markerOf(record(1, { message, step: "load" }))).toBeUndefined();
  });

  it("is none where the server did not take it for one", () => {
    expect(markerOf(record(1, { message: "::step:: load" }))).toBeUndefined();
  });
});

describe("a step", () => {
  const line = (seq: number, step?: string, message = "x") => record(seq, { message, ...(step && { step }) });

  it("begins where the one before is another, or there is none", () => {
    expect(stepBegins(line(5, "fit"), line(4, "load"))).toBe("fit");
    expect(stepBegins(line(5, "fit"), line(4))).toBe("fit");
    expect(stepBegins(line(5, "fit"), line(4, "fit"))).toBeUndefined();
    expect(stepBegins(line(1, "fit"), undefined)).toBe("fit");
    expect(stepBegins(line(5), line(4, "fit"))).toBeUndefined();
  });

  it("begins with its marker, whatever was before, also after itself", () => {
    expect(stepBegins(line(5, "fit", "::step:: fit"), undefined)).toBe("fit");
    expect(stepBegins(line(5, "fit", "::step:: fit"), line(4, "fit"))).toBe("fit");
  });

  it("does not begin where the line before is not known", () => {
    expect(stepBegins(line(5, "fit"), undefined)).toBeUndefined();
  });

  it("says how it stands and how long it takes", () => {
    const ended = { name: "load", state: "failed", started: 1000, ended: 4200 } as const;
    expect(stepSign(ended, 9000)).toMatchObject({ name: "load", sign: "cross", label: "Failed", took: "3.2 s" });
    expect(stepSign({ ...ended, state: "running", ended: null }, 9000)).toMatchObject({ sign: "dot", took: "8.0 s" });
  });
});

describe("the lines of a step", () => {
  /** A log in which these seqs are of the step. */
  const log = (...seqs: number[]) => {
    const asked: number[] = [];
    const seqOf = async (_step: string, after: number, offset: number) => {
      asked.push(offset);
      return seqs.filter((seq) => seq > after)[offset];
    };
    return { seqOf, asked, total: seqs.length };
  };
  const run = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

  it("are found with one question where it comes once", async () => {
    const { seqOf, asked, total } = log(...run(10, 5000));
    expect(await lastOfRun("fit", 10, total, seqOf)).toBe(5000);
    expect(asked).toHaveLength(1);
  });

  it.each([
    [10, 12],
    [40, 900],
    [950, 950],
  ])("from %i end at %i where it comes again", async (first, last) => {
    const { seqOf, asked, total } = log(...run(10, 12), ...run(40, 900), 950);
    expect(await lastOfRun("fit", first, total, seqOf)).toBe(last);
    expect(asked.length).toBeLessThan(15);
  });

  it("is one line where the next is of another", async () => {
    const { seqOf, total } = log(7);
    expect(await lastOfRun("fit", 7, total, seqOf)).toBe(7);
  });
});
