// Logs of other servers: the form is detected, the simple form is translated into frames, also after disconnects and silence,
// and errors of the other server are reported as its own.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Page } from "../../src/net/page.js";
import { remoteSource } from "../../src/net/sources/remote.js";
import { DEFAULT_TIMINGS } from "../../src/net/timings.js";
import type { HubEvent, Subscription } from "../../src/protocol/types.js";

type Answer = (path: string, init: RequestInit) => Response | Promise<Response>;

let answer: Answer;
const requested: string[] = [];
const resumed: (string | undefined)[] = [];
const page: Page = {
  root: new URL("http://h/x/logstream/"),
  async request(path, init = {}) {
    requested.push(path);
    if (path.endsWith("/logs")) resumed.push((init.headers as { [name: string]: string })["Last-Event-ID"]);
    return await answer(path, init);
  },
  hidden: () => false,
  onVisibility: () => {},
};
const heard: HubEvent[] = [];
let subscription: Subscription | undefined;
const follow = async (upstream = "runs") => {
  const made = await remoteSource(upstream, "W 1", page);
  subscription = made.source.subscribe({}, (event) => heard.push(event));
  await vi.advanceTimersByTimeAsync(10);
  return made;
};
const lines = () => heard.flatMap((event) => (event.kind === "frame" ? (event.data.logs ?? []) : []));
const rungs = () => heard.flatMap((event) => (event.kind === "state" ? [event.rung] : []));
const last = () => heard.filter((event) => event.kind === "state").at(-1);

const none = () => Response.json({ message: "no such route" }, { status: 404 });
const body = (...texts: (string | Promise<never>)[]) => {
  const stream = new ReadableStream({
    async start(controller) {
      for (const text of texts) controller.enqueue(new TextEncoder().encode(await text));
      controller.close();
    },
  });
  return new Response(stream, { headers: { "Content-Type": "text/event-stream" } });
};
const silence = () => new Promise<never>(() => {});
/** A server that knows the simple form only: its streams, one after the other. */
const simple = (...streams: (() => Response)[]): Answer => {
  return (path) => (path.endsWith("/logs") ? (streams.shift() ?? none)() : none());
};

beforeEach(() => {
  vi.useFakeTimers();
  requested.length = resumed.length = heard.length = 0;
});
afterEach(() => {
  subscription?.close();
  subscription = undefined;
  vi.useRealTimers();
});

describe("a log in the simple form", () => {
  it("is numbered lines, and ends with the state in `done`", async () => {
    answer = simple(() =>
      body("data: one\n\ndata: two\ndata: lines\n\n", 'event: done\ndata: {"state": "failed"}\n\n'),
    );
    const { readOnly, source } = await follow();
    expect([readOnly, source.downloadUrl]).toEqual([true, ""]);
    expect(requested).toEqual(["proxy/runs/v1/workloads/W%201", "proxy/runs/v1/workloads/W%201/logs"]);
    expect(lines().map(({ seq, message }) => [seq, message])).toEqual([
      [1, "one"],
      [2, "two\nlines"],
    ]);
    const done = heard.find((event) => event.kind === "frame" && event.type === "done");
    expect(done?.kind === "frame" && done.data.job).toMatchObject({ id: "W 1", state: "failed", lines: 2 });
    expect(rungs().at(-1)).toBe("done");
  });

  it("without a known final state has succeeded", async () => {
    answer = simple(() => body("event: done\ndata: [DONE]\n\n"));
    await follow();
    const done = heard.find((event) => event.kind === "frame" && event.type === "done");
    expect(done?.kind === "frame" && done.data.job?.state).toBe("succeeded");
  });

  it("resumes after the last id", async () => {
    const end = () => body("id: b\ndata: two\n\nevent: done\ndata: x\n\n");
    answer = simple(() => body("id: a\ndata: one\n\n"), end);
    await follow();
    expect(rungs().at(-1)).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(2000);
    expect(resumed).toEqual([undefined, "a"]);
    expect(lines().map(({ seq, message }) => [seq, message])).toEqual([
      [1, "one"],
      [2, "two"],
    ]);
    expect(rungs().at(-1)).toBe("done");
  });

  it("of a server without ids restarts without repeated lines", async () => {
    const whole = "data: one\n\ndata: two\n\n";
    answer = simple(
      () => body("data: one\n\n"),
      () => body(`${whole}event: done\ndata: x\n\n`),
    );
    await follow();
    await vi.advanceTimersByTimeAsync(2000);
    expect(lines().map(({ message }) => message)).toEqual(["one", "two"]);
  });

  it("ends with a message if an event is larger than 16 MiB, without another request", async () => {
    const piece = "x".repeat(1 << 20);
    answer = simple(() => body("data: one\n\ndata: ", ...Array<string>(17).fill(piece)));
    await follow();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(last()).toMatchObject({ rung: "error", message: "The server sent an event of more than 16 MiB" });
    expect(lines().map(({ message }) => message)).toEqual(["one"]);
    expect(resumed).toHaveLength(1);
  });

  it("can be silent for long: other servers send no pings", async () => {
    answer = simple(() => body("data: one\n\n", silence()));
    await follow();
    await vi.advanceTimersByTimeAsync(DEFAULT_TIMINGS.STALL_MS * 10);
    expect([rungs().at(-1), resumed.length]).toEqual(["live", 1]);
  });

  it("is closed when no view is open", async () => {
    let signal: AbortSignal | null | undefined;
    answer = (path, init) => {
      if (!path.endsWith("/logs")) return none();
      signal = init.signal;
      return body("data: one\n\n", silence());
    };
    await follow();
    subscription?.close();
    expect(signal?.aborted).toBe(true);
  });
});

describe("an unavailable log", () => {
  it.each([
    [404, "The other server answers 404: no such run"],
    [500, "The other server answers 500: no such run"],
    [403, "The other server answers 403: no such run"],
  ])("is reported with the other server's message (%i), and not requested again", async (status, message) => {
    answer = () => Response.json({ message: "no such run" }, { status });
    await follow();
    expect(last()).toEqual({ kind: "state", rung: "error", message });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(resumed).toHaveLength(1);
  });

  it("has a default message without a reason", async () => {
    const html = { "Content-Type": "text/html" };
    answer = () => new Response("<h1>Oops</h1>", { status: 500, statusText: "Internal Server Error", headers: html });
    await follow();
    expect(last()).toMatchObject({ message: "The other server answers 500: Internal Server Error" });
  });

  it.each([
    ["application/json", '{"detail": "Run not found"}'],
    ["application/json", '{"error": "Run not found"}'],
    ["text/plain; charset=utf-8", "Run not found\n"],
  ])("is reported with the message of %s %s", async (type, text) => {
    answer = () => new Response(text, { status: 404, headers: { "Content-Type": type } });
    await follow();
    expect(last()).toMatchObject({ message: "The other server answers 404: Run not found" });
  });

  it("of an upstream that is not configured shows the server's own answer", async () => {
    const reason = "unknown_upstream";
    answer = () => Response.json({ message: "there is no such upstream", reason }, { status: 404 });
    await follow();
    expect(last()).toMatchObject({ message: "The server answers 404: there is no such upstream" });
  });

  it.each([502, 503, 504])("with a transient status (%i) is retried", async (status) => {
    const failed = () => Response.json({ message: "refused" }, { status });
    answer = simple(failed, () => body("event: done\ndata: x\n\n"));
    await follow();
    expect(rungs().at(-1)).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(2000);
    expect(rungs().at(-1)).toBe("done");
  });

  it("with an invalid name is never requested", async () => {
    for (const upstream of ["../api", "http://evil", "a/b", ""]) {
      await follow(upstream);
      expect(last()).toMatchObject({ rung: "error" });
    }
    expect(requested).toEqual([]);
  });
});

describe("a server that speaks our protocol", () => {
  it("is followed with our protocol below its proxy path", async () => {
    const job = { id: "W 1", state: "running" };
    answer = (path) =>
      path.endsWith("/W%201") ? Response.json(job) : Response.json({ records: [], total: 0, next: null });
    const { source, readOnly } = await remoteSource("lab", "W 1", page);
    expect(readOnly).toBe(false);
    await source.page({ limit: 5 }, new AbortController().signal);
    expect(requested.at(-1)).toBe("proxy/lab/v1/workloads/W%201/records?after=0&limit=5");
    expect(source.downloadUrl).toBe("http://h/x/logstream/proxy/lab/v1/workloads/W%201/log.txt");
  });

  it("but does not answer in time is read in the simple form", async () => {
    answer = (path, init) => {
      if (path.endsWith("/logs")) return body("event: done\ndata: x\n\n");
      return new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
    };
    vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
      const made = new AbortController();
      setTimeout(() => made.abort(new Error("late")), ms);
      return made.signal;
    });
    const following = follow();
    await vi.advanceTimersByTimeAsync(10_100);
    await following;
    expect(rungs().at(-1)).toBe("done");
    vi.restoreAllMocks();
  });
});
