// Grid of terminal cells on which one line is drawn. Page; pure, no DOM.
// The server has the same (jupyter_logstream/text/screen.py); tests/vectors/terminal.json tests both. Bounds: moves end at
// COLUMNS (or the end of the text), rows at MAX_ROWS around the first; further ones overlap there.

import { cellWidth } from "./cell-width.js";
import { Cells, type Pen } from "./cells.js";
import { apply, PLAIN, type Style } from "./sgr.js";

/** Columns of the terminals that workloads have; a cursor moves no further unless the text is longer. */
const COLUMNS = 120;
const MAX_ROWS = 40;
/** Row numbers of `CSI H` lie behind all that are relative to the line. */
const ABSOLUTE = 1000;
/** Visits to the alternate screen that are kept. */
const MAX_FOLDED = 8;
/** Cells that erasing, inserting and deleting may touch in one line; then they do nothing, which bounds their time. */
const MAX_EDITED_CELLS = 2_000_000;
/** Stands between texts of different rows in one record. */
const ROW_GAP = "  ";
const ALTERNATE_LABEL = "[full screen] ";

const LINES_FROM = "_`abcdefghijklmnopqrstuvwxyz{|}~";
const LINES_TO = " ◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·";

interface Position {
  readonly row: number;
  readonly column: number;
}

/** What a saved cursor restores. */
interface Saved extends Position {
  readonly style: Style;
  readonly charsets: readonly [string, string];
  readonly shift: 0 | 1;
}

/** Rows of cells with a cursor; `link` is the address that text gets from now on. */
export class Screen {
  link = "";
  #style: Style = PLAIN;
  #pen: Pen = { style: PLAIN, link: "" };
  #rows = new Map<number, Cells>();
  #row = 0;
  #column = 0;
  #saved: Saved = { row: 0, column: 0, style: PLAIN, charsets: ["B", "B"], shift: 0 };
  /** The main screen while the alternate one is shown. */
  #main: (Position & { readonly rows: Map<number, Cells> }) | undefined;
  readonly #folded: string[] = [];
  #charsets: readonly [string, string] = ["B", "B"];
  #shift: 0 | 1 = 0;
  #edits = MAX_EDITED_CELLS;

  /** Writes at the cursor, over what is there. */
  put(text: string): void {
    const cells = this.#cells();
    const drawing = this.#charsets[this.#shift] === "0";
    if (this.#pen.style !== this.#style || this.#pen.link !== this.link)
      this.#pen = { style: this.#style, link: this.link };
    let run: string[] = [];
    const flush = () => {
      if (run.length === 0) return;
      cells.write(this.#column, run, this.#pen);
      this.#column += run.length;
      run = [];
    };
    for (const given of text) {
      const char = drawing ? lineDrawn(given) : given;
      const width = run.length === 0 && cells.joins(this.#column) ? 0 : cellWidth(char);
      if (width > 0) run.push(char);
      if (width === 2) run.push("");
      if (width > 0) continue;
      flush();
      cells.combine(this.#column, char);
    }
    flush();
  }

  /** CR, BS, TAB, SO or SI. */
  control(char: string): void {
    if (char === "\r") this.#column = 0;
    else if (char === "\b") this.#column = Math.max(0, this.#column - 1);
    else if (char === "\t") this.#moveTo((Math.floor(this.#column / 8) + 1) * 8);
    else this.#shift = char === "\x0e" ? 1 : 0;
  }

  /** What follows ESC: character sets, the saved cursor, moves by a row. */
  escape(sequence: string): void {
    const [first, second] = this.#charsets;
    if (sequence.length === 2 && sequence[0] === "(") this.#charsets = [sequence[1] ?? "", second];
    else if (sequence.length === 2 && sequence[0] === ")") this.#charsets = [first, sequence[1] ?? ""];
    else if (sequence === "7") this.#save();
    else if (sequence === "8") this.#restore();
    else if (sequence === "D" || sequence === "E" || sequence === "M") {
      this.#moveRows(sequence === "M" ? -1 : 1);
      if (sequence === "E") this.#column = 0;
    }
  }

  /** What follows `ESC [`; unknown and unfinished sequences do nothing. */
  csi(sequence: string): void {
    const [final, parameters] = [sequence.slice(-1), sequence.slice(0, -1)];
    if (final === "") return;
    if (final === "m" && /^[0-9;:]*$/.test(parameters)) this.#style = apply(this.#style, parameters);
    else if (parameters.startsWith("?")) {
      const isScreen = ["47", "1047", "1049"].includes(parameters.slice(1));
      if (isScreen && (final === "h" || final === "l")) this.#switch(final === "h");
    } else if (/^[0-9;]*$/.test(parameters)) {
      const [first = "", second = ""] = parameters.split(";", 2);
      this.#move(final, number(first), number(second));
    }
  }

  /** The rows that hold text, from top to bottom, as one line; then what the alternate screen showed. */
  text(): string {
    if (this.#main !== undefined) this.#switch(false);
    return [this.#joined(), ...this.#folded].filter((row) => row !== "").join(ROW_GAP);
  }

  #move(final: string, first: number, second: number): void {
    const count = Math.max(1, first);
    if ("AFBEe".includes(final)) {
      this.#moveRows("AF".includes(final) ? -count : count);
      if ("EF".includes(final)) this.#column = 0;
    } else if ("Hfd".includes(final)) {
      this.#row = ABSOLUTE + Math.min(count, MAX_ROWS);
      if (final !== "d") this.#moveTo(Math.max(1, second) - 1);
    } else if (final === "s") this.#save();
    else if (final === "u") this.#restore();
    else {
      const column = this.#columnAfter(final, count);
      if (column !== undefined) this.#moveTo(column);
      else this.#edit(final, first, count);
    }
  }

  /** Where a move within the row ends; undefined for other sequences. */
  #columnAfter(final: string, count: number): number | undefined {
    if (final === "C" || final === "a") return this.#column + count;
    if (final === "D") return this.#column - count;
    if (final === "G" || final === "`") return count - 1;
    if (final === "I") return (Math.floor(this.#column / 8) + count) * 8;
    return final === "Z" ? (Math.ceil(this.#column / 8) - count) * 8 : undefined;
  }

  #edit(final: string, mode: number, count: number): void {
    if (final === "J") this.#eraseInDisplay(mode);
    else if (final === "K") this.#eraseInLine(mode);
    else if (final === "P") this.#edited()?.delete(this.#column, count);
    else if (final === "X") this.#edited()?.erase(this.#column, this.#column + count);
    else if (final === "@") {
      const cells = this.#edited();
      if (cells !== undefined && this.#column < cells.length)
        cells.insert(this.#column, count, Math.max(COLUMNS, cells.length));
    }
  }

  /** The cells of the cursor's row; undefined once the line had too many edits. */
  #edited(): Cells | undefined {
    const cells = this.#cells();
    this.#edits -= cells.length;
    return this.#edits > 0 ? cells : undefined;
  }

  /** The cells of the cursor's row, at least up to the cursor. */
  #cells(): Cells {
    let cells = this.#rows.get(this.#row);
    if (cells === undefined) {
      cells = new Cells();
      this.#rows.set(this.#row, cells);
    }
    cells.extend(this.#column);
    return cells;
  }

  #save(): void {
    this.#saved = {
      ...{ row: this.#row, column: this.#column },
      ...{ style: this.#style, charsets: this.#charsets, shift: this.#shift },
    };
  }

  #restore(): void {
    const { row, column, style, charsets, shift } = this.#saved;
    [this.#row, this.#column, this.#style, this.#charsets, this.#shift] = [row, column, style, charsets, shift];
  }

  #moveTo(column: number): void {
    const limit = Math.max(COLUMNS - 1, this.#column, this.#rows.get(this.#row)?.length ?? 0);
    this.#column = Math.max(0, Math.min(column, limit));
  }

  #moveRows(count: number): void {
    const base = this.#row > ABSOLUTE / 2 ? ABSOLUTE : 0;
    this.#row = Math.max(base - MAX_ROWS, Math.min(base + MAX_ROWS, this.#row + count));
  }

  #eraseInLine(mode: number): void {
    if (mode === 0) this.#cells().truncate(this.#column);
    else if (mode === 1) this.#edited()?.erase(0, this.#column + 1);
    else if (mode === 2) this.#cells().truncate(0);
  }

  #eraseInDisplay(mode: number): void {
    if (mode === 2 || mode === 3) this.#rows.clear();
    if (mode !== 0 && mode !== 1) return;
    this.#eraseInLine(mode);
    for (const row of this.#rows.keys()) if (mode === 0 ? row > this.#row : row < this.#row) this.#rows.delete(row);
  }

  #switch(alternate: boolean): void {
    if (alternate && this.#main === undefined) {
      this.#main = { rows: this.#rows, row: this.#row, column: this.#column };
      this.#rows = new Map();
    } else if (!alternate) {
      const text = this.#joined().trim();
      if (text !== "" && this.#folded.length < MAX_FOLDED) this.#folded.push(ALTERNATE_LABEL + text);
      this.#rows = this.#main?.rows ?? new Map();
      this.#row = this.#main?.row ?? 0;
      this.#column = this.#main?.column ?? 0;
      this.#main = undefined;
    }
  }

  #joined(): string {
    const rows = [...this.#rows].sort(([a], [b]) => a - b).map(([, cells]) => cells.text());
    return rows.filter((row) => row !== "").join(ROW_GAP);
  }
}

function number(digits: string): number {
  return Number(digits.slice(0, 6));
}

/** The character of DEC's line drawing set. */
function lineDrawn(char: string): string {
  return LINES_TO[LINES_FROM.indexOf(char)] ?? char;
}
