// Spans of terminal text: a table of sequences, and what hostile text must not do.
import { describe, expect, it } from "vitest";
import { parseAnsi, type Style } from "../../src/text/ansi.js";
import { busyMs } from "../support/busy.js";

const ESC = "\x1b";
const text = (input: string) =>
  parseAnsi(input)
    .map((span) => span.text)
    .join("");
const styleOf = (sgr: string): Style | undefined => parseAnsi(`${ESC}[${sgr}mx`)[0]?.style;

describe("colours and styles", () => {
  it.each<[string, Style]>([
    ["", {}],
    ["0", {}],
    ["31", { fg: 1 }],
    ["97", { fg: 15 }],
    ["44", { bg: 4 }],
    ["103", { bg: 11 }],
    ["1", { bold: true }],
    ["2", { dim: true }],
    ["3", { italic: true }],
    ["4", { underline: true }],
    ["4:3", { underline: true }],
    ["4;4:0", {}],
    ["7", { inverse: true }],
    ["9", { strike: true }],
    ["1;31;42", { bold: true, fg: 1, bg: 2 }],
    ["1;2;22", {}],
    ["31;39", {}],
    ["41;49;3;23;9;29;7;27", {}],
    ["38;5;9", { fg: 9 }],
    ["38;5;16", { fg: "rgb(0 0 0)" }],
    ["38;5;231", { fg: "rgb(255 255 255)" }],
    ["38;5;196", { fg: "rgb(255 0 0)" }],
    ["48;5;244", { bg: "rgb(128 128 128)" }],
    ["38;2;1;2;3", { fg: "rgb(1 2 3)" }],
    ["38:2::1:2:3", { fg: "rgb(1 2 3)" }],
    ["38;2;999;2;3;1", { fg: "rgb(255 2 3)", bold: true }],
    ["38;5", { fg: 0 }],
    ["38;7;1", { bold: true }],
    [">4", {}],
    ["?25", {}],
    ["1;;31", { fg: 1 }],
  ])("SGR %s", (sgr, style) => expect(styleOf(sgr)).toEqual(style));

  it("splits a text where its style changes and keeps every character", () => {
    expect(parseAnsi(`a${ESC}[31mb${ESC}[1mc${ESC}[0md`)).toEqual([
      { text: "a", style: {} },
      { text: "b", style: { fg: 1 } },
      { text: "c", style: { fg: 1, bold: true } },
      { text: "d", style: {} },
    ]);
  });
});

describe("everything that isn't a colour", () => {
  it.each([
    ["cursor movement", `a${ESC}[2Kb${ESC}[10;20Hc${ESC}[?25l`, "abc"],
    ["absurd repeat counts", `a${ESC}[999999999Cb${ESC}[999999999b`, "ab"],
    ["a window title", `a${ESC}]0;title\x07b`, "ab"],
    ["a hyperlink, whose text stays", `${ESC}]8;;javascript:alert(1)${ESC}\\link${ESC}]8;;${ESC}\\`, "link"],
    ["the clipboard", `a${ESC}]52;c;cm0gLXJm\x07b`, "ab"],
    ["a device control string", `a${ESC}P1$r0m${ESC}\\b`, "ab"],
    ["an application string that holds BEL", `a${ESC}_x\x07y${ESC}\\b`, "ab"],
    ["an unterminated title", `a${ESC}]0;title`, "a"],
    ["an unterminated CSI", `a${ESC}[31`, "a"],
    ["a lone ESC at the end", `a${ESC}`, "a"],
    ["a reset and a charset", `${ESC}ca${ESC}(Bb`, "ab"],
    ["8-bit CSI and OSC", "\x9b31ma\x9d0;t\x9cb", "ab"],
    ["a string cancelled by the next sequence", `${ESC}]0;t${ESC}[31mred`, "red"],
  ])("%s is swallowed", (_name, input, shown) => expect(text(input)).toBe(shown));

  it.each([
    ["NUL, BEL, BS, CR", "\x00\x07\b\r", "␀␇␈␍"],
    ["DEL and C1", "\x7f\x85", "␡\\u0085"],
    ["bidi overrides and isolates", "\u202egnp\u2066.exe\u200f", "\\u202egnp\\u2066.exe\\u200f"],
    ["line separators", "a\u2028b\u2029", "a\\u2028b\\u2029"],
    ["a character where a sequence breaks off", `${ESC}[31é`, "é"],
  ])("%s is shown and does nothing", (_name, input, shown) => expect(text(input)).toBe(shown));

  it("leaves tabs, line breaks, emoji and markup alone", () => {
    const plain = "\ta\nb 👩‍🚀 <img src=x onerror=alert(1)> &lt; event: end";
    expect(parseAnsi(plain)).toEqual([{ text: plain, style: {} }]);
  });
});

describe("time is linear", () => {
  it.each([
    ["half sequences", `${ESC}[`],
    ["half strings", `${ESC}]`],
    ["titles ended by ST only", `${ESC}]0;t${ESC}\\`],
    ["8-bit introducers", "\x9b\x9d\x90"],
    ["parameters", ";1"],
    ["style changes", `${ESC}[1mx`],
    ["NULs", "\0"],
  ])("in a text of %s", (_name, unit) => {
    const time = (length: number) => {
      const input = `${ESC}[${unit.repeat(length / unit.length)}`;
      const start = busyMs();
      parseAnsi(input);
      return busyMs() - start;
    };
    time(100_000);
    expect(time(4_000_000)).toBeLessThan(60 * Math.max(10, time(400_000)));
  });
});
