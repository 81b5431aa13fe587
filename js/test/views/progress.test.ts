// @vitest-environment happy-dom
// Progress bars in the DOM: their texts, and their ARIA attributes.
import { beforeEach, expect, it } from "vitest";
import { ProgressBars } from "../../src/log/overview/moving-bars.js";
import { mountProgress, type Progress } from "../../src/views/log/panels/progress.js";
import { play, recorded } from "../support/recorded.js";

let host: HTMLElement;
let progress: Progress;
beforeEach(() => {
  host = document.createElement("div");
  progress = mountProgress(host);
});
const bar = () => host.querySelector<HTMLElement>('[role="progressbar"]');

it("it is hidden without bars", () => {
  expect((host.firstElementChild as HTMLElement).hidden).toBe(true);
});

it("a bar shows name, progress, rate and remaining time", () => {
  const bars = new ProgressBars();
  play(bars, recorded("tqdm").slice(0, 3));
  progress.update(bars.shown(300));
  expect([...host.querySelectorAll(".progress-bar > *")].map((it) => it.textContent)).toEqual([
    "load",
    "",
    "7 %",
    "10 / 150",
    "49.62img/s",
    "2 s left",
  ]);
  expect(bar()?.getAttribute("aria-valuenow")).toBe("7");
  expect(bar()?.getAttribute("aria-label")).toBe("load");
  expect(bar()?.getAttribute("aria-valuetext")).toBe("7 %, 10 of 150, 49.62img/s, 2 s left");
});

it("an update reuses elements and removes finished bars", () => {
  const bars = new ProgressBars();
  bars.rewrite("stdout", "a: 10%", 0);
  progress.update(bars.shown(0));
  const before = bar();
  bars.rewrite("stdout", "a: 20%", 10);
  progress.update(bars.shown(10));
  expect(bar()).toBe(before);
  progress.update([]);
  expect(bar()).toBeNull();
  expect((host.firstElementChild as HTMLElement).hidden).toBe(true);
});

it("an indeterminate bar has no value", () => {
  const bars = new ProgressBars();
  play(bars, recorded("tqdm-unknown").slice(0, 4));
  progress.update(bars.shown(400));
  expect(bar()?.hasAttribute("aria-valuenow")).toBe(false);
  expect(bar()?.getAttribute("aria-valuetext")).toContain("it/s");
});

it("a name is never markup", () => {
  const bars = new ProgressBars();
  bars.rewrite("stdout", "<img src=x onerror=alert(1)>: 10%", 0);
  progress.update(bars.shown(0));
  expect(host.querySelector("img")).toBeNull();
  expect(host.textContent).toContain("<img src=x");
});
