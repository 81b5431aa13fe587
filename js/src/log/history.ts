// Earlier values of the numbers in a log: fetched by name, evenly spread over the whole log. Page.
// Requests and records are bounded, whatever the length of the log. The fetch function is injected.

import type { LogRecord, RecordPage } from "../protocol/types.js";

/** Names that are fetched; further ones are ignored. */
const MAX_NAMES = 4;
/** Pages fetched per name. */
export const MAX_PAGES = 8;
export const PAGE_RECORDS = 100;

/** Fetches records that contain a text, from match number `offset` on: `GET .../records?q=&offset=&limit=`. */
type FetchMatches = (q: string, offset: number, limit: number, signal: AbortSignal) => Promise<RecordPage>;

/** Records that can contain values of these names, in order, without duplicates. Throws what `fetch` throws. */
export async function history(
  names: readonly string[],
  fetch: FetchMatches,
  signal: AbortSignal,
): Promise<readonly LogRecord[]> {
  const found = new Map<number, LogRecord>();
  for (const name of names.slice(0, MAX_NAMES)) {
    const first = await fetch(name, 0, PAGE_RECORDS, signal);
    for (const record of first.records) found.set(record.seq, record);
    for (const offset of offsets(first.total)) {
      for (const record of (await fetch(name, offset, PAGE_RECORDS, signal)).records) found.set(record.seq, record);
    }
  }
  return [...found.values()].sort((a, b) => a.seq - b.seq);
}

/** Offsets of the further pages: contiguous if all fit, else evenly spread up to the end. */
function offsets(total: number): readonly number[] {
  const pages = Math.min(MAX_PAGES, Math.ceil(total / PAGE_RECORDS));
  return Array.from({ length: Math.max(0, pages - 1) }, (_, i) =>
    Math.max(PAGE_RECORDS * (i + 1), Math.floor(((total - PAGE_RECORDS) * (i + 1)) / (pages - 1))),
  ).filter((offset) => offset < total);
}
