// Matches of a filter in a growing log: each once, and their ranks.
import { describe, expect, it, vi } from "vitest";
import { Context } from "../../src/log/context.js";
import { exportLines } from "../../src/log/export-text.js";
import { Folds } from "../../src/log/folds.js";
import { Hits } from "../../src/log/hits.js";
import { matchesBefore } from "../../src/log/match-rank.js";
import { Matches } from "../../src/log/matches.js";
import { PermanentError } from "../../src/protocol/errors.js";
import type { LogSource, RecordQuery } from "../../src/protocol/log-source.js";
import { accepts } from "../../src/protocol/query.js";
import type { HubEvent, LogRecord, StreamFilter, StreamRequest } from "../../src/protocol/types.js";
import { record } from "../support/workload.js";

/** A server's log: every third line is an error. */
class Server implements LogSource {
  readonly workload = "W";
  readonly downloadUrl = "";
  readonly lines: LogRecord[] = [];
  readonly requested: RecordQuery[] = [];
  readonly subscribed: Omit<StreamRequest, "stream">[] = [];
  listener: ((event: HubEvent) => void) | undefined;
  final = false;
  first = 1;

  write(count: number): void {
    const fresh: LogRecord[] = [];
    for (let i = 0; i < count; i++) {
      const seq = this.lines.length + 1;
      const one = record(seq, { level: seq % 3 === 0 ? "error" : "info" });
      this.lines.push(one);
      fresh.push(one);
    }
    const last = this.subscribed.at(-1);
    if (last === undefined || this.listener === undefined) return;
    const { after: _after, tail: _tail, ...filter } = last;
    const logs = fresh.filter(accepts(filter));
    this.listener({ kind: "frame", type: "logs", data: { logs, cursor: this.lines.length } });
  }
  #matching(filter: StreamFilter): LogRecord[] {
    return this.lines.filter((one) => one.seq >= this.first).filter(accepts(filter));
  }
  async page(requested: RecordQuery) {
    this.requested.push(requested);
    const { after = 0, offset = 0, limit, ...filter } = requested;
    const all = this.#matching(filter);
    const behind = all.filter((one) => one.seq > after);
    const records = behind.slice(offset, offset + limit);
    const next = behind.length > offset + limit ? (records.at(-1)?.seq ?? null) : null;
    return { records, total: all.length, next, state: this.final ? ("succeeded" as const) : ("running" as const) };
  }
  async matchDensity(filter: StreamFilter, buckets: number) {
    const [first, last] = [this.first, this.lines.length];
    const size = Math.max(1, last - first + 1);
    const marks = new Array<number>(buckets).fill(0);
    for (const { seq } of this.#matching(filter)) {
      const at = Math.floor(((seq - first) * buckets) / size);
      marks[at] = (marks[at] ?? 0) + 1;
    }
    return { total: marks.reduce((sum, n) => sum + n, 0), first, last, marks };
  }
  async seqs(filter: StreamFilter, after: number, limit: number) {
    return (await this.page({ ...filter, after, limit })).records.map(({ seq }) => seq);
  }
  subscribe(from: Omit<StreamRequest, "stream">, listener: (event: HubEvent) => void) {
    this.subscribed.push(from);
    this.listener = listener;
    const close = () => {
      this.listener = undefined;
    };
    return { close, retryNow: () => undefined };
  }
  cancel = async () => undefined;
}

const ERRORS: StreamFilter = { levels: ["error"] };
const signal = new AbortController().signal;
const seqsOf = (matches: Matches) =>
  Array.from({ length: matches.total }, (_, i) => matches.lines.get(i + 1)?.seq).filter((seq) => seq !== undefined);

async function opened(server: Server, filter = ERRORS): Promise<Matches> {
  const matches = new Matches(server, filter, vi.fn());
  await matches.open(server.lines.length);
  return matches;
}

describe("matches", () => {
  it("are ranked from the oldest and shown from the newest", async () => {
    const server = new Server();
    server.write(3000);
    const matches = await opened(server);
    expect(matches.total).toBe(1000);
    expect(matches.lines.get(1000)?.seq).toBe(3000);
    expect(matches.lines.get(751)?.seq).toBe(2253);
    matches.lines.ensure([1, 30]);
    await vi.waitFor(() => expect(matches.lines.get(1)?.seq).toBe(3));
    matches.dispose();
  });

  it("that arrive later are appended once", async () => {
    const server = new Server();
    server.write(30);
    const matches = await opened(server);
    expect(server.subscribed).toEqual([{ ...ERRORS, after: 30 }]);
    server.write(31);
    server.listener?.({
      kind: "frame",
      type: "logs",
      data: { logs: server.lines.slice(29, 61).filter(accepts(ERRORS)) },
    });
    expect(seqsOf(matches)).toEqual(Array.from({ length: 20 }, (_, i) => (i + 1) * 3));
    matches.dispose();
  });

  it("that arrive between the count and the stream are not lost", async () => {
    const server = new Server();
    server.write(30);
    const requested = server.page.bind(server);
    server.page = async (question) => {
      const answer = await requested(question);
      server.write(9); // before the response arrives
      return answer;
    };
    const matches = new Matches(server, ERRORS, vi.fn());
    await matches.open(30);
    server.page = requested;
    // The stream starts where the response ended.
    expect(server.subscribed).toEqual([{ ...ERRORS, after: 30 }]);
    matches.dispose();
  });

  it("of a log that has ended need no stream", async () => {
    const server = new Server();
    server.write(9);
    server.final = true;
    const matches = await opened(server);
    expect([matches.total, server.subscribed.length]).toEqual([3, 0]);
    matches.dispose();
  });

  it("join an open stream without a gap", async () => {
    const server = new Server();
    server.write(30);
    const matches = await opened(server);
    const { listener } = server;
    for (let seq = 31; seq <= 60; seq++) server.lines.push(record(seq, { level: seq % 3 === 0 ? "error" : "info" }));
    listener?.({ kind: "snapshot", cursor: 60 });
    await vi.waitFor(() => expect(seqsOf(matches)).toHaveLength(20));
    matches.dispose();
  });

  it("are counted again when retention deletes lines", async () => {
    const server = new Server();
    server.write(30);
    const matches = await opened(server);
    server.first = 10;
    server.listener?.({ kind: "frame", type: "gap", data: { from: 1, to: 9 } });
    await vi.waitFor(() => expect(seqsOf(matches)[0]).toBe(12));
    matches.dispose();
  });

  it("report why there are none, and are not requested again after a refusal", async () => {
    const server = new Server();
    server.page = vi.fn().mockRejectedValue(new PermanentError("q is not a regular expression"));
    const matches = await opened(server, { q: "/(/" });
    expect(matches.error).toBe("q is not a regular expression");
    expect(server.page).toHaveBeenCalledOnce();
    matches.dispose();
  });
});

describe("the rank of a line", () => {
  it.each([1, 2, 3, 4, 500, 501, 2999, 3000])("needs few requests: line %i", async (seq) => {
    const server = new Server();
    server.write(3000);
    expect(await matchesBefore(server, ERRORS, seq, signal)).toBe(Math.ceil(seq / 3) - 1);
    expect(server.requested.length).toBeLessThanOrEqual(2);
    const matches = await opened(server);
    expect(await matches.rankOf(seq, signal)).toBe(Math.ceil(seq / 3));
    matches.dispose();
  });

  it("is right after retention deleted the first lines", async () => {
    const server = new Server();
    server.write(3000);
    server.first = 1234;
    const errors = server.lines.filter((one) => one.seq >= 1234 && one.level === "error").map(({ seq }) => seq);
    for (const seq of [1234, 1236, 2000, 3000]) {
      expect(await matchesBefore(server, ERRORS, seq, signal)).toBe(errors.filter((one) => one < seq).length);
    }
  });
});

describe("hits", () => {
  it("are visited in a circle, from the newest or from a line", async () => {
    const server = new Server();
    server.write(30);
    const hits = new Hits(server, ERRORS);
    expect(await hits.newest()).toEqual({ nth: 9, total: 10, seq: 30 });
    expect(await hits.step(1)).toEqual({ nth: 0, total: 10, seq: 3 });
    expect(await hits.step(-1)).toEqual({ nth: 9, total: 10, seq: 30 });
    expect(await hits.near(10)).toEqual({ nth: 3, total: 10, seq: 12 });
    expect(await hits.near(31)).toEqual({ nth: 9, total: 10, seq: 30 });
    server.write(3);
    expect(await hits.recount()).toBe(11);
  });

  it("answer the last request only", async () => {
    const server = new Server();
    server.write(30);
    const hits = new Hits(server, ERRORS);
    const [first, second] = [hits.newest(), hits.near(1)];
    expect(await first).toBeUndefined();
    expect(await second).toMatchObject({ seq: 3 });
  });
});

describe("matches with context", () => {
  it("are the matches and the lines around them, also in a growing log", async () => {
    const server = new Server();
    for (let seq = 1; seq <= 100; seq++)
      server.lines.push(record(seq, { level: seq === 20 || seq === 24 ? "error" : "info" }));
    const changed = vi.fn();
    const context = new Context(server, ERRORS, 3, changed);
    const folds = new Folds();
    context.fold(folds, 1, 100);
    await vi.waitFor(() => expect(context.total).toBe(2));
    context.fold(folds, 1, 100);
    // Rows 1 and 28 are gaps; 17 to 27 are visible.
    expect([folds.at(2), folds.at(17), folds.at(27), folds.at(29)]).toEqual([
      { from: 2, to: 16 },
      undefined,
      undefined,
      { from: 29, to: 100 },
    ]);
    context.fold(folds, 1, 101);
    expect(folds.at(101)).toEqual({ from: 29, to: 101 });
    context.dispose();
  });

  it("beyond a bound are not shown, with a message", async () => {
    const server = new Server();
    server.seqs = async (_filter, after, limit) => Array.from({ length: limit }, (_, i) => after + i + 1);
    const context = new Context(server, ERRORS, 3, vi.fn());
    context.fold(new Folds(), 1, 10_000_000);
    await vi.waitFor(() => expect(context.error).toContain("More than 50,000"));
    context.dispose();
  });
});

describe("copying matches", () => {
  it("returns the matching lines without their colours", async () => {
    const server = new Server();
    server.write(30);
    server.lines[8] = record(9, { level: "error", message: "\x1b[31mred\x1b[0m\t\u202e\x07" });
    const taken = await exportLines(server, ERRORS, 4, 14, signal);
    expect(taken).toEqual({ text: "line 6\nred\t\u202e\x07\nline 12\n", lines: 3, truncated: false });
  });

  it("joins the parts of a line that was too long", async () => {
    const server = new Server();
    server.lines.push(record(1, { message: "a".repeat(10), part: true }), record(2, { message: "b" }));
    expect((await exportLines(server, {}, 1, 2, signal)).text).toBe(`${"a".repeat(10)}b\n`);
  });

  it("reads several pages, up to its bound", async () => {
    const server = new Server();
    server.write(12_345);
    expect((await exportLines(server, {}, 1, 12_345, signal)).lines).toBe(12_345);
    server.lines.fill(record(1, { message: "x".repeat(10_000_000) }));
    server.lines.forEach((_, i) => {
      server.lines[i] = record(i + 1, { message: "x".repeat(10_000_000) });
    });
    const taken = await exportLines(server, {}, 1, 100, signal);
    expect([taken.truncated, taken.lines]).toEqual([true, 4]);
  });
});
