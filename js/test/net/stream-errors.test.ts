// A request refused because of one stream: only that stream ends, with the reason; no endless requests.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Hub } from "../../src/net/hub.js";
import type { Page } from "../../src/net/page.js";
import { overrideTimings, timings } from "../../src/net/timings.js";
import { quiet, shortTimings, soon, View } from "../support/listening.js";
import { LogServer } from "../support/server.js";

shortTimings();
let server: LogServer;
let page: Page;
let hub: Hub;
let views: View[];

function view(stream: string): View {
  const made = new View(hub, stream);
  views.push(made);
  return made;
}

beforeEach(async () => {
  server = new LogServer();
  page = await server.start();
  hub = new Hub(page);
  views = [];
  for (const id of ["A", "B", "C"]) server.add(id, 1);
  server.append("service", "logs", { logs: [] });
});
afterEach(async () => {
  shortTimings();
  for (const { subscription } of views) subscription.close();
  await server.stop();
});

describe.each([400, 422, 403])("a request rejected with %i", (status) => {
  it("because of a stream that the server names ends only that one, with the server's reason", async () => {
    server.refused.set("workload/B", { status, message: "stream workload/B has a bad step" });
    const [a, b, c] = [view("workload/A"), view("workload/B"), view("workload/C")];
    await soon(() => expect([a.rung, b.rung, c.rung]).toEqual(["live", "error", "live"]));
    expect(b.message).toContain(`(${status}): stream workload/B has a bad step`);
    expect(server.requests.map((streams) => streams.length)).toEqual([3, 2]);
  });

  it("of a single stream ends it without another request", async () => {
    server.refused.set("workload/B", { status, message: "no" });
    const b = view("workload/B");
    await soon(() => expect(b.rung).toBe("error"));
    await quiet(700);
    expect(server.requests).toHaveLength(1);
    server.refused.clear();
    b.subscription.retryNow();
    await soon(() => expect(b.rung).toBe("live"));
  });
});

describe("a rejection that names no stream", () => {
  it("makes each stream be requested alone, once", async () => {
    server.refused.set("workload/B", { status: 422, message: "q takes too long" });
    const [a, b, c] = [view("workload/A"), view("workload/B"), view("workload/C")];
    await soon(() => expect([a.rung, b.rung, c.rung]).toEqual(["live", "error", "live"]));
    expect(b.message).toContain("q takes too long");
    expect(server.requests.map((streams) => streams.length)).toEqual([3, 1, 1, 1, 2]);
    await soon(() => expect(server.readers.size).toBe(1));
  });

  it("ends all streams if each is accepted alone", async () => {
    const all = [view("workload/A"), view("workload/B")];
    server.most = 1;
    await soon(() => expect(all.map(({ rung }) => rung)).toEqual(["error", "error"]));
    await quiet(700);
    expect(server.requests).toHaveLength(3);
  });

  it("ends all workloads at once after an expired login", async () => {
    server.status = 403;
    const all = [view("workload/A"), view("workload/B")];
    await soon(() => expect(all.map(({ rung }) => rung)).toEqual(["error", "error"]));
    expect(server.requests).toHaveLength(1);
  });

  it("of the server log, which needs a permission, does not end the others", async () => {
    server.refused.set("service", { status: 403, message: "Forbidden" });
    const [a, service] = [view("workload/A"), view("service")];
    await soon(() => expect([a.rung, service.rung]).toEqual(["live", "error"]));
    expect(service.message).toContain("Jupyter does not allow access to this log (403)");
  });
});

describe("a failure of the server", () => {
  it.each([500, 503, 429])("(%i) is retried", async (status) => {
    server.status = status;
    const a = view("workload/A");
    await soon(() => expect(a.rung).toBe("reconnecting"));
    server.status = 0;
    a.subscription.retryNow();
    await soon(() => expect(a.rung).toBe("live"));
  });

  it("is assumed where a proxy answers 403 in its place, as JupyterHub does for a stopped server", async () => {
    server.status = 403;
    server.isProxys = true;
    const all = [view("workload/A"), view("workload/B")];
    await soon(() => expect(all.map(({ rung }) => rung)).toEqual(["reconnecting", "reconnecting"]));
    server.status = 0;
    all[0]?.subscription.retryNow();
    await soon(() => expect(all.map(({ rung }) => rung)).toEqual(["live", "live"]));
  });
});

describe("more streams than a server accepts", () => {
  it("ends the newest with a message, the others go on", async () => {
    for (let i = 0; i < 501; i++) {
      server.add(`W${i}`);
      view(`workload/W${i}`);
    }
    await soon(() => expect(views[0]?.rung).toBe("live"));
    expect(views[499]?.rung).toBe("live");
    expect(views[500]?.rung).toBe("error");
    expect(views[500]?.message).toContain("More than 500 logs");
  });
});

describe("a polled page that is not JSON", () => {
  it("ends its stream with a message", async () => {
    const request: Page["request"] = async (path, init) => {
      if (path === "v1/events") return new Response("", { status: 503 }); // so the views poll
      return path.startsWith("v1/workloads/A/records")
        ? new Response('{"records":[{"a":Infinity}]}')
        : page.request(path, init);
    };
    overrideTimings({ ...timings(), BACKOFF_MS: [10, 20] }); // polling begins after the last delay
    hub = new Hub({ ...page, request });
    const [a, b] = [view("workload/A"), view("workload/B")];
    await soon(() => expect([a.rung, b.rung]).toEqual(["error", "polling"]));
    expect(a.message).toContain("not JSON");
  });
});

describe("a frame that is not JSON", () => {
  const LINE = '"logs":[{"seq":2,"ts":1,"level":"info","message":"x","source":"log","fields":{"a":Infinity}}]';

  it("ends the stream that it names with a message, and no other", async () => {
    const [a, b] = [view("workload/A"), view("workload/B")];
    await soon(() => expect([a.rung, b.rung]).toEqual(["live", "live"]));
    server.sendText("logs", `{"stream":"workload/B",${LINE}}`);
    await soon(() => expect([a.rung, b.rung]).toEqual(["live", "error"]));
    expect(b.message).toContain("not JSON");
  });

  it("ends all streams if it names none", async () => {
    const [a, b] = [view("workload/A"), view("workload/B")];
    await soon(() => expect([a.rung, b.rung]).toEqual(["live", "live"]));
    server.sendText("logs", `{${LINE}}`);
    await soon(() => expect([a.rung, b.rung]).toEqual(["error", "error"]));
  });
});
