// Reconnecting with backoff, polling and the end of a connection, with fake timers.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backoffDelay, Connection, type ConnectionHandler } from "../../src/net/connection.js";
import { DEFAULT_TIMINGS } from "../../src/net/timings.js";
import type { Event } from "../../src/protocol/sse.js";
import type { ConnectionState, Status } from "../../src/protocol/types.js";

const { BACKOFF_MS, POLL_MS, STALL_MS } = DEFAULT_TIMINGS;
const bytes = (text: string) => new TextEncoder().encode(text);

/** One open stream, written to by the test; errors when it is aborted, as fetch does. */
class Stream {
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  readonly response: Response;

  constructor(readonly signal: AbortSignal) {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    signal.addEventListener("abort", () => {
      try {
        this.#controller?.error(new Error("aborted"));
      } catch {
        // Already closed.
      }
    });
    this.response = new Response(body, { headers: { "content-type": "text/event-stream" } });
  }
  write(text: string): void {
    this.#controller?.enqueue(bytes(text));
  }
  end(): void {
    this.#controller?.close();
  }
  cut(): void {
    this.#controller?.error(new TypeError("network error"));
  }
}

const PING = "event: ping\ndata: {}\n\n";

class FakeHandler implements ConnectionHandler {
  /** What the next attempts get; when there is nothing left the server is down. */
  answers: ("stream" | Response)[] = [];
  needed = true;
  complete = false;
  verdict: "again" | "cut" | "end" = "cut";
  pollFails = true;
  polls = 0;
  readonly opened: number[] = [];
  readonly streams: Stream[] = [];
  readonly events: Event[] = [];
  readonly statuses: Status[] = [];

  isNeeded(): boolean {
    return this.needed;
  }
  isComplete(): boolean {
    return this.complete;
  }
  async open(signal: AbortSignal): Promise<Response> {
    this.opened.push(Date.now());
    const answer = this.answers.shift();
    if (answer === undefined) throw new TypeError("fetch failed");
    if (answer !== "stream") return answer;
    const stream = new Stream(signal);
    this.streams.push(stream);
    return stream.response;
  }
  async drained(): Promise<void> {}
  onEvent(event: Event): void {
    this.events.push(event);
  }
  async poll(): Promise<void> {
    this.polls += 1;
    if (this.pollFails) throw new Error("down");
  }
  async onRejected(): Promise<"again" | "cut" | "end"> {
    return this.verdict;
  }
  readonly unreadable: string[] = [];
  onUnreadable(message: string): void {
    this.unreadable.push(message);
  }
  onStatus(status: Status): void {
    this.statuses.push(status);
  }
  get rungs(): ConnectionState[] {
    return this.statuses.map(({ rung }) => rung).filter((rung, i, all) => rung !== all[i - 1]);
  }
}

let handler: FakeHandler;
let connection: Connection;
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  handler = new FakeHandler();
  connection = new Connection(handler);
});
afterEach(() => {
  connection.close();
  vi.useRealTimers();
});

async function live(): Promise<Stream> {
  handler.answers.push("stream");
  connection.start();
  await pass(0);
  const stream = handler.streams.at(-1) as Stream;
  stream.write(PING);
  await pass(0);
  return stream;
}

describe("the backoff", () => {
  it("is connecting, then live with the first bytes", async () => {
    await live();
    expect(handler.rungs).toEqual(["connecting", "live"]);
    expect(handler.events).toHaveLength(1);
  });

  it("reconnects after 1, 2, 4, 8 and 16 s, then every 16 s", async () => {
    const stream = await live();
    stream.cut();
    await pass(63_000);
    const gaps = handler.opened.slice(1).map((at, i) => at - (handler.opened[i] ?? 0));
    expect(gaps).toEqual([...BACKOFF_MS, 16_000, 16_000]);
  });

  it("varies each delay by at most a fifth, so that a thousand pages do not reconnect at once", () => {
    expect(backoffDelay(1, () => 0)).toBe(800);
    expect(backoffDelay(1, () => 1)).toBe(1200);
    expect(backoffDelay(9, () => 1)).toBe(19_200);
  });

  it.each([
    [0, 0.8],
    [1, 1.2],
  ])("keeps to that within a fifth, each time (chance %d)", async (chance, factor) => {
    vi.spyOn(Math, "random").mockReturnValue(chance);
    (await live()).cut();
    await pass(80_000);
    const gaps = handler.opened.slice(1, 7).map((at, i) => at - (handler.opened[i] ?? 0));
    expect(gaps).toEqual([...BACKOFF_MS, 16_000].map((ms) => ms * factor));
  });

  it("reports when the next attempt is due", async () => {
    const stream = await live();
    stream.cut();
    await pass(0);
    expect(handler.statuses.at(-1)).toEqual({ rung: "reconnecting", retryAt: Date.now() + 1000 });
  });

  it("polls after five failures, keeps reconnecting, and returns to the stream", async () => {
    handler.pollFails = false;
    const stream = await live();
    stream.cut();
    await pass(30_900);
    expect(handler.polls).toBe(0);
    await pass(200);
    expect(handler.rungs.at(-1)).toBe("polling");
    await pass(3 * POLL_MS);
    expect(handler.polls).toBe(4);
    handler.answers.push("stream");
    await pass(16_000);
    handler.streams.at(-1)?.write(PING);
    await pass(0);
    expect(handler.rungs.at(-1)).toBe("live");
    const polls = handler.polls;
    await pass(POLL_MS * 2);
    expect(handler.polls).toBe(polls);
  });

  it("is reconnecting, not polling, while polls fail too", async () => {
    (await live()).cut();
    await pass(40_000);
    expect(handler.polls).toBeGreaterThan(0);
    expect(handler.rungs).not.toContain("polling");
  });

  it("restarts after a frame", async () => {
    (await live()).cut();
    await pass(3000);
    handler.answers.push("stream");
    await pass(4000);
    handler.streams.at(-1)?.write(PING);
    await pass(0);
    handler.streams.at(-1)?.cut();
    await pass(0);
    expect(handler.statuses.at(-1)?.retryAt).toBe(Date.now() + 1000);
  });

  it("continues when a server answers but never sends a frame", async () => {
    for (let i = 0; i < 3; i++) {
      handler.answers.push("stream");
      connection.start();
      await pass(i === 0 ? 0 : (BACKOFF_MS[i - 1] ?? 0));
      handler.streams.at(-1)?.write(": hello\n\n");
      handler.streams.at(-1)?.cut();
      await pass(0);
    }
    expect(handler.statuses.at(-1)?.retryAt).toBe(Date.now() + 4000);
  });
});

describe("a connection failure", () => {
  it("is an end without done while a stream is active", async () => {
    (await live()).end();
    await pass(0);
    expect(handler.rungs.at(-1)).toBe("reconnecting");
  });

  it("is 15 s without a byte", async () => {
    const stream = await live();
    await pass(STALL_MS - 1000);
    stream.write(": still here\n\n");
    await pass(STALL_MS - 1);
    expect(stream.signal.aborted).toBe(false);
    await pass(1);
    expect(stream.signal.aborted).toBe(true);
    expect(handler.rungs.at(-1)).toBe("reconnecting");
  });

  it("is a response that is no event stream", async () => {
    handler.answers.push(new Response("<html>please log in</html>", { headers: { "content-type": "text/html" } }));
    connection.start();
    await pass(0);
    expect(handler.rungs).toEqual(["connecting", "reconnecting"]);
  });
});

describe("an end without done", () => {
  it("is no failure if all requested streams ended: new ones are requested at once", async () => {
    const stream = await live();
    handler.complete = true;
    handler.answers.push("stream");
    stream.end();
    await pass(0);
    expect(handler.opened).toHaveLength(2);
    expect(handler.rungs).toEqual(["connecting", "live"]);
  });
});

describe("the end", () => {
  it("comes when no stream is active", async () => {
    const stream = await live();
    handler.needed = false;
    stream.end();
    await pass(60_000);
    expect(handler.opened).toHaveLength(1);
    expect(connection.running).toBe(false);
  });

  it("comes with 204", async () => {
    handler.answers.push(new Response(null, { status: 204 }));
    connection.start();
    await pass(60_000);
    expect(handler.opened).toHaveLength(1);
  });

  it("comes when the handler takes a refusal for final", async () => {
    handler.verdict = "end";
    handler.answers.push(new Response("{}", { status: 403 }));
    connection.start();
    await pass(60_000);
    expect(handler.opened).toHaveLength(1);
    expect(connection.running).toBe(false);
  });

  it("comes at once on close, also during a delay", async () => {
    (await live()).cut();
    await pass(500);
    connection.close();
    const reported = handler.statuses.length;
    await pass(60_000);
    expect(handler.opened).toHaveLength(1);
    expect(handler.statuses).toHaveLength(reported);
  });
});

describe("the owner can request", () => {
  it("another set of streams, without a delay and without a state change", async () => {
    const first = await live();
    handler.answers.push("stream");
    connection.reopen();
    await pass(0);
    handler.streams.at(-1)?.write(PING);
    await pass(0);
    expect(first.signal.aborted).toBe(true);
    expect(handler.opened).toHaveLength(2);
    expect(handler.rungs).toEqual(["connecting", "live"]);
  });

  it("an attempt now", async () => {
    (await live()).cut();
    await pass(0);
    handler.answers.push("stream");
    connection.retryNow();
    await pass(0);
    expect(handler.opened).toHaveLength(2);
  });

  it.each([1, 2, 3, 4, 5, 6, 8])("an attempt now, from rung %i, and back to the foot when it works", async (rung) => {
    handler.pollFails = false;
    (await live()).cut();
    await pass(0);
    for (let i = 1; i < rung; i++) await pass(BACKOFF_MS[Math.min(i, 5) - 1] ?? 0);
    const tried = handler.opened.length;
    expect(handler.rungs.at(-1)).toBe(rung > 5 ? "polling" : "reconnecting");
    handler.answers.push("stream");
    connection.retryNow();
    await pass(0);
    expect(handler.opened).toHaveLength(tried + 1);
    handler.streams.at(-1)?.write(PING);
    await pass(0);
    expect(handler.rungs.at(-1)).toBe("live");
    const { polls } = handler;
    handler.streams.at(-1)?.cut();
    await pass(0);
    expect(handler.statuses.at(-1)).toEqual({ rung: "reconnecting", retryAt: Date.now() + 1000 });
    await pass(999);
    expect(handler.polls).toBe(polls);
  });

  it("a retry of a live stream, which goes on", async () => {
    const stream = await live();
    connection.retryNow();
    await pass(0);
    expect(stream.signal.aborted).toBe(false);
    expect(handler.opened).toHaveLength(1);
  });

  it("another attempt if one hangs", async () => {
    handler.answers.push("stream", "stream");
    connection.start();
    await pass(0);
    connection.retryNow();
    await pass(0);
    expect(handler.streams.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  });

  it("a new start right after a close, with one loop running", async () => {
    (await live()).cut();
    await pass(0);
    connection.close();
    handler.answers.push("stream");
    connection.start();
    await pass(10_000);
    expect(handler.opened).toHaveLength(2);
    expect(handler.rungs.at(-1)).not.toBe("reconnecting");
  });
});
