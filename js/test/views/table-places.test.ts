// @vitest-environment happy-dom
// The workload table and other machines: where a workload runs, why it waits, a lost connection.
import { describe, expect, it, vi } from "vitest";
import { act, find, has, ids, painted, row, send, settled, show, text } from "../support/table-stage.js";
import { listed } from "../support/workload.js";

describe("a workload on another machine", () => {
  it("has its place beside its name, and none on this machine", async () => {
    has(listed(1), listed(2, { backend: "cluster", node: "node17" }));
    show();
    await settled();
    expect([text("W1", "name"), text("W2", "name")]).toEqual(["job 1", "job 2cluster · node17"]);
    expect(row("W2").querySelector(".place")?.textContent).toBe("cluster · node17");
  });

  it("is found by its machine", async () => {
    has(listed(1), listed(2, { backend: "cluster", node: "node17" }));
    show();
    await settled();
    const search = find(".search") as HTMLInputElement;
    search.value = "node17";
    search.dispatchEvent(new Event("input"));
    await settled();
    expect(ids()).toEqual(["W2"]);
  });

  it("shows why it waits as long as it has written nothing", async () => {
    has(listed(1, { state: "queued", backend: "cluster", reason: "Pending: Resources", started: null }));
    show();
    await settled();
    expect(text("W1", "last")).toBe("Pending: Resources");
    send(listed(1, { state: "running", backend: "cluster", node: "node17", lines: 1, last_line: "epoch 1" }));
    await painted();
    expect(text("W1", "last")).toBe("epoch 1");
  });

  it("counts how long its connection is lost, keeps its state, and shows that a cancel is kept", async () => {
    const link = { state: "down", since: Date.now() - 12_000, cancel_pending: false } as const;
    has(listed(1, { state: "running", backend: "gpu1", lines: 1, last_line: "epoch 1", link }));
    show();
    await settled();
    expect(text("W1", "last")).toMatch(/^connection to gpu1 lost 1[23] s ago, retrying$/);
    expect([text("W1", "state"), row("W1").dataset["tone"]]).toEqual(["Running", "warn"]);
    expect((act("W1", "cancel") as HTMLButtonElement).disabled).toBe(false);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(text("W1", "last")).toMatch(/^connection to gpu1 lost 4[23] s ago, retrying$/);
    send(listed(1, { state: "running", backend: "gpu1", link: { ...link, cancel_pending: true } }));
    await painted();
    expect(text("W1", "last")).toContain("the cancel is kept and sent when it is back");
    expect((act("W1", "cancel") as HTMLButtonElement).disabled).toBe(true);
  });
});
