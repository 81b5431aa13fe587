// @vitest-environment happy-dom
// Data in lines as trees: what is taken for data, what stays text, and what hostile data cannot do.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { looksLikeData, MAX_DEPTH, MAX_NODES, readTree, type Tree } from "../../src/text/tree.js";
import { mountTree } from "../../src/views/log/tree.js";

/** A tree in short: leaves as `kind text`. */
function short(tree: Tree | undefined): unknown {
  if (tree === undefined) return undefined;
  if (tree.children.length === 0) return `${tree.kind} ${tree.text}`;
  return Object.fromEntries(tree.children.map((child) => [child.key, short(child)]));
}

describe("data", () => {
  it.each<[string, unknown]>([
    ['{"a":1,"b":"x","c":null,"d":true}', { a: "number 1", b: "string x", c: "null null", d: "boolean true" }],
    ['2026-11-20 10:00:00 [INFO] app: {"loss": 0.5}', { loss: "number 0.5" }],
    [
      'Mapping:  20%|██        | 200/1000 [00:02<00:08, 99.1 examples/s]{"event":"slow disk","ms":812}',
      { event: "string slow disk", ms: "number 812" },
    ],
    [
      '{"loss": NaN, "max": Infinity, "min": -Infinity, "text": "NaN \\\\ \\"Infinity"}',
      {
        loss: "number NaN",
        max: "number Infinity",
        min: "number -Infinity",
        text: 'string NaN \\ "Infinity',
      },
    ],
    ['{"msg":"a\u2028b\u2029c\x85d","level":"warn"}', { msg: "string a\u2028b\u2029c\x85d", level: "string warn" }],
    [
      'ts=2026-01-02T03:04:05Z lvl=warn msg="said \\"hi\\" = ok" tag=job=nightly path=C:\\tmp\\ empty= dry dur=1.5s',
      {
        ts: "string 2026-01-02T03:04:05Z",
        lvl: "string warn",
        msg: 'string said "hi" = ok',
        tag: "string job=nightly",
        path: "string C:\\tmp\\",
        empty: "string ",
        dry: "boolean true",
        dur: "string 1.5s",
      },
    ],
    ["[1, [2]]", { 0: "number 1", 1: { 0: "number 2" } }],
    ['\x1b[32m{"a": {}}\x1b[0m', { a: "object {}" }],
    [
      'level=info msg="hello \\"you\\"" n=3 ok=true',
      { level: "string info", msg: 'string hello "you"', n: "number 3", ok: "boolean true" },
    ],
    ['{"big": 12345678901234567890}', { big: expect.stringMatching(/^number 1234567890123456[78]/) }],
  ])("%j", (line, tree) => {
    expect(short(readTree(line))).toEqual(tree);
    expect(looksLikeData(line)).toBe(true);
  });

  it("are the fields of a record", () => {
    expect(short(readTree("saved", { rows: 3, where: { table: "t" } }))).toEqual({
      rows: "number 3",
      where: { table: "string t" },
    });
  });

  it.each([
    "plain text",
    "loss=0.5",
    "a = b = c",
    "we know a = b so x==y and c=",
    "if x==1 and y==2 or z==3 and w==4",
    "set x=1 then y=2 and later on z=3 as before",
    "{not json}",
    "[INFO] ready",
    "at [3], [4]",
    "load: 100%|##| 5/5 [00:01<00:00, 4.9it/s]",
    "epoch 3 |####| 2000/2000 [804]",
    "f(x) {",
    "[]",
    "{}",
    "=",
    "",
  ])("is not seen in %j", (line) => expect(readTree(line)).toBeUndefined());
});

describe("bounds", () => {
  it("nodes beyond the limit are counted", () => {
    const tree = readTree(JSON.stringify(Array.from({ length: 5000 }, (_, i) => i)));
    expect(tree?.children.length).toBeLessThanOrEqual(MAX_NODES + 1);
    expect(tree?.children.at(-1)).toMatchObject({ kind: "more", text: `${5000 - MAX_NODES + 1} more` });
  });

  it("levels beyond the limit are shown as text", () => {
    let tree = readTree(`${'{"a":'.repeat(100)}1${"}".repeat(100)}`);
    let depth = 0;
    for (; tree?.children[0] !== undefined; depth++) tree = tree.children[0];
    expect(depth).toBe(MAX_DEPTH);
    expect(tree?.text).toMatch(/^\{"a":/);
  });

  it.each([
    "[".repeat(60_000),
    "[".repeat(30_000) + "]".repeat(30_000),
    "a=1 ".repeat(16_000),
    `${"{".repeat(60_000)}}`,
    `{"a":"${"x".repeat(1e6)}"}`,
  ])("time, whatever comes (%#)", (line) => {
    const start = performance.now();
    readTree(line);
    looksLikeData(line);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe("in the page", () => {
  let host: HTMLElement;
  const resized = vi.fn();
  beforeEach(() => {
    host = document.createElement("div");
    resized.mockClear();
  });
  const mount = (line: string) => mountTree(host, readTree(line) as Tree, { resized });

  it("branches are built when they are opened", () => {
    mount('{"a":{"b":{"c":1}}}');
    const branches = () => [...host.querySelectorAll("details")];
    expect(branches().map((it) => it.open)).toEqual([true, false]);
    expect(host.textContent).not.toContain("c: 1c: 1");
    const inner = branches()[1] as HTMLDetailsElement;
    inner.open = true;
    inner.dispatchEvent(new Event("toggle"));
    expect(inner.querySelector(".leaf")?.textContent).toBe("c: 1");
    expect(resized).toHaveBeenCalled();
  });

  it("data become text, never elements", () => {
    mount('{"<img src=x onerror=alert(1)>":"<script>alert(1)</script>","a":["<b>"]}');
    expect(host.querySelector("img, script, b")).toBeNull();
    expect(host.textContent).toContain("<script>alert(1)</script>");
  });
});
