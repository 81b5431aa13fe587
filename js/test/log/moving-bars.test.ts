// Progress bars from recorded output of real programs: labels, several at once, finished and overwritten ones.
import { describe, expect, it } from "vitest";
import { MAX_BARS, ProgressBars } from "../../src/log/overview/moving-bars.js";
import { play, recorded } from "../support/recorded.js";
import { record } from "../support/workload.js";

/** The sets of labels (or totals) shown at the same time, without repetitions. */
function shownTogether(program: string): string[] {
  const bars = new ProgressBars();
  const seen: string[] = [];
  play(bars, recorded(program), (now) => {
    const labels = bars.shown(now).map((bar) => bar.label || `of ${bar.total}`);
    if (labels.join() !== seen.at(-1)) seen.push(labels.join());
  });
  return seen;
}

describe("bars of real programs", () => {
  it.each<[string, string[]]>([
    ["tqdm", ["load"]],
    ["tqdm-nested", ["epochs", "epochs,batch 0", "epochs,batch 1", "epochs,batch 2"]],
    ["tqdm-multi", ["worker 0", "worker 0,worker 1", "worker 0,worker 1,worker 2"]],
    ["hf-trainer", ["of 250", "of 250,of 75"]],
  ])("%s", (program, together) => expect(shownTogether(program).slice(0, together.length)).toEqual(together));

  it.each<[string, string]>([
    ["pip", "numpy-2.0.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"],
    ["rsync-files", "f2.bin"],
    ["keras", "Epoch 2/3"],
    ["wget", "/dev/null"],
  ])("%s: a bar without a label takes it from the line before", (program, label) => {
    expect(shownTogether(program).join()).toContain(label);
  });

  it("one after the other are shown one at a time", () => {
    const bars = new ProgressBars();
    for (const epoch of [1, 2, 3]) {
      for (const done of [10, 100])
        bars.rewrite("stderr", `epoch ${epoch} |###   | ${done}/100 [5 it/s]`, epoch * 100 + done);
    }
    expect(bars.shown(500).map(({ label }) => label)).toEqual(["epoch 3"]);
  });

  it("are done at 100 % and disappear after a while", () => {
    const bars = new ProgressBars();
    const frames = recorded("tqdm");
    play(bars, frames);
    const end = frames.at(-1)?.at ?? 0;
    expect(bars.shown(end)).toMatchObject([{ label: "load", state: "done", fraction: 1, seq: 1 }]);
    expect(bars.shown(end + 20_000)).toEqual([]);
  });
});

describe("one bar", () => {
  it("estimates its remaining time", () => {
    const bars = new ProgressBars();
    bars.rewrite("stdout", "copying 10%", 0);
    bars.rewrite("stdout", "copying 20%", 4000);
    expect(bars.shown(4000)[0]?.eta).toBe(16);
  });

  it("restarts when its value falls", () => {
    const bars = new ProgressBars();
    bars.rewrite("stdout", "copying 90%", 0);
    bars.rewrite("stdout", "copying 10%", 4000);
    expect(bars.shown(4000)).toMatchObject([{ started: 4000, fraction: 0.1 }]);
  });

  it("that was redrawn with others by moving the cursor is done with its last state", () => {
    const bars = new ProgressBars();
    bars.record(record(1, { message: "A   0% 0/9" }), 0);
    bars.rewrite("stdout", "B   0% 0/9", 0);
    bars.record(record(2, { message: "checkpoint saved" }), 500);
    bars.record(record(3, { message: "A  50% 4/9" }), 500);
    bars.rewrite("stdout", "B  20% 2/9", 500);
    bars.record(record(4, { message: "A 100% 9/9" }), 1000);
    bars.record(record(5, { message: "B 100% 9/9" }), 1000);
    expect(bars.shown(1000)).toMatchObject([{ label: "B", fraction: 1, state: "done" }]);
    bars.end();
    expect(bars.shown(1000)).toEqual([]);
  });

  it("that the program reports to its terminal is one, whatever it writes meanwhile", () => {
    const bars = new ProgressBars();
    const reported = (percent: number, text: string) => `\x1b]9;4;1;${percent}\x1b\\${text}`;
    bars.rewrite("stdout", reported(40, "step 1"), 0);
    bars.record(record(1, { message: reported(41, "step 1") }), 10);
    bars.record(record(2, { message: reported(80, "step 2: \x1b[1mlink\x1b[0m") }), 20);
    expect(bars.shown(20)).toMatchObject([{ label: "step 2: link", fraction: 0.8, state: "moving" }]);
    bars.record(record(3, { message: "done" }), 30);
    expect(bars.shown(20_000)).toEqual([]);
  });

  it("that was overwritten disappears after a while, unless it is drawn again", () => {
    const bars = new ProgressBars();
    bars.rewrite("stderr", "Building [==>   ] 1/7: a", 0);
    bars.record(record(1, { message: "Compiling b", source: "stderr" }), 100);
    bars.rewrite("stderr", "Building [==>   ] 2/7: b", 200);
    expect(bars.shown(30_000)).toHaveLength(1);
    bars.rewrite("stderr", "", 30_000);
    expect(bars.shown(35_000)).toHaveLength(1);
    expect(bars.shown(45_000)).toHaveLength(0);
  });

  it("that is unfinished at the end is shown as stopped; finished ones disappear", () => {
    const bars = new ProgressBars();
    bars.rewrite("stdout", "a: 40%", 0);
    bars.rewrite("stderr", "b: 10%", 0);
    bars.rewrite("stderr", "b: 100%", 10);
    bars.end();
    expect(bars.shown(100)).toMatchObject([{ label: "a", state: "stopped", eta: undefined }]);
  });

  it("that starts at 100 % is not shown", () => {
    const bars = new ProgressBars();
    bars.record(record(1, { message: "load: 100%|█████| 5/5 [00:01<00:00, 4.9it/s]" }));
    expect(bars.shown(0)).toEqual([]);
  });
});

describe("many bars", () => {
  it("are bounded: the most recently moved ones stay", () => {
    const bars = new ProgressBars();
    for (let i = 0; i < 500; i++)
      bars.rewrite("stdout", `file-${String.fromCharCode(97 + (i % 26))}${"x".repeat(i)}: 5%`, i);
    expect(bars.shown(500)).toHaveLength(MAX_BARS);
  });

  it("started one after the other flicker at most once", () => {
    const bars = new ProgressBars();
    const text = (worker: number, done: number) => `worker ${worker}: ${done}%|##   | ${done}/100 [00:01<00:09, 9it/s]`;
    for (let done = 1; done < 10; done++) bars.record(record(done, { message: text(0, done) }), done);
    const counts: number[] = [];
    for (let done = 10; done < 60; done++) {
      for (const worker of [0, 1, 2]) bars.record(record(done, { message: text(worker, done) }), done);
      counts.push(bars.shown(done).length);
    }
    expect(counts.slice(3).every((count) => count === 3)).toBe(true);
  });
});
