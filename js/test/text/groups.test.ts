// Lines that belong together: tracebacks of three languages, ticks, repeats; and what stays as it is.
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
  it("of Python is one, and its exception is what it says", () => {
    expect(found(log(`start\n${PYTHON}\nend`))).toEqual([[2, 9, "traceback", "IndexError: list index out of range"]]);
  });

  it("in colour is one", () => {
    const coloured = `\x1b[1;35mTraceback\x1b[0m (most recent call last):\n  File "a.py", line 1\n\x1b[1;35mKeyError\x1b[0m: 'a'`;
    expect(found(log(coloured))).toEqual([[1, 3, "traceback", "KeyError: 'a'"]]);
  });

  it("that is chained is one, and the last exception is what it says", () => {
    const chained = `${PYTHON}\n\nDuring handling of the above exception, another exception occurred:\n\n${PYTHON.replace(
      "IndexError: list index out of range",
      "app.errors.LoadFailed: orders.csv",
    )}\nnext`;
    expect(found(log(chained))).toEqual([[1, 19, "traceback", "app.errors.LoadFailed: orders.csv"]]);
  });

  it("of a worker process and its cause are one", () => {
    const remote = `multiprocessing.pool.RemoteTraceback: \n"""\n${PYTHON}\n"""\n\nThe above exception was the direct cause of the following exception:\n\n${PYTHON}`;
    expect(found(log(remote))).toEqual([[3, 22, "traceback", "IndexError: list index out of range"]]);
  });

  it("of an exception group is one", () => {
    const group = `  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 3, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: a
    +------------------------------------
next`;
    expect(found(log(group))).toEqual([[1, 6, "traceback", "ExceptionGroup: two (2 sub-exceptions)"]]);
  });

  it("of Java is one, and its root cause is what it says", () => {
    const java = `Exception in thread "main" java.lang.IllegalStateException: no
\tat com.example.App.run(App.java:10)
\tat com.example.App.main(App.java:5)
Caused by: java.io.IOException: disk full
\tat com.example.Disk.write(Disk.java:3)
\t... 2 more
next`;
    expect(found(log(java))).toEqual([[1, 6, "traceback", "java.io.IOException: disk full"]]);
  });

  it("of JavaScript is one", () => {
    const js = `TypeError: x is not a function
    at load (/app/index.js:3:5)
    at async main (file:///app/main.mjs:10:3) {
next`;
    expect(found(log(js))).toEqual([[1, 3, "traceback", "TypeError: x is not a function"]]);
  });

  it("is not seen in what only speaks of errors", () => {
    expect(
      found(log("ValueError: bad\nnext\nTraceback (most recent call last):\nnothing indented\n  at home")),
    ).toEqual([]);
  });

  it("ends where another source writes in between", () => {
    const records = log(PYTHON).map((one) => (one.seq === 4 ? { ...one, source: "stdout" as const } : one));
    expect(found(records)).toEqual([]);
  });

  it("is the same from wherever one looks", () => {
    const records = log(`start\n${PYTHON}\nend`);
    for (let from = 2; from <= 9; from++) expect(found(records, false, from, from)).toHaveLength(1);
    expect(found(records, false, 1, 1)).toEqual([]);
    expect(found(records, false, 10, 10)).toEqual([]);
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

  it("are left alone where there are but two, or none", () => {
    expect(found(log("a: 100%|##| 1/1 [00:00<00:00, 1it/s]\na: 100%|##| 1/1 [00:00<00:00, 1it/s]\ndone"))).toEqual([]);
  });
});

describe("identical neighbours", () => {
  const text = "10:00:01 retry\n10:00:02 retry\n10:00:03 retry\nother\nother\nlast";
  it("are one row on demand, whatever their times", () => {
    expect(found(log(text), true)).toEqual([
      [1, 3, "repeat", "10:00:01 retry"],
      [4, 5, "repeat", "other"],
    ]);
  });
  it("are many without", () => expect(found(log(text))).toEqual([]));
});

describe("bounds", () => {
  it("a group has a longest: a traceback that never ends is none, repeats are several", () => {
    const endless = `Traceback (most recent call last):\n${"  frame\n".repeat(5000)}`;
    expect(found(log(endless))).toEqual([]);
    const repeats = found(log("same\n".repeat(2500).trimEnd()), true);
    expect(repeats.map(([from, to]) => Number(to) - Number(from))).toEqual([MAX_GROUP_LINES, MAX_GROUP_LINES, 497]);
  });

  it("what is not at hand ends a group, and is not asked for beyond", () => {
    const records = log(`${PYTHON}\nend`);
    const at = (seq: number) => (seq >= 3 && seq <= 8 ? records[seq - 1] : undefined);
    expect(groupsIn(at, 3, 8)).toEqual([]);
  });

  it("time is linear in hostile texts", () => {
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
