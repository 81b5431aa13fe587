// @vitest-environment happy-dom
// The step bar: proportional segments with states and durations, jumps to steps, and the filter by a step.
import { describe, expect, it, vi } from "vitest";
import { MAX_SPANS, spans } from "../../src/log/step-spans.js";
import type { Step } from "../../src/protocol/types.js";
import { StepBar } from "../../src/views/log/panels/step-bar.js";
import { find, paint, root, rows, source } from "../support/stage.js";
import { records, workload } from "../support/workload.js";

const STEPS: Step[] = [
  { name: "load", state: "succeeded", started: 1000, ended: 4000 },
  { name: "fit <b>", state: "running", started: 4000, ended: null },
];

describe("the spans of steps", () => {
  it("are proportional to duration, also while a step runs", () => {
    expect(spans(STEPS, 5000)).toEqual([
      { name: "load", state: "succeeded", share: 0.75, took: "3.0 s" },
      { name: "fit <b>", state: "running", share: 0.25, took: "1.0 s" },
    ]);
    expect(spans(STEPS, 13_000)[1]).toMatchObject({ share: 0.75, took: "9.0 s" });
  });

  it("replace the middle of many steps by one gap with their number", () => {
    const many = Array.from({ length: 1000 }, (_, i) => ({
      name: `s${i}`,
      state: "succeeded" as const,
      started: i,
      ended: i + 1,
    }));
    const shown = spans(many, 0);
    expect(shown).toHaveLength(MAX_SPANS + 1);
    expect(shown[MAX_SPANS / 2]).toMatchObject({ name: "960 more", state: "left-out" });
    expect([shown[0]?.name, shown.at(-1)?.name]).toEqual(["s0", "s999"]);
  });
});

describe("the step bar", () => {
  const mount = () => {
    const actions = { jump: vi.fn(), filter: vi.fn() };
    const bar = new StepBar(actions);
    document.body.append(bar.element);
    bar.update({ steps: STEPS, now: 9000 });
    const segments = () => [...bar.element.querySelectorAll<HTMLButtonElement>(".step-segment")];
    return { ...actions, bar, segments, only: bar.element.querySelector(".step-only") as HTMLButtonElement };
  };
  const press = (target: HTMLElement, key: string) =>
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));

  it("is hidden without steps", () => {
    const { bar } = mount();
    expect(bar.element.hidden).toBe(false);
    bar.update({ steps: [], now: 0 });
    expect(bar.element.hidden).toBe(true);
  });

  it("names each step with its duration and state, as text", () => {
    const { bar, segments } = mount();
    expect(segments().map((it) => it.getAttribute("aria-label"))).toEqual([
      "load 3.0 s, Done",
      "fit <b> 5.0 s, Running",
    ]);
    expect(bar.element.querySelector("b")).toBeNull();
    bar.update({ steps: STEPS.slice(0, 1), now: 9000 });
    expect(segments()).toHaveLength(1);
  });

  it("offers the filter for the clicked step, and then for all steps", () => {
    const { bar, segments, only, jump, filter } = mount();
    expect(only.hidden).toBe(true);
    segments()[1]?.click();
    expect(jump).toHaveBeenCalledExactlyOnceWith("fit <b>");
    expect(segments()[1]?.getAttribute("aria-current")).toBe("true");
    expect(only.hidden).toBe(false);
    expect(only.title).toBe("Show only the lines of step fit <b>");
    only.click();
    expect(filter).toHaveBeenLastCalledWith("fit <b>");
    bar.update({ steps: STEPS, now: 9000, only: "fit <b>" });
    expect(only.getAttribute("aria-pressed")).toBe("true");
    only.click();
    expect(filter).toHaveBeenLastCalledWith(undefined);
  });

  it("is one tab stop, and arrow keys move between its steps", () => {
    const { bar, segments } = mount();
    expect(segments().map(({ tabIndex }) => tabIndex)).toEqual([-1, 0]);
    segments()[1]?.focus();
    press(segments()[1] as HTMLElement, "ArrowLeft");
    expect(document.activeElement).toBe(segments()[0]);
    press(segments()[0] as HTMLElement, "End");
    expect(document.activeElement).toBe(segments()[1]);
    bar.element.remove();
  });

  it("does not offer the gap between many steps", () => {
    const { bar, segments, jump } = mount();
    const many = Array.from({ length: 450 }, (_, i) => ({ ...STEPS[0], name: `s${i}` }) as Step);
    bar.update({ steps: many, now: 0 });
    const gap = segments()[MAX_SPANS / 2];
    expect(gap?.textContent).toContain("410 more");
    expect(gap?.disabled).toBe(true);
    gap?.click();
    expect(jump).not.toHaveBeenCalled();
  });
});

describe("the step bar of a log view", () => {
  const open = async () => {
    source.emit({ kind: "state", rung: "live" });
    source.frame("status", { job: workload({ steps: STEPS }) });
    source.logs(...records(1, 9));
    await vi.advanceTimersByTimeAsync(1100);
  };
  const fitSegment = () => root().querySelectorAll<HTMLElement>(".step-segment")[1] as HTMLElement;

  it("shows the first line of a clicked step", async () => {
    source.match = { seq: 4 };
    await open();
    fitSegment().click();
    await paint();
    expect(source.filters).toContainEqual({ step: "fit <b>" });
    expect(find("[data-hit]").dataset["seq"]).toBe("4");
  });

  it("filters by the clicked step, and shows all lines again", async () => {
    source.matching = [4, 5];
    await open();
    fitSegment().click();
    find(".step-only").click();
    await vi.advanceTimersByTimeAsync(1100);
    expect(rows().map((row) => row.dataset["seq"])).toEqual(["4", "5"]);
    expect(find(".step-only").getAttribute("aria-pressed")).toBe("true");
    find(".step-only").click();
    await vi.advanceTimersByTimeAsync(1100);
    expect(rows().at(-1)?.dataset["seq"]).toBe("9");
  });

  it("counts the duration of a running step without new lines", async () => {
    source.frame("status", { job: workload({ steps: [{ ...STEPS[1], started: Date.now() } as Step] }) });
    await vi.advanceTimersByTimeAsync(5100);
    expect(root().querySelector(".step-segment .took")?.textContent).toBe("5.0 s");
  });
});
