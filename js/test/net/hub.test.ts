// The hub against a real HTTP server: one connection for all views, nothing lost or doubled, nothing left open.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FetchTransport } from "../../src/net/fetch-transport.js";
import { Hub, pageHub } from "../../src/net/hub.js";
import type { Page } from "../../src/net/page.js";
import { overrideTimings, timings } from "../../src/net/timings.js";
import type { StreamRequest } from "../../src/protocol/types.js";
import { quiet, shortTimings, soon, upTo, View } from "../support/listening.js";
import { LogServer } from "../support/server.js";

shortTimings();
let server: LogServer;
let page: Page;
let hub: Hub;
let views: View[];

function view(id: string, from: Omit<StreamRequest, "stream"> = {}): View {
  const made = new View(hub, `workload/${id}`, from);
  views.push(made);
  return made;
}

beforeEach(async () => {
  server = new LogServer();
  page = await server.start();
  hub = new Hub(page);
  views = [];
});
afterEach(async () => {
  for (const { subscription } of views) subscription.close();
  await server.stop();
});

describe("one connection", () => {
  it("carries thirty views that appear together in one request", async () => {
    for (const i of upTo(30)) server.add(`W${i}`, 5);
    for (const i of upTo(30)) view(`W${i}`);
    await soon(() => expect(views.every(({ seqs }) => seqs.length === 5)).toBe(true));
    expect(server.requests).toHaveLength(1);
    expect(server.readers.size).toBe(1);
    expect(views.every(({ rung }) => rung === "live")).toBe(true);
  });

  it("is reopened with all cursors when a view joins, without a lost or repeated record", async () => {
    server.add("A", 10);
    server.add("B", 3);
    const a = view("A");
    await soon(() => expect(a.seqs).toHaveLength(10));
    const b = view("B", { tail: 2 });
    await soon(() => expect(b.seqs).toEqual([2, 3]));
    server.print("A", 5);
    await soon(() => expect(a.seqs).toEqual(upTo(15)));
    expect(server.requests[1]).toEqual([
      { stream: "workload/A", after: 10 },
      { stream: "workload/B", tail: 2 },
    ]);
    expect(server.readers.size).toBe(1);
    expect(a.events.filter((event) => event.kind === "state").map((event) => event.rung)).not.toContain("reconnecting");
  });

  it("serves two views of one workload with one stream, the later one by a snapshot", async () => {
    server.add("A", 10);
    const first = view("A");
    await soon(() => expect(first.seqs).toHaveLength(10));
    const second = view("A", { tail: 100 });
    await soon(() => expect(second.snapshot).toMatchObject({ cursor: 10, job: { id: "A", state: "running" } }));
    server.print("A", 2);
    await soon(() => expect(second.seqs).toEqual([11, 12]));
    expect(second.rung).toBe("live");
    expect(server.requests).toHaveLength(1);
  });

  it("sends the line being written to a later view", async () => {
    server.add("A", 1);
    const first = view("A");
    await soon(() => expect(first.seqs).toEqual([1]));
    server.send("A", "progress", { source: "stderr", message: "42%" });
    await soon(() =>
      expect(first.events.some((event) => event.kind === "frame" && event.type === "progress")).toBe(true),
    );
    const second = view("A");
    await soon(() => expect(second.events).toContainEqual(expect.objectContaining({ type: "progress" })));
  });
});

describe("closing a view", () => {
  it("keeps the stream for LINGER_MS, so that a moved view opens no request", async () => {
    server.add("A", 3);
    const first = view("A");
    await soon(() => expect(first.seqs).toHaveLength(3));
    first.subscription.close();
    const second = view("A");
    await soon(() => expect(second.snapshot).toMatchObject({ cursor: 3 }));
    await quiet(timings().LINGER_MS + 300);
    expect(server.requests).toHaveLength(1);
    expect(server.readers.size).toBe(1);
  });

  it("closes the connection only after the last view", async () => {
    server.add("A", 3);
    const first = view("A");
    await soon(() => expect(first.seqs).toHaveLength(3));
    first.subscription.close();
    first.subscription.close();
    await quiet(timings().LINGER_MS / 2);
    expect(server.readers.size).toBe(1);
    await soon(() => expect(server.readers.size).toBe(0));
  });

  it("sends nothing to a closed view", async () => {
    server.add("A", 3);
    const first = view("A");
    const other = view("A");
    await soon(() => expect(first.seqs).toHaveLength(3));
    first.subscription.close();
    server.print("A", 3);
    await soon(() => expect(other.seqs).toHaveLength(6));
    expect(first.seqs).toHaveLength(3);
  });
});

describe("done", () => {
  it("ends the stream: it is never requested again, not even for a new view", async () => {
    server.add("A", 3);
    server.add("B", 1);
    const a = view("A");
    const b = view("B");
    await soon(() => expect(b.seqs).toHaveLength(1));
    server.end("A", "failed");
    await soon(() => expect(a.rung).toBe("done"));
    expect(a.job?.state).toBe("failed");
    server.cut();
    await soon(() => expect(server.requests).toHaveLength(2));
    expect(server.requests[1]).toEqual([{ stream: "workload/B", after: 1 }]);
    const again = view("A");
    await soon(() => expect(again.rung).toBe("done"));
    expect(again.snapshot).toMatchObject({ cursor: 3, job: { state: "failed" } });
    await quiet(200);
    expect(server.requests).toHaveLength(2);
  });

  it("of all streams while another one is about to be requested is no failure", async () => {
    server.add("A", 1);
    server.add("B", 1);
    const a = view("A");
    await soon(() => expect(a.seqs).toEqual([1]));
    server.end("A");
    await soon(() => expect(a.rung).toBe("done"));
    const b = view("B");
    await soon(() => expect(b.seqs).toEqual([1]));
    expect(b.events.filter((event) => event.kind === "state").map(({ rung }) => rung)).not.toContain("reconnecting");
  });

  it("of all streams leaves no connection and no attempt", async () => {
    server.add("A", 3);
    server.end("A");
    const a = view("A");
    await soon(() => expect(a.rung).toBe("done"));
    expect(a.seqs).toEqual([1, 2, 3]);
    await quiet(700);
    expect(server.requests).toHaveLength(1);
    expect(server.readers.size).toBe(0);
  });
});

describe("failures", () => {
  it("a disconnect is resumed by cursor", async () => {
    server.add("A", 100);
    const a = view("A");
    await soon(() => expect(a.seqs).toHaveLength(100));
    server.cut();
    await soon(() => expect(a.rung).toBe("reconnecting"));
    server.print("A", 50);
    await soon(() => expect(a.rung).toBe("live"));
    await soon(() => expect(a.seqs).toEqual(upTo(150)));
  });

  it("retryNow reconnects without waiting for the backoff", async () => {
    overrideTimings({ BACKOFF_MS: [60_000] });
    server.add("A", 1);
    const a = view("A");
    await soon(() => expect(a.seqs).toHaveLength(1));
    server.cut();
    await soon(() => expect(a.rung).toBe("reconnecting"));
    a.subscription.retryNow();
    await soon(() => expect(a.rung).toBe("live"));
    shortTimings();
  });

  it("a missing workload ends only its own view", async () => {
    server.add("A", 1);
    const a = view("A");
    const gone = view("GONE");
    await soon(() => expect(a.seqs).toEqual([1]));
    expect(gone.rung).toBe("error");
    expect(gone.message).toContain("no workload GONE");
    expect(a.rung).toBe("live");
    expect(server.requests.at(-1)).toEqual([{ stream: "workload/A" }]);
  });

  it("a rejection ends all views with its reason until a retry", async () => {
    server.add("A", 1);
    server.status = 403;
    const a = view("A");
    await soon(() => expect(a.rung).toBe("error"));
    expect(a.message).toContain("refused by the test");
    await quiet(300);
    expect(server.requests).toHaveLength(1);
    server.status = 0;
    a.subscription.retryNow();
    await soon(() => expect(a.seqs).toEqual([1]));
    expect(a.rung).toBe("live");
  });

  it("an invalid stream name is never sent to the server, which would reject all others", async () => {
    const bad = view("../../api");
    await soon(() => expect(bad.rung).toBe("error"));
    await quiet(150);
    expect(server.requests).toHaveLength(0);
  });

  it("an exception in one view does not reach the others", async () => {
    server.add("A", 2);
    const silenced = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const broken = hub.subscribe({ stream: "workload/A" }, () => {
      throw new Error("view");
    });
    const a = view("A");
    await soon(() => expect(a.seqs).toEqual([1, 2]));
    expect(silenced).toHaveBeenCalled();
    broken.close();
  });

  it("a reset restarts from the beginning", async () => {
    server.add("A", 3);
    const a = view("A");
    await soon(() => expect(a.seqs).toHaveLength(3));
    server.send("A", "reset", { reason: "epoch" });
    server.send("A", "logs", { logs: [{ seq: 1 }, { seq: 2 }], cursor: 2 });
    await soon(() => expect(a.seqs).toEqual([1, 2, 3, 1, 2]));
  });

  it("records already received are dropped from overlapping frames", async () => {
    server.add("A", 3);
    const a = view("A");
    await soon(() => expect(a.seqs).toHaveLength(3));
    server.send("A", "logs", { logs: [{ seq: 2 }, { seq: 3 }, { seq: 4 }], cursor: 4 });
    server.send("A", "logs", { logs: [{ seq: 3 }], cursor: 3 });
    await soon(() => expect(a.seqs).toEqual([1, 2, 3, 4]));
  });
});

describe("polling", () => {
  it("brings records, state and end without a stream", async () => {
    server.add("A", 2500);
    server.end("A");
    const a = view("A", { tail: 2200 });
    const direct = new FetchTransport(page, hub);
    direct.onStatus({ rung: "polling" });
    await direct.poll(new AbortController().signal);
    expect(a.seqs).toEqual(upTo(2500, 301));
    expect(a.rung).toBe("done");
    expect(server.polls).toBeGreaterThan(1); // the stream of the hub itself may have brought some by now
  });

  it("throws if the server is unreachable, so that the badge shows it", async () => {
    server.add("A", 1);
    view("A");
    server.status = 503;
    const direct = new FetchTransport(page, hub);
    await expect(direct.poll(new AbortController().signal)).rejects.toThrow("503");
  });
});

describe("a hidden page", () => {
  it("closes its connection after HIDDEN_MS and resumes by cursor when visible", async () => {
    server.add("A", 3);
    const a = view("A");
    await soon(() => expect(a.seqs).toHaveLength(3));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    server.show(false);
    vi.advanceTimersByTime(9000);
    server.show(true);
    server.show(false);
    vi.advanceTimersByTime(10_000);
    vi.useRealTimers();
    await soon(() => expect(server.readers.size).toBe(0));
    server.print("A", 2);
    await quiet(50);
    server.show(true);
    await soon(() => expect(a.seqs).toEqual(upTo(5)));
    expect(server.requests).toHaveLength(2);
  });
});

describe("the page's hub", () => {
  it("is the existing one, whichever module instance made it", () => {
    const slot = Symbol.for("jupyter-logstream.v1");
    const there = globalThis as unknown as { [key: symbol]: unknown };
    there[slot] = hub;
    expect(pageHub()).toBe(hub);
    delete there[slot];
  });
});
