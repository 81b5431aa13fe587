// The traceback grammar; Python passes the same table (tests/vectors/tracebacks.json).
import { describe, expect, it } from "vitest";
import { consecutive, groupsIn } from "../../src/text/groups.js";
import { withoutColours } from "../../src/text/text.js";
import { readTraceback } from "../../src/text/tracebacks.js";
import { vectors } from "../support/vectors.js";
import { record } from "../support/workload.js";

interface Case {
  readonly name: string;
  readonly before: readonly string[];
  readonly traceback: readonly string[];
  readonly after: readonly string[];
  readonly title: string;
}
const { tracebacks, none } = vectors<{ tracebacks: Case[]; none: string[][] }>("tracebacks");

const read = (lines: readonly string[]) => {
  const texts = lines.map(withoutColours);
  return readTraceback((offset) => texts[offset], 1000);
};

describe.each(tracebacks)("$name", ({ before, traceback, after, title }) => {
  it("has its lines and its title", () => {
    expect(read([...traceback, ...after])).toEqual({ length: traceback.length, title });
  });

  it("begins with its first line", () => {
    for (const line of before) expect(read([line, ...traceback])).toBeUndefined();
  });

  it("is one group, whichever of its lines is in sight", () => {
    const records = ["start", ...before, ...traceback, ...after].map((message, i) => record(i + 1, { message }));
    const first = before.length + 2;
    const last = first + traceback.length - 1;
    for (let seq = first; seq <= last; seq++) {
      const groups = groupsIn((at) => records[at - 1], seq, seq);
      expect(groups, `from line ${seq}`).toEqual([consecutive({ from: first, to: last, kind: "traceback", title })]);
    }
  });
});

it.each(none.map((lines) => [lines] as const))("%j is no traceback", (lines) => {
  for (let at = 0; at < lines.length; at++) expect(read(lines.slice(at))).toBeUndefined();
});
