// Metrics of lines before the page opened: by name, evenly sampled, bounded.
import { expect, it } from "vitest";
import { history, MAX_PAGES, PAGE_RECORDS } from "../../src/log/history.js";
import { record } from "../support/workload.js";

/** A log where every `every`-th of `lines` lines holds the name. */
function log(lines: number, every: number) {
  const requested: [string, number, number][] = [];
  const matches = Array.from({ length: Math.floor(lines / every) }, (_, i) => (i + 1) * every);
  const fetch = async (q: string, offset: number, limit: number) => {
    requested.push([q, offset, limit]);
    const records = matches.slice(offset, offset + limit).map((seq) => record(seq, { message: `${q}=1` }));
    return { records, total: matches.length, next: null, state: "running" as const };
  };
  return { requested, fetch };
}
const { signal } = new AbortController();

it("a short log is read completely", async () => {
  const { fetch } = log(350, 1);
  expect((await history(["loss"], fetch, signal)).map(({ seq }) => seq)).toEqual(
    Array.from({ length: 350 }, (_, i) => i + 1),
  );
});

it("a long log is sampled from its beginning to its end", async () => {
  const { fetch, requested } = log(1_000_000, 10);
  const found = await history(["loss"], fetch, signal);
  expect(requested).toHaveLength(MAX_PAGES);
  expect(found).toHaveLength(MAX_PAGES * PAGE_RECORDS);
  expect([found[0]?.seq, found.at(-1)?.seq]).toEqual([10, 1_000_000]);
});

it("a line with two names is read once", async () => {
  const { fetch } = log(50, 1);
  expect(await history(["loss", "acc"], fetch, signal)).toHaveLength(50);
});

it("without names nothing is requested", async () => {
  const { fetch, requested } = log(50, 1);
  expect(await history([], fetch, signal)).toEqual([]);
  expect(requested).toEqual([]);
});
