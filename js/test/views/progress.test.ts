// @vitest-environment happy-dom
// Bars in the DOM: what they say to people, and to assistive tools.
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

it("nothing is shown where there is nothing to watch", () => {
  expect((host.firstElementChild as HTMLElement).hidden).toBe(true);
});

it("a bar says its name, how far it is, how fast, and how long it will take", () => {
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

it("an update keeps the element, and one that is gone goes", () => {
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

it("a bar that does not know its end has no value", () => {
  const bars = new ProgressBars();
  play(bars, recorded("tqdm-unknown").slice(0, 4));
  progress.update(bars.shown(400));
  expect(bar()?.hasAttribute("aria-valuenow")).toBe(false);
  expect(bar()?.getAttribute("aria-valuetext")).toContain("it/s");
});

it("a name is text, whatever it says", () => {
  const bars = new ProgressBars();
  bars.rewrite("stdout", "<img src=x onerror=alert(1)>: 10%", 0);
  progress.update(bars.shown(0));
  expect(host.querySelector("img")).toBeNull();
  expect(host.textContent).toContain("<img src=x");
});
