// @vitest-environment happy-dom
// Keys, menu, preferences, line selection, filters and folding of a log view.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { lineIn } from "../../src/views/log/permalink.js";
import { find, host, paint, root, rows, source, viewport } from "../support/stage.js";
import { record, records, workload } from "../support/workload.js";

const press = async (key: string, init: KeyboardEventInit = {}) => {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, composed: true, ...init });
  viewport().dispatchEvent(event);
  await paint();
  return event;
};
const item = (label: string) =>
  [...root().querySelectorAll<HTMLElement>(".item")].find((one) => one.textContent?.startsWith(label)) as HTMLElement;
const view = () => find(".view");

beforeEach(async () => {
  source.emit({ kind: "state", rung: "live" });
  source.frame("status", { job: workload({ started: 500, levels: { error: 2, warn: 3, info: 495 }, lines: 500 }) });
  source.logs(...records(1, 500));
  await paint();
});

describe("keys", () => {
  it("go to a line number, also with separators", async () => {
    await press("g");
    const input = find(".goto input") as HTMLInputElement;
    expect(find(".goto").hidden).toBe(false);
    input.value = "1,23";
    input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    await paint();
    expect(find("[data-hit]").dataset["seq"]).toBe("123");
    expect(find(".goto").hidden).toBe(true);
    expect(find(".follow").getAttribute("aria-pressed")).toBe("false");
  });

  it("go to the nearest line when the number does not exist", async () => {
    await press("g");
    const input = find(".goto input") as HTMLInputElement;
    input.value = "9999";
    input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    await paint();
    expect(find("[data-hit]").dataset["seq"]).toBe("500");
    expect(find(".toast").textContent).toBe("No line 9,999: this log has lines 1 to 500");
  });

  it("follow, pause, and go to the end", async () => {
    await press("f");
    expect(find(".follow").getAttribute("aria-pressed")).toBe("false");
    await press("G", { shiftKey: true });
    expect(find(".follow").getAttribute("aria-pressed")).toBe("true");
  });

  it("step through the errors, from the first", async () => {
    source.matching = [17, 42];
    await press("e");
    expect(find("[data-hit]").dataset["seq"]).toBe("17");
    expect(find(".toast").textContent).toBe("Error 1 of 2");
    await press("e");
    expect(find("[data-hit]").dataset["seq"]).toBe("42");
    await press("E", { shiftKey: true });
    expect(find("[data-hit]").dataset["seq"]).toBe("17");
  });

  it("of the browser are not handled", async () => {
    for (const init of [{ ctrlKey: true }, { altKey: true }, { metaKey: true }]) {
      expect((await press("f", init)).defaultPrevented).toBe(false);
    }
    expect((await press("q")).defaultPrevented).toBe(false);
  });

  it("do not reach the notebook", async () => {
    const heard = vi.fn();
    document.body.addEventListener("keydown", heard);
    for (const key of ["f", "f", "w", "w", "t", "t", "t", "t"]) await press(key);
    document.body.removeEventListener("keydown", heard);
    expect(heard).not.toHaveBeenCalled();
  });

  it("are listed with their descriptions", async () => {
    await press("?");
    expect(find(".help").hidden).toBe(false);
    expect(find(".keylist").querySelectorAll("dt").length).toBe(find(".keylist").querySelectorAll("dd").length);
    find(".help").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
    expect(find(".help").hidden).toBe(true);
  });
});

describe("the menu", () => {
  const open = () => find(".more").click();

  it("opens, is navigated by keys, and closes", () => {
    open();
    expect(find(".menu").hidden).toBe(false);
    find(".menu").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" }));
    expect(root().activeElement?.textContent).toContain("Compact line spacing");
    find(".menu").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
    expect(find(".menu").hidden).toBe(true);
  });

  it("wraps long lines and stores that for the next log", async () => {
    open();
    item("Wrap").click();
    await paint();
    expect(view().classList.contains("wrap")).toBe(true);
    expect(item("Wrap").getAttribute("aria-checked")).toBe("true");
    expect(localStorage.getItem("jupyter-logstream")).toContain('"wrap":true');
    item("Wrap").click();
    await paint();
    expect(view().classList.contains("wrap")).toBe(false);
  });

  it("switches between timestamp formats", async () => {
    open();
    item("Time since start").click();
    await paint();
    expect(rows().at(-1)?.dataset["stamp"]).toBe("+00:00.00");
    item("Time since previous line").click();
    await paint();
    expect(rows().at(-1)?.dataset["stamp"]).toBe("+1 ms");
    item("No timestamps").click();
    await paint();
    expect(rows().at(-1)?.dataset["stamp"]).toBeUndefined();
    expect(rows().at(-1)?.textContent).toBe("line 500");
  });

  it("clears the view but not the log", async () => {
    open();
    item("Clear").click();
    await paint();
    expect(rows().map((row) => row.textContent)).toEqual(["500 lines cleared from this view"]);
    source.logs(record(501));
    await paint();
    expect(rows().at(-1)?.dataset["seq"]).toBe("501");
    expect(host.dataset["lines"]).toBe("501");
  });
});

describe("selecting lines", () => {
  const click = async (seq: number, init: MouseEventInit = {}) => {
    const row = rows().find((one) => one.dataset["seq"] === String(seq)) as HTMLElement;
    // happy-dom lays nothing out: the text begins at 50 px, the number before that.
    vi.spyOn(row.querySelector(".text") as HTMLElement, "getBoundingClientRect").mockReturnValue({
      left: 50,
    } as DOMRect);
    row.dispatchEvent(new MouseEvent("click", { bubbles: true, clientX: 10, ...init }));
    await paint();
  };
  const chosen = () =>
    rows()
      .filter((row) => row.dataset["chosen"] !== undefined)
      .map((row) => row.dataset["seq"]);

  it("starts by a click on a number, extends by Shift, and ends by Escape", async () => {
    await click(498);
    expect(chosen()).toEqual(["498"]);
    expect(find(".choice").textContent).toContain("Line 498");
    await click(500, { shiftKey: true });
    expect(chosen()).toEqual(["498", "499", "500"]);
    await press("Escape");
    expect(chosen()).toEqual([]);
    expect(find(".choice").hidden).toBe(true);
  });

  it("ignores clicks on text, and pauses following", async () => {
    await click(498, { clientX: 80 });
    expect(chosen()).toEqual([]);
    await click(498);
    source.logs(...records(501, 600));
    await paint();
    expect(chosen()).toEqual(["498"]);
  });

  it("copies the lines as they were written", async () => {
    const copied = vi.fn(async () => undefined);
    vi.stubGlobal("navigator", { clipboard: { writeText: copied } });
    source.page = async () => ({
      records: [record(498, { message: "\x1b[31mred\x1b[0m\u202e" }), record(499)],
      total: 2,
      next: null,
      state: "running",
    });
    await click(498);
    await click(499, { shiftKey: true });
    await press("c", { ctrlKey: true });
    expect(copied).toHaveBeenCalledWith("red\u202e\nline 499\n");
    expect(find(".choice").textContent).toContain("2 lines copied");
    vi.unstubAllGlobals();
  });
});

describe("a filter", () => {
  it("by level toggles by a click on a count", async () => {
    source.matching = [17, 42];
    expect(find('.level[data-level="error"]').textContent).toBe("2");
    find('.level[data-level="error"]').click();
    await paint();
    await paint();
    expect(rows().map((row) => row.dataset["seq"])).toEqual(["17", "42"]);
    expect(find(".code").textContent).toBe('job.logs(levels=["error"])');
    find('.level[data-level="error"]').click();
    await paint();
    expect(rows().at(-1)?.dataset["seq"]).toBe("500");
  });

  it("reports that no line matches", async () => {
    find('.level[data-level="error"]').click();
    await vi.advanceTimersByTimeAsync(0);
    await paint();
    await paint();
    expect(find(".empty").textContent).toBe("No matching lines");
  });

  it("counts levels of lines after the server's count", async () => {
    source.logs(record(501, { level: "error" }), record(502, { level: "fatal" }));
    await paint();
    expect(find('.level[data-level="error"]').textContent).toBe("4");
  });
});

describe("groups of lines", () => {
  const TRACE = [
    "Traceback (most recent call last):",
    '  File "x.py", line 1, in <module>',
    "    1/0",
    "ZeroDivisionError: x",
  ];
  beforeEach(async () => {
    source.logs(...TRACE.map((message, i) => record(501 + i, { message, level: "error" })), record(505));
    await paint();
  });

  const last = (n: number) =>
    rows()
      .slice(-n)
      .map((row) => row.dataset["seq"]);
  const text = (row: HTMLElement | undefined) => row?.querySelector<HTMLElement>(".text");

  it("are one row with a title, unfold, and fold again", async () => {
    expect(last(2)).toEqual(["501", "505"]);
    expect(text(rows().at(-2))?.textContent).toBe(TRACE[0]);
    expect(text(rows().at(-2))?.dataset["title"]).toBe("ZeroDivisionError: x");
    expect(text(rows().at(-2))?.dataset["badge"]).toBe("4 lines");
    find(".fold").click();
    await paint();
    expect(last(2)).toEqual(["504", "505"]);
    find(".fold").click();
    await paint();
    expect(last(2)).toEqual(["501", "505"]);
  });

  it("fold according to the preferences", async () => {
    source.logs(...records(506, 540).map((one) => ({ ...one, message: "again" })));
    find(".more").click();
    item("Fold repeated").click();
    await paint();
    await paint();
    expect(last(3)).toEqual(["501", "505", "506"]);
    expect(text(rows().at(-1))?.dataset["badge"]).toBe("× 35");
    item("Fold tracebacks").click();
    await paint();
    await paint();
    expect(last(3)).toEqual(["504", "505", "506"]);
    item("Fold tracebacks").click();
    item("Fold repeated").click();
    await paint();
    expect(rows().at(-1)?.dataset["seq"]).toBe("540");
  });

  it("unfold for a line within that is revealed, and stay unfolded", async () => {
    await press("g");
    const input = find(".goto input") as HTMLInputElement;
    input.value = "503";
    input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    await paint();
    expect(find("[data-hit]").dataset["seq"]).toBe("503");
    await press("G");
    expect(last(5)).toEqual(["501", "502", "503", "504", "505"]);
  });

  it("are one step from error to error, and stay folded", async () => {
    source.matching = [17, 501, 502, 503, 504];
    await press("e");
    await press("e");
    expect(find("[data-hit]").dataset["seq"]).toBe("501");
    expect(find("[data-hit]").dataset["fold"]).toBe("closed");
    await press("e");
    expect(find("[data-hit]").dataset["seq"]).toBe("17");
  });

  it("unfold, fold and are selected by keys", async () => {
    await press("k");
    await press("k");
    expect(find("[data-hit]").dataset["seq"]).toBe("501");
    expect(find(".unseen").textContent).toBe("error, line 501: Traceback (most recent call last):");
    await press("Enter");
    expect(last(2)).toEqual(["504", "505"]);
    await press("j");
    await press("j");
    expect(find("[data-hit]").dataset["seq"]).toBe("503");
    await press("Enter");
    expect(last(2)).toEqual(["501", "505"]);
    await press("c");
    await press("j");
    await press("C");
    expect(find(".choice").textContent).toContain("3 lines");
  });

  it("are not folded while a filter is on", async () => {
    source.matching = [501, 502, 503, 504];
    find('.level[data-level="error"]').click();
    await paint();
    await paint();
    expect(root().querySelector(".row .fold")).toBeNull();
  });
});

describe("a multi-line record", () => {
  const message = 'it went wrong\nTraceback (most recent call last):\n  File "x.py", line 1\n    1/0\nValueError: no';
  const text = () => find(".row.record:last-child .text");
  beforeEach(async () => {
    source.logs(record(501, { message, level: "error", source: "log" }));
    await paint();
  });

  it("is one row with its exception, and unfolds to all lines", async () => {
    expect(text().dataset["badge"]).toBe("ValueError: no · 5 lines");
    expect(find(".row.opened")).toBeNull();
    find(".fold").click();
    await paint();
    expect(find(".row.opened").dataset["seq"]).toBe("501");
    expect(text().textContent).toBe(message);
    find(".fold").click();
    await paint();
    expect(find(".row.opened")).toBeNull();
  });

  it("unfolds when it is revealed", async () => {
    await press("g");
    const input = find(".goto input") as HTMLInputElement;
    input.value = "501";
    input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    await paint();
    await paint();
    expect(find(".row.opened").dataset["seq"]).toBe("501");
  });
});

describe("data in a line", () => {
  it("opens below the line as a tree, as text", async () => {
    source.logs(record(501, { message: '{"a": {"b": "<img src=x>"}, "n": 1}' }));
    await paint();
    find(".fold").click();
    await paint();
    expect(find(".row .tree").textContent).toContain("<img src=x>");
    expect(root().querySelector("img")).toBeNull();
    find(".fold").click();
    await paint();
    expect(root().querySelector(".row .tree")).toBeNull();
  });
});

describe("a link to a line", () => {
  it.each([
    ["#logstream=W1:42", 42],
    ["#a=b&logstream=W1:42", 42],
    ["#logstream=W2:42", undefined],
    ["#logstream=W1:x", undefined],
    ["#logstream=W1:42<script>", undefined],
    ["", undefined],
  ])("%j", (hash, line) => expect(lineIn(hash, "W1")).toBe(line));
});

describe("screen readers", () => {
  it("hear the state, and the number of new lines at intervals", async () => {
    const announced = () => find(".unseen").textContent;
    expect(announced()).toContain("Live");
    source.logs(...records(501, 520));
    await vi.advanceTimersByTimeAsync(2000);
    expect(announced()).not.toContain("20 new");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(announced()).toBe("20 new lines");
    source.frame("done", { job: workload({ state: "failed", exit_code: 3, lines: 520 }) });
    source.emit({ kind: "state", rung: "done" });
    await paint();
    expect(announced()).toBe("Failed, exit code 3, 520 lines");
  });

  it("get the position of each line", () => {
    expect(find(".rows").getAttribute("role")).toBe("list");
    expect(rows().at(-1)?.getAttribute("aria-posinset")).toBe("500");
    expect(rows().at(-1)?.getAttribute("aria-setsize")).toBe("-1");
  });
});
