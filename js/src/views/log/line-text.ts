// Rendering of one line's text: ANSI colours as styles, web addresses and OSC 8 as links, search hits as marks, two cells
// for wide characters. DOM only. Text is set as textContent only. Control and bidi characters stay in the text, so that a
// copy equals what was written; a visible placeholder is shown in their place. Bounded: MAX_STYLED elements, then plain text.

import { parseAnsi, type Span } from "../../text/ansi.js";
import { wideIn } from "../../text/cell-width.js";
import { linksIn } from "../../text/links.js";
import type { Colour, Style } from "../../text/sgr.js";
import { printable, standInForRun, unprintableIn } from "../../text/unprintable.js";
import { element, setTitle } from "../dom/dom.js";

/** Longer texts are split into pieces; the browser skips the layout of pieces out of sight. */
const MAX_UNSPLIT_CHARS = 2048;
const PIECE_CHARS = 1024;
/** A line with more runs of control characters gets the placeholders as text instead of an element for each run. */
const MAX_CONTROL_RUNS = 200;
/** A line with more pieces of wide characters has them as the font draws them. */
const MAX_WIDE_PIECES = 200;
/** Elements of one line with colours, marks, links or line breaks; what follows is plain text, however many it would need. */
export const MAX_STYLED = 500;
/** Parts that can begin in these elements: a mark, a link, wide characters and a control run can share one. */
const MAX_PARTS = 4 * MAX_STYLED;

export type Ranges = readonly (readonly [from: number, to: number])[];
export type Highlight = (text: string) => Ranges;

/** Properties of a range of text besides its colours. */
interface Kind {
  readonly control?: boolean;
  readonly mark?: boolean;
  readonly wide?: boolean;
  readonly href?: string | undefined;
  /** Shown where the pointer rests: the address of a link whose text can be another. */
  readonly title?: string | undefined;
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
  else target.replaceChildren(...render(spans, parts, whole, unprintableIn(whole).length > MAX_CONTROL_RUNS));
}

function isSimple(span: Span): boolean {
  const isPlain = Object.keys(span.style).length === 0 && span.href === undefined;
  return isPlain && span.text.length <= MAX_UNSPLIT_CHARS && !span.text.includes("\n");
}

/** By position; parts can overlap, such as a hit in a link. Bounded by MAX_PARTS. */
function partsOf(text: string, highlight: Highlight | undefined): readonly Part[] {
  const found = allParts(text, highlight);
  return found.sort((a, b) => a.from - b.from).slice(0, MAX_PARTS);
}

function allParts(text: string, highlight: Highlight | undefined): Part[] {
  const controls = unprintableIn(text);
  const found: Part[] = [...linksIn(text)];
  for (const [from, to] of highlight?.(text) ?? []) found.push({ from, to, mark: true });
  const wide = wideIn(text);
  if (wide.length <= MAX_WIDE_PIECES) for (const { from, to } of wide) found.push({ from, to, wide: true });
  if (controls.length > MAX_CONTROL_RUNS) return found;
  for (const { index, 0: run } of controls) found.push({ from: index, to: index + run.length, control: true });
  return found;
}

function render(
  spans: readonly Span[],
  parts: readonly Part[],
  text: string,
  showPlaceholders: boolean,
): HTMLElement[] {
  const whole = showPlaceholders ? printable(text) : text; // as in the elements
  const elements: HTMLElement[] = [];
  const edges = [...new Set(parts.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
  let at = 0; // start of the span in the whole text
  for (const { text, style, href } of spans) {
    const link = href === undefined ? {} : { href, title: href };
    const end = at + text.length;
    const cuts = [at, ...edges.filter((edge) => edge > at && edge < end), end];
    for (let i = 1; i < cuts.length; i++) {
      const [from, to] = [cuts[i - 1] ?? at, cuts[i] ?? end];
      const part = text.slice(from - at, to - at);
      const kind = { ...kindAt(parts, from), ...link };
      elements.push(...elementsOf(showPlaceholders ? printable(part) : part, style, kind));
      if (elements.length >= MAX_STYLED) return withPlainRest(elements.slice(0, MAX_STYLED), whole);
    }
    at = end;
  }
  return elements;
}

/** These elements and what follows them in the whole text, without any style. */
function withPlainRest(elements: HTMLElement[], whole: string): HTMLElement[] {
  const shown = elements.reduce((sum, one) => sum + (one.textContent?.length ?? 0), 0);
  for (const piece of chop(whole.slice(shown))) {
    const isPiece = piece.length > PIECE_CHARS / 2 && !piece.includes("\n"); // a piece is one row high
    elements.push(element("span", isPiece ? "rest piece" : "rest", piece));
  }
  return elements;
}

function kindAt(parts: readonly Part[], at: number): Kind {
  return Object.assign({}, ...parts.filter(({ from, to }) => from <= at && at < to));
}

function elementsOf(text: string, style: Style, { control, mark, wide, href, title }: Kind): HTMLElement[] {
  if (control) {
    const span = element("span", "control");
    span.append(text); // as it was written; the style sheet shows the stand-in
    span.dataset["shown"] = standInForRun(text);
    return [span];
  }
  const first = pieces(text).slice(0, MAX_STYLED);
  return first.map((piece) => {
    // A line break stays in the text to be copied, but is drawn as a sign and does not break the row.
    if (piece === "\n") return element("span", "break", piece);
    const span = href === undefined ? element("span", "", piece) : link(piece, href, title);
    if (wide) setCells(span, piece);
    else if (piece.length > PIECE_CHARS / 2) span.classList.add("piece");
    if (mark) span.classList.add("mark");
    paintStyle(span, style, mark === true);
    return span;
  });
}

/** Gives a piece of wide text the cells that a terminal gives it, whatever font has its characters. */
function setCells(target: HTMLElement, text: string): void {
  const cells = wideIn(text).reduce((sum, piece) => sum + piece.cells, 0);
  target.classList.add("wide");
  target.style.setProperty("--cells", String(cells));
}

function link(text: string, href: string, title: string | undefined): HTMLAnchorElement {
  const anchor = element("a", "link", text);
  anchor.href = href;
  if (title !== undefined) setTitle(anchor, title);
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer";
  anchor.tabIndex = -1; // thousands of links must not be tab stops
  return anchor;
}

function pieces(text: string): string[] {
  if (text.length <= PIECE_CHARS && !text.includes("\n")) return [text];
  return text
    .split(/(\n)/)
    .filter((part) => part !== "")
    .flatMap((part) => (part.length <= MAX_UNSPLIT_CHARS ? [part] : chop(part)));
}

function chop(text: string): string[] {
  const chunks: string[] = [];
  for (let from = 0; from < text.length; ) {
    let to = Math.min(text.length, from + PIECE_CHARS);
    const last = text.charCodeAt(to - 1);
    if (last >= 0xd800 && last <= 0xdbff && to < text.length) to += 1;
    chunks.push(text.slice(from, to));
    from = to;
  }
  return chunks;
}

function css(colour: Colour | undefined, otherwise: string): string {
  if (colour === undefined) return otherwise;
  return typeof colour === "number" ? `var(--ansi-${colour})` : `rgb(${colour.join(" ")})`;
}

/** `marked`: the text has the colours of a mark, on which other colours are unreadable. */
function paintStyle(target: HTMLElement, style: Style, marked: boolean): void {
  for (const flag of ["bold", "dim", "italic", "underline", "strike"] as const) {
    if (style[flag]) target.classList.add(flag);
  }
  if (marked) return;
  const [fg, bg] = style.inverse
    ? [css(style.bg, "var(--bg)"), css(style.fg, "var(--fg)")]
    : [css(style.fg, ""), css(style.bg, "")];
  // An RGB colour was chosen for another background: the style sheet adjusts its lightness to be readable here.
  const isOwn = typeof style.fg === "object" && bg === "";
  if (isOwn) {
    target.classList.add("own");
    target.style.setProperty("--own", fg);
  } else if (fg !== "") target.style.color = fg;
  if (bg !== "") target.style.backgroundColor = bg;
}
