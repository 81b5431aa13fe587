// The rows in the DOM: a contiguous run of keys, reused where two paints overlap. What a key shows is told from outside;
// where the run lies on the screen is the viewport's business. Log text enters as textContent, its colours as styles.

import { type Colour, parseAnsi, type Span, type Style } from "../core/ansi.js";
import type { LogRecord } from "../core/types.js";
import { element } from "./dom.js";

/** A record; or words of ours (`note`); or the line being written (`progress`); or a record not fetched yet. */
export type Content =
  | { readonly kind: "record"; readonly record: LogRecord }
  | { readonly kind: "note" | "progress"; readonly text: string }
  | { readonly kind: "pending" };

/** Beyond this a text is laid out in pieces, of which the browser skips those out of sight. */
const LONG = 2048;
const PIECE = 1024;

function sameContent(a: Content, b: Content): boolean {
  if (a.kind !== b.kind) return false;
  if (a.kind === "record") return a.record === (b as typeof a).record;
  return a.kind === "pending" || a.text === (b as typeof a).text;
}

export class Rows {
  readonly element = element("div", "rows");
  readonly #shown = new Map<HTMLElement, Content>();
  #from = 0;

  get count(): number {
    return this.#shown.size;
  }

  /** Shows the keys `from` (inclusive) to `to` (exclusive). */
  paint(from: number, to: number, content: (key: number) => Content): void {
    const list = this.element;
    const had = this.#from + this.#shown.size;
    if (to <= this.#from || from >= had) this.#drop([...list.children]);
    else this.#drop([...list.children].filter((_, i) => this.#from + i < from || this.#from + i >= to));
    const keptFrom = this.#shown.size === 0 ? to : Math.max(from, this.#from);
    const keptTo = keptFrom + this.#shown.size;
    let key = keptFrom;
    for (const row of list.children) this.#refresh(row as HTMLElement, key, content(key++));
    if (keptFrom > from) list.prepend(...this.#make(from, keptFrom, content));
    if (keptTo < to) list.append(...this.#make(keptTo, to, content));
    this.#from = from;
  }

  /** Marks one of the rows that are shown, and no other. */
  mark(key: number | undefined): void {
    let at = this.#from;
    for (const row of this.element.children) setOrDrop(row as HTMLElement, "hit", at++ === key ? "" : undefined);
  }

  #make(from: number, to: number, content: (key: number) => Content): HTMLElement[] {
    const made: HTMLElement[] = [];
    for (let key = from; key < to; key++) {
      const row = element("div", "row", element("span", "text"));
      this.#fill(row, key, content(key));
      made.push(row);
    }
    return made;
  }

  #drop(rows: readonly Element[]): void {
    for (const row of rows) {
      this.#shown.delete(row as HTMLElement);
      row.remove();
    }
  }

  #refresh(row: HTMLElement, key: number, content: Content): void {
    const before = this.#shown.get(row);
    if (before === undefined || !sameContent(before, content)) this.#fill(row, key, content);
  }

  #fill(row: HTMLElement, key: number, content: Content): void {
    this.#shown.set(row, content);
    const record = content.kind === "record" ? content.record : undefined;
    const numbered = record !== undefined || content.kind === "pending";
    row.className = `row ${record?.part ? "part" : content.kind}`;
    setOrDrop(row, "seq", numbered ? String(key) : undefined);
    setOrDrop(row, "level", record?.level);
    setOrDrop(row, "source", record?.source);
    const text = record?.message ?? (content.kind === "pending" ? "" : (content as { text: string }).text);
    write(row.firstElementChild as HTMLElement, text);
  }
}

function setOrDrop(row: HTMLElement, name: string, value: string | undefined): void {
  if (value === undefined) delete row.dataset[name];
  else row.dataset[name] = value;
}

function write(target: HTMLElement, text: string): void {
  const spans = parseAnsi(text);
  const only = spans.length === 1 ? spans[0] : undefined;
  if (spans.length === 0) target.textContent = "";
  else if (only !== undefined && isSimple(only)) target.textContent = only.text;
  else target.replaceChildren(...spans.flatMap(render));
}

function isSimple(span: Span): boolean {
  return span.text.length <= LONG && !span.text.includes("\n") && Object.keys(span.style).length === 0;
}

function render(span: Span): HTMLElement[] {
  return pieces(span.text).map((text) => {
    // A line break is kept in the text (to copy), shown as a sign, and doesn't break the row.
    if (text === "\n") return element("span", "break", text);
    const made = element("span", text.length > PIECE / 2 ? "piece" : "", text);
    paintStyle(made, span.style);
    return made;
  });
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

function paintStyle(target: HTMLElement, style: Style): void {
  for (const flag of ["bold", "dim", "italic", "underline", "strike"] as const) {
    if (style[flag]) target.classList.add(flag);
  }
  const [fg, bg] = style.inverse
    ? [css(style.bg, "var(--bg)"), css(style.fg, "var(--fg)")]
    : [css(style.fg, ""), css(style.bg, "")];
  if (fg !== "") target.style.color = fg;
  if (bg !== "") target.style.backgroundColor = bg;
}
