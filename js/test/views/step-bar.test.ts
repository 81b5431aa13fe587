// @vitest-environment happy-dom
// Steps as one bar: as wide as they took time, bounded, and a way to each.
import { expect, it, vi } from "vitest";
import { MOST, spans } from "../../src/log/step-spans.js";
import { mountStepBar } from "../../src/views/log/panels/step-bar.js";

const steps = [
  { name: "load", state: "succeeded" as const, started: 1000, ended: 4000 },
  { name: "fit", state: "running" as const, started: 4000, ended: null },
];

it("a step is as wide as it takes time, also while it runs", () => {
  expect(spans(steps, 5000)).toEqual([
    { name: "load", state: "succeeded", share: 0.75, took: "3.0 s" },
    { name: "fit", state: "running", share: 0.25, took: "1.0 s" },
  ]);
  expect(spans(steps, 13_000)[1]).toMatchObject({ share: 0.75, took: "9.0 s" });
});

it("of very many the first and last are shown, and how many lie between", () => {
  const many = Array.from({ length: 1000 }, (_, i) => ({
    name: `s${i}`,
    state: "succeeded" as const,
    started: i,
    ended: i + 1,
  }));
  const shown = spans(many, 0);
  expect(shown).toHaveLength(MOST + 1);
  expect(shown[MOST / 2]).toMatchObject({ name: "960 more", state: "left-out" });
  expect([shown[0]?.name, shown.at(-1)?.name]).toEqual(["s0", "s999"]);
});

it("a click goes to the step; names are text", () => {
  const host = document.createElement("div");
  const choose = vi.fn();
  const bar = mountStepBar(host, { choose });
  expect((host.firstElementChild as HTMLElement).hidden).toBe(true);
  bar.update([...steps, { name: "<img src=x>", state: "failed", started: 5000, ended: 5001 }], 5000);
  const buttons = [...host.querySelectorAll("button")];
  expect(buttons.map((it) => it.getAttribute("aria-label"))).toEqual([
    "load 3.0 s, succeeded",
    "fit 1.0 s, running",
    "<img src=x> 0.0 s, failed",
  ]);
  expect(host.querySelector("img")).toBeNull();
  buttons[2]?.click();
  expect(choose).toHaveBeenCalledWith("<img src=x>");
  bar.update(steps.slice(0, 1), 5000);
  expect(host.querySelectorAll("button")).toHaveLength(1);
});
