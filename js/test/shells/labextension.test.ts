// @vitest-environment happy-dom
// The labextension: one view per output, disposed with it.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { areOutputsClaimed, MIME } from "../../src/protocol/saved-output.js";
import type { HubEvent } from "../../src/protocol/types.js";
import extension, { WorkloadOutput } from "../../src/shells/labextension.js";
import { workload } from "../support/workload.js";

// The server serves the views; here they are imported from the sources.
vi.mock("../../src/shells/served-views.js", async () => ({
  ...(await import("../../src/shells/table.js")),
  ...(await import("../../src/shells/view.js")),
}));

const SLOT = Symbol.for("jupyter-logstream.v1");
const page = globalThis as unknown as { [key: symbol]: unknown };
const subscribe = vi.fn();
const close = vi.fn();
let output: WorkloadOutput;

type Model = Parameters<WorkloadOutput["renderModel"]>[0];
const FINAL = {
  job: workload({ state: "failed", exit_code: 3, lines: 60, ended: 2000 }),
  lines: ["<b>one</b>", "two"],
};

function model(data: object, trusted = true): Model {
  return {
    trusted,
    data: { [MIME]: { workload: "W1", protocol: 1, ...data } },
    metadata: {},
    setData: () => {},
  } as Model;
}

const shown = () => output.node.querySelector<HTMLElement>("[data-logstream=log]");
const find = (selector: string) => shown()?.shadowRoot?.querySelector<HTMLElement>(selector) as HTMLElement;
const emit = (event: HubEvent) => (subscribe.mock.lastCall as [object, (event: HubEvent) => void])[1](event);

beforeEach(() => {
  subscribe.mockReset();
  subscribe.mockReturnValue({ close, retryNow: vi.fn() });
  close.mockReset();
  page[SLOT] = { subscribe };
  output = new WorkloadOutput();
  document.body.append(output.node);
});
afterEach(() => {
  output.dispose();
  delete page[SLOT];
});

describe("the extension", () => {
  it("claims the outputs of workloads when the page registers its renderer", () => {
    expect(areOutputsClaimed()).toBe(false);
    expect([extension].flat()[0]?.rendererFactory.createRenderer).toBeDefined();
    expect(areOutputsClaimed()).toBe(true);
  });

  it("ranks before the widget renderer (-10), also in untrusted notebooks", () => {
    const [only] = [extension].flat();
    expect(only?.rendererFactory).toMatchObject({ safe: true, mimeTypes: [MIME] });
    expect(only?.rank).toBeLessThan(-10);
    expect(only?.rendererFactory.defaultRank).toBeLessThan(-10);
  });
});

describe("an output", () => {
  it("shows the log of its workload", async () => {
    await output.renderModel(model({}));
    expect(shown()?.dataset["workload"]).toBe("W1");
    expect(subscribe.mock.lastCall?.[0]).toEqual({ stream: "workload/W1", tail: 200 });
  });

  it("keeps its view when the output is updated at the end", async () => {
    await output.renderModel(model({}));
    const before = shown();
    await output.renderModel(model({ final: FINAL }));
    expect(shown()).toBe(before);
    expect(subscribe).toHaveBeenCalledOnce();
  });

  it("switches to another workload", async () => {
    await output.renderModel(model({}));
    await output.renderModel(model({ workload: "W2" }));
    expect(close).toHaveBeenCalledOnce();
    expect(shown()?.dataset["workload"]).toBe("W2");
  });

  it("closes its stream once when it is disposed, and shows nothing after that", async () => {
    await output.renderModel(model({}));
    output.dispose();
    output.dispose();
    await output.renderModel(model({ workload: "W2" }));
    expect(close).toHaveBeenCalledOnce();
    expect(subscribe).toHaveBeenCalledOnce();
  });

  it.each([
    [true, false],
    [false, true],
  ])("offers to cancel only where the notebook is trusted (%s)", async (trusted, hidden) => {
    await output.renderModel(model({}, trusted));
    emit({ kind: "snapshot", job: workload({ state: "running" }) });
    emit({ kind: "state", rung: "live" });
    await vi.waitFor(() => expect(find(".badge .label").textContent).toBe("Live"));
    expect(find(".cancel").hidden).toBe(hidden);
  });

  it("shows the saved lines as text, with the reason, if the log was deleted", async () => {
    await output.renderModel(model({ final: FINAL }));
    emit({ kind: "state", rung: "error", message: "This log was deleted from the server (404)." });
    await vi.waitFor(() => expect(find(".kept").hidden).toBe(false));
    expect(find(".kept").textContent).toBe("<b>one</b>\ntwo");
    expect(find(".kept").childElementCount).toBe(0);
    expect(find(".notice").textContent).toContain("This log was deleted from the server (404).");
    expect(find(".notice").textContent).toContain("Failed, exit code 3");
    expect(shown()?.dataset).toMatchObject({ state: "error", lines: "60" });
  });

  it("shows the final state of a workload without output if its log was deleted", async () => {
    await output.renderModel(model({ final: { ...FINAL, lines: [] } }));
    emit({ kind: "state", rung: "error", message: "Gone." });
    await vi.waitFor(() => expect(find(".notice").textContent).toContain("Failed, exit code 3"));
    expect(find(".kept").textContent).toBe("No output");
  });

  it("shows the log instead of the saved lines if it is available", async () => {
    await output.renderModel(model({ final: FINAL }));
    emit({ kind: "snapshot", job: FINAL.job });
    emit({ kind: "state", rung: "done" });
    await vi.waitFor(() => expect(shown()?.dataset["state"]).toBe("done"));
    expect(find(".kept").hidden).toBe(true);
  });

  it("names the upgrade when the kernel is newer, and shows the saved lines", async () => {
    await output.renderModel(model({ protocol: 2, final: FINAL }));
    await vi.waitFor(() => expect(find(".notice").textContent).toContain("speaks protocol 2"));
    expect(find(".kept").hidden).toBe(false);
    expect(subscribe).not.toHaveBeenCalled();
  });

  it("of invalid data is a message, not an empty view", async () => {
    await output.renderModel({ ...model({}), data: { [MIME]: "nonsense" } } as Model);
    await vi.waitFor(() => expect(find(".notice").textContent).toContain("an unknown protocol"));
  });
});
