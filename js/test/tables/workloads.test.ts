// The list of workloads as the page holds it: folded from the stream, complete or not, told anew, and bounded.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Frame, HubEvent } from "../../src/protocol/types.js";
import { type ListedWorkload, MAX_LISTED_WORKLOADS } from "../../src/protocol/workloads-source.js";
import { errorsOf, runningStep, SETTLE_MS, Workloads } from "../../src/tables/workloads/workloads.js";
import { listed } from "../support/workload.js";

let say: (event: HubEvent) => void;
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
        say = listener;
        return { close, retryNow: vi.fn() };
      },
      cancel: vi.fn(),
      remove: vi.fn(),
      again: vi.fn(),
    },
    changed,
  );
  list.open();
  say({ kind: "state", rung: "live" });
});
afterEach(() => {
  list.close();
  vi.useRealTimers();
});

const frame = (type: string, data: Frame = {}) => say({ kind: "frame", type, data });
const tell = (...jobs: ListedWorkload[]) => {
  for (const job of jobs) frame("workload", { stream: "workloads", ...job } as unknown as Frame);
};
const settle = () => vi.advanceTimersByTime(SETTLE_MS);

describe("the list", () => {
  it("is newest first, whatever the order in which workloads are told", () => {
    tell(listed(2), listed(5), listed(1), listed(4));
    expect(list.newest()).toEqual(["W5", "W4", "W2", "W1"]);
  });

  it("orders workloads of the same moment by id", () => {
    tell(listed(1, { id: "b", created: 7 }), listed(2, { id: "a", created: 7 }), listed(3, { id: "c", created: 7 }));
    expect(list.newest()).toEqual(["c", "b", "a"]);
  });

  it("counts by state through all changes", () => {
    tell(listed(1), listed(2), listed(3, { state: "running" }));
    tell(listed(3, { state: "failed" }));
    frame("workload", { id: "W1", deleted: true });
    expect([list.count("succeeded"), list.count("running"), list.count("failed"), list.size]).toEqual([1, 0, 1, 2]);
  });

  it("forgets what is deleted, and does not mind what it never knew", () => {
    tell(listed(1), listed(2));
    frame("workload", { id: "W1", deleted: true });
    frame("workload", { id: "W9", deleted: true });
    expect(list.newest()).toEqual(["W2"]);
    expect(list.get("W1")).toBeUndefined();
  });

  it("says when it may show others, and not for lines that are counted", () => {
    tell(listed(1, { state: "running" }));
    const before = list.revision;
    tell(listed(1, { state: "running", lines: 7 }));
    expect(list.revision).toBe(before);
    expect(list.get("W1")?.lines).toBe(7);
    tell(listed(1, { state: "failed" }));
    expect(list.revision).toBeGreaterThan(before);
  });

  it("is complete once nothing more comes, also when there is nothing", () => {
    expect(list.complete).toBe(false);
    settle();
    expect(list.complete).toBe(true);
  });

  it("is not complete while it is not connected", () => {
    say({ kind: "state", rung: "reconnecting" });
    vi.advanceTimersByTime(60_000);
    expect(list.complete).toBe(false);
    say({ kind: "state", rung: "live" });
    settle();
    expect(list.complete).toBe(true);
  });

  it("keeps the server's time by its pings", () => {
    frame("ping", { timestamp: 400_000 });
    vi.advanceTimersByTime(500);
    expect(list.serverNow).toBe(400_500);
  });

  it("holds no more than its bound: the oldest that have ended go, what runs stays", () => {
    tell(listed(1, { state: "running" }));
    for (let i = 2; i <= MAX_LISTED_WORKLOADS + 3; i++) tell(listed(i));
    expect(list.size).toBe(MAX_LISTED_WORKLOADS);
    const ids = list.newest();
    expect(ids[0]).toBe(`W${MAX_LISTED_WORKLOADS + 3}`);
    expect(ids.slice(-2)).toEqual(["W5", "W1"]);
  });
});

describe("what has changed", () => {
  it("is what came, or changed its state or step, after the list was told", () => {
    const step = { name: "fit", state: "running", started: 1, ended: null } as const;
    tell(listed(1), listed(2, { state: "running" }), listed(3, { state: "running" }));
    settle();
    tell(listed(2, { state: "failed" }), listed(3, { state: "running", steps: [step] }), listed(4));
    expect(["W1", "W2", "W3", "W4"].map((id) => list.changedAt(id) > 0)).toEqual([false, true, true, true]);
  });

  it("is not what only got another line", () => {
    tell(listed(1, { state: "running" }));
    settle();
    tell(listed(1, { state: "running", lines: 9, last_line: "another" }));
    expect(list.changedAt("W1")).toBe(0);
  });
});

describe("a list that is told anew", () => {
  it("keeps what it shows meanwhile, then drops what was not told again", () => {
    tell(listed(1), listed(2), listed(3));
    settle();
    frame("reset", { reason: "epoch" });
    expect(list.size).toBe(3);
    tell(listed(1), listed(3), listed(4));
    expect(list.newest()).toEqual(["W4", "W3", "W2", "W1"]);
    settle();
    expect(list.newest()).toEqual(["W4", "W3", "W1"]);
    expect(list.changedAt("W4")).toBe(0);
  });

  it("marks what changed its state while we were away", () => {
    tell(listed(1, { state: "running" }));
    settle();
    frame("reset");
    tell(listed(1, { state: "failed" }));
    expect(list.changedAt("W1")).toBeGreaterThan(0);
  });

  it("drops nothing while it cannot be told", () => {
    tell(listed(1));
    settle();
    frame("reset");
    say({ kind: "state", rung: "reconnecting" });
    vi.advanceTimersByTime(60_000);
    expect(list.size).toBe(1);
  });

  it("is also one that was closed and is opened again", () => {
    tell(listed(1), listed(2));
    settle();
    list.close();
    expect(close).toHaveBeenCalledOnce();
    list.open();
    say({ kind: "state", rung: "live" });
    tell(listed(2));
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
