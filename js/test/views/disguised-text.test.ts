// @vitest-environment happy-dom
// Control and bidi characters in names, errors, steps and answers of services: shown by stand-ins in every text, tooltip and
// accessible name of every view. Only the text of a log's lines keeps them, to be copied as it was written.
import { describe, expect, it, vi } from "vitest";
import { asPython } from "../../src/protocol/query.js";
import type { HubEvent } from "../../src/protocol/types.js";
import { hasUnprintable } from "../../src/text/unprintable.js";
import { button, element, MAX_TITLE_CHARS, setLabel, setName, setText, setTitle } from "../../src/views/dom/dom.js";
import { LineRows } from "../../src/views/log/line-rows.js";
import { mountLogView } from "../../src/views/log/log-view.js";
import { mountErrorCard } from "../../src/views/log/panels/error-card.js";
import { mountProgress } from "../../src/views/log/panels/progress.js";
import { StepBar } from "../../src/views/log/panels/step-bar.js";
import { mountRequests } from "../../src/views/requests/request-table.js";
import { mountTable } from "../../src/views/workloads/workload-table.js";
import { figures, listed, record, request, workload } from "../support/workload.js";

/** One of each kind: bidi override and isolate, control, zero width, line separator, stacked marks. */
const EVIL = `a\u202eb\u2066c\u0007d\u200be\u2028f${"\u0300".repeat(20)}`;

/** The texts below `root` that hold a character without a stand-in, the text of log lines excepted. */
function disguised(root: ParentNode): string[] {
  const found: string[] = [];
  for (const one of root.querySelectorAll<HTMLElement>("*")) {
    if (one.tagName === "STYLE") continue;
    for (const { name, value } of one.attributes) {
      const isShown =
        !name.startsWith("data-") || ["data-badge", "data-title", "data-stamp", "data-shown"].includes(name);
      if (isShown && name !== "value" && hasUnprintable(value))
        found.push(`${one.className} ${name}: ${JSON.stringify(value)}`);
    }
    if (one.closest(".row > .text") !== null) continue;
    const own = [...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent ?? "");
    if (own.some(hasUnprintable)) found.push(`${one.className}: ${JSON.stringify(own.join(""))}`);
  }
  return found;
}

function mounted(fill: (host: HTMLElement) => void): HTMLElement {
  const host = document.createElement("div");
  document.body.append(host);
  fill(host);
  return host;
}

const settled = () => vi.waitFor(() => new Promise((resolve) => setTimeout(resolve, 100)));

describe("the helpers of all views", () => {
  it("show a stand-in in text, tooltip and accessible name", () => {
    const host = mounted((to) => {
      const made = element("b", "x", EVIL);
      setTitle(made, EVIL);
      const named = button("y", EVIL, EVIL, () => undefined);
      setLabel(named, "aria-valuetext", EVIL);
      to.append(made, named, element("i", ""));
      setText(to.lastElementChild as HTMLElement, EVIL);
    });
    expect(disguised(host)).toEqual([]);
    expect(host.textContent).toContain("a\\u202eb");
  });

  it("cut tooltips and accessible names of any length", () => {
    const target = element("b", "");
    setName(target, "x".repeat(1_000_000));
    expect(target.title).toBe(`${"x".repeat(MAX_TITLE_CHARS)}…`);
    expect(target.getAttribute("aria-label")).toBe(target.title);
  });

  it("set an unchanged text, tooltip or name once", () => {
    const target = element("b", "");
    setText(target, EVIL);
    const node = target.firstChild;
    setText(target, EVIL);
    expect(target.firstChild).toBe(node);
    setName(target, EVIL);
    const set = vi.spyOn(target, "setAttribute");
    setName(target, EVIL);
    expect(set).not.toHaveBeenCalled();
  });
});

describe("every text that is not ours", () => {
  const source = {
    workload: "W1",
    downloadUrl: "http://h/log.txt",
    page: async () => ({ records: [], total: 0, next: null, state: "running" }),
    matchDensity: async () => ({ total: 0, first: 1, last: 0, marks: [] }),
    seqs: async () => [],
    cancel: async () => undefined,
  };

  it.each([
    ["a running workload", "live", undefined],
    ["a workload whose log is gone", "error", { job: undefined, lines: [EVIL, EVIL] }],
  ])("is shown by stand-ins in the log view of %s", async (_, rung, saved) => {
    const job = workload({ name: EVIL, command: EVIL, error: EVIL, tags: { [EVIL]: EVIL } } as never);
    const steps = [{ name: EVIL, state: "running", started: 1, ended: null }];
    let emit: ((event: HubEvent) => void) | undefined;
    const subscribe = (_from: object, listener: (event: HubEvent) => void) => {
      emit = listener;
      return { close() {}, retryNow() {} };
    };
    const host = mounted((to) => {
      const keep = saved && ({ ...saved, job } as never);
      mountLogView(to, { ...source, subscribe } as never, { height: 0, saved: keep } as never);
    });
    emit?.({ kind: "state", rung, message: EVIL } as never);
    emit?.({ kind: "frame", type: "status", data: { job: { ...job, steps }, steps } } as never);
    const lines = [record(1, { message: EVIL }), record(2, { message: `ValueError: ${EVIL}`, level: "error" })];
    emit?.({ kind: "frame", type: "logs", data: { logs: lines, cursor: 2 } } as never);
    emit?.({
      kind: "frame",
      type: "progress",
      data: { message: `${EVIL}: 50%|#### | 5/10`, source: "stdout" },
    } as never);
    await settled();
    const root = host.shadowRoot as ShadowRoot;
    expect(root.querySelector(".bar .name")?.textContent).toContain("a\\u202eb");
    expect(disguised(root)).toEqual([]);
  });

  it("is shown by stand-ins in panels and badges", () => {
    const host = mounted((to) => {
      const bar = new StepBar({ jump: vi.fn(), filter: vi.fn() });
      to.append(bar.element);
      bar.update({ steps: [{ name: EVIL, state: "running", started: 1, ended: null }], now: 5, only: EVIL });
      mountErrorCard(to, { jump: vi.fn() }).update({ title: EVIL, seq: 3, lines: 1, repeats: 1, errors: 1 } as never);
      mountProgress(to).update([
        { key: "k", label: EVIL, state: "running", done: EVIL, total: "9", rate: EVIL, fraction: 0.5 } as never,
      ]);
      const rows = new LineRows(vi.fn());
      to.append(rows.element);
      rows.paint([{ key: 1, content: { kind: "note", text: "n" }, badge: EVIL, title: EVIL, fold: "closed" }]);
    });
    expect(host.querySelector(".step-segment .name")?.textContent).toContain("a\\u202eb");
    expect((host.querySelector(".step-segment") as HTMLElement).dataset["name"]).toBe(EVIL);
    expect(disguised(host)).toEqual([]);
  });

  it("is shown by stand-ins in the table of workloads", async () => {
    let emit: ((event: HubEvent) => void) | undefined;
    const list = {
      subscribe(listener: (event: HubEvent) => void) {
        emit = listener;
        return { close() {}, retryNow() {} };
      },
      cancel: async () => Promise.reject(new Error(EVIL)),
      remove: async () => undefined,
      again: async () => workload({}),
    };
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(480);
    const host = mounted((to) => {
      mountTable(to, list as never, () => source as never);
    });
    emit?.({ kind: "state", rung: "live" });
    const job = listed(1, {
      state: "running",
      name: EVIL,
      command: EVIL,
      error: EVIL,
      last_line: EVIL,
      tags: { [EVIL]: EVIL },
      steps: [{ name: EVIL, state: "running", started: 1, ended: null }],
    } as never);
    emit?.({ kind: "frame", type: "workload", data: { ...job } } as never);
    await settled();
    const root = host.shadowRoot as ShadowRoot;
    expect(root.querySelector(".cell.c-name")?.textContent).toContain("a\\u202eb");
    root.querySelector<HTMLButtonElement>(".act.cancel")?.click();
    await settled();
    expect(root.textContent).toContain("Could not cancel");
    expect(disguised(root)).toEqual([]);
  });

  it("is shown by stand-ins in the request table and its details", async () => {
    let emit: ((event: HubEvent) => void) | undefined;
    const evil = {
      model: EVIL,
      response_model: `${EVIL}2`,
      provider: EVIL,
      upstream: EVIL,
      path: EVIL,
      error: EVIL,
      session: EVIL,
      cell: EVIL,
      finish_reason: EVIL,
      operation: EVIL,
    };
    const list = {
      subscribe(listener: (event: HubEvent) => void) {
        emit = listener;
        return { close() {}, retryNow() {} };
      },
      poll: async () => ({ rows: [], figures: figures(1), all: false }),
      detail: async () => ({
        query: EVIL,
        request_headers: [[EVIL, EVIL]],
        response_headers: [[EVIL, EVIL]],
        response_body: { text: EVIL, bytes: 9, whole: false },
      }),
      addressOf: () => "http://h",
    };
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(480);
    const host = mounted((to) => {
      mountRequests(to, list as never);
    });
    emit?.({ kind: "state", rung: "live" });
    const row = { ...request(1), ...evil };
    emit?.({ kind: "frame", type: "log:created", data: { type: "log:created", data: row } } as never);
    const { totals } = figures(1);
    const stats = { totals, by_provider: { [EVIL]: totals }, by_model: {}, active_sessions: 0 };
    emit?.({ kind: "frame", type: "log:stats", data: { type: "log:stats", data: stats } } as never);
    await settled();
    const root = host.shadowRoot as ShadowRoot;
    root.querySelector<HTMLElement>(".row[data-id]")?.click();
    await settled();
    expect(root.querySelector(".requestdetail .kept")?.textContent).toContain("a\\u202eb");
    expect(disguised(root)).toEqual([]);
  });
});

describe("copied code", () => {
  it("escapes characters that would disguise it", () => {
    expect(asPython({ step: "a\u202eb\u2066", q: "caf\u00e9 \u{e0001}\u200d" })).toBe(
      'job.logs(step="a\\u202eb\\u2066", q="caf\u00e9 \\U000e0001\\u200d")',
    );
  });
});
