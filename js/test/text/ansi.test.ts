// Spans of terminal text: what hostile text must not do. What is shown of sequences is in terminal.test.ts.
import { describe, expect, it } from "vitest";
import { parseAnsi } from "../../src/text/ansi.js";
import { busyMs } from "../support/busy.js";

const ESC = "\x1b";
const text = (input: string) =>
  parseAnsi(input)
    .map((span) => span.text)
    .join("");

describe("spans", () => {
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
    ["NUL, BEL, VT, FF", "\x00\x07\v\f", "␀␇␋␌"],
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
