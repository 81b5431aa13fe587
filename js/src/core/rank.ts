// Which of the lines that match lies at a seq, in a log of any length and in few questions: whole parts of the log are
// counted by the server, within one part the matches are asked for. No DOM.

import type { LogSource } from "./source.js";
import type { StreamFilter } from "./types.js";

/** The log is cut into so many parts: for marks beside a scrollbar, and for this. */
export const PARTS = 200;
const MOST = 5000;

/** How many matches lie before `seq`. */
export async function matchesBefore(
  source: LogSource,
  filter: StreamFilter,
  seq: number,
  signal: AbortSignal,
): Promise<number> {
  const { marks, first, last } = await source.marks(filter, PARTS, signal);
  const length = Math.max(1, last - first + 1);
  const part = Math.max(0, Math.min(marks.length - 1, Math.floor(((seq - first) * marks.length) / length)));
  let before = marks.slice(0, part).reduce((sum, n) => sum + n, 0);
  let after = first + Math.ceil((part * length) / marks.length) - 1;
  for (;;) {
    const seqs = await source.seqs(filter, after, MOST, signal);
    const inside = seqs.findIndex((one) => one >= seq);
    before += inside === -1 ? seqs.length : inside;
    if (inside !== -1 || seqs.length < MOST) return before;
    after = seqs.at(-1) ?? after;
  }
}
