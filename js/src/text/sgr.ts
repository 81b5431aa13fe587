// SGR (select graphic rendition): colours and styles of terminal text as values. Page; pure, no DOM.
// The server has the same rules (jupyter_logstream/text/sgr.py); tests/vectors/terminal.json tests both. Sources: ECMA-48,
// ITU T.416 (colon forms), xterm's ctlseqs, kitty's underline styles (`4:3`, `58`).

/** An index into the palette of 16 colours, or red, green and blue. */
export type Colour = number | readonly [red: number, green: number, blue: number];

/** How text is drawn; plain without members. */
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

export const PLAIN: Style = {};

const MAX_PARAMETERS = 64;
const MAX_CHARS = 512;

const FLAGS: { readonly [code: number]: keyof Style } = {
  ...{ 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike", 21: "underline" },
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
const CODES = { bold: 1, dim: 2, italic: 3, underline: 4, inverse: 7, strike: 9 } as const;

/** `style` after an SGR sequence with these parameters; at most 64 of them count. */
export function apply(style: Style, parameters: string): Style {
  const codes = parameters.slice(0, MAX_CHARS).split(";", MAX_PARAMETERS);
  let [now, at] = [style, 0];
  while (at < codes.length) {
    const [head = 0, ...rest] = (codes[at] ?? "").split(":").map(number);
    at += 1;
    if (head === 38 || head === 48 || head === 58) {
      const following = codes.slice(at, at + 4).map(number);
      const [colour, used] = rest.length > 0 ? [colonColour(rest), 0] : colourOf(following);
      now = coloured(now, head, colour);
      at += used;
    } else if (rest.length === 0) now = applyOne(now, head);
    else if (head === 4) now = applyOne(now, rest[0] === 0 ? 24 : 4);
  }
  return now;
}

/** 58 colours the underline, which is drawn in the colour of the text. */
function coloured(style: Style, head: 38 | 48 | 58, colour: Colour | undefined): Style {
  if (colour === undefined || head === 58) return style;
  return { ...style, [head === 38 ? "fg" : "bg"]: colour };
}

/** The SGR sequence that turns the style `before` into `style`; "" if they are the same. */
export function change(before: Style, style: Style): string {
  if (before === style) return "";
  const [old, codes] = [codesOf(before), codesOf(style)];
  if (old === codes) return "";
  return `\x1b[${old === "" ? codes : codes === "" ? "0" : `0;${codes}`}m`;
}

function codesOf(style: Style): string {
  const codes: (string | number)[] = [];
  for (const [name, code] of Object.entries(CODES)) if (style[name as keyof typeof CODES]) codes.push(code);
  for (const [colour, base] of [
    [style.fg, 30],
    [style.bg, 40],
  ] as const) {
    if (typeof colour === "number") codes.push(colour < 8 ? base + colour : base + 52 + colour);
    else if (colour !== undefined) codes.push(base + 8, 2, ...colour);
  }
  return codes.join(";");
}

function applyOne(style: Style, code: number): Style {
  if (code === 0) return PLAIN;
  const flag = FLAGS[code];
  if (flag !== undefined) return { ...style, [flag]: true };
  const cleared = CLEARS[code];
  if (cleared !== undefined) {
    return Object.fromEntries(Object.entries(style).filter(([name]) => !cleared.includes(name as keyof Style)));
  }
  if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) return { ...style, fg: code - (code < 40 ? 30 : 82) };
  if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) return { ...style, bg: code - (code < 50 ? 40 : 92) };
  return style;
}

/** The colour of `5;n` or `2;r;g;b`, and the number of codes that it takes. */
function colourOf(codes: readonly number[]): [Colour | undefined, number] {
  const byte = (i: number) => Math.max(0, Math.min(255, codes[i] ?? 0));
  if (codes[0] === 5) return [codes.length > 1 ? indexed(byte(1)) : undefined, 2];
  if (codes[0] === 2) return [[byte(1), byte(2), byte(3)], 4];
  return [undefined, 1];
}

/** The colour of `5:n`, `2:r:g:b` or `2::r:g:b` (with a colour space). */
function colonColour([mode = 0, ...rest]: readonly number[]): Colour | undefined {
  return colourOf([mode, ...(mode === 2 && rest.length > 3 ? rest.slice(1) : rest)])[0];
}

/** The colour `n` of xterm's 256: 16 of the palette, a cube of 6 x 6 x 6, 24 greys. */
function indexed(n: number): Colour {
  if (n < 16) return n;
  if (n >= 232) {
    const grey = 8 + 10 * (n - 232);
    return [grey, grey, grey];
  }
  const level = (step: number) => (step === 0 ? 0 : 55 + 40 * step);
  const cube = n - 16;
  return [level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)];
}

function number(digits: string): number {
  return digits === "" ? 0 : Number(digits.slice(0, 9));
}
