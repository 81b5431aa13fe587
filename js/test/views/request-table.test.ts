// @vitest-environment happy-dom
// The request table in a DOM: rows, figures, detail panel; text of services never becomes markup.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Detail, RequestsSource, Row } from "../../src/protocol/request-log.js";
import type { HubEvent } from "../../src/protocol/types.js";
import { mountRequests } from "../../src/views/requests/request-table.js";
import { figures, request } from "../support/workload.js";

let host: HTMLElement;
let view: { dispose(): void };
let emit: ((event: HubEvent) => void) | undefined;
const detail = vi.fn<(id: string) => Promise<Detail>>();
const source: RequestsSource = {
  subscribe(listener) {
    emit = listener;
    queueMicrotask(() => listener({ kind: "state", rung: "live" }));
    const close = () => {
      emit = undefined;
    };
    return { close, retryNow() {} };
  },
  poll: async () => ({ rows: [request(9)], figures: figures(9), all: false }),
  detail,
  addressOf: (row, query) => `http://h/proxy/${row.upstream}${row.path}?${query}`,
};

const root = () => host.shadowRoot as ShadowRoot;
const find = (selector: string) => root().querySelector<HTMLElement>(selector) as HTMLElement;
const rows = () => [...root().querySelectorAll<HTMLElement>(".row")];
const text = (id: string, cell: string) => find(`.row[data-id="${id}"] .c-${cell}`).textContent;
const frame = (type: string, data: object) => emit?.({ kind: "frame", type, data: { type, data } });
const created = (...made: Row[]) => {
  for (const row of made) frame("log:created", row);
};
const painted = () => vi.advanceTimersByTimeAsync(50);

beforeEach(async () => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "requestAnimationFrame", "Date"],
  });
  vi.setSystemTime(100_000);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(480);
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(900);
  detail.mockReset().mockResolvedValue({});
  document.body.replaceChildren();
  host = document.createElement("div");
  document.body.append(host);
  view = mountRequests(host, source);
  await painted();
});
afterEach(() => {
  view.dispose();
  vi.useRealTimers();
});

describe("the hooks of the host", () => {
  it("name the view and the state of its connection", async () => {
    expect({ ...host.dataset }).toMatchObject({ logstream: "requests", state: "live", lmSuppressShortcuts: "true" });
    expect(find(".badge").textContent).toBe("Live");
    emit?.({
      kind: "state",
      rung: "error",
      message: "Jupyter does not allow access to this log (403): session expired",
    });
    await painted();
    expect(host.dataset["state"]).toBe("error");
    expect(find(".notice").textContent).toContain("session expired");
  });

  it("end the stream when the view is disposed", () => {
    view.dispose();
    expect(emit).toBeUndefined();
  });
});

describe("rows", () => {
  it("show status, model, service, tokens, cost and times, newest first", async () => {
    created(
      request(1),
      request(2, { status: "streaming", duration_ms: null, output_tokens: null, initial_time: 97_000 }),
    );
    await painted();
    expect(rows().map((row) => row.dataset["id"])).toEqual(["R2", "R1"]);
    expect(["state", "what", "who", "tokens", "cost", "first", "took"].map((cell) => text("R1", cell))).toEqual([
      "Completed",
      "tiny",
      "openai",
      "7 / 17",
      "$0.01",
      "100 ms",
      "500 ms",
    ]);
    const before = text("R2", "took");
    await vi.advanceTimersByTimeAsync(3000);
    expect(text("R2", "took")).not.toBe(before);
  });

  it("show why the model stopped, and mark an answer that is incomplete", async () => {
    created(request(1, { finish_reason: "stop" }), request(2, { finish_reason: "length" }), request(3));
    created(request(4, { finish_reason: "a\u202eb" }));
    await painted();
    expect(["R1", "R2", "R3"].map((id) => text(id, "finish"))).toEqual(["stop", "length", ""]);
    expect(["R1", "R2", "R3"].map((id) => find(`.row[data-id="${id}"]`).dataset["stopped"])).toEqual([
      "false",
      "true",
      "false",
    ]);
    expect(text("R2", "note")).toContain("stopped by length");
    expect(text("R4", "finish")).toBe("a\\u202eb");
    expect(find(".heads .c-finish").textContent).toBe("Finish reason");
  });

  it("change in place and are marked for a moment", async () => {
    created(request(1, { status: "streaming" }));
    frame("log:stats", figures());
    await painted();
    const row = find('.row[data-id="R1"]');
    expect(row.dataset["fresh"]).toBe("false");
    frame("log:updated", { id: "R1", status: "error", http_status: 500, error: "it broke" });
    await painted();
    expect(find('.row[data-id="R1"]')).toBe(row);
    expect([row.dataset["fresh"], row.dataset["tone"], text("R1", "state"), text("R1", "note")]).toEqual([
      "true",
      "bad",
      "Error500",
      "it broke",
    ]);
    await vi.advanceTimersByTimeAsync(3000);
    expect(row.dataset["fresh"]).toBe("false");
  });

  it("show text of services and callers as text, never as markup", async () => {
    const evil = "<img src=x onerror=alert(1)>";
    created(request(1, { model: evil, error: evil, provider: evil, path: evil, session: evil }));
    frame("log:stats", {
      ...figures(),
      by_provider: { [evil]: figures().totals },
      by_model: { [evil]: figures().totals },
    });
    detail.mockResolvedValue({
      query: evil,
      request_headers: [[evil, evil]],
      response_body: { text: evil, bytes: 9, whole: false },
    });
    await painted();
    find(".row .c-what").click();
    await painted();
    expect(text("R1", "what")).toBe(evil);
    expect(find(".requestdetail").textContent).toContain(evil);
    expect(root().querySelector("img, script")).toBeNull();
  });
});

describe("above the rows", () => {
  it("are totals, a line per service, and a chart with a text alternative", async () => {
    created(request(1), request(2));
    frame("log:stats", figures(1234));
    await painted();
    const lines = [...root().querySelectorAll(".figures tbody tr")];
    expect(lines.map((line) => [...line.children].map((one) => one.textContent))).toEqual([
      ["All calls", "1,234", "0", "1", "14 / 34", "$0.02", "100 ms", "500 ms"],
      ["openai", "1,234", "0", "1", "14 / 34", "$0.02", "100 ms", "500 ms"],
    ]);
    expect(find(".chart svg").getAttribute("aria-label")).toBe(
      "Latency and cost over time: 2 calls within 1 ms, up to 500 ms, $0.02",
    );
  });

  it("are the server's figures, and the chips count the rows", async () => {
    created(request(1), request(2, { status: "streaming", duration_ms: null, cost_usd: null }));
    frame("log:stats", figures(1));
    await painted();
    const calls = () => find('tr[data-provider="All calls"]').children[1]?.textContent;
    expect(calls()).toBe("1");
    frame("log:updated", { id: "R2", status: "error", duration_ms: 900 });
    frame("log:stats", figures(2));
    await painted();
    expect(calls()).toBe("2");
    const chips = [...root().querySelectorAll<HTMLElement>(".chip")].filter((chip) => !chip.hidden);
    expect(chips.map((chip) => chip.title)).toEqual(["All 2", "Completed 1", "Error 1"]);
  });

  it("is a message if not all rows are shown", async () => {
    created(request(1), request(2));
    frame("log:stats", figures(2));
    await painted();
    expect(find(".more").hidden).toBe(true);
    frame("log:stats", figures(5000));
    await painted();
    expect(find(".more").textContent).toBe("Showing the newest 2 of 5,000 calls");
    view.dispose();
    view = mountRequests(host, source, { limit: 1 });
    created(request(1), request(2));
    frame("log:stats", figures(2));
    await painted();
    expect(rows().map((row) => row.dataset["id"])).toEqual(["R2"]);
    expect(find(".more").textContent).toBe("Showing the newest 1 of 2 calls");
  });

  it("are controls for polling and for the filter", async () => {
    created(request(1), request(2, { status: "error", model: "other" }));
    frame("log:stats", { ...figures(), by_model: { tiny: figures().totals, other: figures().totals } });
    await painted();
    find('.chip[data-of="error"]').click();
    await painted();
    expect(rows().map((row) => row.dataset["id"])).toEqual(["R2"]);
    find('.chip[data-of="all"]').click();
    const models = root().querySelectorAll<HTMLSelectElement>(".select")[1] as HTMLSelectElement;
    expect([...models.options].map(({ value }) => value)).toEqual(["", "other", "tiny"]);
    models.value = "tiny";
    models.dispatchEvent(new Event("change"));
    await painted();
    expect(rows().map((row) => row.dataset["id"])).toEqual(["R1"]);
    find(".polling").click();
    await vi.advanceTimersByTimeAsync(100);
    expect([host.dataset["state"], emit]).toEqual(["polling", undefined]);
    expect(rows().map((row) => row.dataset["id"])).toEqual(["R9", "R1"]);
  });
});

describe("below a row", () => {
  it("the detail opens, and is fetched again when the call has ended", async () => {
    detail.mockResolvedValue({ request_headers: [["Authorization", "***"]] });
    created(request(1, { status: "streaming", duration_ms: null, cell: "c-1" }));
    await painted();
    find(".row .c-what").click();
    await painted();
    const pane = find(".requestdetail");
    expect(pane.textContent).toContain("Authorization***");
    expect(pane.textContent).toContain("c-1");
    expect(detail).toHaveBeenCalledTimes(1);
    frame("log:updated", { id: "R1", status: "completed", duration_ms: 500 });
    await painted();
    expect(find(".requestdetail")).toBe(pane);
    expect(detail).toHaveBeenCalledTimes(2);
    expect(find(".waited").style.width).toBe("20.0%");
    find(".row .c-what").click();
    await painted();
    expect(root().querySelector(".requestdetail")).toBeNull();
  });

  it("the detail shows why it cannot be fetched", async () => {
    detail.mockRejectedValue(new Error("The server answered 404: there is no such request"));
    created(request(1));
    await painted();
    find(".row .c-what").click();
    await painted();
    expect(find(".trouble").textContent).toContain("no such request");
  });
});
