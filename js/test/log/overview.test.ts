// Overview of a log (first error, counts, metrics): live records, and few requests for older ones.
import { describe, expect, it, vi } from "vitest";
import { Overview } from "../../src/log/overview/overview.js";
import { RecordWindow } from "../../src/log/record-window.js";
import type { LogSource, LogSummary, RecordQuery } from "../../src/protocol/log-source.js";
import type { LogRecord } from "../../src/protocol/types.js";
import { record } from "../support/workload.js";

const loss = (seq: number): LogRecord => record(seq, { ts: seq * 100, message: `epoch ${seq} loss=${1 / seq}` });

function made(lines: readonly LogRecord[], first: LogRecord | null = null) {
  const queries: RecordQuery[] = [];
  const summaries: unknown[] = [];
  const summed: LogSummary = {
    ...{ from: 0, to: 10_000, bucket: 100, total: lines.length, lines: lines.length, first: 1 },
    ...{
      buckets: [
        { ts: 0, seq: 1, counts: { info: lines.length } },
        { ts: 100, seq: null, counts: {} },
      ],
    },
    ...{ first_error: first, errors: first === null ? 0 : 3 },
  };
  const source = {
    workload: "W",
    downloadUrl: "",
    page: async (query: RecordQuery) => {
      queries.push(query);
      const { after = 0, offset = 0, limit, q = "" } = query;
      const found = lines.filter((one) => one.seq > after && one.message.includes(q));
      return { records: found.slice(offset, offset + limit), total: found.length, next: null, state: "running" };
    },
    summary: async (filter: unknown) => {
      summaries.push(filter);
      return summed;
    },
  } as unknown as LogSource;
  const window = new RecordWindow(async () => [], vi.fn());
  const changed = vi.fn();
  return { overview: new Overview(source, window, changed), source, window, queries, summaries, changed };
}
const settled = () => vi.waitFor(() => undefined);

describe("an overview", () => {
  it("requests older records once, and continues with live ones", async () => {
    const all = Array.from({ length: 100 }, (_, i) => loss(i + 1));
    const { overview, window, summaries, changed } = made(all.slice(0, 60));
    window.append(all.slice(0, 60));
    overview.records(all.slice(40, 60));
    overview.update(60, 0);
    await vi.waitFor(() => expect(changed).toHaveBeenCalled());
    overview.records(all.slice(60));
    for (let last = 61; last <= 100; last++) overview.update(last, 0);
    await settled();
    expect(summaries).toEqual([{}]);
    const total = overview.histogram.columns(1000).reduce((sum, column) => sum + column.total, 0);
    expect(total).toBe(100);
    const [curve] = overview.metrics.plottable;
    expect(curve?.name).toBe("loss");
    expect(curve?.points.reduce((sum, point) => sum + point.n, 0)).toBe(100);
    overview.dispose();
  });

  it("of an open log draws curves from the fetched records", async () => {
    const all = Array.from({ length: 100 }, (_, i) => loss(i + 1));
    const { overview, window, changed } = made(all);
    window.append(all.slice(80));
    overview.update(100, 0);
    await vi.waitFor(() => expect(changed).toHaveBeenCalled());
    await vi.waitFor(() => expect(overview.metrics.plottable[0]?.points[0]?.seq).toBe(1));
    overview.dispose();
  });

  it("of a million lines samples them with few requests and without a search", async () => {
    const { overview, window, source, queries } = made([]);
    source.page = async (query) => {
      queries.push(query);
      const { after = 0, limit } = query;
      const records = Array.from({ length: limit }, (_, i) => loss(after + i + 1));
      return { records, total: 1_000_000, next: null, state: "running" };
    };
    const tail = Array.from({ length: 50 }, (_, i) => loss(999_951 + i));
    window.extend(1_000_000);
    window.append(tail);
    overview.records(tail);
    await vi.waitFor(() => {
      overview.update(1_000_000, 0); // counting starts after the first samples
      expect(overview.metrics.plottable[0]?.points[0]?.seq).toBe(1);
    });
    expect(queries.length).toBeLessThanOrEqual(24);
    expect(queries.every(({ q }) => q === undefined)).toBe(true);
    overview.dispose();
  });

  it("reports the first error at once, and counts it again later", async () => {
    const all = [record(1), record(2, { level: "error", message: "ValueError: x" })];
    const { overview, changed } = made(all, all[1]);
    overview.records(all);
    overview.update(2, 1);
    await vi.waitFor(() => expect(overview.error).toMatchObject({ seq: 2, title: "ValueError: x", errors: 3 }));
    expect(changed).toHaveBeenCalled();
    overview.dispose();
  });

  it("counts filtered lines on the server only", async () => {
    const { overview, summaries, changed } = made([loss(1)]);
    overview.filter = { levels: ["error"] };
    overview.records([loss(1)]);
    expect(overview.histogram.empty).toBe(true);
    overview.update(1, 0);
    await vi.waitFor(() => expect(changed).toHaveBeenCalled());
    expect(summaries).toEqual([{ levels: ["error"] }]);
    overview.dispose();
  });

  it("of a failing server stays empty without an error", async () => {
    const { overview, source, changed } = made([loss(1)]);
    const summary = vi.fn().mockRejectedValue(new Error("cut"));
    Object.assign(source, { summary });
    overview.update(5, 0);
    await vi.waitFor(() => expect(changed).toHaveBeenCalled());
    expect([overview.error, overview.histogram.empty]).toEqual([undefined, true]);
    overview.dispose();
  });

  it("is cleared on a reset", async () => {
    const { overview } = made([loss(1)]);
    overview.records([loss(1), loss(2), loss(3), loss(4)]);
    overview.progress("stderr", "Epoch 1:  10%|#   | 1/10 [00:01<00:09, 1.0it/s]");
    expect(overview.bars.shown(Date.now())).toHaveLength(1);
    overview.reset();
    expect([overview.metrics.series, overview.bars.shown(Date.now()), overview.histogram.empty]).toEqual([
      [],
      [],
      true,
    ]);
    overview.dispose();
  });
});
