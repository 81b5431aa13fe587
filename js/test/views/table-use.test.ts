// @vitest-environment happy-dom
// Use of the workload table: inline logs, buttons, keyboard; and its lifetime.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { MAX_OPEN_LOGS } from "../../src/views/workloads/inline-logs.js";
import {
  act,
  again,
  cancel,
  emit,
  find,
  focused,
  following,
  frame,
  has,
  host,
  ids,
  painted,
  press,
  ROW_PX,
  remove,
  root,
  row,
  rows,
  send,
  settled,
  show,
  table,
} from "../support/table-stage.js";
import { listed } from "../support/workload.js";

describe("an inline log", () => {
  beforeEach(async () => {
    show();
    await settled();
  });

  it("opens below its row and follows; closing it ends the stream", async () => {
    row("W2").click();
    await painted();
    expect([...following]).toEqual(["W2"]);
    const log = find(".below [data-logstream=log]");
    expect(log.dataset["workload"]).toBe("W2");
    expect(row("W2").getAttribute("aria-expanded")).toBe("true");
    expect(row("W2").nextElementSibling).toBe(find(".below"));
    const px = (value: string) => Number.parseInt(value, 10);
    const { top, height } = find(".below").style;
    expect(px(top)).toBeGreaterThanOrEqual(2 * ROW_PX);
    expect(px(row("W1").style.top)).toBe(px(top) + px(height));
    row("W2").click();
    await painted();
    expect(following.size).toBe(0);
    expect(root().querySelector(".below")).toBeNull();
  });

  it("can be open beside others", async () => {
    row("W2").click();
    row("W3").click();
    await painted();
    expect([...following].sort()).toEqual(["W2", "W3"]);
    expect(root().querySelectorAll(".below")).toHaveLength(2);
  });

  it("stays the same element through all changes, so that it keeps its scroll position", async () => {
    row("W3").click();
    await painted();
    const log = find(".below [data-logstream=log]");
    send(listed(4), listed(3, { state: "failed" }));
    frame({ id: "W1", deleted: true });
    await painted();
    expect(find(".below [data-logstream=log]")).toBe(log);
  });

  it("stays when its workload ends and only running ones are shown", async () => {
    find('.chip[data-of="running"]').click();
    row("W3").click();
    await painted();
    send(listed(3, { state: "succeeded" }));
    await painted();
    expect(ids()).toEqual(["W3"]);
    row("W3").click();
    await painted();
    expect(ids()).toEqual([]);
  });

  it("is closed when its workload is deleted", async () => {
    row("W2").click();
    await painted();
    frame({ id: "W2", deleted: true });
    await painted();
    expect(following.size).toBe(0);
    expect(root().querySelector(".below")).toBeNull();
  });

  it("is bounded in number: opening one more closes the first", async () => {
    send(...Array.from({ length: MAX_OPEN_LOGS }, (_, i) => listed(10 + i)));
    await painted();
    for (let i = 0; i < MAX_OPEN_LOGS; i++) row(`W${10 + i}`).click();
    await painted();
    expect(following.size).toBe(MAX_OPEN_LOGS);
    row("W3").click();
    await painted();
    expect(following.size).toBe(MAX_OPEN_LOGS);
    expect(following.has("W10")).toBe(false);
  });
});

describe("actions", () => {
  beforeEach(async () => {
    show();
    await settled();
  });

  it("have an accessible name", () => {
    for (const one of root().querySelectorAll<HTMLElement>("button")) {
      expect(one.getAttribute("aria-label") || one.textContent).toBeTruthy();
    }
  });

  it("are cancel while it runs and delete when it has ended", () => {
    expect([act("W3", "cancel").hidden, act("W3", "ask").hidden]).toEqual([false, true]);
    expect([act("W2", "cancel").hidden, act("W2", "ask").hidden]).toEqual([true, false]);
  });

  it("cancel once", async () => {
    act("W3", "cancel").click();
    await painted();
    expect(cancel).toHaveBeenCalledExactlyOnceWith("W3");
    expect((act("W3", "cancel") as HTMLButtonElement).disabled).toBe(true);
    expect(following.size).toBe(0);
  });

  it("report an error as a sentence and can be retried", async () => {
    cancel.mockRejectedValue(new Error("The server answered 503: busy"));
    act("W3", "cancel").click();
    await painted();
    expect(find(".notice").textContent).toBe("Could not cancel job 3: The server answered 503: busy");
    expect((act("W3", "cancel") as HTMLButtonElement).disabled).toBe(false);
  });

  it("run it again", async () => {
    act("W2", "again").click();
    await painted();
    expect(again).toHaveBeenCalledExactlyOnceWith("W2");
    expect(find(".said").textContent).toBe("Started again: job 2");
  });

  it("include no other run of a workload that the server did not start", async () => {
    send(listed(7, { command: null }));
    await painted();
    expect([act("W7", "again").hidden, act("W7", "command").hidden, act("W7", "id").hidden]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("ask for confirmation in the row before deleting", async () => {
    act("W2", "ask").click();
    await painted();
    expect(row("W2").dataset["asking"]).toBe("true");
    expect(remove).not.toHaveBeenCalled();
    expect(focused()).toBe(act("W2", "remove"));
    act("W2", "keep").click();
    await painted();
    expect(row("W2").dataset["asking"]).toBe("false");
    act("W2", "ask").click();
    await painted();
    act("W2", "remove").click();
    await painted();
    expect(remove).toHaveBeenCalledExactlyOnceWith("W2");
  });

  it("copy command and id", async () => {
    const writeText = vi.fn().mockResolvedValue(undefined);
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    act("W2", "command").click();
    act("W2", "id").click();
    await painted();
    expect(writeText.mock.calls).toEqual([["python train.py"], ["W2"]]);
    expect(find(".said").textContent).toBe("Copied the id");
    vi.unstubAllGlobals();
  });

  it("open a tab only where there are tabs", async () => {
    expect(act("W2", "tab").hidden).toBe(true);
    table.dispose();
    const openTab = vi.fn();
    show({ openTab });
    await settled();
    act("W2", "tab").click();
    expect(openTab.mock.lastCall?.[0]).toMatchObject({ id: "W2" });
    expect(following.size).toBe(0);
  });
});

describe("the keyboard", () => {
  beforeEach(async () => {
    show();
    await settled();
  });

  it("has one tab stop: the row that had the focus last", () => {
    expect(
      rows()
        .filter((one) => one.tabIndex === 0)
        .map((one) => one.dataset["id"]),
    ).toEqual(["W3"]);
  });

  it("moves the focus, opens, closes and starts a deletion", async () => {
    row("W3").focus();
    expect(press(row("W3"), "ArrowDown").defaultPrevented).toBe(true);
    await painted();
    expect(focused()).toBe(row("W2"));
    press(row("W2"), "Enter");
    await painted();
    expect([...following]).toEqual(["W2"]);
    press(row("W2"), "ArrowLeft");
    await painted();
    expect(following.size).toBe(0);
    press(row("W2"), "Delete");
    await painted();
    expect(focused()).toBe(act("W2", "remove"));
    press(act("W2", "remove"), "Escape");
    await painted();
    expect(focused()).toBe(row("W2"));
    press(row("W2"), "End");
    await painted();
    expect(focused()).toBe(row("W1"));
    press(row("W1"), "Home");
    await painted();
    expect(focused()).toBe(row("W3"));
  });

  it("offers no deletion of a running workload", async () => {
    press(row("W3"), "Delete");
    await painted();
    expect(row("W3").dataset["asking"]).toBe("false");
  });

  it("leaves Enter to a focused button", () => {
    row("W2").focus();
    expect(press(act("W2", "id"), "Enter").defaultPrevented).toBe(false);
    expect(following.size).toBe(0);
  });

  it("leaves other keys alone", () => {
    expect(press(row("W3"), "b").defaultPrevented).toBe(false);
  });

  it("returns from a log to its row", async () => {
    row("W2").click();
    await painted();
    press(find(".below [data-logstream=log]"), "Escape");
    await painted();
    expect(focused()).toBe(row("W2"));
  });

  it("moves to the row that takes the place of a deleted one", async () => {
    row("W2").focus();
    await painted();
    frame({ id: "W2", deleted: true });
    await painted();
    expect(focused()).toBe(row("W1"));
  });
});

describe("its lifetime", () => {
  it("ends all its streams, once", async () => {
    show();
    await settled();
    row("W2").click();
    await painted();
    table.dispose();
    table.dispose();
    expect(emit).toBeUndefined();
    expect(following.size).toBe(0);
  });

  it("suspends its streams and resumes them with the open logs", async () => {
    show();
    await settled();
    row("W2").click();
    await painted();
    table.suspend();
    expect(emit).toBeUndefined();
    expect(following.size).toBe(0);
    has(listed(2), listed(3, { state: "succeeded" }));
    table.resume();
    await settled();
    expect([...following]).toEqual(["W2"]);
    expect(ids()).toEqual(["W3", "W2"]);
    expect(row("W3").dataset["state"]).toBe("succeeded");
  });

  it("ends its stream when the host is removed from the page", async () => {
    show();
    await settled();
    host.remove();
    await vi.advanceTimersByTimeAsync(6000);
    expect(emit).toBeUndefined();
  });
});
