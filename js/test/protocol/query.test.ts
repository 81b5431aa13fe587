// Filters: matching of loaded records (the server passes the same table), the Python form, highlighting.
import { describe, expect, it } from "vitest";
import { accepts, asPython, contains, highlighter } from "../../src/protocol/query.js";
import type { LogRecord, StreamFilter } from "../../src/protocol/types.js";
import { parseAnsi } from "../../src/text/ansi.js";
import { busyMs } from "../support/busy.js";
import { vectors } from "../support/vectors.js";
import { record } from "../support/workload.js";

interface Table {
  readonly records: readonly [LogRecord["level"], message: string, LogRecord["source"], step: string | null][];
  readonly filters: [StreamFilter, seqs: number[]][];
  readonly searches: [q: string, message: string, marked: string[]][];
  readonly malformed: string[];
}
const table = vectors<Table>("filters");
const records = table.records.map(([level, message, source, step], i) =>
  record(i + 1, { level, message, source, ...(step !== null && { step }) }),
);

describe("a filter", () => {
  it.each(table.filters)("%j accepts the records %j", (filter, seqs) =>
    expect(records.filter(accepts(filter)).map(({ seq }) => seq)).toEqual(seqs),
  );

  it.each(table.searches)("%j finds in %j the parts %j of the text without styles", (q, message, marked) => {
    expect(contains(q)(message)).toBe(marked.length > 0);
    const text = parseAnsi(message, true)
      .map((span) => span.text)
      .join("");
    const ranges = highlighter(q)?.(text);
    if (ranges !== undefined) expect(ranges.map(([from, to]) => text.slice(from, to))).toEqual(marked);
  });

  it.each(["/(a+)+$/", "/(a|aa)*b/", "/.*.*.*x/"])("with the costly expression %j is refused, not tried", (q) => {
    expect(() => accepts({ q })).toThrow("searched in the browser");
    expect(() => accepts({ not: q })).toThrow("searched in the browser");
  });

  it.each(table.malformed)("with the malformed expression %j throws", (q) => expect(() => contains(q)).toThrow());
});

describe("as Python", () => {
  it.each([
    [{ q: "loss" }, 'job.logs(q="loss")'],
    [
      { levels: ["error", "fatal"] as const, not: 'a "b" \\' },
      'job.logs(levels=["error", "fatal"], exclude="a \\"b\\" \\\\")',
    ],
    [{ step: "fit", source: "stderr" as const, q: "/x\\d+/" }, 'job.logs(step="fit", source="stderr", q="/x\\\\d+/")'],
  ])("%j", (filter, code) => expect(asPython(filter)).toBe(code));
});

describe("highlighting", () => {
  const ranges = (q: string, text: string) => highlighter(q)?.(text).map(([from, to]) => text.slice(from, to));
  it.each([
    ["loss", "loss LOSS", ["loss", "LOSS"]],
    ["Loss", "loss Loss", ["Loss"]],
    ["a.b", "axb a.b", ["a.b"]],
    ["/l.ss/", "loss less", ["loss", "less"]],
    ["/(?i)LOSS/", "loss", ["loss"]],
    ["/x*/", "abc", []],
  ])("%j in %j", (q, text, found) => expect(ranges(q, text)).toEqual(found));

  it.each(["/(a+)+$/", "/(a|aa)*b/", "/(.*)\\1/", "/.*.*.*x/", "/(/"])(
    "is not tried for %j: it might never end, or is none here",
    (q) => expect(highlighter(q)).toBeUndefined(),
  );

  it("of what a browser is slow at is bounded by the length of the text", () => {
    const before = busyMs();
    for (const q of ["/a*b/", "/.*x.*y/"]) for (let i = 0; i < 50; i++) highlighter(q)?.("a".repeat(60_000));
    for (let i = 0; i < 50; i++) highlighter("/a*b/")?.("a".repeat(4000));
    expect(busyMs() - before).toBeLessThan(10_000);
  });

  it("marks no more than is worth an element", () => expect(ranges("a", "a".repeat(10_000))).toHaveLength(200));
});
