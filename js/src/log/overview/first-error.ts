// First error of a log: its title (the exception, if a traceback follows), its line and its repeats. Page; no DOM.
// The caller passes the two queries. The kernel does the same (jupyter_logstream/text/first_error.py).

import type { LogRecord } from "../../protocol/types.js";
import { exceptionIn, groupsIn } from "../../text/groups.js";
import { shortened, withoutColours } from "../../text/text.js";
import { withoutTime } from "../../text/time-prefix.js";

/** Records in which the end of a traceback is searched for after the error, and its beginning before it. */
const MAX_RECORDS_AFTER = 400;
const MAX_RECORDS_BEFORE = 50;
const MAX_TITLE_CHARS = 300;

export interface FirstError {
  /** The line to show. */
  readonly seq: number;
  /** The exception of its traceback, or the line itself. */
  readonly title: string;
  /** Lines that hold the title, at least 1. */
  readonly repeats: number;
  /** Lines of its traceback, each of which counts as an error; else 1. */
  readonly lines: number;
  /** Lines of level error and above in the whole log. */
  readonly errors: number;
}

/** The two queries that the search needs. */
export interface Queries {
  /** Records after a seq. */
  readonly records: (after: number, limit: number, signal: AbortSignal) => Promise<readonly LogRecord[]>;
  /** The number of records that hold a text. */
  readonly count: (text: string, signal: AbortSignal) => Promise<number>;
}

/** Describes `record`, the first error that the server found. Rejects as the queries do. */
export async function firstError(
  record: LogRecord,
  errors: number,
  { records, count }: Queries,
  signal: AbortSignal,
): Promise<FirstError> {
  const after = Math.max(0, record.seq - 1 - MAX_RECORDS_BEFORE);
  const near = new Map(
    (await records(after, MAX_RECORDS_BEFORE + MAX_RECORDS_AFTER, signal)).map((one) => [one.seq, one]),
  );
  near.set(record.seq, record);
  // A logged exception: its message is the error, and its traceback follows.
  const groups = groupsIn((seq) => near.get(seq), record.seq, record.seq + 1);
  const traceback = groups.find(
    ({ kind, from, to }) => kind === "traceback" && from <= record.seq + 1 && to >= record.seq,
  );
  const own = record.message.includes("\n") ? exceptionIn(record) : undefined;
  const title = traceback?.title ?? own ?? shortened(lineTitle(record), MAX_TITLE_CHARS);
  const repeats = await count(queryFor(title), signal);
  const seq = traceback?.from ?? record.seq;
  const lines = traceback?.lines ?? 1;
  return { seq, title, lines, repeats: Math.max(1, repeats), errors: Math.max(errors, 1) };
}

function lineTitle(record: LogRecord): string {
  const [first = ""] = withoutColours(record.message).split("\n", 1);
  return withoutTime(first).trim() || first.trim();
}

/** The query that finds the title as text: a text between slashes would be a regular expression. */
function queryFor(title: string): string {
  const text = title.endsWith("…") ? title.slice(0, -1) : title;
  return text.startsWith("/") ? text.slice(1) : text;
}
