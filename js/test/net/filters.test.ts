// The same stream with different filters: each view gets its own records over one connection.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FetchTransport } from "../../src/net/fetch-transport.js";
import { Hub } from "../../src/net/hub.js";
import type { Page } from "../../src/net/page.js";
import { keyOf } from "../../src/protocol/stream.js";
import type { StreamRequest } from "../../src/protocol/types.js";
import { quiet, shortTimings, soon, upTo, View } from "../support/listening.js";
import { LogServer } from "../support/server.js";

shortTimings();
let server: LogServer;
let page: Page;
let hub: Hub;
let views: View[];

function view(from: Omit<StreamRequest, "stream"> = {}): View {
  const made = new View(hub, "workload/A", from);
  views.push(made);
  return made;
}

beforeEach(async () => {
  server = new LogServer();
  page = await server.start();
  hub = new Hub(page);
  views = [];
  server.add("A", 3);
  server.print("A", 2, { step: "fit" });
  server.print("A", 1, { step: "save", level: "error" });
});
afterEach(async () => {
  for (const { subscription } of views) subscription.close();
  await server.stop();
});

describe("views of one log", () => {
  it("with different filters each have their own records over one connection", async () => {
    const [all, fit, errors] = [view(), view({ step: "fit" }), view({ levels: ["error"] })];
    await soon(() => expect(all.seqs).toEqual(upTo(6)));
    await soon(() => expect(fit.seqs).toEqual([4, 5]));
    await soon(() => expect(errors.seqs).toEqual([6]));
    expect(server.requests).toEqual([
      [
        { stream: "workload/A" },
        { stream: "workload/A", id: "f1", step: "fit" },
        { stream: "workload/A", id: "f2", levels: ["error"] },
      ],
    ]);
    server.print("A", 1, { step: "fit" });
    await soon(() => expect(fit.seqs).toEqual([4, 5, 7]));
    expect(errors.seqs).toEqual([6]);
  });

  it("with the same filter share a stream, whatever the order of options", async () => {
    const first = view({ step: "fit", levels: ["info", "error"] });
    await soon(() => expect(first.seqs).toEqual([4, 5]));
    const second = view({ levels: ["error", "info"], step: "fit" });
    await soon(() => expect(second.snapshot).toMatchObject({ cursor: 6 }));
    await quiet(100);
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]).toHaveLength(1);
  });

  it("resume each from its own cursor, which pings move past records that do not match", async () => {
    const fit = view({ step: "fit" });
    await soon(() => expect(fit.seqs).toEqual([4, 5]));
    server.print("A", 10);
    server.ping();
    await soon(() => expect(fit.events).toContainEqual(expect.objectContaining({ type: "ping" })));
    server.cut();
    server.print("A", 1, { step: "fit" });
    await soon(() => expect(fit.seqs).toEqual([4, 5, 17]));
    expect(server.requests.at(-1)).toEqual([{ stream: "workload/A", id: "f1", after: 16, step: "fit" }]);
  });

  it("are polled with their filter, from the last matching records", async () => {
    const fit = view({ step: "fit", tail: 1 });
    const direct = new FetchTransport(page, hub);
    await direct.poll(new AbortController().signal);
    expect(fit.seqs).toEqual([5]);
    server.print("A", 1, { step: "fit" });
    await direct.poll(new AbortController().signal);
    expect(fit.seqs).toEqual([5, 7]);
  });
});

describe("the key of a shared stream", () => {
  const same = (a: Omit<StreamRequest, "stream">, b: Omit<StreamRequest, "stream">, stream = "workload/A") =>
    keyOf({ stream, ...a }) === keyOf({ stream, ...b });

  it("is of one filter, wherever a log begins", () => {
    expect(same({}, { tail: 5 })).toBe(true);
    expect(same({ after: 9 }, { tail: 5 })).toBe(true);
    expect(same({ q: "x" }, { q: "y" })).toBe(false);
    expect(same({ not: "x" }, {})).toBe(false);
    expect(same({ q: undefined }, {})).toBe(true);
    expect(same({ level: "warn" }, { levels: ["warn"] })).toBe(false);
    expect(same({}, { tail: 5 }, "workloads")).toBe(false);
  });
});
