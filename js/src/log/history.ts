// The part of a log's numbers that was written before the page looked: fetched by name, evenly over the whole log.
// Bounded in requests and records, however long the log. Knows no transport: asking is injected.

import type { LogRecord, RecordPage } from "../protocol/types.js";

/** Names asked for, pages of each, and records of a page. */
export const MAX_NAMES = 4;
export const PAGES = 8;
export const LIMIT = 100;

/** Records that hold a text, from the `offset`-th match on: `GET .../records?q=&offset=&limit=`. */
export type FetchMatches = (q: string, offset: number, limit: number, signal: AbortSignal) => Promise<RecordPage>;

/** Records that may say these names' numbers, in order, each once. Fails as `fetch` does. */
export async function history(
  names: readonly string[],
  fetch: FetchMatches,
  signal: AbortSignal,
): Promise<readonly LogRecord[]> {
  const found = new Map<number, LogRecord>();
  for (const name of names.slice(0, MAX_NAMES)) {
    const first = await fetch(name, 0, LIMIT, signal);
    for (const record of first.records) found.set(record.seq, record);
    for (const offset of offsets(first.total)) {
      for (const record of (await fetch(name, offset, LIMIT, signal)).records) found.set(record.seq, record);
    }
  }
  return [...found.values()].sort((a, b) => a.seq - b.seq);
}

/** Where the further pages begin: one after the other while all fit, else evenly up to the end. */
function offsets(total: number): readonly number[] {
  const pages = Math.min(PAGES, Math.ceil(total / LIMIT));
  return Array.from({ length: Math.max(0, pages - 1) }, (_, i) =>
    Math.max(LIMIT * (i + 1), Math.floor(((total - LIMIT) * (i + 1)) / (pages - 1))),
  ).filter((offset) => offset < total);
}
