// Lines that belong together: a traceback, the ticks of a progress bar that could not rewrite its line, identical
// neighbours. A rule over the records that are at hand; pure, no DOM. A group never spans two sources, and never more
// than LONGEST lines: what is longer is several groups, or stays as it is.

import type { LogRecord } from "../protocol/types.js";
import { readBar } from "./progress-bars.js";
import { shortened, withoutColours } from "./text.js";

/** Lines of a group at most; of repeats more, since each is looked at once. */
export const LONGEST = 1000;
/** Fewer ticks are no flood. */
const TICKS = 3;
const LONGEST_TITLE = 500;

export interface Group {
  /** First and last record. */
  readonly from: number;
  readonly to: number;
  readonly kind: "traceback" | "progress" | "repeat";
  /** What one row says for all: the exception, the bar's last state, the line itself. */
  readonly title: string;
}

export type Get = (seq: number) => LogRecord | undefined;

/**
 * The groups that touch `from` to `to` (both inclusive), in order, without overlap. Records that `get` does not have end
 * a group; those before `from` are looked at as far as a group may reach. `repeats`: identical neighbours, too.
 */
export function groupsIn(get: Get, from: number, to: number, repeats = false): readonly Group[] {
  const found: Group[] = [];
  for (let seq = beginning(get, from); seq <= to; ) {
    const group = tracebackAt(get, seq) ?? ticksAt(get, seq) ?? (repeats ? repeatAt(get, seq) : undefined);
    if (group !== undefined && group.to >= from) found.push(group);
    seq = (group?.to ?? seq) + 1;
  }
  return found;
}

/** What the last traceback within a record of several lines says: one that was logged as a whole. */
export function exceptionIn(record: LogRecord): string | undefined {
  const lines = record.message.split("\n", LONGEST).map((message, i) => ({ ...record, seq: i + 1, message }));
  const groups = groupsIn((seq) => lines[seq - 1], 1, lines.length);
  return groups.filter(({ kind }) => kind === "traceback").at(-1)?.title;
}

/** Where to begin so that a group `from` lies in is seen from its head: the nearest line that none can go through. */
function beginning(get: Get, from: number): number {
  let seq = from;
  for (const end = Math.max(1, from - LONGEST); seq > end && get(seq - 1) !== undefined; seq--) {
    const [here, before] = [facts(get, seq), facts(get, seq - 1)];
    const plain = before !== undefined && !before.inside && !before.head && !before.bar && before.text !== "";
    if (plain && here !== undefined && !here.inside && here.text !== before.text) break;
  }
  return seq;
}

/** What a line's text says by itself. Kept as long as the record is. */
interface Facts {
  readonly text: string;
  readonly source: string;
  /** Begins a traceback of Python, or may begin one of Java or JavaScript. */
  readonly head: "python" | "frames" | undefined;
  /** Would be within one. */
  readonly inside: boolean;
  readonly bar: boolean;
}

const PYTHON = /^[\s|+]*(?:Exception Group )?Traceback \(most recent call last\):\s*$/;
const RAISED = /^[\s|]*(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?::\s|:?\s*$)/;
const CHAIN =
  /^\s*(?:During handling of the above exception, another exception occurred|The above exception was the direct cause of the following exception):\s*$/;
const FRAME = /^\s+at \S/;
const MORE = /^\s*(?:Caused by: |Suppressed: |\.\.\. \d+ (?:more|common frames omitted)|\[cause\]: )/;
const THROWN = /(?:Error|Exception|Throwable)\b/;

const known = new WeakMap<LogRecord, Facts>();

function facts(get: Get, seq: number): Facts | undefined {
  const record = get(seq);
  if (record === undefined) return undefined;
  let facts = known.get(record);
  if (facts === undefined) {
    facts = read(record);
    known.set(record, facts);
  }
  return facts;
}

function read({ message, source }: LogRecord): Facts {
  const text = withoutColours(message.length > 4000 ? message.slice(0, 4000) : message);
  const head = PYTHON.test(text) ? "python" : THROWN.test(text) && !FRAME.test(text) ? "frames" : undefined;
  const inside = /^\s+\S/.test(text) || MORE.test(text) || CHAIN.test(text);
  return { text, source, head, inside, bar: readBar(message) !== undefined };
}

// --- tracebacks ---

function tracebackAt(get: Get, seq: number): Group | undefined {
  const head = facts(get, seq);
  if (head?.head === undefined) return undefined;
  return head.head === "python" ? pythonAt(get, seq, head) : framesAt(get, seq, head);
}

/** The last exception of a chain is the one that was not caught: it is the title. */
function pythonAt(get: Get, from: number, head: Facts): Group | undefined {
  let title: string | undefined;
  let to = from;
  for (let seq: number | undefined = from; seq !== undefined; ) {
    const end = endOfPython(get, seq, head.source);
    if (end === undefined || end - from > LONGEST) break;
    to = end;
    title = raised(get, seq, end) ?? title;
    seq = nextInChain(get, end, head.source);
  }
  if (title === undefined) return undefined;
  return { from, to, kind: "traceback", title: shortened(title.trim(), LONGEST_TITLE) };
}

/** From `Traceback ...:` over the indented lines to the exception; of a group all is indented. */
function endOfPython(get: Get, from: number, source: string): number | undefined {
  const indented = /^\s*\+/.test(facts(get, from)?.text ?? "");
  let seq = from + 1;
  for (; seq - from <= LONGEST; seq++) {
    const line = facts(get, seq);
    if (line === undefined || line.source !== source) return indented ? seq - 1 : undefined;
    if (/^\s+\S/.test(line.text)) continue;
    if (indented) return seq - 1;
    return RAISED.test(line.text) && seq > from + 1 ? seq : undefined;
  }
  return undefined;
}

function raised(get: Get, from: number, to: number): string | undefined {
  const last = facts(get, to)?.text ?? "";
  if (RAISED.test(last) && !/^\s/.test(last)) return last;
  for (let seq = from + 1; seq <= to; seq++) {
    const text = facts(get, seq)?.text ?? "";
    if (/^\s*\|\s(?:[\w.]+\.)?\w*(?:Group|Error|Exception)\b/.test(text)) return text.replace(/^[\s|]+/, "");
  }
  return undefined;
}

/** Where the next traceback of a chain begins: after a blank line (or a closing `"""`), its announcement, a blank line. */
function nextInChain(get: Get, end: number, source: string): number | undefined {
  let announced = false;
  for (let seq = end + 1; seq <= end + 6; seq++) {
    const line = facts(get, seq);
    if (line === undefined || line.source !== source) return undefined;
    if (CHAIN.test(line.text)) announced = true;
    else if (line.head === "python") return announced ? seq : undefined;
    else if (!/^\s*(?:""")?\s*$/.test(line.text)) return undefined;
  }
  return undefined;
}

/** Java and JavaScript: a line that names an error, then `at ...` lines; the last cause is the root of it. */
function framesAt(get: Get, from: number, head: Facts): Group | undefined {
  const first = facts(get, from + 1);
  if (first === undefined || !FRAME.test(first.text) || first.source !== head.source) return undefined;
  let title = head.text;
  let to = from + 1;
  for (let seq = from + 2; seq - from < LONGEST; seq++) {
    const line = facts(get, seq);
    if (line === undefined || line.source !== head.source) break;
    if (!FRAME.test(line.text) && !MORE.test(line.text)) break;
    const cause = /^\s*(?:Caused by: |\[cause\]: )(.*)/.exec(line.text);
    if (cause?.[1] !== undefined) title = cause[1];
    to = seq;
  }
  return { from, to, kind: "traceback", title: shortened(title.trim(), LONGEST_TITLE) };
}

// --- ticks and repeats ---

/** A bar that moves the cursor up, or has no terminal, writes a line per tick; blank lines between belong to it. */
function ticksAt(get: Get, from: number): Group | undefined {
  const head = facts(get, from);
  if (!head?.bar) return undefined;
  let [to, ticks, title] = [from, 1, head.text];
  for (let seq = from + 1; seq - from < LONGEST; seq++) {
    const line = facts(get, seq);
    if (line === undefined || line.source !== head.source || !(line.bar || line.text.trim() === "")) break;
    if (!line.bar) continue;
    [to, title] = [seq, line.text];
    ticks += 1;
  }
  return ticks < TICKS ? undefined : { from, to, kind: "progress", title: shortened(title.trim(), LONGEST_TITLE) };
}

/** The same text, whatever the time before it says. */
function repeatAt(get: Get, from: number): Group | undefined {
  const head = facts(get, from);
  if (head === undefined || head.text === "") return undefined;
  const same = untimed(head.text);
  let to = from;
  for (; to - from < LONGEST; to++) {
    const line = facts(get, to + 1);
    if (line === undefined || line.source !== head.source || untimed(line.text) !== same) break;
  }
  return to === from ? undefined : { from, to, kind: "repeat", title: shortened(head.text, LONGEST_TITLE) };
}

const TIME = /^[[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ]?)?\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?[\])]?\s*/;

function untimed(text: string): string {
  return text.replace(TIME, "");
}
