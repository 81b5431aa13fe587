// Which of the lines that match lies at a seq, in a log of any length and in few questions: whole parts of the log are
// counted by the server, within one part the matches are asked for. No DOM.

import type { LogSource, MatchDensity } from "../protocol/log-source.js";
import type { StreamFilter } from "../protocol/types.js";

/** The log is cut into so many parts: for marks beside a scrollbar, and for this. */
export const DENSITY_PARTS = 200;
const MOST = 5000;

/** Where a part of the log begins: the seq before its first. */
function before({ marks, first, last }: MatchDensity, part: number): number {
  return first + Math.ceil((part * Math.max(1, last - first + 1)) / marks.length) - 1;
}

/** How many matches lie before `seq`. `known`: where they lie, if that was asked already. */
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
  for (let after = before(counted, part); ; ) {
    const seqs = await source.seqs(filter, after, MOST, signal);
    const inside = seqs.findIndex((one) => one >= seq);
    sum += inside === -1 ? seqs.length : inside;
    if (inside !== -1 || seqs.length < MOST) return sum;
    after = seqs.at(-1) ?? after;
  }
}

/** The seq of the n-th match, from 0; undefined where there are no longer so many. */
export async function matchAt(
  source: LogSource,
  filter: StreamFilter,
  nth: number,
  counted: MatchDensity,
  signal: AbortSignal,
): Promise<number | undefined> {
  let [part, left] = [0, nth];
  for (; left >= (counted.marks[part] ?? Number.POSITIVE_INFINITY); part++) left -= counted.marks[part] ?? 0;
  for (let after = before(counted, part); ; left -= MOST) {
    const seqs = await source.seqs(filter, after, Math.min(MOST, left + 1), signal);
    if (left < MOST || seqs.length < MOST) return seqs[left];
    after = seqs.at(-1) ?? after;
  }
}
