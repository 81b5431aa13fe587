// Cells of one row of a terminal: the characters and how they are drawn. Page; pure, no DOM.
// The server has the same (jupyter_logstream/text/cells.py).

import { ZERO_WIDTH_JOINER } from "./cell-width.js";
import { change, PLAIN, type Style } from "./sgr.js";

/** How a cell is drawn, and the address that it links to. */
export interface Pen {
  readonly style: Style;
  readonly link: string;
}

const BLANK: Pen = { style: PLAIN, link: "" };
/** Zero-width characters in one cell; further ones are dropped. */
const MAX_MARKS = 16;

/** A row. "" is the second cell of a wide character; a cell that was never written, or erased, is blank. */
export class Cells {
  #chars: string[] = [];
  #pens: Pen[] = [];

  get length(): number {
    return this.#chars.length;
  }

  /** Writes characters ("" for the second cell of a wide one) over what is there; the row reaches up to `at` at least. */
  write(at: number, chars: readonly string[], pen: Pen): void {
    this.#splitWide(at);
    this.#splitWide(at + chars.length);
    for (const [i, char] of chars.entries()) {
      this.#chars[at + i] = char;
      this.#pens[at + i] = pen;
    }
  }

  /** Adds a zero-width character to the character before cell `at`. */
  combine(at: number, char: string): void {
    const cell = this.#startBefore(at);
    const before = this.#chars[cell];
    if (before !== undefined && before.length < MAX_MARKS) this.#chars[cell] = before + char;
  }

  /** Whether the character before cell `at` ends with a zero-width joiner, so that it takes the next one. */
  joins(at: number): boolean {
    return this.#chars[this.#startBefore(at)]?.endsWith(ZERO_WIDTH_JOINER) ?? false;
  }

  /** Extends the row with blanks up to cell `at`. */
  extend(at: number): void {
    while (this.length < at) {
      this.#chars.push(" ");
      this.#pens.push(BLANK);
    }
  }

  /** Removes all cells from `at` on. */
  truncate(at: number): void {
    this.#splitWide(at);
    this.#chars.length = this.#pens.length = Math.min(at, this.length);
  }

  /** Makes the cells from `start` to `stop` blank. */
  erase(start: number, stop: number): void {
    const end = Math.min(stop, this.length);
    if (start >= end) return;
    this.#splitWide(start);
    this.#splitWide(end);
    this.#chars.fill(" ", start, end);
    this.#pens.fill(BLANK, start, end);
  }

  /** Removes `count` cells at `at`; the rest moves to the left. */
  delete(at: number, count: number): void {
    this.#splitWide(at);
    this.#splitWide(at + count);
    this.#chars.splice(at, count);
    this.#pens.splice(at, count);
  }

  /** Inserts `count` blanks at `at`; what moves beyond `limit` is dropped. */
  insert(at: number, count: number, limit: number): void {
    this.#splitWide(at);
    const blanks = Math.min(count, limit - at);
    const insert = <T>(cells: T[], blank: T) =>
      cells.slice(0, at).concat(new Array(blanks).fill(blank), cells.slice(at)).slice(0, limit);
    this.#chars = insert(this.#chars, " ");
    this.#pens = insert(this.#pens, BLANK);
  }

  /** The row as text with SGR and OSC 8, without blanks at its end; "" if only blanks are there. */
  text(): string {
    let end = this.length;
    while (end > 0 && this.#chars[end - 1] === " " && !isVisible(this.#pens[end - 1] ?? BLANK)) end -= 1;
    const made: string[] = [];
    let pen = BLANK;
    for (let at = 0; at < end; at++) {
      const next = this.#pens[at] ?? BLANK;
      if (next !== pen) {
        if (next.link !== pen.link) made.push(`\x1b]8;;${next.link}\x1b\\`);
        made.push(change(pen.style, next.style));
        pen = next;
      }
      made.push(this.#chars[at] ?? "");
    }
    made.push(change(pen.style, PLAIN), pen.link === "" ? "" : "\x1b]8;;\x1b\\");
    return made.join("");
  }

  /** The cell in which the character before cell `at` begins; -1 if there is none. */
  #startBefore(at: number): number {
    return at > 1 && this.#chars[at - 1] === "" ? at - 2 : at - 1;
  }

  /** Makes both halves of a wide character blank that would be cut before cell `at`. */
  #splitWide(at: number): void {
    if (at <= 0 || this.#chars[at] !== "") return;
    this.#chars[at - 1] = this.#chars[at] = " ";
    this.#pens[at - 1] = this.#pens[at] = BLANK;
  }
}

/** Whether a space shows in this style. */
function isVisible({ style }: Pen): boolean {
  return style.bg !== undefined || (style.inverse ?? style.underline ?? style.strike) === true;
}
