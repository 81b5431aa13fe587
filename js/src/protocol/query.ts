// What one asks of a log - levels, step, source, text in it, text not in it - in its three forms: sent to the server, run
// over records that are here, and written as the Python that gives the same lines. Pure functions; no DOM, no network.

import type { Level, LogRecord, StreamFilter } from "./types.js";

export const LEVELS: readonly Level[] = ["unknown", "trace", "debug", "info", "warn", "error", "fatal"];

export function isEmpty(filter: StreamFilter): boolean {
  return Object.values(filter).every((value) => value === undefined);
}

/** Text between slashes is a regular expression; its inside, or undefined. */
export function expressionOf(q: string): string | undefined {
  return q.length > 1 && q.startsWith("/") && q.endsWith("/") ? q.slice(1, -1) : undefined;
}

/** As the server searches: small letters match both, a capital itself. Throws on a malformed expression. */
export function contains(q: string): (text: string) => boolean {
  const expression = expressionOf(q);
  if (expression !== undefined) {
    const pattern = translated(expression, "");
    return (text) => pattern.test(text);
  }
  if (q !== q.toLowerCase()) return (text) => text.includes(q);
  return (text) => text.toLowerCase().includes(q);
}

/** Does a record match? For logs that no server searches. */
export function accepts(filter: StreamFilter): (record: LogRecord) => boolean {
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

/** The Python that reads the same lines: `job.logs(levels=["error"], q="loss")`. */
export function asPython({ level, levels, step, source, q, not }: StreamFilter): string {
  const given = { level, levels, step, source, q, exclude: not };
  const options = Object.entries(given).filter(([, value]) => value !== undefined);
  return `job.logs(${options.map(([name, value]) => `${name}=${literal(value)}`).join(", ")})`;
}

/** JSON's strings and lists are Python's, but for characters beyond the first plane and lone halves of them. */
function literal(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(literal).join(", ")}]` : JSON.stringify(value);
}

/** Longest text that is searched in the page, by how many unbounded repeats an expression has: cubes of it stay small. */
const LONGEST = [65_536, 4000, 300] as const;

/**
 * Finds what to highlight, or undefined where the page had better not try: the server bounds what an expression may cost,
 * a browser doesn't. Repeated groups can take for ever, so they aren't highlighted; their lines are still found.
 */
export function highlighter(
  q: string,
): ((text: string) => readonly (readonly [from: number, to: number])[]) | undefined {
  if (q === "") return undefined;
  const expression = expressionOf(q);
  const bound = expression === undefined ? LONGEST[0] : boundOf(expression);
  const pattern = expression === undefined ? plain(q) : attempt(expression);
  if (pattern === undefined || bound === undefined) return undefined;
  return (text) => (text.length > bound ? [] : rangesIn(text, pattern));
}

const MOST_RANGES = 200;

function rangesIn(text: string, pattern: RegExp): (readonly [number, number])[] {
  const found: (readonly [number, number])[] = [];
  for (const match of text.matchAll(pattern)) {
    if (match[0] !== "") found.push([match.index, match.index + match[0].length]);
    if (found.length >= MOST_RANGES) break;
  }
  return found;
}

function plain(q: string): RegExp {
  return new RegExp(q.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), q === q.toLowerCase() ? "gi" : "g");
}

function attempt(expression: string): RegExp | undefined {
  try {
    return translated(expression, "g");
  } catch {
    return undefined; // Python's expressions know more than a browser's
  }
}

/** The little in which Python's common expressions differ: inline flags in front, `(?P<name>`, `\A`, `\Z`. */
function translated(expression: string, flags: string): RegExp {
  const inline = /^\(\?([ims]+)\)/.exec(expression);
  const body = expression
    .slice(inline?.[0].length ?? 0)
    .replaceAll("(?P<", "(?<")
    .replace(/\\A/g, "^")
    .replace(/\\Z/g, "$");
  return new RegExp(body, `${flags}${inline?.[1] ?? ""}u`.replace(/(.)(?=.*\1)/g, ""));
}

function boundOf(expression: string): number | undefined {
  const bare = expression.replace(/\\./g, "x").replace(/\[[^\]]*\]/g, "x");
  if (/\)[*+{]/.test(bare) || /\\[1-9k]/.test(expression)) return undefined;
  return LONGEST[bare.match(/[*+]|\{\d*,/g)?.length ?? 0];
}
