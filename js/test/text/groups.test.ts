// Groups of lines: tracebacks (their grammar is tested in tracebacks.test.ts), ticks of bars, erased and repeated lines.
import { describe, expect, it } from "vitest";
import type { LogRecord } from "../../src/protocol/types.js";
import { groupsIn, MAX_GROUP_LINES } from "../../src/text/groups.js";
import { busyMs } from "../support/busy.js";
import { recorded } from "../support/recorded.js";
import { record } from "../support/workload.js";

function log(text: string, source: LogRecord["source"] = "stderr"): LogRecord[] {
  return text.split("\n").map((message, i) => record(i + 1, { message, source }));
}
const found = (records: readonly LogRecord[], repeats = false, from = 1, to = records.length) =>
  groupsIn((seq) => records[seq - 1], from, to, repeats).map((it) => [it.from, it.to, it.kind, it.title]);

const PYTHON = `Traceback (most recent call last):
  File "etl.py", line 12, in <module>
    main()
    ~~~~^^
  File "etl.py", line 8, in main
    return rows[0]
           ~~~~^^^
IndexError: list index out of range`;

describe("a traceback", () => {
  it("is one group with its exception as title", () => {
    expect(found(log(`start\n${PYTHON}\nend`))).toEqual([[2, 9, "traceback", "IndexError: list index out of range"]]);
  });

  it("is one group around the lines of another source, which are not its own", () => {
    const ticks = (seq: number) => record(seq, { message: `tick ${seq}`, source: "stdout" });
    const lines = log(`start\n${PYTHON}\nend`).flatMap((line) => [line, line, line]);
    const records = lines.map((line, i) => (i % 3 === 1 ? { ...line, seq: i + 1 } : ticks(i + 1)));
    for (const from of [1, 5, 13, 26]) {
      const [group, ...others] = groupsIn((seq) => records[seq - 1], from, records.length);
      expect(group).toMatchObject({ from: 5, to: 26, lines: 8, title: "IndexError: list index out of range" });
      expect(group?.rest.map((one) => one.from)).toEqual([8, 11, 14, 17, 20, 23, 26]);
      expect(group?.rest.every((one) => one.from === one.to)).toBe(true);
      expect(others).toEqual([]);
    }
  });

  it("is the same group from each of its lines", () => {
    const records = log(`start\n${PYTHON}\nend`);
    for (let from = 2; from <= 9; from++) expect(found(records, false, from, from)).toHaveLength(1);
    expect(found(records, false, 1, 1)).toEqual([]);
    expect(found(records, false, 10, 10)).toEqual([]);
  });
});

describe("empty lines", () => {
  const erased = "\x1b[0m";

  it("that a program left by erasing rows are one row", () => {
    const drawn = [
      "",
      "",
      "[1 / 9] cc a.c",
      erased,
      erased,
      "INFO: done, 9 actions",
      erased,
      "",
      erased,
      "end",
      "",
      "",
    ];
    const groups = found(log(drawn.join("\n")));
    expect(groups.map(([from, to, kind]) => [from, to, kind])).toEqual([
      [4, 5, "empty"],
      [7, 9, "empty"],
    ]);
  });

  it("stay single rows alone, and with fields", () => {
    expect(found(log(`a\n\nb\n${erased}\nc`))).toEqual([]);
    const records = [1, 2].map((seq) => record(seq, { message: "", fields: { rows: seq } }));
    expect(found(records)).toEqual([]);
  });
});

describe("ticks of a bar", () => {
  const ticks = (program: string) =>
    recorded(program).flatMap(({ record: message, source }, i) =>
      message === undefined ? [] : [record(i, { message, source })],
    );

  it.each([
    ["tqdm-multi", /^worker 2: 100%/],
    ["tqdm-nested", /^epochs: 100%/],
    ["wget-dot", /98%/],
  ])("of %s are one row: the last", (program, last) => {
    const records = ticks(program).map((one, i) => ({ ...one, seq: i + 1 }));
    const groups = groupsIn((seq) => records[seq - 1], 1, records.length);
    expect(groups).toHaveLength(1);
    expect(groups[0]?.title).toMatch(last);
  });

  it("are one row, however many they are", () => {
    const dots = ".......... .......... .......... .......... ..........";
    const lines = Array.from(
      { length: 2000 },
      (_, k) => `${String(k * 50).padStart(6)}K ${dots} ${String(Math.floor((k * 100) / 1999)).padStart(2)}% 66.0M 1s`,
    );
    const groups = found(log([...lines, "saved x.bin"].join("\n")));
    expect(groups.map(([from, to]) => [from, to])).toEqual([[1, 2000]]);
  });

  it("are no group if there are fewer than three", () => {
    expect(found(log("a: 100%|##| 1/1 [00:00<00:00, 1it/s]\na: 100%|##| 1/1 [00:00<00:00, 1it/s]\ndone"))).toEqual([]);
  });
});

describe("identical neighbours", () => {
  const text = "10:00:01 retry\n10:00:02 retry\n10:00:03 retry\nother\nother\nlast";
  it("are one group on request, whatever their times", () => {
    expect(found(log(text), true)).toEqual([
      [1, 3, "repeat", "10:00:01 retry"],
      [4, 5, "repeat", "other"],
    ]);
  });
  it("are no group otherwise", () => expect(found(log(text))).toEqual([]));
});

describe("bounds", () => {
  it("a group has a maximum length: an endless traceback is none, repeats are several", () => {
    const endless = `Traceback (most recent call last):\n${"  frame\n".repeat(5000)}`;
    expect(found(log(endless))).toEqual([]);
    const repeats = found(log("same\n".repeat(2500).trimEnd()), true);
    expect(repeats.map(([from, to]) => Number(to) - Number(from))).toEqual([MAX_GROUP_LINES, MAX_GROUP_LINES, 497]);
  });

  it("a record that is not loaded ends a group", () => {
    const records = log(`${PYTHON}\nend`);
    const at = (seq: number) => (seq >= 3 && seq <= 8 ? records[seq - 1] : undefined);
    expect(groupsIn(at, 3, 8)).toEqual([]);
  });

  it("hostile text takes linear time", () => {
    const time = (n: number) => {
      const records = log("Traceback (most recent call last):\n  x\n".repeat(n));
      const start = busyMs();
      found(records);
      return busyMs() - start;
    };
    time(1000);
    expect(time(40_000)).toBeLessThan(2000 + 200 * time(1000));
  });
});
