// The list of workloads in the page: changes by id, completeness, new snapshots, bound.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Frame, HubEvent } from "../../src/protocol/types.js";
import { type ListedWorkload, MAX_LISTED_WORKLOADS } from "../../src/protocol/workloads-source.js";
import { errorsOf, runningStep, SETTLE_MS, Workloads } from "../../src/tables/workloads/workloads.js";
import { listed } from "../support/workload.js";

let emit: (event: HubEvent) => void;
let list: Workloads;
const changed = vi.fn();
const close = vi.fn();

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(1_000_000);
  close.mockReset();
  list = new Workloads(
    {
      subscribe(listener) {
        emit = listener;
        return { close, retryNow: vi.fn() };
      },
      cancel: vi.fn(),
      remove: vi.fn(),
      again: vi.fn(),
    },
    changed,
  );
  list.open();
  emit({ kind: "state", rung: "live" });
});
afterEach(() => {
  list.close();
  vi.useRealTimers();
});

const frame = (type: string, data: Frame = {}) => emit({ kind: "frame", type, data });
const send = (...jobs: ListedWorkload[]) => {
  for (const job of jobs) frame("workload", { stream: "workloads", ...job } as unknown as Frame);
};
const settle = () => vi.advanceTimersByTime(SETTLE_MS);

describe("the list", () => {
  it("is newest first, whatever the order of arrival", () => {
    send(listed(2), listed(5), listed(1), listed(4));
    expect(list.newest()).toEqual(["W5", "W4", "W2", "W1"]);
  });

  it("orders workloads of the same time by id", () => {
    send(listed(1, { id: "b", created: 7 }), listed(2, { id: "a", created: 7 }), listed(3, { id: "c", created: 7 }));
    expect(list.newest()).toEqual(["c", "b", "a"]);
  });

  it("counts by state through all changes", () => {
    send(listed(1), listed(2), listed(3, { state: "running" }));
    send(listed(3, { state: "failed" }));
    frame("workload", { id: "W1", deleted: true });
    expect([list.count("succeeded"), list.count("running"), list.count("failed"), list.size]).toEqual([1, 0, 1, 2]);
  });

  it("drops deleted workloads and ignores unknown ones", () => {
    send(listed(1), listed(2));
    frame("workload", { id: "W1", deleted: true });
    frame("workload", { id: "W9", deleted: true });
    expect(list.newest()).toEqual(["W2"]);
    expect(list.get("W1")).toBeUndefined();
  });

  it("has a new revision when the result of a filter can differ, not for line counts", () => {
    send(listed(1, { state: "running" }));
    const before = list.revision;
    send(listed(1, { state: "running", lines: 7 }));
    expect(list.revision).toBe(before);
    expect(list.get("W1")?.lines).toBe(7);
    send(listed(1, { state: "failed" }));
    expect(list.revision).toBeGreaterThan(before);
  });

  it("is complete once nothing more arrives, also if it is empty", () => {
    expect(list.complete).toBe(false);
    settle();
    expect(list.complete).toBe(true);
  });

  it("is not complete while it is not connected", () => {
    emit({ kind: "state", rung: "reconnecting" });
    vi.advanceTimersByTime(60_000);
    expect(list.complete).toBe(false);
    emit({ kind: "state", rung: "live" });
    settle();
    expect(list.complete).toBe(true);
  });

  it("follows the server's time by its pings", () => {
    frame("ping", { timestamp: 400_000 });
    vi.advanceTimersByTime(500);
    expect(list.serverNow).toBe(400_500);
  });

  it("is bounded: the oldest ended workloads are dropped, running ones stay", () => {
    send(listed(1, { state: "running" }));
    for (let i = 2; i <= MAX_LISTED_WORKLOADS + 3; i++) send(listed(i));
    expect(list.size).toBe(MAX_LISTED_WORKLOADS);
    const ids = list.newest();
    expect(ids[0]).toBe(`W${MAX_LISTED_WORKLOADS + 3}`);
    expect(ids.slice(-2)).toEqual(["W5", "W1"]);
  });
});

describe("the change mark", () => {
  it("is set by arrivals and changes of state or step after the first snapshot", () => {
    const step = { name: "fit", state: "running", started: 1, ended: null } as const;
    send(listed(1), listed(2, { state: "running" }), listed(3, { state: "running" }));
    settle();
    send(listed(2, { state: "failed" }), listed(3, { state: "running", steps: [step] }), listed(4));
    expect(["W1", "W2", "W3", "W4"].map((id) => list.changedAt(id) > 0)).toEqual([false, true, true, true]);
  });

  it("is not set by another line", () => {
    send(listed(1, { state: "running" }));
    settle();
    send(listed(1, { state: "running", lines: 9, last_line: "another" }));
    expect(list.changedAt("W1")).toBe(0);
  });
});

describe("a new snapshot", () => {
  it("retains the old list meanwhile, then drops what it does not contain", () => {
    send(listed(1), listed(2), listed(3));
    settle();
    frame("reset", { reason: "epoch" });
    expect(list.size).toBe(3);
    send(listed(1), listed(3), listed(4));
    expect(list.newest()).toEqual(["W4", "W3", "W2", "W1"]);
    settle();
    expect(list.newest()).toEqual(["W4", "W3", "W1"]);
    expect(list.changedAt("W4")).toBe(0);
  });

  it("marks workloads that changed their state in between", () => {
    send(listed(1, { state: "running" }));
    settle();
    frame("reset");
    send(listed(1, { state: "failed" }));
    expect(list.changedAt("W1")).toBeGreaterThan(0);
  });

  it("drops nothing while the connection is down", () => {
    send(listed(1));
    settle();
    frame("reset");
    emit({ kind: "state", rung: "reconnecting" });
    vi.advanceTimersByTime(60_000);
    expect(list.size).toBe(1);
  });

  it("is taken when a closed list is opened again", () => {
    send(listed(1), listed(2));
    settle();
    list.close();
    expect(close).toHaveBeenCalledOnce();
    list.open();
    emit({ kind: "state", rung: "live" });
    send(listed(2));
    settle();
    expect(list.newest()).toEqual(["W2"]);
  });
});

describe("of a workload", () => {
  it("the running step is the last that has not ended", () => {
    const ended = { name: "load", state: "succeeded", started: 1, ended: 2 } as const;
    const runs = { name: "fit", state: "running", started: 3, ended: null } as const;
    expect(runningStep(listed(1, { steps: [ended, runs] }))).toBe("fit");
    expect(runningStep(listed(1, { steps: [ended] }))).toBe("");
    expect(runningStep(listed(1))).toBe("");
  });

  it("errors are those of level error and fatal", () => {
    expect(errorsOf(listed(1, { levels: { warn: 9, error: 2, fatal: 1 } }))).toBe(3);
    expect(errorsOf(listed(1))).toBe(0);
  });
});
