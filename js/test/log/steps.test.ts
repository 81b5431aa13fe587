// Steps of a log: marker lines, and the extent of a run.
import { describe, expect, it } from "vitest";
import { lastOfRun, markerOf, parseMarker } from "../../src/log/steps.js";
import { vectors } from "../support/vectors.js";
import { record } from "../support/workload.js";

type Expected = { readonly begin: string } | { readonly failed: boolean } | null;

describe("a marker", () => {
  it.each(vectors<{ cases: [line: string, marker: Expected][] }>("step_markers").cases)("%j is %j", (line, marker) => {
    const expected = marker && ("begin" in marker ? { name: marker.begin, failed: false } : marker);
    expect(parseMarker(line) ?? null).toEqual(expected);
  });

  it("counts only if the server assigned the record to a step", () => {
    expect(markerOf(record(1, { message: "::step:: load", step: "load" }))).toEqual({ name: "load", failed: false });
    expect(markerOf(record(1, { message: "::step:: load" }))).toBeUndefined();
  });
});

describe("the lines of a step", () => {
  /** A log whose records with these seqs belong to the step. */
  const log = (...seqs: number[]) => {
    const offsets: number[] = [];
    const seqOf = async (_step: string, after: number, offset: number) => {
      offsets.push(offset);
      return seqs.filter((seq) => seq > after)[offset];
    };
    return { seqOf, offsets, total: seqs.length };
  };
  const run = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

  it("are found with one request if it occurs once", async () => {
    const { seqOf, offsets, total } = log(...run(10, 5000));
    expect(await lastOfRun("fit", 10, total, seqOf)).toBe(5000);
    expect(offsets).toHaveLength(1);
  });

  it.each([
    [10, 12],
    [40, 900],
    [950, 950],
  ])("from %i end at %i if it repeats", async (first, last) => {
    const { seqOf, offsets, total } = log(...run(10, 12), ...run(40, 900), 950);
    expect(await lastOfRun("fit", first, total, seqOf)).toBe(last);
    expect(offsets.length).toBeLessThan(15);
  });

  it("are one line if the next belongs to another", async () => {
    const { seqOf, total } = log(7);
    expect(await lastOfRun("fit", 7, total, seqOf)).toBe(7);
  });
});
