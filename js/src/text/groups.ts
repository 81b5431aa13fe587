// Groups of lines: tracebacks, ticks of progress bars that could not rewrite their line, erased lines, identical neighbours.
// Page; pure.
// A group has lines of one source; a traceback can have lines of another between its own. A traceback ends within
// MAX_GROUP_LINES, repeats beyond become another group, and ticks beyond are added as far as they are visible.

import type { LogRecord } from "../protocol/types.js";
import { readBar } from "./progress-bars.js";
import { shortened, withoutColours } from "./text.js";
import { withoutTime } from "./time-prefix.js";
import { begin, canContinue, readTraceback } from "./tracebacks.js";

export const MAX_GROUP_LINES = 1000;
/** Fewer ticks stay single lines. */
const MIN_TICKS = 3;
const MAX_TITLE_CHARS = 500;

/** Consecutive records, both ends included. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface Group {
  /** First and last record. */
  readonly from: number;
  readonly to: number;
  /** Number of records of the group; fewer than from `from` to `to` where another source wrote between them. */
  readonly lines: number;
  /** The records behind the first one that are the group's own, as ranges. */
  readonly rest: readonly Range[];
  readonly kind: "traceback" | "progress" | "empty" | "repeat";
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
  const repeated = (seq: number) => (repeats ? repeatAt(get, seq) : undefined);
  for (let seq = beginning(get, from); seq <= to; ) {
    const group = tracebackAt(get, seq) ?? ticksAt(get, seq) ?? emptyAt(get, seq) ?? repeated(seq);
    const before = found.at(-1);
    if (group !== undefined && before !== undefined && continues(get, before, group))
      found[found.length - 1] = consecutive({ ...group, from: before.from });
    else if (group !== undefined) found.push(group);
    seq = (group?.to ?? seq) + 1;
  }
  return found.filter((group) => group.to >= from);
}

/** Whether a group is the rest of a run of ticks that is longer than MAX_GROUP_LINES. */
function continues(get: RecordAt, before: Group, { from, kind }: Group): boolean {
  const isRun = kind === "progress" && before.kind === kind && before.to + 1 === from;
  return isRun && get(before.to)?.source === get(from)?.source;
}

/** A group whose records are consecutive. */
export function consecutive({ from, to, kind, title }: Omit<Group, "lines" | "rest">): Group {
  return { from, to, kind, title, lines: to - from + 1, rest: to > from ? [{ from: from + 1, to }] : [] };
}

/** The title of the last traceback within a record of several lines, as logging libraries publish it. */
export function exceptionIn(record: LogRecord): string | undefined {
  const lines = record.message.split("\n", MAX_GROUP_LINES).map((message, i) => ({ ...record, seq: i + 1, message }));
  const groups = groupsIn((seq) => lines[seq - 1], 1, lines.length);
  return groups.filter(({ kind }) => kind === "traceback").at(-1)?.title;
}

/** At least as many records before a line are read: another source can write between the lines of a traceback. */
const MIN_LOOK_BACK = 20;

/** Where to start so that a group around `from` is read from its head: where no source is within a group. */
function beginning(get: RecordAt, from: number): number {
  const behind = new Map<string, LineFacts>();
  const inside = new Set<string>();
  for (let seq = from; ; seq--) {
    const line = factsAt(get, seq);
    if (line === undefined) return seq + 1;
    if (seq < from && isBoundary(line, behind.get(line.source))) inside.delete(line.source);
    else inside.add(line.source);
    behind.set(line.source, line);
    const count = from - seq;
    if (seq === 1 || count === MAX_GROUP_LINES || (inside.size === 0 && count >= MIN_LOOK_BACK)) return seq;
  }
}

/** Whether no group spans a line and the one behind it of the same source. */
function isBoundary(line: LineFacts, behind: LineFacts | undefined): boolean {
  if (line.continuesTraceback || line.opensTraceback || line.isBar) return false;
  return behind === undefined || (!behind.continuesTraceback && behind.text !== line.text);
}

/** The facts of one line, judged alone; cached for the lifetime of the record. */
interface LineFacts {
  readonly text: string;
  readonly source: string;
  readonly opensTraceback: boolean;
  readonly continuesTraceback: boolean;
  readonly isBar: boolean;
  readonly isEmpty: boolean;
  /** Empty because its text was erased, or all of it is control sequences. */
  readonly isErased: boolean;
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

function factsOf({ message, source, fields }: LogRecord): LineFacts {
  const text = withoutColours(message.length > MAX_LINE_CHARS ? message.slice(0, MAX_LINE_CHARS) : message);
  const [opensTraceback, continuesTraceback] = [begin(text) !== undefined, canContinue(text)];
  const [isBar, isEmpty] = [readBar(message) !== undefined, text === "" && fields === undefined];
  return { text, source, opensTraceback, continuesTraceback, isBar, isEmpty, isErased: isEmpty && message !== "" };
}

function tracebackAt(get: RecordAt, from: number): Group | undefined {
  const head = factsAt(get, from);
  if (!head?.opensTraceback) return undefined;
  const own = [from];
  const textAt = (offset: number) => {
    for (let seq = (own.at(-1) ?? from) + 1; own.length <= offset; seq++) {
      const facts = seq - from < MAX_GROUP_LINES ? factsAt(get, seq) : undefined;
      if (facts === undefined) return undefined;
      if (facts.source === head.source) own.push(seq);
    }
    return factsAt(get, own[offset] as number)?.text;
  };
  const found = readTraceback(textAt, MAX_GROUP_LINES);
  if (found === undefined) return undefined;
  const rest = ranges(own.slice(1, found.length));
  const to = rest.at(-1)?.to ?? from;
  return { from, to, kind: "traceback", title: shortened(found.title, MAX_TITLE_CHARS), lines: found.length, rest };
}

function ranges(seqs: readonly number[]): readonly Range[] {
  const found: Range[] = [];
  for (const seq of seqs) {
    const last = found.at(-1);
    if (last?.to === seq - 1) found[found.length - 1] = { from: last.from, to: seq };
    else found.push({ from: seq, to: seq });
  }
  return found;
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
    : consecutive({ from, to, kind: "progress", title: shortened(title.trim(), MAX_TITLE_CHARS) });
}

/** Empty lines of which a program erased at least one: what redraws of several rows leave. */
function emptyAt(get: RecordAt, from: number): Group | undefined {
  const head = factsAt(get, from);
  if (!head?.isEmpty) return undefined;
  let [to, hasErased] = [from, head.isErased];
  for (; to - from < MAX_GROUP_LINES; to++) {
    const line = factsAt(get, to + 1);
    if (line === undefined || line.source !== head.source || !line.isEmpty) break;
    hasErased ||= line.isErased;
  }
  return to === from || !hasErased ? undefined : consecutive({ from, to, kind: "empty", title: "" });
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
  if (to === from) return undefined;
  return consecutive({ from, to, kind: "repeat", title: shortened(head.text, MAX_TITLE_CHARS) });
}
