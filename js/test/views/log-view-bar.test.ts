// @vitest-environment happy-dom
// The bar above the log, and the life of the whole.
import { describe, expect, it, vi } from "vitest";
import { PermanentError } from "../../src/protocol/errors.js";
import { find, host, paint, rows, source, view } from "../support/stage.js";
import { workload } from "../support/workload.js";

describe("the bar", () => {
  it("counts down to the next attempt and offers to try now", async () => {
    source.say({ kind: "state", rung: "reconnecting", retryAt: Date.now() + 4000 });
    await paint();
    expect(find(".badge").textContent).toBe("Reconnectingin 4 s");
    await vi.advanceTimersByTimeAsync(1000);
    expect(find(".badge").textContent).toBe("Reconnectingin 3 s");
    find(".retry").click();
    expect(source.retried).toBe(1);
    source.say({ kind: "state", rung: "live" });
    await paint();
    expect(find(".retry").hidden).toBe(true);
  });

  it("ticks in the server's time while it runs, and stops with it", async () => {
    source.frame("ping", { timestamp: Date.now() - 3_600_000 });
    source.say({ kind: "state", rung: "live" });
    source.frame("status", { job: workload({ started: Date.now() - 3_600_000 - 5000 }) });
    await paint();
    expect(find(".duration").textContent).toBe("5.0 s");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(find(".duration").textContent).toBe("15 s");
    const started = Date.now() - 3_600_000 - 20_000;
    source.frame("done", { job: workload({ state: "succeeded", started, ended: started + 30_000 }) });
    source.say({ kind: "state", rung: "done" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(find(".duration").textContent).toBe("30 s");
  });

  it("cancels without asking, says so, and has no such button at the end", async () => {
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

  it("says why a cancel did not work, and lets one try again", async () => {
    source.cancel.mockRejectedValueOnce(new Error("The server answered 403: not yours"));
    source.frame("status", { job: workload({}) });
    await paint();
    find(".cancel").click();
    await paint();
    expect(find(".notice").textContent).toContain("not yours");
    expect((find(".cancel") as HTMLButtonElement).disabled).toBe(false);
  });

  it("shows the name, and the command on hover; without a name the command", async () => {
    source.frame("status", { job: workload({ command: ["python", "t.py"] }) });
    await paint();
    expect(find(".name").textContent).toBe("train");
    expect(find(".name").title).toContain("python t.py");
    source.frame("status", { job: workload({ name: null, command: ["python", "t.py"] }) });
    await paint();
    expect(find(".name").textContent).toBe("python t.py");
  });

  it("links to the whole log", () => {
    expect(find(".download").getAttribute("href")).toBe(source.downloadUrl);
  });

  it("tells an error in a sentence", async () => {
    source.say({ kind: "state", rung: "error", message: "This log does not exist any more (404)" });
    await paint();
    expect(host.dataset["state"]).toBe("error");
    expect(find(".notice").textContent).toBe("This log does not exist any more (404)");
  });

  it("tells why a command could not be started", async () => {
    source.frame("done", { job: workload({ state: "failed", started: null, error: "no-such-binary: not found" }) });
    source.say({ kind: "state", rung: "done" });
    await paint();
    expect(find(".notice").textContent).toBe("no-such-binary: not found");
  });

  it("turns to error when a range is refused: the log was deleted while one looked at it", async () => {
    source.refuse = new PermanentError("The server answered 404: gone");
    source.say({ kind: "snapshot", cursor: 5000, job: workload({ state: "succeeded" }) });
    await paint();
    await paint();
    expect(host.dataset["state"]).toBe("error");
    expect(source.asked).toHaveLength(1);
    source.refuse = undefined;
    find(".retry").click();
    await paint();
    await paint();
    expect(rows().at(-1)?.textContent).toBe("line 5000");
  });
});

describe("its life", () => {
  it("begins with the tail", () => {
    expect(source.subscribed).toEqual([{ tail: 200 }]);
  });

  it("ends with dispose, as often as it is called", async () => {
    view.dispose();
    view.dispose();
    expect(source.closed).toBe(1);
    const before = host.dataset["lines"];
    await vi.advanceTimersByTimeAsync(60_000);
    expect(host.dataset["lines"]).toBe(before);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("lets the stream go when it is wiped from the page without a call", async () => {
    host.remove();
    await vi.advanceTimersByTimeAsync(2500);
    expect(source.closed).toBe(0);
    await vi.advanceTimersByTimeAsync(2500);
    expect(source.closed).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("keeps it when it is only moved", async () => {
    host.remove();
    await vi.advanceTimersByTimeAsync(3000);
    document.body.append(host);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(source.closed).toBe(0);
  });

  it("follows Jupyter's theme for what has no variable", async () => {
    document.body.dataset["jpThemeLight"] = "false";
    await paint();
    expect(host.style.colorScheme).toBe("dark");
    document.body.dataset["jpThemeLight"] = "true";
    await paint();
    expect(host.style.colorScheme).toBe("light");
  });
});
