// @vitest-environment happy-dom
// The steps in a log view: opened from its header, each with its state and time, leading to its first line.
import { describe, expect, it, vi } from "vitest";
import type { Step } from "../../src/protocol/types.js";
import { Steps } from "../../src/views/log/steps.js";
import { find, paint, root, rows, source } from "../support/stage.js";
import { records, workload } from "../support/workload.js";

const STEPS: Step[] = [
  { name: "load", state: "succeeded", started: 1000, ended: 4000 },
  { name: "fit <b>", state: "running", started: 4000, ended: null },
];

const open = async () => {
  source.say({ kind: "state", rung: "live" });
  source.frame("status", { job: workload({ steps: STEPS }) });
  source.logs(...records(1, 9));
  await paint();
  find(".steps-open").click();
  await paint();
};
const said = () =>
  [...root().querySelectorAll(".step-item")].map((step) => step.textContent?.replace(/ [\dhmd. ]+s?$/, ""));

describe("the steps", () => {
  it("are offered where there are any", async () => {
    source.frame("status", { job: workload({}) });
    await paint();
    expect(find(".steps-open").hidden).toBe(true);
    await open();
    expect(find(".steps-open").hidden).toBe(false);
  });

  it("say how each stands and how long it took, as text", async () => {
    await open();
    expect(said()).toEqual(["load", "fit <b>"]);
    expect(find(".step-jump").title).toBe("load 3.0 s, Done");
    expect([...root().querySelectorAll<HTMLElement>(".step-item")].map((step) => step.dataset["tone"])).toEqual([
      "good",
      "live",
    ]);
  });

  it("lead to their first line", async () => {
    source.match = { seq: 4 };
    await open();
    find(".step-item:nth-of-type(3) .step-jump").click();
    await paint();
    expect(source.filters).toContainEqual({ step: "fit <b>" });
    expect(find("[data-hit]").dataset["seq"]).toBe("4");
  });

  it("are each a filter, too: only its lines, and all again", async () => {
    source.matching = [4, 5];
    await open();
    const only = find(".step-item:nth-of-type(3) .step-only");
    only.click();
    await paint();
    await paint();
    expect(rows().map((row) => row.dataset["seq"])).toEqual(["4", "5"]);
    expect(only.getAttribute("aria-pressed")).toBe("true");
    only.click();
    await paint();
    expect(rows().at(-1)?.dataset["seq"]).toBe("9");
  });

  it("close by Escape, and the keyboard is back in the log", async () => {
    await open();
    find(".step-jump").focus();
    find(".step-jump").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    expect(find(".steps").hidden).toBe(true);
    expect(root().activeElement).toBe(find(".viewport"));
  });
});

describe("only one step", () => {
  it("is offered where the view can, and again for all", () => {
    const only = vi.fn();
    const steps = new Steps({ jump: vi.fn(), only, closed: vi.fn() });
    steps.toggle();
    steps.update({ steps: STEPS, now: 9000 });
    const [, fit] = steps.element.querySelectorAll<HTMLElement>(".step-only");
    fit?.click();
    expect(only).toHaveBeenLastCalledWith("fit <b>");
    steps.update({ steps: STEPS, now: 9000, only: "fit <b>" });
    expect(fit?.getAttribute("aria-pressed")).toBe("true");
    fit?.click();
    expect(only).toHaveBeenLastCalledWith(undefined);
  });

  it("lists the newest of a great many", () => {
    const steps = new Steps({ jump: vi.fn(), closed: vi.fn() });
    const many = Array.from({ length: 450 }, (_, i) => ({ ...STEPS[0], name: `s${i}` }) as Step);
    steps.toggle();
    steps.update({ steps: many, now: 0 });
    expect(steps.element.querySelectorAll(".step-item")).toHaveLength(200);
    expect(steps.element.textContent).toContain("250 earlier ones");
    steps.update({ steps: many.slice(0, 2), now: 0 });
    expect(steps.element.querySelectorAll(".step-item")).toHaveLength(2);
  });
});
