// Number of errors in a log: a traceback is one.
import { describe, expect, it } from "vitest";
import { ErrorLines, errorsInWords } from "../../src/log/error-lines.js";
import type { Level, LogRecord } from "../../src/protocol/types.js";
import { record } from "../support/workload.js";

const PYTHON = [
  "Traceback (most recent call last):",
  '  File "a.py", line 3, in <module>',
  "    main()",
  '  File "a.py", line 2, in main',
  "    1 / 0",
  "ZeroDivisionError: division by zero",
];

type Line = readonly [text: string, level: Level, source?: LogRecord["source"]];

function recordsOf(lines: readonly Line[]): LogRecord[] {
  return lines.map(([message, level, source = "stderr"], i) => record(i + 1, { message, level, source }));
}

function levelsOf(records: readonly LogRecord[]): Map<Level, number> {
  const levels = new Map<Level, number>();
  for (const { level } of records) levels.set(level, (levels.get(level) ?? 0) + 1);
  return levels;
}

function counted(lines: readonly Line[]) {
  const [records, errors] = [recordsOf(lines), new ErrorLines()];
  for (const one of records) errors.take([one]);
  return errors.count(levelsOf(records));
}

const errors = (...texts: string[]) => texts.map((text) => [text, "error"] as Line);

describe("the number of errors", () => {
  it.each<[string, readonly Line[], number, number]>([
    ["a Python traceback", errors(...PYTHON), 1, 6],
    ["two tracebacks in succession", errors(...PYTHON, ...PYTHON), 2, 12],
    ["errors of one line each", errors("ERROR a", "ERROR b"), 2, 2],
    [
      "lines of another source in between",
      PYTHON.flatMap((text): Line[] => [
        [text, "error"],
        ["tick", "unknown", "stdout"],
      ]),
      1,
      6,
    ],
    [
      "frames behind an error of any text",
      errors("ERROR request failed", "    at f (a.js:1:2)", "    at g (a.js:3:4)"),
      1,
      3,
    ],
    [
      "a chain",
      [
        ...errors(...PYTHON),
        ["", "unknown"],
        ...errors("During handling of the above exception, another exception occurred:"),
        ["", "unknown"],
        ...errors(...PYTHON),
      ],
      1,
      13,
    ],
    ["an error behind other lines", [...errors("ERROR a"), ["fine", "info"], ...errors("  ERROR b")], 2, 2],
    ["none", [["fine", "info"]], 0, 0],
  ])("%s", (_name, lines, expected, all) => {
    expect(counted(lines)).toEqual({ errors: expected, lines: all });
  });

  it("is the same for fetched records, and counts a record once that comes by both ways", () => {
    const records = recordsOf(errors(...PYTHON));
    const found = new ErrorLines();
    found.takeRange(records);
    found.take(records);
    expect(found.count(levelsOf(records))).toEqual({ errors: 1, lines: 6 });
  });

  it("counts lines that were never received one by one", () => {
    const found = new ErrorLines();
    found.take(recordsOf(errors(...PYTHON)));
    expect(found.count(new Map([["error", 106]]))).toEqual({ errors: 101, lines: 106 });
  });

  it("is put in words", () => {
    expect(errorsInWords({ errors: 1, lines: 13 })).toBe("1 error, 13 lines");
    expect(errorsInWords({ errors: 1200, lines: 1200 })).toBe("1,200 errors");
  });
});
