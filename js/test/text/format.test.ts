// Words for numbers and states.
import { describe, expect, it } from "vitest";
import type { Workload } from "../../src/protocol/types.js";
import { badge, commandOf, duration, elapsed, thousands } from "../../src/text/format.js";
import { workload } from "../support/workload.js";

describe("numbers", () => {
  it.each([
    [-5, "0.0 s"],
    [420, "0.4 s"],
    [59_999, "59 s"],
    [65_000, "1m 05s"],
    [3_725_000, "1h 02m"],
    [2 * 86_400_000 + 3_600_000, "2d 01h"],
  ])("%i ms is %s", (ms, text) => expect(duration(ms)).toBe(text));

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
});

describe("the badge", () => {
  it.each<[string, Partial<Workload>, string, string]>([
    ["done", { state: "succeeded", exit_code: 0 }, "Done exit 0", "good"],
    ["failed", { state: "failed", exit_code: 3 }, "Failed exit 3", "bad"],
    ["killed", { state: "failed", signal: "SIGKILL" }, "Failed SIGKILL", "bad"],
    ["killed, told as a number", { state: "failed", signal: 9 }, "Failed SIGKILL", "bad"],
    ["killed by something rare", { state: "failed", signal: 40 }, "Failed signal 40", "bad"],
    ["never started", { state: "failed" }, "Failed ", "bad"],
    ["cancelled", { state: "cancelled" }, "Cancelled ", "off"],
    ["timed out", { state: "timed_out" }, "Timed out ", "bad"],
    ["lost, which is neither success nor failure", { state: "lost" }, "Lost ", "warn"],
  ])("tells how it ended: %s", (_name, how, text, tone) => {
    const shown = badge(workload(how), { rung: "reconnecting", retryAt: 9000 }, 0);
    expect(`${shown.label} ${shown.detail}`).toBe(text);
    expect(shown.tone).toBe(tone);
  });

  it("tells which rung of the ladder a running one is on", () => {
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
  });
});
