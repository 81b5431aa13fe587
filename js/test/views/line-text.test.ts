// @vitest-environment happy-dom
// Rendering of a line's text: complete with marks, links and placeholders, and only as spans and links.
import { describe, expect, it } from "vitest";
import { highlighter } from "../../src/protocol/query.js";
import { writeText } from "../../src/views/log/line-text.js";

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
    ["a\nb\r\nc", "b"],
    ["<b>&amp;</b>", "&"],
  ])("%j is complete, also with %j marked", (text, q) => {
    expect(written(text, q).textContent).toBe(text);
    expect([...written(text, q).querySelectorAll("*")].every((it) => ["SPAN", "A"].includes(it.tagName))).toBe(true);
  });

  it("marks search hits across colours", () => {
    const line = written("lo\x1b[31mss=1\x1b[0m loss", "loss");
    expect(marked(line)).toEqual(["lo", "ss", "loss"]);
    expect(line.textContent).toBe("loss=1 loss");
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
