// Endless streams: late listeners receive everything, and a new epoch starts from the beginning.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FetchTransport } from "../../src/net/fetch-transport.js";
import { Hub } from "../../src/net/hub.js";
import type { Page } from "../../src/net/page.js";
import { MAX_WORKLOADS } from "../../src/net/replay-buffer.js";
import type { StreamRequest } from "../../src/protocol/types.js";
import { quiet, shortTimings, soon, upTo, View } from "../support/listening.js";
import { LogServer } from "../support/server.js";
import { record, workload } from "../support/workload.js";

shortTimings();
let server: LogServer;
let page: Page;
let hub: Hub;
let views: View[];

function view(stream: string, from: Omit<StreamRequest, "stream"> = {}): View {
  const made = new View(hub, stream, from);
  views.push(made);
  return made;
}

const row = (id: string, changes = {}) => ({ ...workload({ id, ...changes }), last_line: "" });
const list = (...ids: string[]) => {
  for (const id of ids) server.append("workloads", "workload", row(id));
};
const log = (from: number, to: number) => {
  for (const seq of upTo(to, from)) server.append("service", "logs", { job_id: null, logs: [record(seq)] });
};

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

describe("the list of workloads", () => {
  it("arrives whole, then its changes", async () => {
    list("A", "B");
    const table = view("workloads");
    await soon(() => expect(table.ids).toEqual(["A", "B"]));
    server.append("workloads", "workload", row("A", { lines: 7 }));
    server.append("workloads", "workload", { id: "B", deleted: true });
    await soon(() => expect(table.ids).toEqual(["A"]));
    expect(table.rows.get("A")).toMatchObject({ lines: 7 });
    expect(table.rung).toBe("live");
  });

  it("is replayed to a late listener without another request", async () => {
    list("A", "B", "C");
    const first = view("workloads");
    await soon(() => expect(first.ids).toHaveLength(3));
    server.append("workloads", "workload", row("A", { lines: 9 }));
    server.append("workloads", "workload", { id: "B", deleted: true });
    await soon(() => expect(first.ids).toEqual(["A", "C"]));
    const second = view("workloads");
    await soon(() => expect(second.rung).toBe("live"));
    expect(second.ids).toEqual(["A", "C"]);
    expect(second.rows.get("A")).toMatchObject({ lines: 9 });
    list("D");
    await soon(() => expect(second.ids).toEqual(["A", "C", "D"]));
    expect(server.requests).toHaveLength(1);
    expect(first.resets).toBe(0);
  });

  it("resumes by cursor after a disconnect without repeated frames", async () => {
    list("A", "B");
    const table = view("workloads");
    await soon(() => expect(table.ids).toHaveLength(2));
    server.cut();
    list("C");
    await soon(() => expect(table.ids).toEqual(["A", "B", "C"]));
    expect(server.requests.at(-1)).toEqual([{ stream: "workloads", after: "1.2" }]);
    expect(table.events.filter((event) => event.kind === "frame" && event.type === "workload")).toHaveLength(3);
  });

  it("resumes from the cursor of the last ping", async () => {
    list("A");
    const table = view("workloads");
    await soon(() => expect(table.ids).toHaveLength(1));
    server.endless.get("workloads")?.frames.push({ type: "nothing", data: {} });
    for (const { streams } of server.readers) for (const followed of streams) followed.cursor = 2;
    server.ping();
    await soon(() => expect(table.events).toContainEqual(expect.objectContaining({ type: "ping" })));
    server.cut();
    await soon(() => expect(server.requests).toHaveLength(2));
    expect(server.requests[1]).toEqual([{ stream: "workloads", after: "1.2" }]);
  });

  it("restarts from the beginning in another epoch", async () => {
    list("A", "B");
    const table = view("workloads");
    await soon(() => expect(table.ids).toHaveLength(2));
    server.cut();
    server.endless.set("workloads", { epoch: 2, frames: [] });
    list("C");
    await soon(() => expect(table.ids).toEqual(["C"]));
    const late = view("workloads");
    await soon(() => expect(late.ids).toEqual(["C"]));
  });

  it("followed from its middle is requested from its beginning for a late listener", async () => {
    list("A", "B", "C");
    const old = view("workloads", { after: "1.2" });
    await soon(() => expect(old.ids).toEqual(["C"]));
    const late = view("workloads");
    await soon(() => expect(late.ids).toEqual(["A", "B", "C"]));
    await soon(() => expect(old.ids).toEqual(["A", "B", "C"]));
    expect(server.requests).toEqual([[{ stream: "workloads", after: "1.2" }], [{ stream: "workloads" }]]);
    expect(server.readers.size).toBe(1);
  });

  it("does not count frames before that restart as complete", async () => {
    list("A", "B", "C");
    const old = view("workloads", { after: "1.2" });
    await soon(() => expect(old.ids).toEqual(["C"]));
    const late = view("workloads");
    list("D");
    await soon(() => expect(late.ids).toEqual(["A", "B", "C", "D"]));
    expect(server.requests.at(-1)).toEqual([{ stream: "workloads" }]);
  });

  it("beyond the buffer bound restarts for all when a listener joins", async () => {
    server.endless.set("workloads", {
      epoch: 1,
      frames: upTo(MAX_WORKLOADS + 1).map((i) => ({ type: "workload", data: { id: `W${i}` } })),
    });
    const first = view("workloads");
    await soon(() => expect(first.rows.size).toBe(MAX_WORKLOADS + 1));
    const second = view("workloads");
    await soon(() => expect(second.rows.size).toBe(MAX_WORKLOADS + 1));
    await soon(() => expect(first.rows.size).toBe(MAX_WORKLOADS + 1));
    expect(first.resets).toBe(1);
    expect(server.requests).toHaveLength(2);
  });

  it("with a tail is another stream than the whole list", async () => {
    list("A", "B", "C");
    const all = view("workloads");
    const newest = view("workloads", { tail: 2 });
    await soon(() => expect(all.ids).toEqual(["A", "B", "C"]));
    await soon(() => expect(newest.ids).toEqual(["B", "C"]));
    expect(server.readers.size).toBe(1);
  });
});

describe("the polled list of workloads", () => {
  let direct: FetchTransport;
  const poll = () => direct.poll(new AbortController().signal);

  beforeEach(() => {
    direct = new FetchTransport(page, hub);
    server.status = 503;
  });

  it("is polled for new, changed and deleted workloads", async () => {
    const table = view("workloads");
    server.add("A", 1);
    server.add("B", 1);
    server.status = 0;
    await poll();
    expect(table.ids).toEqual(["A", "B"]);
    const received = table.events.length;
    await poll();
    expect(table.events).toHaveLength(received);
    server.print("A", 4);
    server.jobs.delete("B");
    await poll();
    expect(table.ids).toEqual(["A"]);
    expect(table.rows.get("A")).toMatchObject({ lines: 5 });
  });

  it("keeps the last line that the stream sent", async () => {
    server.add("A", 1);
    const table = view("workloads");
    server.status = 0;
    server.append("workloads", "workload", { ...row("A"), last_line: "epoch 3" });
    await soon(() => expect(table.ids).toEqual(["A"]));
    await poll();
    expect(table.rows.get("A")).toMatchObject({ lines: 1, last_line: "epoch 3" });
  });

  it("does not count workloads beyond the polled page as deleted", async () => {
    const table = view("workloads");
    server.status = 0;
    for (const i of upTo(150)) server.add(`A${i}`);
    await poll();
    for (const i of upTo(150)) server.add(`B${i}`);
    await poll();
    expect(table.ids).toHaveLength(300);
  });

  it("resumes by cursor when the stream is back, without a restart", async () => {
    server.add("A", 1);
    server.status = 0;
    const table = view("workloads");
    list("A");
    await soon(() => expect(table.ids).toEqual(["A"]));
    server.print("A", 4);
    await poll();
    expect(table.rows.get("A")).toMatchObject({ lines: 5 });
    server.append("workloads", "workload", row("B"));
    await soon(() => expect(table.ids).toEqual(["A", "B"]));
    expect(table.resets).toBe(0);
  });

  it("is superseded by the stream: workloads deleted meanwhile are gone", async () => {
    const table = view("workloads");
    server.add("A", 1);
    server.add("OLD", 1);
    server.status = 0;
    await poll();
    expect(table.ids).toEqual(["A", "OLD"]);
    list("A", "NEW");
    table.subscription.retryNow();
    await soon(() => expect(table.ids).toEqual(["A", "NEW"]));
  });
});

describe("the server log", () => {
  it("arrives with its records, and is replayed to a late listener", async () => {
    log(1, 3);
    const first = view("service", { tail: 200 });
    await soon(() => expect(first.seqs).toEqual([1, 2, 3]));
    const second = view("service", { tail: 200 });
    log(4, 4);
    await soon(() => expect(second.seqs).toEqual([1, 2, 3, 4]));
    expect(first.seqs).toEqual([1, 2, 3, 4]);
    expect(server.requests).toHaveLength(1);
  });

  it("resumes by cursor after a disconnect", async () => {
    log(1, 3);
    const first = view("service");
    await soon(() => expect(first.seqs).toEqual([1, 2, 3]));
    server.cut();
    log(4, 5);
    await soon(() => expect(first.seqs).toEqual([1, 2, 3, 4, 5]));
    expect(server.requests.at(-1)).toEqual([{ stream: "service", after: "1.3" }]);
  });

  it("restarts from 1 after it was cleared", async () => {
    log(1, 3);
    const first = view("service");
    await soon(() => expect(first.seqs).toEqual([1, 2, 3]));
    server.clear("service");
    log(1, 2);
    await soon(() => expect(first.seqs).toEqual([1, 2, 3, 1, 2]));
    expect(first.resets).toBe(1);
  });

  it("cannot be polled: it stays reconnecting", async () => {
    log(1, 1);
    server.add("A", 1);
    const service = view("service");
    const a = view("workload/A");
    await soon(() => expect(a.rung).toBe("live"));
    await soon(() => expect(service.rung).toBe("live"));
    const direct = new FetchTransport(page, hub);
    direct.onStatus({ rung: "polling" });
    await direct.poll(new AbortController().signal);
    expect(a.rung).toBe("polling");
    expect(service.rung).toBe("reconnecting");
  });

  it("shares the connection with workloads and the list", async () => {
    server.add("A", 2);
    log(1, 1);
    list("A");
    const all = [view("workload/A"), view("service"), view("workloads")];
    await soon(() => expect(all.map(({ rung }) => rung)).toEqual(["live", "live", "live"]));
    expect(server.requests).toHaveLength(1);
    server.end("A");
    await soon(() => expect(all[0]?.rung).toBe("done"));
    await quiet(200);
    expect(server.readers.size).toBe(1);
    expect(server.requests).toHaveLength(1);
  });
});
