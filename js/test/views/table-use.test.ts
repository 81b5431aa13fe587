// @vitest-environment happy-dom
// What one does with a table: logs in place, buttons, the keyboard; and its life.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { MAX_OPEN_LOGS } from "../../src/views/workloads/inline-logs.js";
import {
  act,
  again,
  cancel,
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
  say,
  settled,
  show,
  table,
  tell,
} from "../support/table-stage.js";
import { listed } from "../support/workload.js";

describe("a log in place", () => {
  beforeEach(async () => {
    show();
    await settled();
  });

  it("opens below its row and follows, and closes and lets go", async () => {
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

  it("stands beside others", async () => {
    row("W2").click();
    row("W3").click();
    await painted();
    expect([...following].sort()).toEqual(["W2", "W3"]);
    expect(root().querySelectorAll(".below")).toHaveLength(2);
  });

  it("is the same element whatever is told, so that it keeps its place", async () => {
    row("W3").click();
    await painted();
    const log = find(".below [data-logstream=log]");
    tell(listed(4), listed(3, { state: "failed" }));
    frame({ id: "W1", deleted: true });
    await painted();
    expect(find(".below [data-logstream=log]")).toBe(log);
  });

  it("stays when its workload ends and only running ones are shown", async () => {
    find('.chip[data-of="running"]').click();
    row("W3").click();
    await painted();
    tell(listed(3, { state: "succeeded" }));
    await painted();
    expect(ids()).toEqual(["W3"]);
    row("W3").click();
    await painted();
    expect(ids()).toEqual([]);
  });

  it("goes with its workload", async () => {
    row("W2").click();
    await painted();
    frame({ id: "W2", deleted: true });
    await painted();
    expect(following.size).toBe(0);
    expect(root().querySelector(".below")).toBeNull();
  });

  it("is one of a few: opening one more closes the first", async () => {
    tell(...Array.from({ length: MAX_OPEN_LOGS }, (_, i) => listed(10 + i)));
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

describe("what one can do", () => {
  beforeEach(async () => {
    show();
    await settled();
  });

  it("has a name for each button", () => {
    for (const one of root().querySelectorAll<HTMLElement>("button")) {
      expect(one.getAttribute("aria-label") || one.textContent).toBeTruthy();
    }
  });

  it("is cancel while it runs, delete when it has ended", () => {
    expect([act("W3", "cancel").hidden, act("W3", "ask").hidden]).toEqual([false, true]);
    expect([act("W2", "cancel").hidden, act("W2", "ask").hidden]).toEqual([true, false]);
  });

  it("cancels, once", async () => {
    act("W3", "cancel").click();
    await painted();
    expect(cancel).toHaveBeenCalledExactlyOnceWith("W3");
    expect((act("W3", "cancel") as HTMLButtonElement).disabled).toBe(true);
    expect(following.size).toBe(0);
  });

  it("says in a sentence what the server refused, and lets one try again", async () => {
    cancel.mockRejectedValue(new Error("The server answered 503: busy"));
    act("W3", "cancel").click();
    await painted();
    expect(find(".notice").textContent).toBe("Could not cancel job 3: The server answered 503: busy");
    expect((act("W3", "cancel") as HTMLButtonElement).disabled).toBe(false);
  });

  it("runs it again", async () => {
    act("W2", "again").click();
    await painted();
    expect(again).toHaveBeenCalledExactlyOnceWith("W2");
    expect(find(".said").textContent).toBe("Started again: job 2");
  });

  it("offers no other run of what the server did not start", async () => {
    tell(listed(7, { command: null }));
    await painted();
    expect([act("W7", "again").hidden, act("W7", "command").hidden, act("W7", "id").hidden]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("asks before it deletes, in the row", async () => {
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

  it("copies command and id", async () => {
    const writeText = vi.fn().mockResolvedValue(undefined);
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    act("W2", "command").click();
    act("W2", "id").click();
    await painted();
    expect(writeText.mock.calls).toEqual([["python train.py"], ["W2"]]);
    expect(find(".said").textContent).toBe("Copied the id");
    vi.unstubAllGlobals();
  });

  it("opens a tab only where there are tabs", async () => {
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

  it("has one way in: the row it was on", () => {
    expect(
      rows()
        .filter((one) => one.tabIndex === 0)
        .map((one) => one.dataset["id"]),
    ).toEqual(["W3"]);
  });

  it("moves, opens, closes and asks", async () => {
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

  it("does not ask to delete what runs", async () => {
    press(row("W3"), "Delete");
    await painted();
    expect(row("W3").dataset["asking"]).toBe("false");
  });

  it("leaves a button its own keys", () => {
    row("W2").focus();
    expect(press(act("W2", "id"), "Enter").defaultPrevented).toBe(false);
    expect(following.size).toBe(0);
  });

  it("leaves alone what is meant for others", () => {
    expect(press(row("W3"), "b").defaultPrevented).toBe(false);
  });

  it("comes back from a log to its row", async () => {
    row("W2").click();
    await painted();
    press(find(".below [data-logstream=log]"), "Escape");
    await painted();
    expect(focused()).toBe(row("W2"));
  });

  it("goes to what takes the place of a row that is deleted", async () => {
    row("W2").focus();
    await painted();
    frame({ id: "W2", deleted: true });
    await painted();
    expect(focused()).toBe(row("W1"));
  });
});

describe("its life", () => {
  it("ends with everything it follows, once", async () => {
    show();
    await settled();
    row("W2").click();
    await painted();
    table.dispose();
    table.dispose();
    expect(say).toBeUndefined();
    expect(following.size).toBe(0);
  });

  it("rests while nobody looks, and goes on with what was open", async () => {
    show();
    await settled();
    row("W2").click();
    await painted();
    table.suspend();
    expect(say).toBeUndefined();
    expect(following.size).toBe(0);
    has(listed(2), listed(3, { state: "succeeded" }));
    table.resume();
    await settled();
    expect([...following]).toEqual(["W2"]);
    expect(ids()).toEqual(["W3", "W2"]);
    expect(row("W3").dataset["state"]).toBe("succeeded");
  });

  it("lets go when it is wiped from the page without a word", async () => {
    show();
    await settled();
    host.remove();
    await vi.advanceTimersByTimeAsync(6000);
    expect(say).toBeUndefined();
  });
});
