// Terminal text: the page passes the same table as the server (tests/vectors/terminal.json), in linear time.
import { describe, expect, it } from "vitest";
import { parseAnsi } from "../../src/text/ansi.js";
import { cellWidth, wideIn } from "../../src/text/cell-width.js";
import type { Style } from "../../src/text/sgr.js";
import { terminalText } from "../../src/text/terminal.js";
import { progressOf, withoutColours } from "../../src/text/text.js";
import { busyMs } from "../support/busy.js";
import { vectors } from "../support/vectors.js";

const table = vectors<{
  readonly texts: { readonly [group: string]: readonly (readonly [string, string])[] };
  readonly styles: readonly (readonly [string, Style])[];
  readonly spans: readonly (readonly [string, readonly (readonly [string, Style])[]])[];
  readonly links: readonly (readonly [string, readonly (readonly [string, string])[]])[];
  readonly progress: readonly (readonly [string, number | null])[];
  readonly widths: readonly (readonly [string, number])[];
}>("terminal");

describe.each(Object.entries(table.texts))("%s", (_group, cases) => {
  it.each(cases)("%j is shown as %j", (text, shown) => {
    const drawn = terminalText(text);
    expect(withoutColours(drawn)).toBe(shown);
    expect(terminalText(drawn)).toBe(drawn);
    const parts = parseAnsi(text, true).map((span) => span.text);
    expect(parts.join("")).toBe(shown);
  });
});

it.each(table.styles)("SGR %s is %j, in a plain line and in one that is drawn", (parameters, style) => {
  for (const text of [`\x1b[${parameters}mx`, `\x1b[${parameters}mxy\b `]) {
    expect(parseAnsi(text).find((span) => span.text.startsWith("x"))?.style).toEqual(style);
  }
});

it.each(table.spans)("styles of %j stay with their characters", (text, spans) => {
  expect(parseAnsi(text).map((span) => [span.text, span.style])).toEqual(spans);
});

it.each(table.links)("links of %j keep their address", (text, links) => {
  const found = parseAnsi(text).filter((span) => span.href !== undefined);
  expect(found.map((span) => [span.text, span.href])).toEqual(links);
});

it.each(table.progress)("the progress of %j is %j", (text, percent) => {
  expect(progressOf(terminalText(text)) ?? null).toBe(percent);
});

it.each(table.widths)("%j takes %i cells", (char, width) => expect(cellWidth(char)).toBe(width));

it("random sequences give the text that the server gives", () => {
  const { texts } = vectors<{ readonly texts: readonly (readonly [string, string])[] }>("terminal_random");
  expect(texts.map(([text]) => [text, terminalText(text)])).toEqual(texts);
});

describe("wide characters", () => {
  it.each<[string, readonly (readonly [string, number])[]]>([
    ["plain \u00e9 \u2500", []],
    ["a\u6f22\u5b57b", [["\u6f22\u5b57", 4]]],
    [
      "\u{1f680}\u{1f680}",
      [
        ["\u{1f680}", 2],
        ["\u{1f680}", 2],
      ],
    ],
    ["\u{1f469}\u200d\u{1f680}x", [["\u{1f469}\u200d\u{1f680}", 2]]],
    [
      "\u304b\u3099 \u6f22",
      [
        ["\u304b\u3099", 2],
        ["\u6f22", 2],
      ],
    ],
    [
      "\u6f22".repeat(20),
      [
        ["\u6f22".repeat(16), 32],
        ["\u6f22".repeat(4), 8],
      ],
    ],
  ])("of %j are found with their cells", (text, pieces) => {
    expect(wideIn(text).map(({ from, to, cells }) => [text.slice(from, to), cells])).toEqual(pieces);
  });
});

describe("time is linear", () => {
  const units = ["\x1b[", "\x1b]", "\x1b[1;", "\x1b", "\x1bP\x1b", "\b", "\r", "x\r", "ab\r\x1b[K", "x\x1b[A"];
  const more = ["\x1b[?1049h", "\u4e2d\b", "\x1b[31m", "\x1b]8;;https://a\x07x", "\x9b", "\x1b_Ga=", "47;"];
  const edits = ["\x1b[9@", "\x1b[1K", "\x1b[2P", "\x1b[999X", "\x1b[1m\x1b[m"];
  it.each(
    [...units, ...more, ...edits].flatMap((unit) => [unit, `a\b${"x".repeat(500)}\r`].map((head) => [unit, head])),
  )("in a text of %j behind %j", (unit, head) => {
    const time = (length: number) => {
      const input = `${head === unit ? "" : head}${unit.repeat(length / unit.length)}\u00e9`;
      const start = busyMs();
      terminalText(input);
      return busyMs() - start;
    };
    time(10_000);
    expect(time(400_000)).toBeLessThan(60 * Math.max(10, time(40_000)));
  });

  it("a plain text is returned as it is", () => {
    const text = "2026-01-02 INFO plain \u00e9 \u6f22\u5b57\ttext";
    expect(terminalText(text)).toBe(text);
  });
});
