// The request log in the page: rows by id, filter, labels; and the replay buffer for views that join late.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MAX_ROWS, RequestRows } from "../../src/net/replay-buffer.js";
import { PermanentError } from "../../src/protocol/errors.js";
import { type Figures, MAX_LISTED_REQUESTS, type RequestsSource, type Row } from "../../src/protocol/request-log.js";
import type { HubEvent } from "../../src/protocol/types.js";
import { filterOptions, MAX_OPTIONS } from "../../src/tables/requests/filter-options.js";
import { RequestFilter } from "../../src/tables/requests/request-filter.js";
import { brief, callerOf, curlOf, dollars, subject, tokens } from "../../src/tables/requests/request-labels.js";
import { POLL_MS, Requests } from "../../src/tables/requests/requests.js";
import { figures, request } from "../support/workload.js";

let emit: ((event: HubEvent) => void) | undefined;
let requests: Requests;
const changed = vi.fn();
const poll = vi.fn<RequestsSource["poll"]>();
const retryNow = vi.fn();
const source: RequestsSource = {
  subscribe(listener) {
    emit = listener;
    const close = () => {
      emit = undefined;
    };
    return { close, retryNow };
  },
  poll,
  detail: async () => ({}),
  addressOf: () => "",
};
const frame = (type: string, data: object) => emit?.({ kind: "frame", type, data: { type, data } });
const created = (...rows: Row[]) => {
  for (const row of rows) frame("log:created", row);
};
const ids = () => requests.newest().map(({ id }) => id);

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(100_000);
  for (const one of [changed, poll, retryNow]) one.mockReset();
  requests = new Requests(source, changed);
  requests.open();
});
afterEach(() => {
  requests.close();
  vi.useRealTimers();
});

describe("rows", () => {
  it("are listed newest first and change in place", () => {
    created(request(1), request(2, { status: "pending" }));
    frame("log:updated", { id: "R2", status: "completed", output_tokens: 5 });
    expect(ids()).toEqual(["R2", "R1"]);
    expect(requests.get("R2")).toMatchObject({ status: "completed", output_tokens: 5, model: "tiny" });
    expect(changed).toHaveBeenCalledTimes(3);
  });

  it("that arrive late are inserted in order", () => {
    created(request(1), request(3), request(2));
    expect(ids()).toEqual(["R3", "R2", "R1"]);
  });

  it("that are unknown are not created by an update", () => {
    frame("log:updated", { id: "R7", status: "completed" });
    expect(requests.size).toBe(0);
  });

  it("are marked as changed only after the server has sent the existing ones", () => {
    created(request(1));
    expect(requests.changedAt("R1")).toBe(0);
    frame("log:stats", figures());
    created(request(2));
    expect(requests.changedAt("R2")).toBe(100_000);
    vi.setSystemTime(101_000);
    frame("log:updated", { id: "R1", error: "x" });
    expect(requests.changedAt("R1")).toBe(101_000);
  });

  it("that are sent again unchanged change nothing", () => {
    created(request(1));
    const { revision } = requests;
    created(request(1));
    expect(requests.revision).toBe(revision);
  });

  it("are cleared by a reset, with the figures", () => {
    created(request(1));
    frame("log:stats", figures());
    emit?.({ kind: "frame", type: "reset", data: { reason: "cleared" } });
    expect([requests.size, requests.figures]).toEqual([0, undefined]);
    created(request(0));
    expect(ids()).toEqual(["R0"]);
  });

  it("beyond the bound are dropped, oldest first", () => {
    for (let n = 0; n < MAX_LISTED_REQUESTS + 5; n++) created(request(10_000 + n));
    expect(requests.size).toBe(MAX_LISTED_REQUESTS);
    expect(requests.get("R10004")).toBeUndefined();
    expect(requests.get("R10005")).toBeDefined();
  });
});

describe("polling, if the user switches it on", () => {
  const round = (...rows: Row[]) => poll.mockResolvedValueOnce({ rows, figures: figures() as Figures, all: false });

  it("requests the rows periodically and closes the stream", async () => {
    round(request(2), request(1));
    requests.poll(true);
    expect(emit).toBeUndefined();
    await vi.advanceTimersByTimeAsync(0);
    expect([ids(), requests.status.rung]).toEqual([["R2", "R1"], "polling"]);
    round(request(3), request(2, { status: "error" }), request(1));
    await vi.advanceTimersByTimeAsync(POLL_MS);
    expect(ids()).toEqual(["R3", "R2", "R1"]);
    expect(requests.changedAt("R2")).toBeGreaterThan(0);
    requests.poll(false);
    expect(emit).toBeDefined();
    await vi.advanceTimersByTimeAsync(POLL_MS * 3);
    expect(poll).toHaveBeenCalledTimes(2);
  });

  it("reports a permanent error and retries after a transient one", async () => {
    poll.mockRejectedValueOnce(new Error("down")).mockRejectedValueOnce(new PermanentError("403"));
    requests.poll(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(requests.status.rung).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(POLL_MS);
    expect(requests.status).toEqual({ rung: "error", message: "403" });
    await vi.advanceTimersByTimeAsync(POLL_MS * 5);
    expect(poll).toHaveBeenCalledTimes(2);
    round(request(1));
    requests.retry();
    await vi.advanceTimersByTimeAsync(0);
    expect([requests.status.rung, ids()]).toEqual(["polling", ["R1"]]);
  });

  it("drops rows that the server has deleted, also while the view was closed", async () => {
    created(request(1), request(2));
    poll.mockResolvedValueOnce({ rows: [request(2)], figures: figures() as Figures, all: true });
    requests.poll(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(ids()).toEqual(["R2"]);
    requests.poll(false);
    created(request(3));
    expect(ids()).toEqual(["R3", "R2"]);
    frame("log:stats", figures());
    expect(ids()).toEqual(["R3"]);
  });

  it("ends when the view is closed, also during a request", async () => {
    let answer: (value: Awaited<ReturnType<RequestsSource["poll"]>>) => void = () => {};
    poll.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
    requests.poll(true);
    requests.close();
    answer({ rows: [request(1)], figures: figures() as Figures, all: false });
    await vi.advanceTimersByTimeAsync(POLL_MS * 3);
    expect([requests.size, poll.mock.calls.length]).toEqual([0, 1]);
  });
});

describe("filter options", () => {
  it("are the most frequent ones of calls that all name another model", () => {
    const rows = Array.from({ length: 5000 }, (_, n) => request(n, { model: `m${n % 4900}`, provider: `p${n}` }));
    const { services, models } = filterOptions(rows);
    expect([services.length, models.length]).toEqual([MAX_OPTIONS, MAX_OPTIONS]);
    expect(models).toEqual(expect.arrayContaining(["m0", "m50", "m99"]));
  });

  it("are the statuses with their counts, the services and the models of the rows", () => {
    const rows = [
      request(1),
      request(2, { status: "error" }),
      request(3, { provider: "anthropic", model: null }),
      request(4, { provider: null, upstream: "runs", status: "streaming" }),
    ];
    const { services, models, statuses } = filterOptions(rows);
    expect([services, models]).toEqual([["anthropic", "openai", "runs"], ["tiny"]]);
    expect([...statuses]).toEqual([
      ["completed", 2],
      ["error", 1],
      ["streaming", 1],
    ]);
  });
});

describe("the filter", () => {
  it("matches status, service, model and words, and retains open rows", () => {
    const choice = new RequestFilter();
    created(
      request(1),
      request(2, { status: "error", error: "Overloaded: try later" }),
      request(3, { provider: "anthropic", model: "claude", response_model: "claude-1" }),
    );
    const chosen = (change: (choice: RequestFilter) => void, kept: string[] = [], limit = 99) => {
      choice.clear();
      change(choice);
      choice.choose(requests, new Map(kept.map((id) => [id, 1])), limit);
      return choice.ids;
    };
    expect(chosen(() => {})).toEqual(["R3", "R2", "R1"]);
    expect(chosen((it) => it.toggle("error"))).toEqual(["R2"]);
    expect(chosen((it) => Object.assign(it, { service: "openai" }))).toEqual(["R2", "R1"]);
    expect(chosen((it) => Object.assign(it, { model: "claude-1" }))).toEqual(["R3"]);
    expect(chosen((it) => it.search("TRY overloaded"))).toEqual(["R2"]);
    expect(chosen((it) => it.search("nothing"), ["R1"])).toEqual(["R1"]);
    expect(chosen(() => {}, [], 2)).toEqual(["R3", "R2"]);
  });

  it("returns the same array for the same rows", () => {
    const choice = new RequestFilter();
    created(request(1));
    choice.choose(requests, new Map(), 9);
    const { ids: before, rows } = choice;
    frame("log:updated", { id: "R1", output_tokens: 7 });
    choice.choose(requests, new Map(), 9);
    expect(choice.ids).toBe(before);
    expect(choice.rows).not.toBe(rows);
  });
});

describe("the replay buffer", () => {
  it("replays every row as it is now, then the figures", () => {
    const memory = new RequestRows(true);
    const take = (type: string, data: object) => memory.add(type, { type, data });
    take("log:created", request(1));
    take("log:stats", figures());
    take("log:updated", { id: "R1", status: "error" });
    take("log:updated", { id: "R9", status: "error" });
    const [row, stats, ...rest] = memory.frames() ?? [];
    expect(row?.data["data"]).toMatchObject({ id: "R1", status: "error", model: "tiny" });
    expect([stats?.type, rest]).toEqual(["log:stats", []]);
    memory.add("reset", {});
    expect(memory.frames()).toEqual([]);
    for (let n = 0; n < MAX_ROWS + 3; n++) take("log:created", request(n));
    expect(memory.frames()).toHaveLength(MAX_ROWS);
  });

  it("forwards only new rows of a poll", () => {
    const memory = new RequestRows(true);
    memory.add("log:created", { data: request(1) });
    const sent = memory.changes([request(3), request(2), request(1)]);
    expect(sent.map(({ data }) => (data["data"] as Row).id)).toEqual(["R2", "R3"]);
  });
});

describe("labels", () => {
  it("are short, and empty for unknown values", () => {
    expect([brief(null), brief(3.4), brief(999), brief(1500), brief(70_000)]).toEqual([
      "",
      "3 ms",
      "999 ms",
      "1.5 s",
      "1m 10s",
    ]);
    expect([dollars(null), dollars(0), dollars(0.0001234), dollars(12.345)]).toEqual(["", "$0", "$0.00012", "$12.35"]);
    expect([tokens(null, null), tokens(1200, null), tokens(0, 5)]).toEqual(["", "1,200 / –", "0 / 5"]);
    expect(subject(request(1, { model: null, method: "GET", path: "/a" }))).toBe("GET /a");
    expect(callerOf(request(1, { session: "/home/u/nb.ipynb" }))).toBe("nb.ipynb");
    expect(callerOf(request(1, { session: "x", workload_id: "01W" }))).toBe("workload 01W");
  });

  it("of a curl command quote every value and omit redacted headers", () => {
    const detail = {
      request_headers: [
        ["Content-Type", "application/json"],
        ["Authorization", "***"],
        ["X-It's", "a'b"],
      ] as const,
      request_body: { text: `{"a": "it's $HOME"}`, bytes: 5, whole: true },
    };
    expect(curlOf(request(1), detail, "http://h/proxy/llm/x?key=***")).toBe(
      [
        "curl -N -X 'POST' 'http://h/proxy/llm/x?key=***'",
        '-H "Authorization: token $JUPYTER_TOKEN"',
        "-H 'Content-Type: application/json'",
        "-H 'X-It'\\''s: a'\\''b'",
        `--data-binary '{"a": "it'\\''s $HOME"}'`,
      ].join(" \\\n  "),
    );
    const hostile = curlOf(request(1, { method: "GET $(touch x) #'" }), {}, "http://h/x");
    expect(hostile.split("\n")[0]).toBe(`curl -N -X 'GET $(touch x) #'\\''' 'http://h/x' \\`);
    expect(curlOf(request(1, { request_bytes: 9 }), {}, "http://h/x")).toContain("--data-binary @request-body");
  });
});
