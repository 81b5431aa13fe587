// @vitest-environment happy-dom
// The log view in a DOM: its data attributes, rows, following, keys, and log text that stays text.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { find, host, paint, root, rows, scrollTo, source, viewport } from "../support/stage.js";
import { record, records, workload } from "../support/workload.js";

describe("the data attributes of the host", () => {
  it("exist before the first frame", () => {
    expect({ ...host.dataset }).toMatchObject({ logstream: "log", workload: "W1", state: "connecting", lines: "0" });
    expect(find(".empty").textContent).toBe("Connecting…");
  });

  it("follow the stream", async () => {
    source.emit({ kind: "state", rung: "live" });
    source.frame("status", { job: workload({ lines: 2 }) });
    source.logs(record(1), record(2));
    await paint();
    expect({ ...host.dataset }).toMatchObject({ state: "live", lines: "2" });
    source.frame("done", { job: workload({ state: "failed", exit_code: 3 }), cursor: 2 });
    source.emit({ kind: "state", rung: "done" });
    await paint();
    expect(host.dataset["state"]).toBe("done");
    expect(find(".badge").textContent).toBe("Failedexit code 3");
  });

  it("count the records of the log, not the rows of the page", async () => {
    source.logs(...records(999_801, 1_000_000));
    await paint();
    expect(host.dataset["lines"]).toBe("1000000");
    expect(find(".count").textContent).toBe("1,000,000 lines");
    expect(rows().length).toBeLessThan(40);
    expect(rows().at(-1)?.dataset["seq"]).toBe("1000000");
  });

  it("suppress Jupyter's shortcuts", () => {
    expect(viewport().dataset["lmSuppressShortcuts"]).toBe("true");
    expect(host.dataset["lmSuppressShortcuts"]).toBe("true");
  });

  it("name the log for assistive tools without reading it aloud", () => {
    expect(viewport().getAttribute("role")).toBe("log");
    expect(viewport().getAttribute("aria-live")).toBe("off");
    expect(viewport().getAttribute("aria-label")).toBeTruthy();
    expect(viewport().tabIndex).toBe(0);
  });
});

describe("a row", () => {
  it("has seq and level as data, and the message as text", async () => {
    source.logs(record(1, { level: "error", message: "it \x1b[31mbroke\x1b[0m  twice" }), record(2));
    await paint();
    expect({ ...rows()[0]?.dataset }).toMatchObject({ seq: "1", level: "error", source: "stdout" });
    expect(rows().map((row) => row.textContent)).toEqual(["it broke  twice", "line 2"]);
  });

  it.each([
    '<img src=x onerror="alert(1)">',
    "<script>alert(1)</script>",
    '<button data-commandlinker-command="apputils:open">x</button>',
    "</span></div><style>*{display:none}</style>",
    "&lt;b&gt; &#60;",
    "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07",
  ])("of %j has no elements but spans", async (message) => {
    source.logs(record(1, { message }));
    await paint();
    const inside = [...(rows()[0] as HTMLElement).querySelectorAll("*")];
    expect(inside.every((child) => child.tagName === "SPAN" && child.attributes.length <= 2)).toBe(true);
    expect(root().querySelector("img, script, a:not(.download, .item), [onerror]")).toBeNull();
    expect(rows()[0]?.textContent).toBe(message.includes("\x1b") ? "link" : message);
  });

  it("is never written as markup", async () => {
    const writes = [
      vi.spyOn(Element.prototype, "innerHTML", "set"),
      vi.spyOn(Element.prototype, "outerHTML", "set"),
      vi.spyOn(Element.prototype, "insertAdjacentHTML"),
    ];
    source.logs(record(1, { message: "\x1b[1m<b>\x1b[0m" }));
    source.frame("progress", { source: "stdout", message: "<i>" });
    source.emit({ kind: "state", rung: "error", message: "<u>" });
    await paint();
    for (const write of writes) expect(write).not.toHaveBeenCalled();
  });

  it("has a complete message of 64 KiB, also with a character on a piece boundary", async () => {
    const message = `${"x".repeat(1023)}🚀${"y z".repeat(21_000)}`;
    source.logs(record(1, { message }));
    await paint();
    expect(rows()[0]?.textContent).toBe(message);
    const pieces = [...(rows()[0]?.querySelectorAll(".piece") ?? [])];
    expect(pieces.length).toBeGreaterThan(10);
    expect(pieces.every((piece) => !/[\ud800-\udbff]$/.test(piece.textContent ?? ""))).toBe(true);
  });

  it("shows no row for a line being written that has no text yet", async () => {
    source.logs(record(1, { message: "first" }));
    source.frame("progress", { source: "stdout", message: "\x1b]9;4;1;40\x1b\\" });
    await paint();
    expect(rows().map((row) => row.textContent)).toEqual(["first"]);
    source.frame("progress", { source: "stdout", message: "\x1b]9;4;1;40\x1b\\step" });
    await paint();
    expect(rows().map((row) => row.textContent)).toEqual(["first", "step"]);
  });

  it("keeps the line breaks of a published record in its text", async () => {
    source.logs(record(1, { message: "Traceback:\n  File x\nValueError", source: "log" }));
    await paint();
    expect(rows()[0]?.textContent).toBe("Traceback:\n  File x\nValueError");
  });

  it("is drawn in the colours of its text", async () => {
    source.logs(record(1, { message: "\x1b[31;1mred\x1b[0m\x1b[7minverse\x1b[0m\x1b[38;2;1;2;3mtrue" }));
    await paint();
    const [red, inverse, exact] = [...(rows()[0]?.querySelectorAll<HTMLElement>(".text span") ?? [])];
    expect(red?.style.color).toBe("var(--ansi-1)");
    expect(red?.className).toBe("bold");
    expect(inverse?.style.backgroundColor).toBe("var(--fg)");
    expect(exact?.style.getPropertyValue("--own")).toBe("rgb(1 2 3)");
  });
});

describe("the lines", () => {
  it("are fetched by range when missing, and filled in place", async () => {
    source.emit({ kind: "snapshot", cursor: 5000, job: workload({}) });
    await paint();
    expect(source.requested).toEqual([4750]);
    expect(rows().at(-1)?.textContent).toBe("line 5000");
  });

  it("are painted once per frame, however many arrive", async () => {
    source.logs(...records(1, 100));
    await paint();
    const before = viewport().scrollTop;
    for (let seq = 101; seq < 50_000; seq += 100) source.logs(...records(seq, seq + 99));
    expect(viewport().scrollTop).toBe(before);
    await paint();
    expect(rows().at(-1)?.textContent).toBe("line 50000");
    expect(rows().length).toBeLessThan(40);
  });

  it("name the range that retention removed", async () => {
    source.frame("gap", { from: 1, to: 3000, reason: "retention" });
    source.logs(...records(3001, 3005));
    await paint();
    expect(rows().map((row) => row.textContent)).toEqual([
      "Lines 1–3,000 were removed by retention",
      ...records(3001, 3005).map(({ message }) => message),
    ]);
  });

  it("include the lines before an unreadable range", async () => {
    source.logs(...records(1, 5));
    source.frame("gap", { from: 6, to: 7, reason: "unreadable", cursor: 7 });
    source.logs(...records(8, 10));
    await paint();
    viewport().scrollTop = 0;
    viewport().dispatchEvent(new Event("scroll"));
    await paint();
    expect(rows()[0]?.textContent).toBe("line 1");
  });

  it("end with the unfinished line of each source until it is a record", async () => {
    source.logs(record(1));
    source.frame("progress", { source: "stderr", message: "10%" });
    source.frame("progress", { source: "stderr", message: "20%" });
    source.frame("progress", { source: "stdout", message: "> " });
    await paint();
    expect(rows().map((row) => row.textContent)).toEqual(["line 1", "20%", "> "]);
    expect(host.dataset["lines"]).toBe("1");
    source.logs(record(2, { source: "stderr", message: "100%" }));
    await paint();
    expect(rows().map((row) => row.textContent)).toEqual(["line 1", "100%", "> "]);
    source.frame("done", { job: workload({ state: "succeeded" }), cursor: 2 });
    await paint();
    expect(rows()).toHaveLength(2);
  });

  it("start again on a reset", async () => {
    source.logs(...records(1, 50));
    await paint();
    source.frame("reset", { reason: "epoch" });
    source.logs(record(1, { message: "again" }));
    await paint();
    expect(rows().map((row) => row.textContent)).toEqual(["again"]);
    expect(host.dataset["lines"]).toBe("1");
  });

  it.each<[string, Parameters<typeof workload>[0], string]>([
    ["running", {}, "No lines yet"],
    ["following a file", { reason: "waiting for a.log" }, "No lines yet: waiting for a.log"],
    ["queued", { state: "queued" }, "Waiting in the queue"],
    ["over", { state: "succeeded" }, "No output"],
  ])("explain why there are none: %s", async (_name, job, text) => {
    source.emit({ kind: "state", rung: "live" });
    source.frame("status", { job: workload(job) });
    await paint();
    expect(find(".empty").textContent).toBe(text);
    expect(find(".empty").hidden).toBe(false);
  });
});

describe("following", () => {
  it("pauses while text is selected, and resumes after a click", async () => {
    source.logs(...records(1, 100));
    await paint();
    viewport().dispatchEvent(new MouseEvent("pointerdown", { button: 0, bubbles: true }));
    await paint();
    expect(find(".follow").getAttribute("aria-pressed")).toBe("false");
    document.dispatchEvent(new PointerEvent("pointerup"));
    await paint();
    expect(find(".follow").getAttribute("aria-pressed")).toBe("true");
  });

  beforeEach(async () => {
    source.logs(...records(1, 500));
    await paint();
  });

  it("stays at the end as lines arrive", async () => {
    source.logs(...records(501, 600));
    await paint();
    expect(rows().at(-1)?.dataset["seq"]).toBe("600");
  });

  it("pauses on scrolling up, counts new lines, and resumes at the bottom", async () => {
    scrollTo(2000);
    await paint();
    const first = rows()[0]?.dataset["seq"];
    source.logs(...records(501, 620));
    await paint();
    expect(rows()[0]?.dataset["seq"]).toBe(first);
    expect(find(".news").hidden).toBe(false);
    expect(find(".news").textContent).toBe("120 new lines");
    expect(find(".follow").getAttribute("aria-pressed")).toBe("false");
    scrollTo(1_000_000);
    await paint();
    expect(find(".news").hidden).toBe(true);
    expect(find(".follow").getAttribute("aria-pressed")).toBe("true");
    source.logs(...records(621, 700));
    await paint();
    expect(rows().at(-1)?.dataset["seq"]).toBe("700");
  });

  it("resumes by the button with the number of new lines", async () => {
    scrollTo(2000);
    source.logs(...records(501, 510));
    await paint();
    find(".news").click();
    await paint();
    expect(rows().at(-1)?.dataset["seq"]).toBe("510");
  });

  it("pauses at the first turn of the wheel", async () => {
    viewport().dispatchEvent(new WheelEvent("wheel", { deltaY: -1 }));
    await paint();
    expect(find(".follow").getAttribute("aria-pressed")).toBe("false");
  });

  it.each([
    ["Home", "1"],
    ["PageUp", null],
    ["ArrowUp", null],
    [" ", "500"],
    ["End", "500"],
  ])("handles the key %j and stops its propagation", async (key, seq) => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    const heard = vi.fn();
    document.body.addEventListener("keydown", heard);
    viewport().dispatchEvent(event);
    await paint();
    expect(event.defaultPrevented).toBe(true);
    expect(heard).not.toHaveBeenCalled();
    const shown = rows().map((row) => row.dataset["seq"]);
    if (seq !== null) expect(shown).toContain(seq);
    expect(find(".follow").getAttribute("aria-pressed")).toBe(String(seq === "500"));
  });

  it("ignores other keys", () => {
    const event = new KeyboardEvent("keydown", { key: "c", ctrlKey: true, cancelable: true });
    viewport().dispatchEvent(event);
    expect(event.defaultPrevented).toBe(false);
  });
});
