// The filter of the workload table: states, words, limit, and rows that stay because they are open.
import { describe, expect, it } from "vitest";
import type { Frame, HubEvent } from "../../src/protocol/types.js";
import type { ListedWorkload } from "../../src/protocol/workloads-source.js";
import { wordsOf } from "../../src/tables/table-filter.js";
import { matches, statesOf, WorkloadFilter } from "../../src/tables/workloads/workload-filter.js";
import { Workloads } from "../../src/tables/workloads/workloads.js";
import { listed } from "../support/workload.js";

const any = new Set<never>();
const finds = (job: ListedWorkload, text: string) => matches(job, { values: any, words: wordsOf(text) });

function listOf(...jobs: ListedWorkload[]): Workloads {
  let emit: (event: HubEvent) => void = () => {};
  const refuse = () => Promise.reject(new Error("not here"));
  const source = {
    subscribe(listener: typeof emit) {
      emit = listener;
      return { close() {}, retryNow() {} };
    },
    cancel: refuse,
    remove: refuse,
    again: refuse,
  };
  const list = new Workloads(source, () => {});
  list.open();
  for (const job of jobs) emit({ kind: "frame", type: "workload", data: job as unknown as Frame });
  list.close();
  return list;
}

describe("words", () => {
  const job = listed(1, {
    name: "Train ResNet",
    command: ["python", "fit.py", "--lr", "0.1"],
    tags: { team: "vision" },
    last_line: "epoch 3 loss=0.21",
  });

  it.each([
    ["resnet", true],
    ["fit.py", true],
    ["W1", true],
    ["team=vision", true],
    ["EPOCH 3", true],
    ["resnet loss", true],
    ["resnet prices", false],
    ["  ", true],
  ])("%j: %s", (text, found) => {
    expect(finds(job, text)).toBe(found);
  });

  it("are searched in the current text", () => {
    expect(finds({ ...job, last_line: "epoch 4" }, "epoch 4")).toBe(true);
    const linked = { ...job, last_line: "\x1b]8;;https://a.test/\x1b\\ep\x1b[31moch 5\x1b[0m\x1b]8;;\x1b\\" };
    expect([finds(linked, "epoch 5"), finds(linked, "a.test"), finds(linked, "31m")]).toEqual([true, false, false]);
    expect(finds(job, "epoch 4")).toBe(false);
  });
});

describe("states", () => {
  it("are comma-separated; unknown names are ignored", () => {
    expect([...statesOf("failed, running,nonsense")]).toEqual(["running", "failed"]);
    expect(statesOf("").size).toBe(0);
  });
});

describe("the filter", () => {
  const list = listOf(listed(1, { state: "failed" }), listed(2), listed(3, { state: "running" }), listed(4));

  it("passes all, newest first, until a state is selected", () => {
    expect(new WorkloadFilter().choose(list, new Map())).toEqual(["W4", "W3", "W2", "W1"]);
  });

  it("passes any of the selected states, and all again without one", () => {
    const chosen = new WorkloadFilter();
    chosen.toggle("failed");
    chosen.toggle("running");
    expect(chosen.choose(list, new Map())).toEqual(["W3", "W1"]);
    chosen.toggle("running");
    expect(chosen.choose(list, new Map())).toEqual(["W1"]);
    chosen.toggle(undefined);
    expect(chosen.choose(list, new Map())).toHaveLength(4);
  });

  it("retains open workloads that do not match", () => {
    const chosen = new WorkloadFilter(new Set(["failed"] as const));
    expect(chosen.choose(list, new Map([["W4", true]]))).toEqual(["W4", "W1"]);
  });

  it("has a limit and counts the workloads beyond it", () => {
    const chosen = new WorkloadFilter(new Set(), 3);
    expect(chosen.choose(list, new Map())).toEqual(["W4", "W3", "W2"]);
    expect(chosen.left).toBe(1);
  });

  it("returns the same array while the result cannot differ", () => {
    const chosen = new WorkloadFilter();
    expect(chosen.choose(list, new Map())).toBe(chosen.choose(list, new Map()));
  });
});
