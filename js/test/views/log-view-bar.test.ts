// @vitest-environment happy-dom
// The header of a log view, and the view's lifetime.
import { describe, expect, it, vi } from "vitest";
import { PermanentError } from "../../src/protocol/errors.js";
import { find, host, paint, rows, source, view } from "../support/stage.js";
import { workload } from "../support/workload.js";

describe("the header", () => {
  it("counts down to the next attempt and offers a retry", async () => {
    source.emit({ kind: "state", rung: "reconnecting", retryAt: Date.now() + 4000 });
    await paint();
    expect(find(".badge").textContent).toBe("Reconnectingin 4 s");
    await vi.advanceTimersByTimeAsync(1000);
    expect(find(".badge").textContent).toBe("Reconnectingin 3 s");
    find(".retry").click();
    expect(source.retried).toBe(1);
    source.emit({ kind: "state", rung: "live" });
    await paint();
    expect(find(".retry").hidden).toBe(true);
  });

  it("shows the duration in server time, until the workload ends", async () => {
    source.frame("ping", { timestamp: Date.now() - 3_600_000 });
    source.emit({ kind: "state", rung: "live" });
    source.frame("status", { job: workload({ started: Date.now() - 3_600_000 - 5000 }) });
    await paint();
    expect(find(".duration").textContent).toBe("5.0 s");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(find(".duration").textContent).toBe("15 s");
    const started = Date.now() - 3_600_000 - 20_000;
    source.frame("done", { job: workload({ state: "succeeded", started, ended: started + 30_000 }) });
    source.emit({ kind: "state", rung: "done" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(find(".duration").textContent).toBe("30 s");
  });

  it("shows where a workload runs and why it waits", async () => {
    source.emit({ kind: "state", rung: "live" });
    const job = { backend: "cluster", state: "queued", started: null, reason: "Pending: Resources" } as const;
    source.frame("status", { job: workload(job) });
    await paint();
    expect(find(".badge").textContent).toBe("QueuedPending: Resources");
    expect(find(".place").textContent).toBe("cluster");
    source.frame("status", { job: workload({ backend: "cluster", node: "node17" }) });
    await paint();
    expect(find(".place").textContent).toBe("cluster · node17");
    source.frame("status", { job: workload({ backend: "local" }) });
    await paint();
    expect(find(".place").textContent).toBe("");
  });

  it("counts how long the connection to the machine is lost, until it is back", async () => {
    source.frame("ping", { timestamp: Date.now() });
    source.emit({ kind: "state", rung: "live" });
    expect(find(".lost-link").hidden).toBe(true);
    const link = { state: "down", since: Date.now() - 12_000, cancel_pending: false } as const;
    source.frame("status", { job: workload({ backend: "gpu1", link }) });
    await paint();
    expect(find(".lost-link").textContent).toBe("Connection to gpu1 lost 12 s ago, retrying");
    expect(find(".badge").textContent).toBe("Connection lost");
    await vi.advanceTimersByTimeAsync(2000);
    expect(find(".lost-link").textContent).toBe("Connection to gpu1 lost 14 s ago, retrying");
    expect((find(".cancel") as HTMLButtonElement).disabled).toBe(false);
    source.frame("status", { job: workload({ backend: "gpu1", link: { ...link, cancel_pending: true } }) });
    await paint();
    expect(find(".lost-link").textContent).toContain("the cancel is kept and sent when it is back");
    expect((find(".cancel") as HTMLButtonElement).disabled).toBe(true);
    source.frame("status", { job: workload({ backend: "gpu1", link: null }) });
    await paint();
    expect([find(".lost-link").hidden, find(".badge").textContent]).toEqual([true, "Live"]);
  });

  it("shows how many secrets are masked, if any", async () => {
    source.frame("status", { job: workload({ masked: 0 }) });
    await paint();
    expect(find(".masked").hidden).toBe(true);
    source.frame("done", { job: workload({ state: "succeeded", masked: 1234 }) });
    await paint();
    expect(find(".masked").hidden).toBe(false);
    expect(find(".masked").textContent).toBe("1,234 masked");
    expect(find(".masked").title).toContain("1,234 secrets are shown as ***");
  });

  it("shows a function's call and, once it has ended, its result", async () => {
    const job = { name: "lr=0.1", call: "train(lr=0.1)" };
    source.frame("status", { job: workload(job) });
    await paint();
    expect(find(".name").textContent).toBe("lr=0.1 · train(lr=0.1)");
    expect(find(".result").hidden).toBe(true);
    const result = { kind: "value", type: "float", repr: "0.93" };
    source.frame("done", { job: workload({ ...job, state: "succeeded", result }) });
    await paint();
    expect(find(".result").textContent).toBe("→ 0.93");
    source.frame("status", { job: workload({ name: "train(lr=0.1)", call: "train(lr=0.1)" }) });
    await paint();
    expect(find(".name").textContent).toBe("train(lr=0.1)");
  });

  it("cancels without confirmation, shows that, and hides the button at the end", async () => {
    source.frame("status", { job: workload({}) });
    await paint();
    const button = find(".cancel") as HTMLButtonElement;
    button.click();
    await paint();
    expect(source.cancel).toHaveBeenCalledOnce();
    expect(button.textContent).toBe("Cancelling…");
    expect(button.disabled).toBe(true);
    source.frame("done", { job: workload({ state: "cancelled" }) });
    await paint();
    expect(button.hidden).toBe(true);
  });

  it("shows why a cancel failed, and allows another", async () => {
    source.cancel.mockRejectedValueOnce(new Error("The server answered 403: not yours"));
    source.frame("status", { job: workload({}) });
    await paint();
    find(".cancel").click();
    await paint();
    expect(find(".notice").textContent).toContain("not yours");
    expect((find(".cancel") as HTMLButtonElement).disabled).toBe(false);
  });

  it("shows the name with the command as tooltip; without a name the command", async () => {
    source.frame("status", { job: workload({ command: ["python", "t.py"] }) });
    await paint();
    expect(find(".name").textContent).toBe("train");
    expect(find(".name").title).toContain("python t.py");
    source.frame("status", { job: workload({ name: null, command: ["python", "t.py"] }) });
    await paint();
    expect(find(".name").textContent).toBe("python t.py");
  });

  it("links to the complete log", () => {
    expect(find(".download").getAttribute("href")).toBe(source.downloadUrl);
  });

  it("shows an error message", async () => {
    source.emit({ kind: "state", rung: "error", message: "This log does not exist any more (404)" });
    await paint();
    expect(host.dataset["state"]).toBe("error");
    expect(find(".notice").textContent).toBe("This log does not exist any more (404)");
  });

  it("shows why a command could not start", async () => {
    source.frame("done", { job: workload({ state: "failed", started: null, error: "no-such-binary: not found" }) });
    source.emit({ kind: "state", rung: "done" });
    await paint();
    expect(find(".notice").textContent).toBe("no-such-binary: not found");
  });

  it("shows an error when a range request fails because the log was deleted", async () => {
    source.refuse = new PermanentError("The server answered 404: gone");
    source.emit({ kind: "snapshot", cursor: 5000, job: workload({ state: "succeeded" }) });
    await paint();
    await paint();
    expect(host.dataset["state"]).toBe("error");
    expect(source.requested).toHaveLength(1);
    source.refuse = undefined;
    find(".retry").click();
    await paint();
    await paint();
    expect(rows().at(-1)?.textContent).toBe("line 5000");
  });
});

describe("the lifetime", () => {
  it("begins with the last lines", () => {
    expect(source.subscribed).toEqual([{ tail: 200 }]);
  });

  it("ends with dispose, which is idempotent", async () => {
    view.dispose();
    view.dispose();
    expect(source.closed).toBe(1);
    const before = host.dataset["lines"];
    await vi.advanceTimersByTimeAsync(60_000);
    expect(host.dataset["lines"]).toBe(before);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("closes the stream when the view is removed without dispose", async () => {
    host.remove();
    await vi.advanceTimersByTimeAsync(2500);
    expect(source.closed).toBe(0);
    await vi.advanceTimersByTimeAsync(2500);
    expect(source.closed).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("keeps the stream when the view is moved", async () => {
    host.remove();
    await vi.advanceTimersByTimeAsync(3000);
    document.body.append(host);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(source.closed).toBe(0);
  });

  it("follows Jupyter's light or dark theme", async () => {
    document.body.dataset["jpThemeLight"] = "false";
    await paint();
    expect(host.style.colorScheme).toBe("dark");
    document.body.dataset["jpThemeLight"] = "true";
    await paint();
    expect(host.style.colorScheme).toBe("light");
  });
});
