// What a notebook holds of a workload may come from anywhere: it is read with care.
import { describe, expect, it } from "vitest";
import { readBundle } from "../../src/protocol/saved-output.js";

describe("readBundle", () => {
  it("reads what the kernel writes", () => {
    const job = { id: "W1", name: "train", command: "make", state: "failed", exit_code: 2, lines: 7, ended: 9 };
    const bundle = readBundle({ workload: "W1", protocol: 1, version: "0.1.0", final: { job, lines: ["a", "b"] } });
    expect(bundle).toMatchObject({ workload: "W1", protocol: 1, saved: { job, lines: ["a", "b"] } });
  });

  it("reads the first error, and ignores a malformed one", () => {
    const final = { job: { state: "failed" }, lines: [] };
    const error = { seq: 7, title: "KeyError: 'a'", repeats: 2 };
    expect(readBundle({ final: { ...final, first_error: error } }).saved?.error).toEqual(error);
    expect(readBundle({ final: { ...final, first_error: { title: 7 } } }).saved?.error).toBeUndefined();
    expect(readBundle({ final: { ...final, first_error: "x" } }).saved?.error).toBeUndefined();
  });

  it("has nothing kept while the workload runs", () => {
    expect(readBundle({ workload: "W1", protocol: 1 }).saved).toBeUndefined();
  });

  it.each([
    undefined,
    null,
    "W1",
    7,
    [],
    {},
    { workload: {}, protocol: {} },
    { final: 1 },
    { final: { job: null, lines: [] } },
  ])("takes %j for a bundle that names nothing", (value) => {
    const { workload, saved } = readBundle(value);
    expect([workload, saved]).toEqual(["", undefined]);
  });

  it("drops what is not of the right type", () => {
    const job = { state: "failed", name: {}, exit_code: "2", lines: null, error: ["x"], signal: 9, started: "now" };
    const { saved } = readBundle({ final: { job, lines: ["a", 1, null, {}, "b"] } });
    expect(saved?.lines).toEqual(["a", "b"]);
    expect(saved?.job).toMatchObject({ name: null, exit_code: null, lines: 0, error: null, signal: 9, started: null });
  });
});
