// Translation of regular expressions from the server's syntax (RE2) to the browser's. Page; pure, no DOM.
// docs/reference/expressions.md describes the syntax; tests/vectors/filters.json tests both engines. Source: RE2's parse.cc.

interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly U: boolean;
}

const MAX_REPEATS = 1000;
const MAX_CODE_POINT = 0x10ffff;
/** Sets of ASCII characters as pairs: first and last of each range. */
const SETS: { readonly [name: string]: string } = {
  alnum: "09AZaz",
  alpha: "AZaz",
  ascii: "\0\x7f",
  blank: "\t\t  ",
  cntrl: "\0\x1f\x7f\x7f",
  digit: "09",
  graph: "!~",
  lower: "az",
  print: " ~",
  punct: "!/:@[`{~",
  space: "\t\r  ",
  upper: "AZ",
  word: "09AZ__az",
  xdigit: "09AFaf",
  d: "09",
  s: "\t\n\f\r  ",
  w: "09AZ__az",
};
const CONTROLS: { readonly [letter: string]: string } = { a: "\x07", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

const REPEAT = /(?:[*+?]|\{(\d+)(?:,(\d*))?\})/y;
const NAMED_GROUP = /\(\?P?<[\p{L}\p{M}\p{N}\p{Pc}]+>/uy;
const FLAGS = /\(\?([imsU]*)(?:-([imsU]+))?([:)])/y;
const NAMED_SET = /\[:(\^?)([a-z]+):\]/y;
const PROPERTY = /\{(\^?)([A-Za-z_]+)\}|([A-Z])/y;
const HEX = /\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2})/y;
const OCTAL = /0[0-7]{0,2}|[1-7][0-7]{1,2}/y;

/** The expression as a RegExp with these flags. Throws a SyntaxError if the server would refuse it. */
export function compileExpression(expression: string, flags: string): RegExp {
  const translator = new Translator(expression);
  return new RegExp(translator.source(), `${flags}u${translator.ignoresCase ? "i" : ""}`);
}

class Translator {
  /** `(?i)` at the beginning is a flag of the whole RegExp: few browsers know it for a part. */
  readonly ignoresCase: boolean;
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.ignoresCase = /^\(\?[msU]*i[imsU]*\)/.test(text);
  }

  source(): string {
    const source = this.#pieces({ i: false, m: false, s: false, U: false });
    if (this.#at < this.#text.length) throw new SyntaxError("unexpected )");
    return source;
  }

  /** Up to a closing bracket or the end. */
  #pieces(given: Flags): string {
    let flags = given;
    let source = "";
    while (this.#at < this.#text.length && this.#text[this.#at] !== ")") {
      if (this.#take("|")) {
        source += "|";
        continue;
      }
      const set = this.#match(FLAGS, ([, , , end]) => end === ")");
      if (set !== undefined) flags = changed(flags, set);
      source += set === undefined ? this.#repeated(flags) : this.#unrepeated();
    }
    return source;
  }

  #repeated(flags: Flags): string {
    this.#unrepeated();
    const atom = this.#atom(flags);
    const repeat = this.#match(REPEAT);
    if (repeat === undefined) return atom;
    const [, least, most] = repeat;
    if (atom === "" || Math.max(Number(least ?? 0), Number(most ?? 0)) > MAX_REPEATS) this.#badRepeat();
    const isLazy = this.#take("?") !== flags.U;
    this.#unrepeated();
    return `${atom}${repeat[0]}${isLazy ? "?" : ""}`;
  }

  /** Throws if a repetition stands here. */
  #unrepeated(): string {
    if (this.#match(REPEAT) !== undefined) this.#badRepeat();
    return "";
  }

  #badRepeat(): never {
    throw new SyntaxError("bad repetition operator");
  }

  #atom(flags: Flags): string {
    if (this.#text.startsWith("(", this.#at)) return this.#group(flags);
    if (this.#take("[")) return this.#cased(this.#class(), flags);
    if (this.#take("\\")) return this.#escape(flags);
    if (this.#take(".")) return flags.s ? "[^]" : "[^\\n]";
    if (this.#take("^")) return flags.m ? "(?:(?<![^\\n]))" : "(?:^)";
    if (this.#take("$")) return flags.m ? "(?:(?![^\\n]))" : "(?:$)";
    return this.#cased(character(this.#next()), flags);
  }

  #group(outer: Flags): string {
    const named = this.#match(NAMED_GROUP);
    const flagged = named === undefined ? this.#match(FLAGS) : undefined;
    if (this.#text.startsWith("(?", this.#at) && named === undefined && flagged === undefined) {
      const isLookaround = /^\(\?<?[=!]/.test(this.#text.slice(this.#at, this.#at + 4));
      throw new SyntaxError(isLookaround ? "lookaround is not supported" : "invalid perl operator: (?");
    }
    if (named === undefined && flagged === undefined) this.#at += 1;
    const source = `(?:${this.#pieces(flagged === undefined ? outer : changed(outer, flagged))})`;
    if (!this.#take(")")) throw new SyntaxError("missing )");
    return source;
  }

  #escape(flags: Flags): string {
    const kind = this.#text[this.#at] ?? "";
    if ("dDwWsSpP".includes(kind) && kind !== "") return this.#cased(`[${this.#set()}]`, flags);
    if (this.#take("Q")) return this.#quotation(flags);
    if (this.#take("A")) return "(?:^)";
    if (this.#take("z") || this.#take("Z")) return "(?:$)";
    if (this.#take("b")) return "(?:\\b)";
    if (this.#take("B")) return "(?:\\B)";
    return this.#cased(character(this.#escaped()), flags);
  }

  #quotation(flags: Flags): string {
    const found = this.#text.indexOf("\\E", this.#at);
    const end = found === -1 ? this.#text.length : found;
    let source = "";
    while (this.#at < end) source += this.#cased(character(this.#next()), flags);
    this.#at = found === -1 ? end : end + 2;
    return source;
  }

  #class(): string {
    let source = this.#take("^") ? "[^" : "[";
    for (let isFirst = true; isFirst || !this.#take("]"); isFirst = false) {
      if (this.#at >= this.#text.length) throw new SyntaxError("missing ]");
      source += this.#members();
    }
    return `${source}]`;
  }

  #members(): string {
    const named = this.#match(NAMED_SET);
    if (named !== undefined) {
      const pairs = SETS[named[2] ?? ""];
      if (pairs === undefined || (named[2] ?? "").length < 2) throw new SyntaxError(`invalid class ${named[0]}`);
      return ranges(pairs, named[1] === "^");
    }
    if (!/^\\[dDwWsSpP]/.test(this.#text.slice(this.#at, this.#at + 2))) return this.#range();
    this.#at += 1;
    return this.#set();
  }

  #range(): string {
    const low = this.#member();
    const isRange = this.#text[this.#at] === "-" && !["]", undefined].includes(this.#text[this.#at + 1]);
    if (!isRange) return range(low, low);
    this.#at += 1;
    const high = this.#member();
    if (high < low) throw new SyntaxError("invalid character class range");
    return range(low, high);
  }

  #member(): number {
    return this.#take("\\") ? this.#escaped() : this.#next();
  }

  /** The members of `\d`, `\W`, `\pL`, `\p{Greek}`; the backslash is taken already. */
  #set(): string {
    const kind = String.fromCodePoint(this.#next());
    if (kind !== "p" && kind !== "P") return ranges(SETS[kind.toLowerCase()] ?? "", kind !== kind.toLowerCase());
    const found = this.#match(PROPERTY);
    if (found === undefined) throw new SyntaxError("invalid character class range");
    const name = found[2] ?? found[3] ?? "";
    const letter = (kind === "P") === (found[1] === "^") ? "p" : "P";
    return `\\${letter}{${name.length <= 2 || name === "Any" ? name : `Script=${name}`}}`;
  }

  /** The character of an escape; the backslash is taken already. */
  #escaped(): number {
    const octal = this.#match(OCTAL);
    if (octal !== undefined) return Number.parseInt(octal[0], 8);
    if (this.#at >= this.#text.length) throw new SyntaxError("trailing \\");
    const char = String.fromCodePoint(this.#next());
    const hex = char === "x" ? this.#match(HEX) : undefined;
    const code = Number.parseInt(hex?.[1] ?? hex?.[2] ?? "", 16);
    if (code <= MAX_CODE_POINT) return code;
    const control = CONTROLS[char];
    if (control !== undefined) return control.charCodeAt(0);
    if (/[1-9k]/.test(char)) throw new SyntaxError("backreferences are not supported");
    if (/[0-9A-Za-z]/.test(char) || char > "\x7f") throw new SyntaxError(`invalid escape sequence: \\${char}`);
    return char.charCodeAt(0);
  }

  /** `source` with the case sensitivity of its place. */
  #cased(source: string, { i }: Flags): string {
    return i === this.ignoresCase || source === "" ? source : `(?${i ? "i" : "-i"}:${source})`;
  }

  #next(): number {
    const code = this.#text.codePointAt(this.#at) ?? 0;
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }

  #take(char: string): boolean {
    const found = this.#text[this.#at] === char;
    if (found) this.#at += 1;
    return found;
  }

  #match(pattern: RegExp, isWanted: (found: RegExpExecArray) => boolean = () => true): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null || !isWanted(found)) return undefined;
    this.#at += found[0].length;
    return found;
  }
}

function changed(flags: Flags, [, on = "", off = ""]: RegExpExecArray): Flags {
  const is = (name: keyof Flags) => (flags[name] || on.includes(name)) && !off.includes(name);
  return { i: is("i"), m: is("m"), s: is("s"), U: is("U") };
}

/** Escaped unless it is a letter, a digit or a space. */
function character(code: number): string {
  const char = String.fromCodePoint(code);
  return /[0-9A-Za-z ]/.test(char) ? char : `\\u{${code.toString(16)}}`;
}

function range(low: number, high: number): string {
  return low === high ? character(low) : `${character(low)}-${character(high)}`;
}

function ranges(pairs: string, isNegated: boolean): string {
  let source = "";
  let next = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    const [low, high] = [pairs.charCodeAt(i), pairs.charCodeAt(i + 1)];
    if (!isNegated) source += range(low, high);
    else if (low > next) source += range(next, low - 1);
    next = high + 1;
  }
  return isNegated ? source + range(next, MAX_CODE_POINT) : source;
}
