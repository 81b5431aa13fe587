// Spans of terminal text: what is shown with which style and link, without any control sequence. Page; pure, no DOM.
// terminal.ts draws the text; this splits it at the sequences that stay.
// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control sequences begin with one

import { apply, PLAIN, type Style } from "./sgr.js";
import { ACTIVE, terminalText } from "./terminal.js";
import { withoutColours } from "./text.js";
import { printable } from "./unprintable.js";

export interface Span {
  readonly text: string;
  readonly style: Style;
  /** The address that the text links to: http, https or mailto. */
  readonly href?: string;
}

const STYLING = /\x1b(?:\[([0-9;:]*)m|\]8;;([^\x07\x1b]*)\x1b\\|\]9;[^\x07\x1b]*\x1b\\)/g;

/**
 * The spans of a text. `raw`: unprintable characters stay in; the caller must show stand-ins for them (see
 * unprintable.ts).
 */
export function parseAnsi(text: string, raw = false): readonly Span[] {
  if (!ACTIVE.test(text)) return text === "" ? [] : [{ text: raw ? text : printable(text), style: PLAIN }];
  const drawn = terminalText(text);
  const spans: Span[] = [];
  let [style, href, from] = [PLAIN, "", 0];
  const add = (to: number) => {
    if (to <= from) return;
    const part = drawn.slice(from, to);
    const span = { text: raw ? part : printable(part), style };
    spans.push(href === "" ? span : { ...span, href });
  };
  for (const { index, 0: sequence, 1: sgr, 2: address } of drawn.matchAll(STYLING)) {
    add(index);
    from = index + sequence.length;
    if (sgr !== undefined) style = apply(style, sgr);
    else if (address !== undefined) href = address;
  }
  add(drawn.length);
  return spans;
}

/** The text without escape sequences, all other characters unchanged: for copying and downloads. */
export function withoutSequences(text: string): string {
  return withoutColours(terminalText(text));
}
