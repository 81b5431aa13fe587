// Terminal text parser: styled spans from SGR sequences; drops every other escape sequence. Page; pure, no DOM.
// One pass over the text: ten megabytes of unfinished sequences cost linear time. Source: ECMA-48, xterm's ctlseqs.

import { printable } from "./unprintable.js";

/** An index into the theme's palette (0-15), or a CSS colour. */
export type Colour = number | string;

export interface Style {
  readonly fg?: Colour;
  readonly bg?: Colour;
  readonly bold?: boolean;
  readonly dim?: boolean;
  readonly italic?: boolean;
  readonly underline?: boolean;
  readonly inverse?: boolean;
  readonly strike?: boolean;
}

export interface Span {
  readonly text: string;
  readonly style: Style;
}

const PLAIN: Style = {};
const ESC = 0x1b;
/** Parameters of one SGR sequence; the rest is ignored, as terminals do. */
const MAX_PARAMS = 64;

// ESC, and the 8-bit forms of CSI, OSC, DCS, SOS, PM and APC (ECMA-48).
// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern matches control characters
const INTRODUCERS = /[\x1b\x90\x98\x9b\x9d-\x9f]/;

/**
 * The spans of a text. `raw`: unprintable characters stay in; the caller must show stand-ins for them (see
 * unprintable.ts).
 */
export function parseAnsi(text: string, raw = false): readonly Span[] {
  const shown = (part: string) => (raw ? part : printable(part));
  if (!INTRODUCERS.test(text)) return text === "" ? [] : [{ text: shown(text), style: PLAIN }];
  const spans: Span[] = [];
  let style = PLAIN;
  let from = 0;
  const flush = (to: number) => {
    if (to <= from) return;
    spans.push({ text: shown(text.slice(from, to)), style });
  };
  for (let at = nextIntroducer(text, 0); at < text.length; at = nextIntroducer(text, at)) {
    flush(at);
    const end = endOfSequence(text, at);
    if (text[end - 1] === "m" && isCsi(text, at)) style = applySgr(style, parameters(text, at, end));
    from = end;
    at = end;
  }
  flush(text.length);
  return spans;
}

/** The text without escape sequences, all other characters unchanged: for copying and downloads. */
export function withoutSequences(text: string): string {
  return parseAnsi(text, true)
    .map((span) => span.text)
    .join("");
}

const NEXT_INTRODUCER = new RegExp(INTRODUCERS, "g");

function nextIntroducer(text: string, from: number): number {
  NEXT_INTRODUCER.lastIndex = from;
  return NEXT_INTRODUCER.exec(text)?.index ?? text.length;
}

/** The letter that identifies the sequence: both `ESC [` and U+009B give `[`. */
function kindAt(text: string, at: number): string {
  const code = text.charCodeAt(at);
  return code === ESC ? (text[at + 1] ?? "") : String.fromCharCode(code - 0x40);
}

function bodyAt(text: string, at: number): number {
  return text.charCodeAt(at) === ESC ? at + 2 : at + 1;
}

function isCsi(text: string, at: number): boolean {
  return kindAt(text, at) === "[";
}

function endOfSequence(text: string, at: number): number {
  const kind = kindAt(text, at);
  const body = Math.min(bodyAt(text, at), text.length);
  if (kind === "[") return endOfCsi(text, body);
  if (kind === "]") return endOfString(text, body, true);
  if (kind !== "" && "PX^_".includes(kind)) return endOfString(text, body, false);
  const code = text.charCodeAt(at + 1);
  // Two characters, or with intermediates (ESC ( B); an ESC before anything else stands alone.
  if (code >= 0x20 && code <= 0x2f) return endOfCsi(text, body);
  return code >= 0x30 && code <= 0x7e ? body : at + 1;
}

/** The end of parameters, intermediates and final character; any other character ends the sequence and stays text. */
function endOfCsi(text: string, body: number): number {
  let at = body;
  while (at < text.length && text.charCodeAt(at) >= 0x20 && text.charCodeAt(at) <= 0x3f) at++;
  const final = text.charCodeAt(at);
  return final >= 0x40 && final <= 0x7e ? at + 1 : at;
}

/** The end of a string: ST (for OSC also BEL), CAN or SUB; another ESC cancels it; unterminated, the end of the text. */
function endOfString(text: string, body: number, bel: boolean): number {
  for (let at = body; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === ESC) return text[at + 1] === "\\" ? at + 2 : at;
    if (code === 0x9c || code === 0x18 || code === 0x1a || (bel && code === 0x07)) return at + 1;
  }
  return text.length;
}

function parameters(text: string, at: number, end: number): readonly number[] {
  const body = bodyAt(text, at);
  // Private forms (ESC[>4m sets a keyboard mode) also end in m but set no style.
  const source = text.slice(body, Math.min(end - 1, body + 8 * MAX_PARAMS));
  if (!/^[0-9;:]*$/.test(source)) return [-1];
  // 38:2::r:g:b has an empty colour space where 38;2;r;g;b has nothing; 4:3 is a curly underline.
  const flat = source
    .replace(/([34]8:2):\d*:(?=\d+:\d+:\d+)/g, "$1:")
    .replace(/\b4:(\d+)/g, (_, n) => (n === "0" ? "24" : "4"));
  return flat.split(/[;:]/, MAX_PARAMS).map((part) => (part === "" ? 0 : Number(part)));
}

const FLAGS: { readonly [code: number]: Style } = {
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
  21: { underline: true },
};

const CLEARS: { readonly [code: number]: readonly (keyof Style)[] } = {
  22: ["bold", "dim"],
  23: ["italic"],
  24: ["underline"],
  27: ["inverse"],
  29: ["strike"],
  39: ["fg"],
  49: ["bg"],
};

function applySgr(before: Style, codes: readonly number[]): Style {
  let style = before;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? -1;
    if (code === 38 || code === 48) {
      const [colour, used] = extended(codes, i + 1);
      if (colour !== undefined) style = { ...style, [code === 38 ? "fg" : "bg"]: colour };
      i += used;
    } else style = applyOne(style, code);
  }
  return style;
}

function applyOne(style: Style, code: number): Style {
  if (code === 0) return PLAIN;
  const flag = FLAGS[code];
  if (flag !== undefined) return { ...style, ...flag };
  const cleared = CLEARS[code];
  if (cleared !== undefined) {
    return Object.fromEntries(Object.entries(style).filter(([name]) => !cleared.includes(name as keyof Style)));
  }
  if (code >= 30 && code <= 37) return { ...style, fg: code - 30 };
  if (code >= 40 && code <= 47) return { ...style, bg: code - 40 };
  if (code >= 90 && code <= 97) return { ...style, fg: code - 82 };
  if (code >= 100 && code <= 107) return { ...style, bg: code - 92 };
  return style;
}

/** The colour of `5;n` or `2;r;g;b` after 38 or 48, and the number of codes consumed. */
function extended(codes: readonly number[], at: number): [Colour | undefined, number] {
  const byte = (i: number) => Math.min(255, codes[at + i] ?? 0);
  if (codes[at] === 5) return [indexed(byte(1)), 2];
  if (codes[at] === 2) return [`rgb(${byte(1)} ${byte(2)} ${byte(3)})`, 4];
  return [undefined, 1];
}

function indexed(n: number): Colour {
  if (n < 16) return n;
  if (n >= 232) {
    const grey = 8 + 10 * (n - 232);
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const level = (step: number) => (step === 0 ? 0 : 55 + 40 * step);
  const cube = n - 16;
  return `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`;
}
