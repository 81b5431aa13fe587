// Progress bars read from what real programs wrote (test/fixtures/progress), and what must not be taken for one.
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Reading, readBar, size } from "../../src/text/progress-bars.js";
import { busyMs } from "../support/busy.js";
import { FOLDER, type Recorded, recorded } from "../support/recorded.js";

const readings = (name: string): [Recorded, Reading | undefined][] =>
  recorded(name).map((frame) => [frame, readBar(frame.progress ?? frame.record ?? "", frame.progress !== undefined)]);

// Program, position among its frames that are bars, and the reading.
const READINGS: readonly [program: string, nth: number, reading: Partial<Reading>][] = [
  ["tqdm", 1, { label: "load", fraction: 0.03, done: "5", total: "150", rate: "49.72img/s", eta: 2 }],
  ["tqdm", -1, { label: "load", fraction: 1, done: "150", total: "150", eta: 0 }],
  ["tqdm-ascii", 1, { nameless: true, fraction: 0.07, done: "4", total: "60", eta: 1 }],
  ["tqdm-bytes", 3, { label: "model.bin", fraction: 0.24, done: "1.20M", total: "5.00M", rate: "3.27MB/s" }],
  ["tqdm-unknown", 1, { label: "scan", fraction: undefined, done: "4", rate: "33.19it/s", eta: undefined }],
  ["tqdm-slow", 1, { label: "slow", fraction: 0.25, rate: "1.20s/it", eta: 3 }],
  ["tqdm-postfix", 2, { label: "fit", fraction: 0.08, done: "4", total: "50", rate: "32.53it/s", eta: 1 }],
  ["pip", 0, { nameless: true, done: "0.4", total: "19.5 MB", rate: "169.6 MB/s", eta: 1 }],
  ["keras", 0, { nameless: true, done: "1", total: "640", rate: "338ms/step", eta: 216 }],
  ["hf-trainer", 1, { nameless: true, fraction: 0.02, done: "6", total: "250", rate: "59.54it/s", eta: 4 }],
  ["lightning", 1, { label: "Epoch 0/1", fraction: 0.075, done: "3", total: "40", rate: "40.20it/s", eta: 1 }],
  ["rich", 3, { label: "Working", fraction: 0.15, eta: 2 }],
  ["wget", 2, { label: "/dev/null", fraction: 0.2, rate: "2.83MB/s" }],
  ["wget-dot", 1, { label: "wget", fraction: 0.08, done: "450K", rate: "447MB/s", eta: 2 }],
  ["curl", 1, { label: "curl", fraction: 0.12, done: "732k", total: "5859k", rate: "2732kB/s", eta: 2 }],
  ["curl-hash", 1, { label: "curl", fraction: 0.1 }],
  ["rsync-files", 3, { nameless: true, fraction: 0.11, done: "4,456,448", rate: "3.98MB/s", eta: 8 }],
  ["rsync-total", 2, { nameless: true, fraction: 0.37, done: "45,177,344", rate: "40.01MB/s", eta: 1 }],
  ["git-clone", 3, { label: "Receiving objects", fraction: 0.1, done: "90", total: "896" }],
  ["apt", 2, { label: "apt", fraction: 0.08 }],
  ["cargo", 1, { label: "Building", done: "1", total: "7" }],
  ["click", 1, { label: "copying", fraction: 0.05 }],
  ["progressbar2", 1, { nameless: true, fraction: 0.05, done: "3", total: "60", eta: 1 }],
];

describe("a bar's line", () => {
  it.each(READINGS)("of %s, number %i", (program, nth, reading) => {
    const bars = readings(program).flatMap(([, read]) => (read === undefined ? [] : [read]));
    expect(bars.at(nth)).toMatchObject(reading);
  });

  it.each(readdirSync(FOLDER).map((file) => file.replace(".ndjson", "")))(
    "that %s rewrites is read in nearly every frame",
    (program) => {
      const rewritten = readings(program).filter(([frame]) => (frame.progress ?? "").trim() !== "");
      const read = rewritten.filter(([, reading]) => reading !== undefined);
      expect(read.length).toBeGreaterThanOrEqual(rewritten.length * 0.8);
    },
  );

  it("can be drawn by any script", () => {
    expect(readBar("epoch  3 |██████                        | 1600/8000 [5180 it/s]")).toMatchObject({
      label: "epoch 3",
      fraction: 0.2,
      rate: "5180 it/s",
    });
    expect(readBar("Processing 45/180", true)).toMatchObject({ label: "Processing", fraction: 0.25 });
    expect(readBar("uploading: 12.5%", true)).toMatchObject({ label: "uploading", fraction: 0.125 });
  });
});

describe("no bar is", () => {
  it.each([
    "INFO 45% of the rows are empty",
    "epoch 3/40 loss=0.21 acc=0.93",
    "accuracy: 93%",
    "| name | 12 | 3 |",
    "2024/10/11 12:30:05 GET /a/b 200 1/3",
    "==================== 12 passed, 1 failed in 3.21s ====================",
    "tests/test_a.py ........................ [ 45%]",
    "┏━━━━━━━━━━┳━━━━━━━━━━━┓",
    "----------------------------------------",
    "[          ] 3 tests ran.",
    "speed 12 MB/s",
    "[1/3] building",
    "x".repeat(100_000),
    `${"━".repeat(100_000)} 3/4`,
    "",
  ])("%.60j", (line) => expect(readBar(line)).toBeUndefined());

  it.each(["Reading package lists... Done", "total 300%", "12/3", "0/0"])("%j, though it is being rewritten", (line) =>
    expect(readBar(line, true)).toBeUndefined(),
  );
});

it("sizes have their units", () => {
  expect(["1,234", "1.5M", "2 KiB", "400k", "12", "x"].map(size)).toEqual([1234, 1.5e6, 2048, 400_000, 12, Number.NaN]);
});

it("ordinary lines cost one test each", () => {
  const start = busyMs();
  for (let i = 0; i < 10_000; i++)
    readBar(`2026-11-20 10:30:05,123 INFO app.worker request ${i} took 12 ms, 3 of 4 cached`);
  expect(busyMs() - start).toBeLessThan(2000);
});

it("hostile lines take linear time", () => {
  const time = (n: number, unit: string) => {
    const start = busyMs();
    for (let i = 0; i < 200; i++) readBar(unit.repeat(n / unit.length), true);
    return busyMs() - start;
  };
  for (const unit of ["1", "1,", "1/", " 1 ", "|", "[=", "━", "1%", "a ", "1d ", "<1:00"]) {
    time(600, unit);
    expect(time(600, unit)).toBeLessThan(4000 + 20 * time(60, unit));
  }
});
