// Which stretches of a line are links: only http and https, without what belongs to the sentence around them.
import { describe, expect, it } from "vitest";
import { linksIn } from "../../src/text/links.js";
import { busyMs } from "../support/busy.js";

const found = (text: string) => linksIn(text).map(({ from, to }) => text.slice(from, to));

describe("links", () => {
  it.each([
    ["see https://example.org/a.", ["https://example.org/a"]],
    ["(http://h/x)", ["http://h/x"]],
    ["https://en.example.org/wiki/A_(b)", ["https://en.example.org/wiki/A_(b)"]],
    ["[https://h/a], http://h/b!", ["https://h/a", "http://h/b"]],
    ['"https://h/q?a=1&b=2#c"', ["https://h/q?a=1&b=2#c"]],
    ["Running on http://127.0.0.1:8888/lab?token=abc", ["http://127.0.0.1:8888/lab?token=abc"]],
    ["HTTPS://H/", ["HTTPS://H/"]],
  ])("in %j", (text, links) => expect(found(text)).toEqual(links));

  it.each([
    "javascript:alert(1)",
    "data:text/html,<script>",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://h/x",
    "http://",
    "https:// h",
    "//h/x",
    "xhttps:/h",
  ])("are not in %j", (text) => expect(found(text)).toEqual([]));

  it("end before characters that disguise an address", () => {
    expect(found("https://good.org/\u202emoc.live")).toEqual(["https://good.org/"]);
    expect(found("https://good.org/\u200bx")).toEqual(["https://good.org/"]);
  });

  it("are limited to 50 and found fast in a megabyte of addresses", () => {
    const before = busyMs();
    expect(linksIn("http://h/(((( ".repeat(70_000))).toHaveLength(50);
    expect(linksIn(`http://h/${"(".repeat(65_000)}`)).toEqual([]);
    expect(linksIn(`http://h/${"a.".repeat(32_000)}`)).toEqual([]);
    expect(found(`http://h/${")".repeat(65_000)}`)).toEqual(["http://h/"]);
    expect(busyMs() - before).toBeLessThan(3000);
  });
});
