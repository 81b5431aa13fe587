// @vitest-environment happy-dom
// The workload table in a DOM: rows, filter, scroll anchoring.
import { beforeEach, describe, expect, it, vi } from "vitest";
import {
  emit,
  find,
  has,
  host,
  ids,
  painted,
  ROW_PX,
  retryNow,
  root,
  row,
  rows,
  scroll,
  scrollTo,
  send,
  settled,
  show,
  text,
} from "../support/table-stage.js";
import { listed } from "../support/workload.js";

/** With a link, a progress sequence and colours. */
const LAST_LINE = "\x1b]9;4;1;70\x1b\\\x1b[31mepoch\x1b[0m \x1b]8;;https://a.test/\x1b\\7\x1b]8;;\x1b\\";

describe("the hooks of the host", () => {
  it("name the view and the state of its connection", async () => {
    show();
    expect({ ...host.dataset }).toMatchObject({ logstream: "workloads", state: "connecting" });
    await settled();
    expect(host.dataset["state"]).toBe("live");
    expect(find(".badge").textContent).toBe("Live");
    emit?.({ kind: "state", rung: "reconnecting", retryAt: 100_000 });
    await painted();
    expect(host.dataset["state"]).toBe("reconnecting");
    find(".retry").click();
    expect(retryNow).toHaveBeenCalledOnce();
  });

  it("keep Jupyter's keys away from what has the focus", async () => {
    show();
    await settled();
    expect(host.dataset["lmSuppressShortcuts"]).toBe("true");
    for (const one of [...rows(), ...root().querySelectorAll<HTMLElement>(".act")]) {
      expect(one.dataset["lmSuppressShortcuts"]).toBe("true");
    }
  });
});

describe("a row", () => {
  it("shows state, name, exit, lines, duration and start", async () => {
    show();
    await settled();
    expect(ids()).toEqual(["W3", "W2", "W1"]);
    expect(row("W2").dataset["state"]).toBe("failed");
    expect(text("W2", "state")).toBe("Failedexit code 3");
    expect(row("W2").querySelector(".c-state svg path")?.getAttribute("d")).toBeTruthy();
    expect(text("W2", "name")).toBe("job 2");
    expect(text("W2", "duration")).toBe("0.5 s");
    expect(text("W2", "when")).toBe("1m ago");
    expect(row("W2").querySelector<HTMLElement>(".c-when")?.title).toBe(new Date(2000).toLocaleString());
  });

  it("of a running workload updates lines, step, errors, last line and duration", async () => {
    show();
    await settled();
    const steps = [{ name: "fit", state: "running", started: 1, ended: null }] as const;
    send(listed(3, { state: "running", lines: 1234, levels: { error: 2 }, steps, last_line: LAST_LINE }));
    await painted();
    expect(["lines", "step", "errors", "last"].map((cell) => text("W3", cell))).toEqual([
      "1,234",
      "fit",
      "2",
      "epoch 7",
    ]);
    const before = text("W3", "duration");
    await vi.advanceTimersByTimeAsync(3000);
    expect(text("W3", "duration")).not.toBe(before);
  });

  it("shows names and output as text, never as markup", async () => {
    has(listed(1, { name: "<img src=x onerror=alert(1)>", last_line: "<script>alert(1)</script>" }));
    show();
    await settled();
    expect(text("W1", "name")).toBe("<img src=x onerror=alert(1)>");
    expect(root().querySelector("img, script")).toBeNull();
  });

  it("is marked for a while when it is new or changed its state, not at first and not for a line", async () => {
    show();
    await settled();
    expect(rows().map((one) => one.dataset["fresh"])).toEqual(["false", "false", "false"]);
    send(listed(4), listed(3, { state: "succeeded" }));
    await painted();
    expect(rows().map((one) => one.dataset["fresh"])).toEqual(["true", "true", "false", "false"]);
    await vi.advanceTimersByTimeAsync(4000);
    expect(rows().some((one) => one.dataset["fresh"] === "true")).toBe(false);
  });
});

describe("a long list", () => {
  beforeEach(async () => {
    has(...Array.from({ length: 5000 }, (_, i) => listed(i + 1)));
    show();
    await settled();
  });

  it("has only the visible rows in the DOM", async () => {
    expect(rows().length).toBeLessThan(40);
    expect(find(".content").style.height).toBe(`${5000 * ROW_PX}px`);
    scrollTo(2500 * ROW_PX);
    await painted();
    expect(rows().length).toBeLessThan(40);
    expect(ids()).toContain("W2500");
  });

  it("keeps its scroll position when rows are added, and counts them", async () => {
    scrollTo(100 * ROW_PX + 7);
    await painted();
    send(listed(5001), listed(5002));
    await painted();
    expect(scroll().scrollTop).toBe(102 * ROW_PX + 7);
    expect(find(".news").hidden).toBe(false);
    expect(find(".news").textContent).toBe("2 new workloads");
    send(...Array.from({ length: 1200 }, (_, n) => listed(5003 + n)));
    await painted();
    expect(find(".news").textContent).toBe("1,202 new workloads");
    find(".news").click();
    await painted();
    expect(scroll().scrollTop).toBe(0);
    expect(find(".news").hidden).toBe(true);
    expect(ids()[0]).toBe("W6202");
  });

  it("shows new rows at the top unless the pointer is over the rows", async () => {
    send(listed(5001));
    await painted();
    expect(scroll().scrollTop).toBe(0);
    expect(ids()[0]).toBe("W5001");
    scroll().dispatchEvent(new Event("pointerenter"));
    send(listed(5002));
    await painted();
    expect(scroll().scrollTop).toBe(ROW_PX);
    expect(find(".news").textContent).toBe("1 new workload");
  });
});

describe("the filter", () => {
  it("selects by state and counts the rows of each", async () => {
    show();
    await settled();
    const chips = () =>
      [...root().querySelectorAll<HTMLElement>(".chip")].filter((chip) => !chip.hidden).map((chip) => chip.textContent);
    expect(chips()).toEqual(["All 3", "Running 1", "Done 1", "Failed 1"]);
    find('.chip[data-of="failed"]').click();
    await painted();
    expect(ids()).toEqual(["W2"]);
    expect(find('.chip[data-of="failed"]').getAttribute("aria-pressed")).toBe("true");
    find('.chip[data-of="all"]').click();
    await painted();
    expect(ids()).toHaveLength(3);
  });

  it("selects by text", async () => {
    show();
    await settled();
    const search = find(".search") as HTMLInputElement;
    search.value = "JOB 2";
    search.dispatchEvent(new Event("input"));
    await painted();
    expect(ids()).toEqual(["W2"]);
    search.value = "nothing like it";
    search.dispatchEvent(new Event("input"));
    await painted();
    expect(find(".nothing").textContent).toContain("No workload matches");
    find(".clear").click();
    await painted();
    expect(ids()).toHaveLength(3);
    expect(search.value).toBe("");
  });

  it("begins with the given states, and reports its limit", async () => {
    show({ states: new Set(["failed", "succeeded"] as const), limit: 1 });
    await settled();
    expect(ids()).toEqual(["W2"]);
    expect(find(".more").textContent).toBe("Showing the newest 1 of 2 workloads");
  });

  it("shows an empty list with instructions to start a workload", async () => {
    has();
    show();
    await painted();
    expect(find(".nothing").textContent).toBe("Connecting…");
    await settled();
    expect(find(".nothing").textContent).toContain('run("python train.py")');
  });

  it("shows the reason of a permanent error", async () => {
    has();
    show();
    await settled();
    emit?.({ kind: "state", rung: "error", message: "Jupyter refuses this (403): Forbidden" });
    await painted();
    expect(find(".notice").textContent).toBe("Jupyter refuses this (403): Forbidden");
    expect(find(".badge").textContent).toBe("Not available");
  });
});
