// @vitest-environment happy-dom
// A line's text in the DOM: unbroken whatever is marked, linked or made visible in it, and nothing but spans and links of ours.
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
  ])("%j is all there, also with %j marked", (text, q) => {
    expect(written(text, q).textContent).toBe(text);
    expect([...written(text, q).querySelectorAll("*")].every((it) => ["SPAN", "A"].includes(it.tagName))).toBe(true);
  });

  it("has what was looked for marked, across its colours", () => {
    const line = written("lo\x1b[31mss=1\x1b[0m loss", "loss");
    expect(marked(line)).toEqual(["lo", "ss", "loss"]);
    expect(line.textContent).toBe("loss=1 loss");
  });

  it("has links that neither tell where they come from nor hand over the page", () => {
    const link = written("see https://example.org/a.").querySelector("a") as HTMLAnchorElement;
    expect([link.textContent, link.href, link.rel, link.target]).toEqual([
      "https://example.org/a",
      "https://example.org/a",
      "noopener noreferrer",
      "_blank",
    ]);
  });

  it("of a link that was looked for has both", () => {
    const line = written("see https://example.org/loss now", "loss");
    expect(marked(line)).toEqual(["loss"]);
    expect(line.querySelectorAll("a").length).toBeGreaterThan(0);
    expect(line.textContent).toBe("see https://example.org/loss now");
  });

  it("shows a stand-in for what would act, and keeps it for who copies", () => {
    const control = written("a\u202e\u0007b").querySelector<HTMLElement>(".control");
    expect([control?.textContent, control?.dataset["shown"]]).toEqual(["\u202e\u0007", "\\u202e␇"]);
  });

  it("that is full of them has no element for each", () => {
    const line = written("\u0001a".repeat(30_000));
    expect(line.querySelectorAll("*").length).toBeLessThan(1000);
    expect(line.textContent).toContain("␁a");
  });

  it("has the colours of a mark where it is marked, and its own elsewhere", () => {
    const [own, mark] = [...written("\x1b[31mred loss", "loss").children] as HTMLElement[];
    expect([own?.style.color, mark?.style.color, mark?.className]).toEqual(["var(--ansi-1)", "", "mark"]);
  });
});
