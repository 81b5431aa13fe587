// @vitest-environment happy-dom
// The view in a DOM: what it promises to tests, stylesheets and people, and that log text never becomes anything else.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Refused } from "../src/core/lines.js";
import type { LogSource } from "../src/core/source.js";
import type { Frame, HubEvent, LogRecord } from "../src/core/types.js";
import { mountLogView } from "../src/views/logview.js";
import { record, records, workload } from "./workload.js";

/** A source that is told what to say. */
class Told implements LogSource {
  readonly workload = "W1";
  readonly downloadUrl = "http://h/logstream/v1/workloads/W1/log.txt";
  readonly subscribed: object[] = [];
  readonly asked: number[] = [];
  closed = 0;
  retried = 0;
  refuse: Error | undefined;
  cancel = vi.fn(async () => undefined);
  #listener: ((event: HubEvent) => void) | undefined;

  subscribe(from: object, listener: (event: HubEvent) => void) {
    this.subscribed.push(from);
    this.#listener = listener;
    const close = () => {
      this.closed += 1;
      if (this.#listener === listener) this.#listener = undefined;
    };
    return { close, retryNow: () => void this.retried++ };
  }
  async records(after: number, limit: number): Promise<readonly LogRecord[]> {
    this.asked.push(after);
    if (this.refuse !== undefined) throw this.refuse;
    return records(after + 1, after + limit);
  }
  say(event: HubEvent): void {
    this.#listener?.(event);
  }
  frame(type: string, data: Frame): void {
    this.say({ kind: "frame", type, data });
  }
  logs(...logs: LogRecord[]): void {
    this.frame("logs", { logs, cursor: logs.at(-1)?.seq ?? 0 });
  }
}

let host: HTMLElement;
let source: Told;
let view: { dispose(): void };

beforeEach(() => {
  vi.useFakeTimers({
    toFake: [
      "setTimeout",
      "clearTimeout",
      "setInterval",
      "clearInterval",
      "requestAnimationFrame",
      "cancelAnimationFrame",
      "Date",
    ],
  });
  // happy-dom lays nothing out: give the viewport the height a browser would.
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(280);
  document.body.replaceChildren();
  delete document.body.dataset["jpThemeLight"];
  host = document.createElement("div");
  document.body.append(host);
  source = new Told();
  view = mountLogView(host, source);
});
afterEach(() => {
  view.dispose();
  vi.useRealTimers();
});

const root = () => host.shadowRoot as ShadowRoot;
const find = (selector: string) => root().querySelector<HTMLElement>(selector) as HTMLElement;
const rows = () => [...root().querySelectorAll<HTMLElement>(".row")];
const viewport = () => find(".viewport");
const paint = () => vi.advanceTimersByTimeAsync(50);

function scrollTo(top: number): void {
  viewport().scrollTop = top;
  viewport().dispatchEvent(new Event("scroll"));
}

describe("the hooks of the host", () => {
  it("are there before anything is known", () => {
    expect({ ...host.dataset }).toMatchObject({ logstream: "log", workload: "W1", state: "connecting", lines: "0" });
    expect(find(".empty").textContent).toBe("Connecting…");
  });

  it("follow the stream", async () => {
    source.say({ kind: "state", rung: "live" });
    source.frame("status", { job: workload({ lines: 2 }) });
    source.logs(record(1), record(2));
    await paint();
    expect({ ...host.dataset }).toMatchObject({ state: "live", lines: "2" });
    source.frame("done", { job: workload({ state: "failed", exit_code: 3 }), cursor: 2 });
    source.say({ kind: "state", rung: "done" });
    await paint();
    expect(host.dataset["state"]).toBe("done");
    expect(find(".badge").textContent).toBe("Failedexit 3");
  });

  it("count the records of the log, not the rows of the page", async () => {
    source.logs(...records(999_801, 1_000_000));
    await paint();
    expect(host.dataset["lines"]).toBe("1000000");
    expect(find(".count").textContent).toBe("1,000,000 lines");
    expect(rows().length).toBeLessThan(40);
    expect(rows().at(-1)?.dataset["seq"]).toBe("1000000");
  });

  it("keep Jupyter's keys away from whoever reads", () => {
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
  it("bears seq and level, and its text is the message", async () => {
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
  ])("of %j makes no element but spans of ours", async (message) => {
    source.logs(record(1, { message }));
    await paint();
    const inside = [...(rows()[0] as HTMLElement).querySelectorAll("*")];
    expect(inside.every((child) => child.tagName === "SPAN" && child.attributes.length <= 2)).toBe(true);
    expect(root().querySelector("img, script, a:not(.download), [onerror]")).toBeNull();
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
    source.say({ kind: "state", rung: "error", message: "<u>" });
    await paint();
    for (const write of writes) expect(write).not.toHaveBeenCalled();
  });

  it("holds a message of 64 KiB unbroken, also where a character lies on a seam", async () => {
    const message = `${"x".repeat(1023)}🚀${"y z".repeat(21_000)}`;
    source.logs(record(1, { message }));
    await paint();
    expect(rows()[0]?.textContent).toBe(message);
    const pieces = [...(rows()[0]?.querySelectorAll(".piece") ?? [])];
    expect(pieces.length).toBeGreaterThan(10);
    expect(pieces.every((piece) => !/[\ud800-\udbff]$/.test(piece.textContent ?? ""))).toBe(true);
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
    expect(exact?.style.color).toContain("1");
  });
});

describe("what is drawn", () => {
  it("is fetched by range where it isn't there, and filled in place", async () => {
    source.say({ kind: "snapshot", cursor: 5000, job: workload({}) });
    await paint();
    expect(source.asked).toEqual([4750]);
    expect(rows().at(-1)?.textContent).toBe("line 5000");
  });

  it("is painted once a frame, however much arrives", async () => {
    source.logs(...records(1, 100));
    await paint();
    const before = viewport().scrollTop;
    for (let seq = 101; seq < 50_000; seq += 100) source.logs(...records(seq, seq + 99));
    expect(viewport().scrollTop).toBe(before);
    await paint();
    expect(rows().at(-1)?.textContent).toBe("line 50000");
    expect(rows().length).toBeLessThan(40);
  });

  it("says which lines retention has taken", async () => {
    source.frame("gap", { from: 1, to: 3000, reason: "retention" });
    source.logs(...records(3001, 3005));
    await paint();
    expect(rows().map((row) => row.textContent)).toEqual([
      "Lines 1–3,000 were removed by retention",
      ...records(3001, 3005).map(({ message }) => message),
    ]);
  });

  it("shows the line being written last, one per source, until it is a record", async () => {
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

  it("begins again on a reset", async () => {
    source.logs(...records(1, 50));
    await paint();
    source.frame("reset", { reason: "epoch" });
    source.logs(record(1, { message: "anew" }));
    await paint();
    expect(rows().map((row) => row.textContent)).toEqual(["anew"]);
    expect(host.dataset["lines"]).toBe("1");
  });

  it.each<[string, Parameters<typeof workload>[0], string]>([
    ["running", {}, "No lines yet"],
    ["queued", { state: "queued" }, "Waiting in the queue"],
    ["over", { state: "succeeded" }, "It wrote no lines"],
  ])("tells why there is nothing: %s", async (_name, job, text) => {
    source.say({ kind: "state", rung: "live" });
    source.frame("status", { job: workload(job) });
    await paint();
    expect(find(".empty").textContent).toBe(text);
    expect(find(".empty").hidden).toBe(false);
  });
});

describe("following", () => {
  beforeEach(async () => {
    source.logs(...records(1, 500));
    await paint();
  });

  it("stays at the end as lines come", async () => {
    source.logs(...records(501, 600));
    await paint();
    expect(rows().at(-1)?.dataset["seq"]).toBe("600");
  });

  it("lets go when one scrolls up, counts what is new, and catches on at the bottom", async () => {
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

  it("goes to the end by the button that counts", async () => {
    scrollTo(2000);
    source.logs(...records(501, 510));
    await paint();
    find(".news").click();
    await paint();
    expect(rows().at(-1)?.dataset["seq"]).toBe("510");
  });

  it("lets go at the first turn of the wheel", async () => {
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
  ])("obeys the key %j and keeps it from the notebook", async (key, seq) => {
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

  it("leaves other keys alone", () => {
    const event = new KeyboardEvent("keydown", { key: "c", ctrlKey: true, cancelable: true });
    viewport().dispatchEvent(event);
    expect(event.defaultPrevented).toBe(false);
  });
});

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
    source.refuse = new Refused("The server answered 404: gone");
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
