// Groups of lines: tracebacks, ticks of progress bars that could not rewrite their line, identical neighbours. Page; pure.
// A group never spans two sources and has at most MAX_GROUP_LINES; a longer run becomes several groups, or none.

import type { LogRecord } from "../protocol/types.js";
import { readBar } from "./progress-bars.js";
import { shortened, withoutColours } from "./text.js";
import { withoutTime } from "./time-prefix.js";
import { begin, canContinue, readTraceback } from "./tracebacks.js";

export const MAX_GROUP_LINES = 1000;
/** Fewer ticks stay single lines. */
const MIN_TICKS = 3;
const MAX_TITLE_CHARS = 500;

export interface Group {
  /** First and last record. */
  readonly from: number;
  readonly to: number;
  readonly kind: "traceback" | "progress" | "repeat";
  /** The text of the one row that stands for all: the exception, the bar's last state, the line itself. */
  readonly title: string;
}

/** The record with a number; undefined if it is not loaded. */
export type RecordAt = (seq: number) => LogRecord | undefined;

/**
 * The groups that overlap the records `from` to `to` (inclusive), in order, without overlap. A record that `get` does not
 * have ends a group; up to MAX_GROUP_LINES records before `from` are read. `repeats`: include identical neighbours.
 */
export function groupsIn(get: RecordAt, from: number, to: number, repeats = false): readonly Group[] {
  const found: Group[] = [];
  for (let seq = beginning(get, from); seq <= to; ) {
    const group = tracebackAt(get, seq) ?? ticksAt(get, seq) ?? (repeats ? repeatAt(get, seq) : undefined);
    if (group !== undefined && group.to >= from) found.push(group);
    seq = (group?.to ?? seq) + 1;
  }
  return found;
}

/** The title of the last traceback within a record of several lines, as logging libraries publish it. */
export function exceptionIn(record: LogRecord): string | undefined {
  const lines = record.message.split("\n", MAX_GROUP_LINES).map((message, i) => ({ ...record, seq: i + 1, message }));
  const groups = groupsIn((seq) => lines[seq - 1], 1, lines.length);
  return groups.filter(({ kind }) => kind === "traceback").at(-1)?.title;
}

/** Where to start so that a group around `from` is read from its head: behind the nearest line that no group spans. */
function beginning(get: RecordAt, from: number): number {
  let seq = from;
  for (const end = Math.max(1, from - MAX_GROUP_LINES); seq > end && get(seq - 1) !== undefined; seq--) {
    const [here, before] = [factsAt(get, seq), factsAt(get, seq - 1)];
    const isPlain = before && !before.continuesTraceback && !before.opensTraceback && !before.isBar;
    if (isPlain && here !== undefined && !here.continuesTraceback && here.text !== before.text) break;
  }
  return seq;
}

/** The facts of one line, judged alone; cached for the lifetime of the record. */
interface LineFacts {
  readonly text: string;
  readonly source: string;
  readonly opensTraceback: boolean;
  readonly continuesTraceback: boolean;
  readonly isBar: boolean;
}

/** Longer lines are judged by their beginning. */
const MAX_LINE_CHARS = 4000;
const cache = new WeakMap<LogRecord, LineFacts>();

function factsAt(get: RecordAt, seq: number): LineFacts | undefined {
  const record = get(seq);
  if (record === undefined) return undefined;
  let facts = cache.get(record);
  if (facts === undefined) {
    facts = factsOf(record);
    cache.set(record, facts);
  }
  return facts;
}

function factsOf({ message, source }: LogRecord): LineFacts {
  const text = withoutColours(message.length > MAX_LINE_CHARS ? message.slice(0, MAX_LINE_CHARS) : message);
  const [opensTraceback, continuesTraceback] = [begin(text) !== undefined, canContinue(text)];
  return { text, source, opensTraceback, continuesTraceback, isBar: readBar(message) !== undefined };
}

function tracebackAt(get: RecordAt, from: number): Group | undefined {
  const head = factsAt(get, from);
  if (!head?.opensTraceback) return undefined;
  const textAt = (offset: number) => {
    const facts = factsAt(get, from + offset);
    return facts?.source === head.source ? facts.text : undefined;
  };
  const found = readTraceback(textAt, MAX_GROUP_LINES);
  if (found === undefined) return undefined;
  const title = shortened(found.title, MAX_TITLE_CHARS);
  return { from, to: from + found.length - 1, kind: "traceback", title };
}

/** A bar without a terminal writes a line per tick; blank lines between ticks belong to the group. */
function ticksAt(get: RecordAt, from: number): Group | undefined {
  const head = factsAt(get, from);
  if (!head?.isBar) return undefined;
  let [to, ticks, title] = [from, 1, head.text];
  for (let seq = from + 1; seq - from < MAX_GROUP_LINES; seq++) {
    const line = factsAt(get, seq);
    if (line === undefined || line.source !== head.source || !(line.isBar || line.text.trim() === "")) break;
    if (!line.isBar) continue;
    [to, title] = [seq, line.text];
    ticks += 1;
  }
  return ticks < MIN_TICKS
    ? undefined
    : { from, to, kind: "progress", title: shortened(title.trim(), MAX_TITLE_CHARS) };
}

/** Lines with the same text behind their time. */
function repeatAt(get: RecordAt, from: number): Group | undefined {
  const head = factsAt(get, from);
  if (head === undefined || head.text === "") return undefined;
  const same = withoutTime(head.text);
  let to = from;
  for (; to - from < MAX_GROUP_LINES; to++) {
    const line = factsAt(get, to + 1);
    if (line === undefined || line.source !== head.source || withoutTime(line.text) !== same) break;
  }
  return to === from ? undefined : { from, to, kind: "repeat", title: shortened(head.text, MAX_TITLE_CHARS) };
}
