// Window over a remote log: fetching, eviction, and its bound.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MAX_CHARS, MAX_PAGES, PAGE, RETRY_MS, RecordWindow, THROTTLE_MS } from "../../src/log/record-window.js";
import { PermanentError } from "../../src/protocol/errors.js";
import type { LogRecord } from "../../src/protocol/types.js";
import { record, records } from "../support/workload.js";

interface Requested {
  after: number;
  limit: number;
  signal: AbortSignal;
  answer: (records: readonly LogRecord[]) => void;
  fail: (error: Error) => void;
}

/** A server of `total` records that responds on command, or at once. */
function remote(total: number, atOnce = true) {
  const requested: Requested[] = [];
  const fetch = (after: number, limit: number, signal: AbortSignal) =>
    new Promise<readonly LogRecord[]>((answer, fail) => {
      requested.push({ after, limit, signal, answer, fail });
      if (atOnce) answer(records(after + 1, Math.min(total, after + limit)));
    });
  const changed = vi.fn();
  const lines = new RecordWindow(fetch, changed);
  return { requested, changed, lines };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("fetching", () => {
  it("fetches the page around the visible rows", async () => {
    const { requested, lines, changed } = remote(1_000_000);
    lines.extend(1_000_000);
    lines.ensure([500_010, 500_040]);
    await vi.advanceTimersByTimeAsync(0);
    expect(requested.map(({ after, limit }) => [after, limit])).toEqual([[500_000, PAGE]]);
    expect(lines.get(500_025)?.message).toBe("line 500025");
    expect(changed).toHaveBeenCalled();
  });

  it("requests the rest of a page of long lines at once, from the first missing record", async () => {
    const { requested, lines } = remote(1000, false);
    lines.extend(1000);
    lines.ensure([1, PAGE]);
    for (let from = 1; from <= PAGE; from += 100) {
      await vi.advanceTimersByTimeAsync(THROTTLE_MS);
      expect(requested.at(-1)).toMatchObject({ after: from - 1, limit: PAGE - from + 1 });
      requested.at(-1)?.answer(records(from, Math.min(from + 99, PAGE)));
    }
    await vi.advanceTimersByTimeAsync(THROTTLE_MS);
    expect(lines.get(PAGE)?.seq).toBe(PAGE);
    expect(requested).toHaveLength(3);
  });

  it("requests a page once while it is in flight", async () => {
    const { requested, lines } = remote(1000, false);
    lines.extend(1000);
    for (let i = 0; i < 20; i++) lines.ensure([1, 30]);
    await vi.advanceTimersByTimeAsync(THROTTLE_MS * 3);
    expect(requested).toHaveLength(1);
  });

  it("aborts requests for keys that are no longer visible", async () => {
    const { requested, lines } = remote(1_000_000, false);
    lines.extend(1_000_000);
    lines.ensure([1, 30]);
    lines.ensure([900_001, 900_030]);
    await vi.advanceTimersByTimeAsync(THROTTLE_MS);
    expect(requested[0]?.signal.aborted).toBe(true);
    expect(requested[1]?.signal.aborted).toBe(false);
    requested[0]?.answer(records(1, PAGE));
    await vi.advanceTimersByTimeAsync(0);
    expect(lines.get(1)).toBeUndefined();
  });

  it("sends few requests while the scrollbar is dragged", async () => {
    const { requested, lines } = remote(1_000_000);
    lines.extend(1_000_000);
    for (let frame = 0; frame < 60; frame++) {
      lines.ensure([frame * 15_000 + 1, frame * 15_000 + 30]);
      await vi.advanceTimersByTimeAsync(16);
    }
    await vi.advanceTimersByTimeAsync(THROTTLE_MS);
    expect(requested.length).toBeLessThanOrEqual(Math.ceil((60 * 16) / THROTTLE_MS) + 2);
    expect(lines.get(59 * 15_000 + 30)).toBeDefined();
  });

  it("retries after a failure, but not after a refusal", async () => {
    const { requested, lines } = remote(1000, false);
    lines.extend(1000);
    lines.ensure([1, 30]);
    requested[0]?.fail(new Error("cut"));
    await vi.advanceTimersByTimeAsync(RETRY_MS);
    expect(requested).toHaveLength(2);
    requested[1]?.fail(new PermanentError("gone"));
    await vi.advanceTimersByTimeAsync(RETRY_MS * 10);
    expect(requested).toHaveLength(2);
  });

  it("detects deleted records by a response that starts later", async () => {
    const { requested, lines } = remote(1000, false);
    lines.extend(1000);
    lines.ensure([1, 30]);
    requested[0]?.answer(records(101, PAGE));
    await vi.advanceTimersByTimeAsync(0);
    expect(lines.first).toBe(101);
    lines.ensure([90, 130]);
    await vi.advanceTimersByTimeAsync(RETRY_MS * 3);
    expect(requested).toHaveLength(1);
  });

  it("stops when it is disposed", async () => {
    const { requested, lines } = remote(1000, false);
    lines.extend(1000);
    lines.ensure([1, 30]);
    lines.dispose();
    expect(requested[0]?.signal.aborted).toBe(true);
    lines.ensure([500, 530]);
    await vi.advanceTimersByTimeAsync(RETRY_MS * 2);
    expect(requested).toHaveLength(1);
  });
});

describe("live records", () => {
  it("need no request, so following never fetches", async () => {
    const { requested, lines } = remote(0);
    for (let seq = 801; seq < 3000; seq += 7) {
      lines.append(records(seq, seq + 6));
      lines.ensure([lines.last - 30, lines.last]);
    }
    await vi.advanceTimersByTimeAsync(1000);
    expect(lines.get(lines.last)?.seq).toBe(lines.last);
    // Only the first read goes back beyond the sent tail.
    expect(requested.filter(({ after }) => after >= 1000)).toHaveLength(0);
  });

  it("continue fetched ones without a gap", async () => {
    const { lines } = remote(1000);
    lines.append(records(991, 1000));
    lines.ensure([981, 1000]);
    await vi.advanceTimersByTimeAsync(0);
    expect(records(981, 1000).map(({ seq }) => lines.get(seq)?.seq)).toEqual(records(981, 1000).map(({ seq }) => seq));
  });

  it("are not replaced by repeated ones", () => {
    const { lines } = remote(0);
    lines.append([record(1)]);
    lines.append([record(1, { message: "again" })]);
    expect(lines.get(1)?.message).toBe("line 1");
  });
});

describe("the bound", () => {
  it("holds for a million records, and the visible ones stay", async () => {
    const { lines, requested } = remote(1_000_000);
    lines.extend(30);
    lines.ensure([1, 30]);
    await vi.advanceTimersByTimeAsync(0);
    for (let seq = 31; seq < 1_000_000; seq += 2000) lines.append(records(seq, seq + 1999));
    expect(lines.held.pages).toBeLessThanOrEqual(MAX_PAGES);
    expect(lines.get(15)?.seq).toBe(15);
    expect(lines.get(500_000)).toBeUndefined();
    expect(requested).toHaveLength(1);
  });

  it("holds for characters", () => {
    const { lines } = remote(0);
    const message = "x".repeat(65_536);
    for (let seq = 1; seq <= 3000; seq++) lines.append([record(seq, { message })]);
    expect(lines.held.chars).toBeLessThanOrEqual(MAX_CHARS + PAGE * 65_536);
    expect(lines.held.pages).toBeLessThanOrEqual(2);
  });

  it("evicts the least recently used page", async () => {
    const { lines } = remote(1_000_000);
    lines.extend(1_000_000);
    const look = async (page: number) => {
      lines.ensure([page * PAGE + 1, page * PAGE + 20]);
      await vi.advanceTimersByTimeAsync(THROTTLE_MS);
    };
    for (let page = 0; page < MAX_PAGES; page++) await look(page);
    await look(0);
    await look(MAX_PAGES);
    expect(lines.get(1)).toBeDefined();
    expect(lines.get(PAGE + 1)).toBeUndefined();
    expect(lines.held.pages).toBe(MAX_PAGES);
  });

  it("clears the window on a reset", () => {
    const { lines } = remote(0);
    lines.append(records(1, 5000));
    lines.removed(100);
    lines.reset();
    expect([lines.first, lines.last, lines.held.pages, lines.held.chars]).toEqual([1, 0, 0, 0]);
  });
});
