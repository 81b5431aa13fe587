// @vitest-environment happy-dom
// The table in a DOM: rows, what is chosen of them, and that nothing moves by itself.
import { beforeEach, describe, expect, it, vi } from "vitest";
import {
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
  say,
  scroll,
  scrollTo,
  settled,
  show,
  tell,
  text,
} from "../support/table-stage.js";
import { listed } from "../support/workload.js";

describe("the hooks of the host", () => {
  it("name the view, and how it is connected", async () => {
    show();
    expect({ ...host.dataset }).toMatchObject({ logstream: "workloads", state: "connecting" });
    await settled();
    expect(host.dataset["state"]).toBe("live");
    expect(find(".badge").textContent).toBe("Live");
    say?.({ kind: "state", rung: "reconnecting", retryAt: 100_000 });
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
  it("says state by sign and word, name, exit, lines, how long and when", async () => {
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

  it("of one that runs goes on: lines, step, errors, last line and duration", async () => {
    show();
    await settled();
    const steps = [{ name: "fit", state: "running", started: 1, ended: null }] as const;
    tell(
      listed(3, { state: "running", lines: 1234, levels: { error: 2 }, steps, last_line: "\x1b[31mepoch 7\x1b[0m" }),
    );
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

  it("is text, whatever a workload is called and prints", async () => {
    has(listed(1, { name: "<img src=x onerror=alert(1)>", last_line: "<script>alert(1)</script>" }));
    show();
    await settled();
    expect(text("W1", "name")).toBe("<img src=x onerror=alert(1)>");
    expect(root().querySelector("img, script")).toBeNull();
  });

  it("is marked when it is new or has changed its state, for a while; not at first, and not for a line", async () => {
    show();
    await settled();
    expect(rows().map((one) => one.dataset["fresh"])).toEqual(["false", "false", "false"]);
    tell(listed(4), listed(3, { state: "succeeded" }));
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

  it("has only what is in sight in the DOM", async () => {
    expect(rows().length).toBeLessThan(40);
    expect(find(".content").style.height).toBe(`${5000 * ROW_PX}px`);
    scrollTo(2500 * ROW_PX);
    await painted();
    expect(rows().length).toBeLessThan(40);
    expect(ids()).toContain("W2500");
  });

  it("stays where it is looked at when others come, and says how many", async () => {
    scrollTo(100 * ROW_PX + 7);
    await painted();
    tell(listed(5001), listed(5002));
    await painted();
    expect(scroll().scrollTop).toBe(102 * ROW_PX + 7);
    expect(find(".news").hidden).toBe(false);
    expect(find(".news").textContent).toBe("2 new workloads");
    tell(...Array.from({ length: 1200 }, (_, n) => listed(5003 + n)));
    await painted();
    expect(find(".news").textContent).toBe("1,202 new workloads");
    find(".news").click();
    await painted();
    expect(scroll().scrollTop).toBe(0);
    expect(find(".news").hidden).toBe(true);
    expect(ids()[0]).toBe("W6202");
  });

  it("shows what comes at its top, unless a pointer is about to click there", async () => {
    tell(listed(5001));
    await painted();
    expect(scroll().scrollTop).toBe(0);
    expect(ids()[0]).toBe("W5001");
    scroll().dispatchEvent(new Event("pointerenter"));
    tell(listed(5002));
    await painted();
    expect(scroll().scrollTop).toBe(ROW_PX);
    expect(find(".news").textContent).toBe("1 new workload");
  });
});

describe("what is shown", () => {
  it("is chosen by state, with how many there are of each", async () => {
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

  it("is chosen by text", async () => {
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

  it("begins with the states that are asked for, and has a limit that is told", async () => {
    show({ states: new Set(["failed", "succeeded"] as const), limit: 1 });
    await settled();
    expect(ids()).toEqual(["W2"]);
    expect(find(".more").textContent).toBe("The newest 1; 1 older ones are not shown");
  });

  it("of nothing is how to begin", async () => {
    has();
    show();
    await painted();
    expect(find(".nothing").textContent).toBe("Connecting…");
    await settled();
    expect(find(".nothing").textContent).toContain('run("python train.py")');
  });

  it("of a refusal is the reason", async () => {
    has();
    show();
    await settled();
    say?.({ kind: "state", rung: "error", message: "Jupyter refuses this (403): Forbidden" });
    await painted();
    expect(find(".notice").textContent).toBe("Jupyter refuses this (403): Forbidden");
    expect(find(".badge").textContent).toBe("Not available");
  });
});
