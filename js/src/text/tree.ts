// Structured data in a line as a tree: JSON (also behind a prefix), logfmt, or the record's fields. Page; pure, no DOM.
// Bounded in text, depth and nodes; beyond, the tree shows how much is missing. Numbers keep all their digits.

import { shortened, withoutColours } from "./text.js";

/** Longer lines are not parsed. */
export const MAX_LINE_CHARS = 64 * 1024;
/** Depth and number of nodes; beyond, a node shows its text or the number of missing nodes. */
export const MAX_DEPTH = 20;
export const MAX_NODES = 2000;
const MAX_VALUE_CHARS = 10_000;
/** Characters before the data: a time, a level, a logger's name. */
const MAX_PREFIX_CHARS = 300;

export type Kind = "object" | "array" | "string" | "number" | "boolean" | "null" | "more";

export interface Tree {
  /** Its name in the parent object, or its index in the parent array. */
  readonly key: string;
  readonly kind: Kind;
  /** A value as text; for an object or array a preview, shown while it is folded. */
  readonly text: string;
  readonly children: readonly Tree[];
}

/** The tree of a line; undefined if it holds no data. `fields`: the record's own fields, which take precedence. */
export function readTree(message: string, fields?: Readonly<{ [name: string]: unknown }>): Tree | undefined {
  if (fields !== undefined && Object.keys(fields).length > 0) return build(fields);
  if (message.length > MAX_LINE_CHARS || !/[{[=]/.test(message)) return undefined;
  const text = withoutColours(message);
  return readJson(text) ?? readLogfmt(text);
}

/** Longer lines are parsed only when they are opened. */
const QUICK_CHARS = 4000;

/** Whether to offer a tree for a line; a long line is judged by its beginning and end. */
export function looksLikeData(message: string): boolean {
  if (message.length <= QUICK_CHARS) return readTree(message) !== undefined;
  if (message.length > MAX_LINE_CHARS) return false;
  return /^[^{[]{0,300}[{[]\s*["{[]/.test(message.slice(0, QUICK_CHARS)) && /[\]}]\s*$/.test(message.slice(-100));
}

function readJson(text: string): Tree | undefined {
  if (!/[\]}]\s*$/.test(text)) return undefined;
  // The data begin at the first bracket that parses; a prefix such as "[INFO] " has a bracket, too.
  const brackets = /[{[]/g;
  for (let tries = 0; tries < 3; tries++) {
    const at = brackets.exec(text)?.index;
    if (at === undefined || at > MAX_PREFIX_CHARS) return undefined;
    // Behind a prefix a list is prose, unless it holds objects.
    if (at > 0 && !/^(?:\{|\[\s*\{)/.test(text.slice(at, at + 50)) && text.slice(0, at).trim() !== "") continue;
    const value = parsed(text.slice(at));
    if (value !== undefined && size(value) > 0) return build(value);
  }
  return undefined;
}

/** A number as written: JavaScript would round 12345678901234567890. */
class Digits {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function parsed(text: string): unknown {
  try {
    // Older browsers pass no third argument (source text access): numbers are rounded there.
    return JSON.parse(strict(text), (_key, value: unknown, context?: { source?: string }) => {
      if (typeof value === "number" && context?.source !== undefined) return new Digits(context.source);
      return typeof value === "string" && value.startsWith(BARE) ? new Digits(value.slice(BARE.length)) : value;
    });
  } catch {
    return undefined; // no JSON, or nested too deep: the error's type differs by browser
  }
}

/** Marks numbers that JSON does not have. No log line holds it: control characters are shown by stand-ins. */
const BARE = "\u0000";
const NOT_FINITE = /\\.|"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;

/** JSON as Python and others write it, with NaN and Infinity, as strict JSON. */
function strict(text: string): string {
  if (!/NaN|Infinity/.test(text)) return text;
  return text.replace(NOT_FINITE, (found) => (/^-?[NI]/.test(found) ? `"\\u0000${found}"` : found));
}

function size(value: unknown): number {
  const isNode = typeof value === "object" && value !== null && !(value instanceof Digits);
  return isNode ? Object.keys(value).length : 0;
}

// --- logfmt ---

const PAIR = /(?:^|\s)([A-Za-z_][\w.@/-]*)(?:=(?!=)("(?:[^"\\]|\\.)*"|[^\s"]*))?(?=\s|$)/g;

/** At least three pairs that make up most of the line, since prose has equals signs, too. A bare key has no value. */
function pairs(text: string): readonly (readonly [key: string, value: string | undefined])[] | undefined {
  if (!/=.*=.*=/.test(text)) return undefined;
  const found: (readonly [string, string | undefined])[] = [];
  let [length, complete] = [0, 0];
  for (const [whole, key = "", value] of text.matchAll(PAIR)) {
    found.push([key, value]);
    if (found.length > MAX_NODES) break;
    if (value === undefined) continue;
    length += whole.length;
    complete += 1;
  }
  return complete >= 3 && length >= text.length * 0.6 ? found : undefined;
}

function readLogfmt(text: string): Tree | undefined {
  const found = pairs(text);
  if (found === undefined) return undefined;
  const children = found.map(([key, value]) => leaf(key, value === undefined ? true : unquoted(value)));
  return { key: "", kind: "object", text: preview(children), children };
}

function unquoted(value: string): unknown {
  if (value.startsWith('"')) return parsed(value) ?? value.slice(1, -1);
  if (value === "true" || value === "false") return value === "true";
  return /^-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?$/.test(value) ? new Digits(value) : value;
}

// --- nodes ---

function build(value: unknown): Tree {
  return branch("", value, 0, { left: MAX_NODES });
}

function branch(key: string, value: unknown, depth: number, budget: { left: number }): Tree {
  budget.left -= 1;
  if (size(value) === 0) return leaf(key, value);
  const kind = Array.isArray(value) ? "array" : "object";
  if (depth >= MAX_DEPTH) return { key, kind, text: written(value), children: [] };
  const children: Tree[] = [];
  const entries = Object.entries(value as object);
  for (const [name, inner] of entries) {
    if (budget.left <= 0) break;
    children.push(branch(name, inner, depth + 1, budget));
  }
  const missing = entries.length - children.length;
  if (missing > 0) children.push({ key: "", kind: "more", text: `${missing} more`, children: [] });
  return { key, kind, text: preview(children), children };
}

function leaf(key: string, value: unknown): Tree {
  if (value instanceof Digits)
    return { key, kind: "number", text: shortened(value.text, MAX_VALUE_CHARS), children: [] };
  if (value === null || value === undefined) return { key, kind: "null", text: "null", children: [] };
  if (typeof value === "object") return { key, kind: "object", text: Array.isArray(value) ? "[]" : "{}", children: [] };
  const kind = typeof value === "number" || typeof value === "boolean" ? typeof value : "string";
  return { key, kind: kind as Kind, text: shortened(String(value), MAX_VALUE_CHARS), children: [] };
}

function written(value: unknown): string {
  const plain = JSON.stringify(value, (_key, inner: unknown) => (inner instanceof Digits ? Number(inner.text) : inner));
  return shortened(plain ?? "", 200);
}

/** The first values, shown while the node is folded. */
function preview(children: readonly Tree[]): string {
  const shown = children.slice(0, 4).map(({ key, text, children: inner }) => {
    const value = inner.length > 0 ? "…" : shortened(text, 24);
    return /^\d*$/.test(key) ? value : `${shortened(key, 24)}: ${value}`;
  });
  return shown.join(", ") + (children.length > 4 ? ", …" : "");
}
