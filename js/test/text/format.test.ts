// Numbers, durations, states and signals in words; the tables shared with Python are in tests/vectors.
import { describe, expect, it } from "vitest";
import type { Result, Workload, WorkloadState } from "../../src/protocol/types.js";
import {
  badge,
  commandOf,
  duration,
  elapsed,
  ending,
  resultText,
  stateBadge,
  stateSummary,
  thousands,
  workloadBadge,
} from "../../src/text/format.js";
import { vectors } from "../support/vectors.js";
import { workload } from "../support/workload.js";

describe("numbers", () => {
  it.each(vectors<{ cases: [ms: number, text: string][] }>("durations").cases)("%d ms is %s", (ms, text) =>
    expect(duration(ms)).toBe(text),
  );

  it("separates thousands", () => expect(thousands(1_234_567)).toBe("1,234,567"));

  it("counts from the start to now, then to the end, and not at all before the start", () => {
    expect(elapsed(undefined, 5)).toBe("");
    expect(elapsed(workload({ started: null }), 5)).toBe("");
    expect(elapsed(workload({ started: 1000 }), 61_000)).toBe("1m 00s");
    expect(elapsed(workload({ started: 1000, ended: 31_000 }), 61_000)).toBe("30 s");
  });

  it("shows a list command as one line", () => {
    expect(commandOf(workload({ command: ["python", "train.py"] }))).toBe("python train.py");
    expect(commandOf(undefined)).toBe("");
  });

  it("shows a function by its call", () =>
    expect(commandOf(workload({ command: "python -m child", call: "train(lr=0.1)" }))).toBe("train(lr=0.1)"));

  it.each(vectors<{ cases: [result: Result | null, text: string][] }>("results").cases)("%j is %j", (result, text) =>
    expect(resultText(workload({ result }))).toBe(text),
  );
});

type How = Pick<Workload, "exit_code" | "signal">;
const STATES = vectors<{
  labels: { [state: string]: string };
  endings: [How, string][];
  summaries: [How & { state: WorkloadState; reason: string }, string][];
}>("states");

describe("states", () => {
  it.each(Object.entries(STATES.labels))("%s is labelled %s", (state, label) =>
    expect(stateBadge(state as WorkloadState).label).toBe(label),
  );
  it.each(STATES.endings)("%j is %j", (how, text) => expect(ending(how)).toBe(text));
  it.each(STATES.summaries)("%j is %j", (how, text) => expect(stateSummary(how)).toBe(text));
});

describe("the badge", () => {
  it.each<[string, Partial<Workload>, string, string]>([
    ["done", { state: "succeeded", exit_code: 0 }, "Done exit code 0", "good"],
    ["failed", { state: "failed", exit_code: 3 }, "Failed exit code 3", "bad"],
    ["killed", { state: "failed", signal: "SIGKILL" }, "Failed SIGKILL", "bad"],
    ["killed, signal as a number", { state: "failed", signal: 9 }, "Failed SIGKILL", "bad"],
    ["killed by something rare", { state: "failed", signal: 40 }, "Failed signal 40", "bad"],
    ["never started", { state: "failed" }, "Failed ", "bad"],
    ["cancelled", { state: "cancelled" }, "Cancelled ", "off"],
    ["timed out", { state: "timed_out" }, "Timed out ", "bad"],
    ["lost, which is neither success nor failure", { state: "lost" }, "Lost ", "warn"],
  ])("shows how the workload ended: %s", (_name, how, text, tone) => {
    const shown = badge(workload(how), { rung: "reconnecting", retryAt: 9000 }, 0);
    expect(`${shown.label} ${shown.detail}`).toBe(text);
    expect(shown.tone).toBe(tone);
  });

  it("shows the connection of a running workload", () => {
    const label = (status: Parameters<typeof badge>[1], now = 0) => {
      const shown = badge(workload({}), status, now);
      return `${shown.label} ${shown.detail}`.trim();
    };
    expect(label({ rung: "live" })).toBe("Live");
    expect(label({ rung: "connecting" })).toBe("Connecting");
    expect(label({ rung: "polling" })).toBe("Polling");
    expect(label({ rung: "reconnecting", retryAt: 3900 })).toBe("Reconnecting in 4 s");
    expect(label({ rung: "reconnecting", retryAt: 3900 }, 4000)).toBe("Reconnecting …");
    expect(label({ rung: "error" })).toBe("Not available");
    expect(badge(workload({ state: "queued" }), { rung: "live" }, 0).label).toBe("Queued");
    expect(badge(workload({ state: "queued", reason: "Resources" }), { rung: "live" }, 0).detail).toBe("Resources");
    expect(badge(workload({ reason: "waiting for a.log" }), { rung: "live" }, 0).detail).toBe("waiting for a.log");
    expect(badge(workload({ state: "running", reason: "stopping" }), { rung: "live" }, 0).label).toBe("Stopping");
    expect(badge(workload({ state: "cancelled", reason: "stopping" }), { rung: "live" }, 0).label).toBe("Cancelled");
    expect(workloadBadge({ state: "running", reason: "stopping" }).label).toBe("Stopping");
    expect(workloadBadge({ state: "running", reason: null }).label).toBe("Running");
  });
});
