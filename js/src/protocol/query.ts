// Filters of a log (levels, step, source, text, excluded text): applied to records here, and written as Python. Page and
// shared worker. Pure functions; stream.ts writes filters as requests. The server has the same semantics
// (jupyter_logstream/store/queries/filters.py, store/pattern.py); tests/vectors/filters.json tests both.

import { compileExpression } from "./expression.js";
import type { Level, LogRecord, StreamFilter } from "./types.js";

export const LEVELS: readonly Level[] = ["unknown", "trace", "debug", "info", "warn", "error", "fatal"];

export function isEmpty(filter: StreamFilter): boolean {
  return Object.values(filter).every((value) => value === undefined);
}

/** The regular expression of a text between slashes; undefined for other text. */
export function expressionOf(q: string): string | undefined {
  return q.length > 1 && q.startsWith("/") && q.endsWith("/") ? q.slice(1, -1) : undefined;
}

/**
 * Whether a message contains `q`, searched in its text without control sequences. Smart case, as on the server: lower-case
 * text ignores case, text with a capital does not. Throws on a malformed expression.
 */
export function contains(q: string): (message: string) => boolean {
  const pattern = compiled(q, "");
  return (message) => pattern.test(searchedText(message));
}

// Finished or not, with ESC or in its 8-bit form: CSI, OSC, the other strings, and the short sequences (ECMA-48).
const SEQUENCES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences begin with one
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|(?:\x1b\]|\x9d)[^\x07\x18\x1a\x1b]*(?:\x07|\x1b\\|[\x18\x1a])?|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x18\x1a\x1b]*(?:\x1b\\|[\x18\x1a])?|\x1b[ -/]*[0-~]?/g;

function searchedText(message: string): string {
  return message.replace(SEQUENCES, "");
}

/** A predicate for records. For logs that the server does not search. Throws on an expression that is malformed or costly. */
export function accepts(filter: StreamFilter): (record: LogRecord) => boolean {
  for (const text of [filter.q, filter.not]) checkCost(text ?? "");
  const { level, levels, step, source, q, not } = filter;
  const least = level === undefined ? 0 : LEVELS.indexOf(level);
  const has = q === undefined ? undefined : contains(q);
  const lacks = not === undefined ? undefined : contains(not);
  return (record) =>
    LEVELS.indexOf(record.level) >= least &&
    (levels === undefined || levels.includes(record.level)) &&
    (step === undefined || record.step === step) &&
    (source === undefined || record.source === source) &&
    (has === undefined || has(record.message)) &&
    (lacks === undefined || !lacks(record.message));
}

/** A browser's engine can take for ever for what RE2 finds in linear time, and the page would hang. */
function checkCost(q: string): void {
  const expression = expressionOf(q);
  if (expression === undefined || boundOf(expression) !== undefined) return;
  throw new SyntaxError(
    "This log is searched in the browser, which cannot search for repeated groups or more than two unbounded repetitions.",
  );
}

/** The Python call that returns the same lines: `job.logs(levels=["error"], q="loss")`. */
export function asPython({ level, levels, step, source, q, not }: StreamFilter): string {
  const given = { level, levels, step, source, q, exclude: not };
  const options = Object.entries(given).filter(([, value]) => value !== undefined);
  return `job.logs(${options.map(([name, value]) => `${name}=${literal(value)}`).join(", ")})`;
}

/**
 * JSON strings and lists are Python literals, except for characters outside the BMP and lone surrogates. Control and
 * format characters (bidi) are escaped: they would disguise the code that a user copies.
 */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  return JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, escaped);
}

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** Longest text searched in the page, by the number of unbounded repeats in the expression: bounds its cubic cost. */
const MAX_SEARCHED_CHARS = [65_536, 4000, 300] as const;

/**
 * A function that returns the ranges to highlight, or undefined if the expression is too expensive here: the server bounds
 * the time of a search, a browser cannot. Repeated groups are not highlighted; the server still finds their lines.
 */
export function highlighter(
  q: string,
): ((text: string) => readonly (readonly [from: number, to: number])[]) | undefined {
  if (q === "") return undefined;
  const expression = expressionOf(q);
  const bound = expression === undefined ? MAX_SEARCHED_CHARS[0] : boundOf(expression);
  if (bound === undefined) return undefined;
  try {
    const pattern = compiled(q, "g");
    return (text) => (text.length > bound ? [] : rangesIn(text, pattern));
  } catch {
    return undefined; // malformed: the server reports it
  }
}

const MAX_RANGES = 200;

function rangesIn(text: string, pattern: RegExp): (readonly [number, number])[] {
  const found: (readonly [number, number])[] = [];
  for (const match of text.matchAll(pattern)) {
    if (match[0] !== "") found.push([match.index, match.index + match[0].length]);
    if (found.length >= MAX_RANGES) break;
  }
  return found;
}

/** Case is folded by character, so the offsets of a match are those in the text, whatever stands before it. */
function compiled(q: string, flags: string): RegExp {
  const expression = expressionOf(q);
  if (expression !== undefined) return compileExpression(expression, flags);
  return new RegExp(q.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), `${flags}u${q === q.toLowerCase() ? "i" : ""}`);
}

function boundOf(expression: string): number | undefined {
  const bare = expression.replace(/\\./g, "x").replace(/\[[^\]]*\]/g, "x");
  if (/\)[*+{]/.test(bare)) return undefined;
  return MAX_SEARCHED_CHARS[bare.match(/[*+]|\{\d*,/g)?.length ?? 0];
}
