// State of one log in the page: requests to its source and its responses. Without a DOM.
import { describe, expect, it, vi } from "vitest";
import { Log } from "../../src/log/log.js";
import { PermanentError } from "../../src/protocol/errors.js";
import type { LogSource } from "../../src/protocol/log-source.js";
import type { Frame, HubEvent } from "../../src/protocol/types.js";
import { records, workload } from "../support/workload.js";

function received() {
  const subscribed: object[] = [];
  const close = vi.fn();
  const changed = vi.fn();
  let listener: (event: HubEvent) => void = () => undefined;
  const source: LogSource = {
    workload: "W1",
    downloadUrl: "",
    subscribe: (from, heard) => {
      subscribed.push(from);
      listener = heard;
      return { close, retryNow: vi.fn() };
    },
    page: vi.fn(async () => {
      throw new PermanentError("gone");
    }),
    matchDensity: async () => ({ total: 0, first: 1, last: 0, marks: [] }),
    seqs: async () => [],
    cancel: async () => undefined,
  };
  const log = new Log(source, changed);
  const frame = (type: string, data: Frame) => listener({ kind: "frame", type, data });
  return { log, source, subscribed, close, changed, frame, emit: (event: HubEvent) => listener(event) };
}

describe("a log", () => {
  it("starts at its end and resumes where it was closed", () => {
    const { log, subscribed, close, frame } = received();
    log.open();
    log.open();
    frame("logs", { logs: records(801, 1000), cursor: 1000 });
    log.close();
    log.close();
    expect(close).toHaveBeenCalledOnce();
    expect(log.isOpen).toBe(false);
    log.open();
    expect(subscribed).toEqual([{ tail: 200 }, { after: 1000 }]);
  });

  it("knows the length of the history from a snapshot", () => {
    const { log, emit } = received();
    log.open();
    emit({ kind: "snapshot", cursor: 7_000_000, job: workload({ state: "succeeded" }) });
    expect(log.lines.last).toBe(7_000_000);
    expect(log.lines.held.pages).toBe(0);
    expect(log.job?.state).toBe("succeeded");
  });

  it("has no unfinished line after its end", () => {
    const { log, frame } = received();
    log.open();
    frame("progress", { source: "stdout", message: "50%" });
    frame("progress", { source: "stderr", message: "x" });
    frame("progress", { source: "stderr", message: "" });
    expect([...log.progress]).toEqual([["stdout", "50%"]]);
    frame("done", { job: workload({ state: "failed" }), cursor: 0 });
    expect(log.progress.size).toBe(0);
  });

  it("restarts on a reset and reports it", () => {
    const { log, frame } = received();
    log.open();
    frame("logs", { logs: records(1, 50), cursor: 50 });
    frame("reset", { reason: "epoch" });
    expect([log.epoch, log.lines.last]).toEqual([1, 0]);
  });

  it("reports a refused range and requests it again only on retry", async () => {
    const { log, emit, source, changed } = received();
    log.open();
    emit({ kind: "snapshot", cursor: 500, job: workload({}) });
    log.lines.ensure([1, 30]);
    await vi.waitFor(() => expect(log.status).toMatchObject({ rung: "error", message: "gone" }));
    expect(changed).toHaveBeenCalled();
    log.lines.ensure([1, 30]);
    expect(source.page).toHaveBeenCalledOnce();
    log.retry();
    await vi.waitFor(() => expect(source.page).toHaveBeenCalledTimes(2));
    log.lines.dispose();
  });
});
