// One line's text in the DOM: its colours as styles, web addresses as links, what was searched for marked. It enters as
// textContent only, in spans and links of ours. Characters that would act on the page (bidi, control) stay in the text, so
// that what is copied is what was written; a stand-in is shown in their place.

import { type Colour, parseAnsi, type Span, type Style } from "../../text/ansi.js";
import { linksIn } from "../../text/links.js";
import { printable, standInForRun, unprintableIn } from "../../text/unprintable.js";
import { element } from "../dom/dom.js";

/** Beyond this a text is laid out in pieces, of which the browser skips those out of sight. */
const LONG = 2048;
const PIECE = 1024;
/** Runs of control characters that get an element each; in a line with more their stand-ins are the text. */
const MOST_CONTROLS = 200;

export type Ranges = readonly (readonly [from: number, to: number])[];
export type Highlight = (text: string) => Ranges;

/** What a stretch of text is, besides its colours. */
interface Kind {
  readonly control?: boolean;
  readonly mark?: boolean;
  readonly href?: string | undefined;
}

interface Part extends Kind {
  readonly from: number;
  readonly to: number;
}

export function writeText(target: HTMLElement, text: string, highlight?: Highlight): void {
  const spans = parseAnsi(text, true);
  const whole = spans.map((span) => span.text).join("");
  const only = spans.length === 1 ? spans[0] : undefined;
  const parts = partsOf(whole, highlight);
  if (spans.length === 0) target.textContent = "";
  else if (only !== undefined && parts.length === 0 && isSimple(only)) target.textContent = only.text;
  else target.replaceChildren(...render(spans, parts, unprintableIn(whole).length > MOST_CONTROLS));
}

function isSimple(span: Span): boolean {
  return span.text.length <= LONG && !span.text.includes("\n") && Object.keys(span.style).length === 0;
}

/** In no order, and they may overlap: a link in which something was found. */
function partsOf(text: string, highlight: Highlight | undefined): readonly Part[] {
  const controls = unprintableIn(text);
  const found: Part[] = [...linksIn(text)];
  for (const [from, to] of highlight?.(text) ?? []) found.push({ from, to, mark: true });
  if (controls.length > MOST_CONTROLS) return found;
  for (const { index, 0: run } of controls) found.push({ from: index, to: index + run.length, control: true });
  return found;
}

function render(spans: readonly Span[], parts: readonly Part[], crowded: boolean): HTMLElement[] {
  const made: HTMLElement[] = [];
  const edges = [...new Set(parts.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
  let at = 0; // where the span begins in the whole text
  for (const { text, style } of spans) {
    const end = at + text.length;
    const cuts = [at, ...edges.filter((edge) => edge > at && edge < end), end];
    for (let i = 1; i < cuts.length; i++) {
      const [from, to] = [cuts[i - 1] ?? at, cuts[i] ?? end];
      const words = text.slice(from - at, to - at);
      made.push(...elementsOf(crowded ? printable(words) : words, style, kindAt(parts, from)));
    }
    at = end;
  }
  return made;
}

function kindAt(parts: readonly Part[], at: number): Kind {
  return Object.assign({}, ...parts.filter(({ from, to }) => from <= at && at < to));
}

function elementsOf(text: string, style: Style, { control, mark, href }: Kind): HTMLElement[] {
  if (control) {
    const made = element("span", "control", text);
    made.dataset["shown"] = standInForRun(text);
    return [made];
  }
  return pieces(text).map((piece) => {
    // A line break is kept in the text (to copy), shown as a sign, and doesn't break the row.
    if (piece === "\n") return element("span", "break", piece);
    const made = href === undefined ? element("span", "", piece) : link(piece, href);
    if (piece.length > PIECE / 2) made.classList.add("piece");
    if (mark) made.classList.add("mark");
    paintStyle(made, style, mark === true);
    return made;
  });
}

function link(text: string, href: string): HTMLAnchorElement {
  const made = element("a", "link", text);
  made.href = href;
  made.target = "_blank";
  made.rel = "noopener noreferrer";
  made.tabIndex = -1; // of a thousand links in a log none is a stop on the way through the page
  return made;
}

function pieces(text: string): string[] {
  if (text.length <= PIECE && !text.includes("\n")) return [text];
  return text
    .split(/(\n)/)
    .filter((part) => part !== "")
    .flatMap((part) => (part.length <= LONG ? [part] : chop(part)));
}

function chop(text: string): string[] {
  const made: string[] = [];
  for (let from = 0; from < text.length; ) {
    let to = Math.min(text.length, from + PIECE);
    const last = text.charCodeAt(to - 1);
    if (last >= 0xd800 && last <= 0xdbff && to < text.length) to += 1;
    made.push(text.slice(from, to));
    from = to;
  }
  return made;
}

function css(colour: Colour | undefined, otherwise: string): string {
  if (colour === undefined) return otherwise;
  return typeof colour === "number" ? `var(--ansi-${colour})` : colour;
}

/** `marked`: it has the colours of a mark, on which others could not be read. */
function paintStyle(target: HTMLElement, style: Style, marked: boolean): void {
  for (const flag of ["bold", "dim", "italic", "underline", "strike"] as const) {
    if (style[flag]) target.classList.add(flag);
  }
  if (marked) return;
  const [fg, bg] = style.inverse
    ? [css(style.bg, "var(--bg)"), css(style.fg, "var(--fg)")]
    : [css(style.fg, ""), css(style.bg, "")];
  // A program's own colour was chosen for its author's terminal: what would be unreadable here is drawn lighter or darker.
  const isOwn = typeof style.fg === "string" && bg === "";
  if (isOwn) {
    target.classList.add("own");
    target.style.setProperty("--own", fg);
  } else if (fg !== "") target.style.color = fg;
  if (bg !== "") target.style.backgroundColor = bg;
}
