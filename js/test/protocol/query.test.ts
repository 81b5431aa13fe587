// A filter in its three forms: run over records that are here, written as Python, and what of it is highlighted.
import { describe, expect, it } from "vitest";
import { accepts, asPython, contains, highlighter } from "../../src/protocol/query.js";
import { busyMs } from "../support/busy.js";
import { record } from "../support/workload.js";

describe("text in a line", () => {
  it.each([
    ["loss", "Loss=1", true],
    ["Loss", "loss=1", false],
    ["Loss", "Loss=1", true],
    ["/lo+s/", "looos", true],
    ["/lo+s/", "Los", false],
    ["/(?i)lo+s/", "LOS", true],
    ["/(?P<x>a)b/", "ab", true],
    ["/", "a/b", true],
    ["a.b", "axb", false],
  ])("%j in %j: %s", (q, text, found) => expect(contains(q)(text)).toBe(found));

  it("that is no expression says so", () => expect(() => contains("/(/")).toThrow());
});

describe("a filter", () => {
  const error = record(1, { level: "error", message: "Boom", source: "stderr", step: "fit" });
  it.each([
    [{}, true],
    [{ level: "warn" as const }, true],
    [{ level: "fatal" as const }, false],
    [{ levels: ["error", "info"] as const }, true],
    [{ levels: ["info"] as const }, false],
    [{ source: "stderr" as const, step: "fit" }, true],
    [{ step: "load" }, false],
    [{ q: "boom" }, true],
    [{ not: "boom" }, false],
    [{ q: "boom", not: "bang" }, true],
  ])("%j takes the record: %s", (filter, taken) => expect(accepts(filter)(error)).toBe(taken));
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
