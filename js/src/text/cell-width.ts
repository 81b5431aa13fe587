// Width of characters in terminal cells: 0, 1 or 2. Page; pure, no DOM.
// By Unicode's East Asian width (UAX #11), as wcwidth does. The server computes the same from Python's Unicode data
// (jupyter_logstream/text/cell_width.py); tests/vectors/terminal.json and tests/text/test_cell_width.py compare both.

export const ZERO_WIDTH_JOINER = "\u200d";

/** Characters that take one cell each, as the inside of a character class; the commonest only. */
export const NARROW = String.raw` -~\xa0-\xac\xae-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u259f`;

/** Characters from U+0300 on that take two cells: pairs of "distance to the one before.length - 1" in base 36. */
const WIDE_RANGES =
  "3cw.2n 3i3.1 e.1 5b.3 4 3 ei.1 m.1 1f.b 18 k e 9.1 i.1 6.1 9 6 m 8.1 2 5 3 8 5.1 t 10 2 5.2 2 1q.2 p f nw.1 1g 5 mj.bt 5.g 3.2d 5.bw 9.5f3 1t.h52 wq.s hw.8mb 6l9.e7 lt.9 n.1n 46.2n 3k.6 m4a.3 d.6oy 5y6.ln c21 5n 5b 3.9 k 2a.80 d.8 2.1x 2.l d.16 5.4 d.g 4 4.1y 2 2.56 3.1q e.3 2.n j r.1 e 2f.2c 1d.1x 7 4.2 3.a c.1 8.8 66.m 7w.1a 2.9 2.54 35.3u zq.2t4t";

const WIDE = wideRanges();
const ZERO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]/u;
const MAYBE_WIDE = /[\u1100-\u{3ffff}]/u;

/** The number of cells that a character takes; combining marks, controls and formatting take none. */
export function cellWidth(char: string): number {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x300) return Number(code >= 0xa0 || (code >= 0x20 && code <= 0x7e));
  if (ZERO_WIDTH.test(char)) return 0;
  return isWide(code) ? 2 : 1;
}

/** Characters of wide text in one piece: pieces are where a line can be wrapped. */
const MAX_PIECE_CELLS = 32;

/** A piece of text whose characters take two cells each. */
export interface WidePiece {
  readonly from: number;
  readonly to: number;
  readonly cells: number;
  /** Whether more wide characters can be added, not only marks and joined ones. */
  readonly isOpen: boolean;
}

/** The wide characters of a text: East Asian ones in pieces, an emoji (with all that is joined to it) as one of its own. */
export function wideIn(text: string): readonly WidePiece[] {
  if (!MAYBE_WIDE.test(text)) return [];
  const pieces: WidePiece[] = [];
  let [from, isJoined] = [0, false];
  for (const char of text) {
    const to = from + char.length;
    const width = isJoined ? 0 : cellWidth(char);
    const last = pieces.at(-1);
    const grown = last?.to === from ? withMore(last, char, width) : undefined;
    if (grown !== undefined) pieces[pieces.length - 1] = grown;
    else if (width === 2) pieces.push({ from, to, cells: 2, isOpen: !isEmojiLike(char) });
    isJoined = char === ZERO_WIDTH_JOINER && pieces.at(-1)?.to === to;
    from = to;
  }
  return pieces;
}

function withMore(piece: WidePiece, char: string, width: number): WidePiece | undefined {
  const to = piece.to + char.length;
  if (width === 0) return { ...piece, to };
  if (width === 1 || !piece.isOpen || isEmojiLike(char)) return undefined;
  const cells = piece.cells + 2;
  return { from: piece.from, to, cells, isOpen: cells < MAX_PIECE_CELLS };
}

/** Whether the glyph of a wide character need not be a square of the font's size. */
function isEmojiLike(char: string): boolean {
  const code = char.codePointAt(0) ?? 0;
  return code < 0x2e80 || (code >= 0x1f000 && code < 0x20000);
}

function isWide(code: number): boolean {
  let [low, high] = [0, WIDE.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((WIDE[middle]?.[1] ?? 0) < code) low = middle + 1;
    else high = middle;
  }
  return (WIDE[low]?.[0] ?? code + 1) <= code;
}

function wideRanges(): readonly (readonly [first: number, last: number])[] {
  let last = 0;
  return WIDE_RANGES.split(" ").map((range) => {
    const [distance = "", more = "0"] = range.split(".");
    const first = last + Number.parseInt(distance, 36);
    last = first + Number.parseInt(more, 36);
    return [first, last];
  });
}
