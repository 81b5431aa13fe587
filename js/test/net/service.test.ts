// The server log in the page: the buffer of a stream without ranges, without repeated records.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { MAX_BUFFERED_RECORDS, serviceSource } from "../../src/net/sources/service.js";
import type { LogSource } from "../../src/protocol/log-source.js";
import type { HubEvent, StreamRequest } from "../../src/protocol/types.js";
import { record, records } from "../support/workload.js";

const requested: StreamRequest[] = [];
let emit: (event: HubEvent) => void;
let source: LogSource;
const heard: HubEvent[] = [];

const hub = {
  subscribe(request: StreamRequest, listener: (event: HubEvent) => void) {
    requested.push(request);
    emit = listener;
    return { close: vi.fn(), retryNow: vi.fn() };
  },
};
const logs = (from: number, to: number, epoch = "e") =>
  emit({ kind: "frame", type: "logs", data: { logs: records(from, to), cursor: `${epoch}.${to}` } });
const listen = () => source.subscribe({}, (event) => heard.push(event));
const received = () =>
  heard.flatMap((event) => (event.kind === "frame" ? (event.data.logs ?? []).map((one) => one.seq) : []));
const gaps = () => heard.flatMap((event) => (event.kind === "frame" && event.type === "gap" ? [event.data.to] : []));
const range = async (after: number, limit: number) =>
  (await source.page({ after, limit }, AbortSignal.abort())).records;
const kept = async () => (await range(0, 100_000)).map((one) => one.seq);

beforeEach(() => {
  requested.length = heard.length = 0;
  source = serviceSource(hub);
  listen();
});

describe("the server log", () => {
  it("starts with the newest records", () => {
    expect(requested).toEqual([{ stream: "service", tail: MAX_BUFFERED_RECORDS }]);
    expect(source.title).toBe("Jupyter server log");
  });

  it("that starts in the middle reports the gap", () => {
    logs(4001, 4010);
    expect(gaps()).toEqual([4000]);
    expect(received()).toHaveLength(10);
  });

  it("serves ranges of the buffered records", async () => {
    logs(1, 300);
    const found = await range(100, 50);
    expect([found[0]?.seq, found.at(-1)?.seq, found.length]).toEqual([101, 150, 50]);
    expect(await range(300, 50)).toEqual([]);
  });

  it("keeps the newest records and reports the dropped ones as a gap", async () => {
    for (let from = 1; from < 12_000; from += 500) logs(from, from + 499);
    const seqs = await kept();
    expect(seqs.at(-1)).toBe(12_000);
    expect(seqs.length).toBeGreaterThanOrEqual(MAX_BUFFERED_RECORDS);
    expect(seqs.length).toBeLessThanOrEqual(MAX_BUFFERED_RECORDS + 500);
    expect(gaps().at(-1)).toBe((seqs[0] ?? 0) - 1);
  });

  it("resumes by its cursor without repeated records", () => {
    logs(1, 20);
    listen();
    expect(requested.at(-1)).toEqual({ stream: "service", after: "e.20" });
    logs(11, 25);
    expect(received()).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
    expect(gaps()).toEqual([]);
  });

  it("restarts when the server does", async () => {
    logs(1, 20);
    emit({ kind: "frame", type: "reset", data: { reason: "epoch", cursor: "f.0" } });
    logs(1, 3, "f");
    expect(heard.some((event) => event.kind === "frame" && event.type === "reset")).toBe(true);
    expect(await kept()).toEqual([1, 2, 3]);
  });

  it("passes on gaps, pings and the connection state", () => {
    emit({ kind: "frame", type: "gap", data: { from: 1, to: 5, reason: "retention", cursor: "e.5" } });
    emit({ kind: "frame", type: "ping", data: { timestamp: 1 } });
    emit({ kind: "state", rung: "live" });
    logs(6, 7);
    expect(heard.map((event) => (event.kind === "frame" ? event.type : event.kind))).toEqual([
      "gap",
      "ping",
      "state",
      "logs",
    ]);
  });
});

describe("finding in it", () => {
  beforeEach(() => {
    const three = ["GET /api", "Kernel started", "get /lab"].map((message, i) => record(i + 1, { message }));
    emit({ kind: "frame", type: "logs", data: { logs: three, cursor: "e.3" } });
  });

  it.each([
    ["get", 0, { total: 2, seq: 1 }],
    ["get", 1, { total: 2, seq: 3 }],
    ["GET", 0, { total: 1, seq: 1 }],
    ["/Ker.*ed/", 0, { total: 1, seq: 2 }],
    ["nothing", 0, { total: 0, seq: undefined }],
  ])("%j, the %i. match", async (query, nth, match) => {
    const { total, records } = await source.page({ q: query, offset: nth, limit: 1 }, AbortSignal.abort());
    expect({ total, seq: records[0]?.seq }).toEqual(match);
  });

  it("rejects an invalid pattern", async () => {
    await expect(source.page({ q: "/(/", limit: 1 }, AbortSignal.abort())).rejects.toThrow();
  });
});
