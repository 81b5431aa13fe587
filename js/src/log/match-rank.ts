// Conversion between the rank of a match and its seq, with few requests in a log of any length. Page.
// The server counts the matches of whole parts of the log; within one part the matches are fetched. No DOM.

import type { LogSource, MatchDensity } from "../protocol/log-source.js";
import type { StreamFilter } from "../protocol/types.js";

/** Parts of the log whose matches are counted, here and for the marks beside the scrollbar. */
export const DENSITY_PARTS = 200;
/** Matches of one request. */
const PAGE_MATCHES = 5000;

/** The seq before the first one of a part. */
function seqBefore({ marks, first, last }: MatchDensity, part: number): number {
  return first + Math.ceil((part * Math.max(1, last - first + 1)) / marks.length) - 1;
}

/** Number of matches before `seq`. `known`: the density, if it was fetched already. */
export async function matchesBefore(
  source: LogSource,
  filter: StreamFilter,
  seq: number,
  signal: AbortSignal,
  known?: MatchDensity,
): Promise<number> {
  const counted = known ?? (await source.matchDensity(filter, DENSITY_PARTS, signal));
  const { marks, first, last } = counted;
  const length = Math.max(1, last - first + 1);
  const part = Math.max(0, Math.min(marks.length - 1, Math.floor(((seq - first) * marks.length) / length)));
  let sum = marks.slice(0, part).reduce((all, n) => all + n, 0);
  for (let after = seqBefore(counted, part); ; ) {
    const seqs = await source.seqs(filter, after, PAGE_MATCHES, signal);
    const inside = seqs.findIndex((one) => one >= seq);
    sum += inside === -1 ? seqs.length : inside;
    if (inside !== -1 || seqs.length < PAGE_MATCHES) return sum;
    after = seqs.at(-1) ?? after;
  }
}

/** The seq of match number `nth`, from 0; undefined if retention has left fewer. */
export async function matchAt(
  source: LogSource,
  filter: StreamFilter,
  nth: number,
  counted: MatchDensity,
  signal: AbortSignal,
): Promise<number | undefined> {
  let [part, left] = [0, nth];
  for (; left >= (counted.marks[part] ?? Number.POSITIVE_INFINITY); part++) left -= counted.marks[part] ?? 0;
  for (let after = seqBefore(counted, part); ; left -= PAGE_MATCHES) {
    const seqs = await source.seqs(filter, after, Math.min(PAGE_MATCHES, left + 1), signal);
    if (left < PAGE_MATCHES || seqs.length < PAGE_MATCHES) return seqs[left];
    after = seqs.at(-1) ?? after;
  }
}
