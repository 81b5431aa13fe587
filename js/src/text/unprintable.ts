// Characters that act on the page instead of being shown: controls, bidi, zero width, stacked marks. Pure; no DOM.
// The kernel and the server have the same class (jupyter_logstream/model/unprintable.py); tests/vectors/unprintable.json
// tests both. Sources: Unicode UAX #9 (bidirectional formatting), UAX #14 (line separators), UTS #39 (ignorable).

// Tab and line feed are layout; U+200C and U+200D join emoji and letters.
const UNPRINTABLE = String.raw`[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]`;
const MARK = String.raw`[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]`;
/** Combining marks shown on one letter; more than any language needs would cover the lines above. */
const MAX_STACKED_MARKS = 8;

const EXCESS = `(?<=${MARK}{${MAX_STACKED_MARKS}})${MARK}+`;
const ANY = new RegExp(`${UNPRINTABLE}|${MARK}{${MAX_STACKED_MARKS + 1}}`);
const EACH = new RegExp(`${UNPRINTABLE}|${EXCESS}`, "g");
const RUNS = new RegExp(`(?:${UNPRINTABLE})+|${EXCESS}`, "g");
const STARTS_WITH_MARK = new RegExp(`^${MARK}`);

/** Whether a text holds any character that needs a stand-in. */
export function hasUnprintable(text: string): boolean {
  return ANY.test(text);
}

/** Runs of unprintable characters, and of marks beyond the limit. */
export function unprintableIn(text: string): RegExpExecArray[] {
  return hasUnprintable(text) ? [...text.matchAll(RUNS)] : [];
}

/** The text with a visible stand-in for each unprintable character; excess marks become `…`. */
export function printable(text: string): string {
  return hasUnprintable(text) ? text.replace(EACH, standIn) : text;
}

/** The stand-in for one run that `unprintableIn` found, or for a part of it. */
export function standInForRun(run: string): string {
  return STARTS_WITH_MARK.test(run) ? "…" : printable(run);
}

/** A control picture, or the escape of a program's source code. */
function standIn(found: string): string {
  const code = found.charCodeAt(0);
  if (STARTS_WITH_MARK.test(found)) return "…";
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : `\\u${code.toString(16).padStart(4, "0")}`;
}
