// Streams and requests through the kernel: what the page requests, and what it makes of the kernel's messages.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type CommVia, openComm } from "../../../src/net/comm/comm-session.js";
import { workloadSource } from "../../../src/net/sources/source.js";
import type { HubEvent } from "../../../src/protocol/types.js";
import { Kernel } from "../../support/kernel.js";

const STREAM = "workload/W1";
let kernel: Kernel;
let via: CommVia;
let events: HubEvent[];

beforeEach(() => {
  vi.useFakeTimers();
  kernel = new Kernel();
  via = openComm(kernel);
  events = [];
});
afterEach(() => {
  via.close();
  vi.useRealTimers();
});

const subscribe = (request: object = { tail: 200 }) => {
  const subscription = via.hub.subscribe({ stream: STREAM, ...request }, (event) => events.push(event));
  vi.advanceTimersByTime(100);
  return subscription;
};
const feed = () => kernel.last("follow")?.feed ?? "";
const seqs = () =>
  events.flatMap((event) => (event.kind === "frame" ? (event.data.logs ?? []).map((record) => record.seq) : []));
const state = () => events.findLast((event) => event.kind === "state");

describe("streams", () => {
  it("are requested once, and their records delivered", () => {
    subscribe();
    expect(kernel.last("follow")?.streams).toEqual([{ stream: STREAM, tail: 200 }]);
    kernel.send({ type: "status", feed: feed(), state: "live" });
    kernel.sendRecords(feed(), STREAM, 1, 3);
    expect(seqs()).toEqual([1, 2, 3]);
    expect(state()).toMatchObject({ rung: "live" });
    expect(kernel.count("follow")).toBe(1);
  });

  it("that the kernel pushes are delivered before it has received a request", () => {
    subscribe();
    kernel.sendRecords("pushed", STREAM, 1, 2);
    expect(seqs()).toEqual([1, 2]);
    // Then the kernel takes the request, which was made before those records came.
    kernel.sendRecords(feed(), STREAM, 1, 3);
    kernel.sendRecords("pushed", STREAM, 3, 4);
    expect(seqs()).toEqual([1, 2, 3]);
  });

  it("go on by the earlier feed until the kernel takes the request for another set", () => {
    subscribe();
    const first = feed();
    kernel.sendRecords(first, STREAM, 1, 1);
    subscribe({ q: "x" });
    expect(feed()).not.toBe(first);
    kernel.sendRecords(first, STREAM, 2, 2);
    kernel.sendRecords(feed(), STREAM, 2, 3);
    expect(seqs()).toEqual([1, 2, 3]);
    kernel.sendRecords(first, STREAM, 4, 4);
    expect(seqs()).toEqual([1, 2, 3]);
  });

  it("are requested from their cursors after a lost message, so every record comes once", () => {
    subscribe();
    kernel.sendRecords(feed(), STREAM, 1, 2);
    kernel.lose();
    kernel.send({ type: "heartbeat" });
    expect(kernel.last("follow")?.streams).toEqual([{ stream: STREAM, after: 2 }]);
    kernel.sendRecords(feed(), STREAM, 3, 6);
    expect(seqs()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("are requested again if the kernel has dropped this page", () => {
    subscribe();
    kernel.send({ type: "alive", page: "p", known: true });
    kernel.send({ type: "alive", page: "other", known: false });
    expect(kernel.count("follow")).toBe(1);
    kernel.send({ type: "alive", page: "p", known: false });
    expect(kernel.count("follow")).toBe(2);
  });

  it("show skipped records as history", () => {
    subscribe();
    kernel.send({ type: "frames", feed: feed(), frames: [["skip", { stream: STREAM, cursor: 500 }]] });
    expect(events).toContainEqual({ kind: "snapshot", cursor: 500 });
    kernel.sendRecords(feed(), STREAM, 499, 501);
    expect(seqs()).toEqual([501]);
  });

  it("end with the server's reason if it rejects them", async () => {
    subscribe();
    kernel.send({ type: "rejected", feed: feed(), status: 403, body: JSON.stringify({ message: "no access" }) });
    await vi.waitFor(() => expect(state()).toMatchObject({ rung: "error" }));
    expect(state()).toMatchObject({ message: expect.stringContaining("no access") });
  });

  it("of a list are pushed by its name", () => {
    via.hub.subscribe({ stream: "workloads", tail: 1000 }, (event) => events.push(event));
    vi.advanceTimersByTime(100);
    const data = { stream: "workloads", id: "W1" };
    kernel.send({ type: "frames", feed: "pushed", frames: [["workload", data]] });
    expect(events).toContainEqual(expect.objectContaining({ kind: "frame", type: "workload" }));
  });
});

describe("requests", () => {
  const ranges = () => workloadSource("W1", via.page, via.hub);
  const never = new AbortController().signal;

  it("are answered as responses, whose parts are joined", async () => {
    subscribe();
    const page = ranges().page({ after: 0, limit: 10 }, never);
    const { id, path } = kernel.last("request") ?? { id: "", path: "" };
    expect(path).toBe("v1/workloads/W1/records?after=0&limit=10");
    kernel.answer(id, JSON.stringify({ records: [], total: 0, next: null, state: "running" }));
    expect(await page).toMatchObject({ total: 0 });
  });

  it("for a little JSON are answered by one message", async () => {
    subscribe();
    const answer = via.page.request("v1/info");
    const id = kernel.last("request")?.id ?? "";
    const headers = { "content-type": "application/json" };
    kernel.send({ type: "response", id, status: 422, headers, text: '{"message":"no"}' });
    const response = await answer;
    expect([response.status, await response.json()]).toEqual([422, { message: "no" }]);
  });

  it("report that they wait for the kernel after a second, until it answers", async () => {
    subscribe();
    kernel.send({ type: "status", feed: feed(), state: "live" });
    const answer = via.page.request("v1/info");
    vi.advanceTimersByTime(900);
    expect(state()).not.toHaveProperty("kernel");
    vi.advanceTimersByTime(200);
    expect(state()).toMatchObject({ kernel: "waiting" });
    kernel.answer(kernel.last("request")?.id ?? "", "{}");
    expect(state()).not.toHaveProperty("kernel");
    expect(await (await answer).text()).toBe("{}");
  });

  it("beyond six wait in the page, and are never sent if they are aborted meanwhile", async () => {
    const abort = new AbortController();
    const requests = Array.from({ length: 8 }, () => via.page.request("v1/info", { signal: abort.signal }));
    expect(kernel.count("request")).toBe(6);
    abort.abort();
    const results = await Promise.allSettled(requests);
    expect(results.every(({ status }) => status === "rejected")).toBe(true);
    expect(kernel.count("request")).toBe(6);
    expect(kernel.count("cancel")).toBe(6);
  });

  it("for records that were pushed are answered without the kernel", async () => {
    subscribe();
    kernel.sendRecords(feed(), STREAM, 11, 20);
    const found = await ranges().page({ after: 12, limit: 5 }, never);
    expect(found.records.map(({ seq }) => seq)).toEqual([13, 14, 15, 16, 17]);
    expect(kernel.count("request")).toBe(0);
    const older = ranges().page({ after: 0, limit: 15 }, never);
    expect(kernel.count("request")).toBe(1);
    kernel.answer(kernel.last("request")?.id ?? "", JSON.stringify({ records: [] }));
    await older;
  });

  it("have no time limit while the kernel is alive", async () => {
    subscribe();
    const answer = via.page.request("v1/info");
    for (let minutes = 0; minutes < 60; minutes++) {
      for (let seconds = 0; seconds < 60; seconds += 5) {
        vi.advanceTimersByTime(5000);
        kernel.send({ type: "heartbeat" });
      }
    }
    kernel.answer(kernel.last("request")?.id ?? "", "late");
    expect(await (await answer).text()).toBe("late");
    expect(kernel.count("alive")).toBe(1); // not one more while the kernel has not answered it
  });
});

describe("a kernel that has ended", () => {
  it("is shown when the front end reports its end, and fails requests at once", async () => {
    subscribe();
    const waiting = via.page.request("v1/info");
    kernel.end();
    expect(state()).toMatchObject({ rung: "reconnecting", kernel: "gone" });
    await expect(waiting).rejects.toThrow("The kernel does not answer or has ended");
    await expect(via.page.request("v1/info")).rejects.toThrow("Run the cell again");
  });

  it("is reported after 15 s of silence, and its return too", () => {
    subscribe();
    kernel.send({ type: "status", feed: feed(), state: "live" });
    vi.advanceTimersByTime(21_000);
    expect(state()).toMatchObject({ rung: "reconnecting", kernel: "gone" });
    kernel.send({ type: "heartbeat" });
    expect(state()).toMatchObject({ rung: "live" });
    expect(state()).not.toHaveProperty("kernel");
  });

  it("is not reported as long as it was never heard: it can be busy", () => {
    subscribe();
    vi.advanceTimersByTime(60_000);
    expect(state()).not.toMatchObject({ kernel: "gone" });
  });
});
