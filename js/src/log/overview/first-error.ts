// The first error of a log as one would tell it: the exception rather than the line that opens its traceback, where it
// stands, and how often it came. Pure but for the two questions that are injected; no DOM.

import type { LogRecord } from "../../protocol/types.js";
import { exceptionIn, groupsIn } from "../../text/groups.js";
import { shortened, withoutColours } from "../../text/text.js";

/** Records after the error that are looked at for the end of its traceback; and before, for its beginning. */
const AFTER = 400;
const BEFORE = 50;
const LONGEST = 300;

export interface FirstError {
  /** The line to show. */
  readonly seq: number;
  /** The exception of its traceback, or the line itself. */
  readonly title: string;
  /** How many lines say the same, this one included. */
  readonly repeats: number;
  /** How many lines it has: of a traceback each one counts as an error. */
  readonly lines: number;
  /** Lines of level error and above in the whole log. */
  readonly errors: number;
}

export interface Questions {
  /** Records after a seq. */
  readonly records: (after: number, limit: number, signal: AbortSignal) => Promise<readonly LogRecord[]>;
  /** How many records hold a text. */
  readonly count: (text: string, signal: AbortSignal) => Promise<number>;
}

/** Tells of `record`, the first error that the server has found. Fails as the questions do. */
export async function firstError(
  record: LogRecord,
  errors: number,
  { records, count }: Questions,
  signal: AbortSignal,
): Promise<FirstError> {
  const after = Math.max(0, record.seq - 1 - BEFORE);
  const near = new Map((await records(after, BEFORE + AFTER, signal)).map((one) => [one.seq, one]));
  near.set(record.seq, record);
  // A logged exception: its message is the error, and its traceback follows.
  const groups = groupsIn((seq) => near.get(seq), record.seq, record.seq + 1);
  const traceback = groups.find(
    ({ kind, from, to }) => kind === "traceback" && from <= record.seq + 1 && to >= record.seq,
  );
  const own = record.message.includes("\n") ? exceptionIn(record) : undefined;
  const title = traceback?.title ?? own ?? shortened(untimed(withoutColours(record.message)), LONGEST);
  const repeats = await count(asked(title), signal);
  const seq = traceback?.from ?? record.seq;
  const lines = traceback === undefined ? 1 : traceback.to - traceback.from + 1;
  return { seq, title, lines, repeats: Math.max(1, repeats), errors: Math.max(errors, 1) };
}

/** Without the time and level that programs put before a message: those differ from line to line. */
function untimed(text: string): string {
  const time = /^\s*[[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ]?)?(?:\d\d:\d\d:\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?[\])]?\s+/;
  const first = text.split("\n", 1)[0] ?? "";
  return first.replace(time, "").trim() || first.trim();
}

/** What is asked for: a text between slashes would be taken for a regular expression. */
function asked(title: string): string {
  const text = title.endsWith("…") ? title.slice(0, -1) : title;
  return text.startsWith("/") ? text.slice(1) : text;
}
