// @vitest-environment happy-dom
// Rendering of a line's text: complete with marks, links and placeholders, and only as spans and links.
import { describe, expect, it } from "vitest";
import { highlighter } from "../../src/protocol/query.js";
import { withoutSequences } from "../../src/text/ansi.js";
import { MAX_STYLED, writeText } from "../../src/views/log/line-text.js";

function written(text: string, q = ""): HTMLElement {
  const target = document.createElement("span");
  writeText(target, text, highlighter(q));
  return target;
}
const marked = (target: HTMLElement) => [...target.querySelectorAll(".mark")].map((it) => it.textContent);

describe("a line", () => {
  it.each([
    ["plain", ""],
    ["a https://h/x b", "x"],
    ["\u202eabc\u202c\u0000\u0007", "b"],
    ["tab\tand  blanks ", "  "],
    ["🚀".repeat(3000), "🚀"],
    ["a\nb\nc", "b"],
    ["\u6f22\u5b57 \u{1f469}\u200d\u{1f680}e\u0301", "\u5b57"],
    ["<b>&amp;</b>", "&"],
  ])("%j is complete, also with %j marked", (text, q) => {
    expect(written(text, q).textContent).toBe(text);
    expect([...written(text, q).querySelectorAll("*")].every((it) => ["SPAN", "A"].includes(it.tagName))).toBe(true);
  });

  it.each([
    ["line breaks", "a\n", "a"],
    ["colours", "\x1b[31mx\x1b[32my", "x"],
    ["hits", "ab ", "a"],
    ["links", "http://a.bc ", "http"],
    ["hyperlinks", "\x1b]8;;http://a.bc\x1b\\x\x1b]8;;\x1b\\", "x"],
    ["wide characters", "\u6f22a", "a"],
    ["bidi controls", "a\u202e", "a"],
    ["stacked marks", `a${"\u0300".repeat(20)}`, "a"],
  ])("of many %s has a bounded number of elements and its whole text", (_, unit, q) => {
    const text = unit.repeat(65_000 / unit.length);
    for (const line of [written(text), written(text, q)]) {
      expect(line.querySelectorAll("*").length).toBeLessThanOrEqual(MAX_STYLED + 200);
      expect(line.textContent?.replace(/\\u202e|\u202e|\u2026|\u0300/gu, "")).toBe(
        withoutSequences(text).replace(/\u202e|\u0300/gu, ""),
      );
    }
  });

  it("marks search hits across colours", () => {
    const line = written("lo\x1b[31mss=1\x1b[0m loss", "loss");
    expect(marked(line)).toEqual(["lo", "ss", "loss"]);
    expect(line.textContent).toBe("loss=1 loss");
  });

  it("marks a phrase across three styles, and a word behind letters that change their length with their case", () => {
    const phrase = "\x1b[31mcon\x1b[1mnec\x1b[0mtion refused 7";
    for (const q of ["connection refused", "/^connection refused/"]) {
      expect(marked(written(phrase, q))).toEqual(["con", "nec", "tion refused"]);
    }
    for (const q of ["31", "[1m", "mcon"]) expect(marked(written(phrase, q))).toEqual([]);
    expect(marked(written("İİ zone apple", "apple"))).toEqual(["apple"]);
    expect(marked(written("İİ zone apple", "/(?i)APPLE/"))).toEqual(["apple"]);
  });

  it("has links without referrer and opener", () => {
    const link = written("see https://example.org/a.").querySelector("a") as HTMLAnchorElement;
    expect([link.textContent, link.href, link.rel, link.target]).toEqual([
      "https://example.org/a",
      "https://example.org/a",
      "noopener noreferrer",
      "_blank",
    ]);
  });

  it("has the links that the program made (OSC 8), with their address where the pointer rests", () => {
    const osc = (url: string) => `\x1b]8;;${url}\x1b\\`;
    const line = written(
      `${osc("https://h.test/a?x=1;2")}re\x1b[1mport${osc("")} ${osc("javascript:alert(1)")}trap${osc("")}`,
    );
    const links = [...line.querySelectorAll("a")];
    expect(links.map((link) => [link.textContent, link.getAttribute("href"), link.title])).toEqual([
      ["re", "https://h.test/a?x=1;2", "https://h.test/a?x=1;2"],
      ["port", "https://h.test/a?x=1;2", "https://h.test/a?x=1;2"],
    ]);
    expect(links.every((link) => link.rel === "noopener noreferrer")).toBe(true);
    expect(line.textContent).toBe("report trap");
  });

  it("gives wide characters two cells each", () => {
    const cells = (text: string, q = "") =>
      [...written(text, q).querySelectorAll<HTMLElement>(".wide")].map((it) => [
        it.textContent,
        it.style.getPropertyValue("--cells"),
      ]);
    expect(cells("a\u6f22\u5b57 \u{1f680}")).toEqual([
      ["\u6f22\u5b57", "4"],
      ["\u{1f680}", "2"],
    ]);
    expect(cells("\u6f22\u5b57\u6f22", "\u5b57").map(([, count]) => count)).toEqual(["2", "2", "2"]);
    expect(written("\u{1f680}".repeat(5000)).querySelectorAll("*").length).toBeLessThan(50);
  });

  it("draws what moves the cursor, and shows no escape sequence", () => {
    expect(written("Loading 10%\b\b\b25%\x1b]9;4;1;25\x07\x1b[?25h").textContent).toBe("Loading 25%");
  });

  it("marks a hit within a link", () => {
    const line = written("see https://example.org/loss now", "loss");
    expect(marked(line)).toEqual(["loss"]);
    expect(line.querySelectorAll("a").length).toBeGreaterThan(0);
    expect(line.textContent).toBe("see https://example.org/loss now");
  });

  it("shows placeholders for control characters and keeps the characters to copy", () => {
    const control = written("a\u202e\u0007b").querySelector<HTMLElement>(".control");
    expect([control?.textContent, control?.dataset["shown"]]).toEqual(["\u202e\u0007", "\\u202e␇"]);
  });

  it("has no element per control character when there are many", () => {
    const line = written("\u0001a".repeat(30_000));
    expect(line.querySelectorAll("*").length).toBeLessThan(1000);
    expect(line.textContent).toContain("␁a");
  });

  it("has the colours of a mark on hits, and its own elsewhere", () => {
    const [own, mark] = [...written("\x1b[31mred loss", "loss").children] as HTMLElement[];
    expect([own?.style.color, mark?.style.color, mark?.className]).toEqual(["var(--ansi-1)", "", "mark"]);
  });
});
