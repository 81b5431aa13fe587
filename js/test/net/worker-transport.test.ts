// Tabs of one browser that share a worker: one connection for all, and each as if it were alone.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Page } from "../../src/net/page.js";
import { overrideTimings, timings } from "../../src/net/timings.js";
import { HIDDEN_SILENCE_MS, MAX_MISSED_HEARTBEATS } from "../../src/net/worker/worker-host.js";
import { sometimesSlow } from "../support/busy.js";
import { quiet, shortTimings, soon, upTo } from "../support/listening.js";
import { LogServer } from "../support/server.js";
import { type Attempt, BrowserOfTabs } from "../support/tabs.js";
import { workload } from "../support/workload.js";

shortTimings();
const { GREETING_MS, HEARTBEAT_MS, HIDDEN_MS, LINGER_MS } = timings();

let server: LogServer;
let page: Page;
let browser: BrowserOfTabs;

beforeEach(async () => {
  server = new LogServer();
  page = await server.start();
  browser = new BrowserOfTabs(page);
  server.add("A", 3);
  server.add("B", 2);
});
afterEach(async () => {
  vi.useRealTimers();
  browser.close();
  await server.stop();
});

/** Waits until the messages sent so far were handled. */
const settle = async () => {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
};
const followed = () => server.requests.at(-1)?.map(({ stream }) => stream);

describe("tabs", () => {
  it("share one connection, each with its own logs", async () => {
    const tabs = upTo(8).map(() => browser.tab());
    for (const i of upTo(8)) server.add(`W${i}`, i);
    const views = tabs.map((tab, i) => tab.view(`workload/W${i + 1}`));
    await soon(() => expect(views.map(({ seqs }) => seqs.length)).toEqual(upTo(8)));
    expect(server.readers.size).toBe(1);
    expect(server.requests).toHaveLength(1);
    expect(views.every(({ rung }) => rung === "live")).toBe(true);
    server.print("W5", 2);
    await soon(() => expect(views[4]?.seqs).toEqual(upTo(7)));
    expect(tabs.every(({ alone }) => alone === 0)).toBe(true);
  });

  it("that show the same log share its stream, the later one by a snapshot", async () => {
    const first = browser.tab().view("workload/A");
    await soon(() => expect(first.seqs).toEqual([1, 2, 3]));
    const second = browser.tab().view("workload/A", { tail: 100 });
    await soon(() => expect(second.snapshot).toMatchObject({ cursor: 3, job: { id: "A" } }));
    server.print("A", 2);
    await soon(() => expect(second.seqs).toEqual([4, 5]));
    expect(first.seqs).toEqual(upTo(5));
    expect(server.requests).toHaveLength(1);
  });

  it("use the same names for different filters, and each gets its own records", async () => {
    server.print("A", 1, { step: "fit" });
    const fit = browser.tab().view("workload/A", { step: "fit" });
    const errors = browser.tab().view("workload/A", { levels: ["error"] });
    await soon(() => expect(fit.seqs).toEqual([4]));
    server.print("A", 1, { level: "error" });
    await soon(() => expect(errors.seqs).toEqual([5]));
    expect(fit.seqs).toEqual([4]);
  });

  it("each have the whole list of workloads, whenever they open", async () => {
    for (const id of ["A", "B"]) server.append("workloads", "workload", workload({ id }));
    const first = browser.tab().view("workloads");
    await soon(() => expect(first.ids).toEqual(["A", "B"]));
    server.append("workloads", "workload", { id: "A", deleted: true });
    await soon(() => expect(first.ids).toEqual(["B"]));
    const second = browser.tab().view("workloads");
    await soon(() => expect(second.ids).toEqual(["B"]));
    server.append("workloads", "workload", workload({ id: "C" }));
    await soon(() =>
      expect([first.ids, second.ids]).toEqual([
        ["B", "C"],
        ["B", "C"],
      ]),
    );
    expect(server.requests).toHaveLength(1);
  });

  it("receive the end, also when opened after it, without another request", async () => {
    const first = browser.tab().view("workload/A");
    await soon(() => expect(first.rung).toBe("live"));
    server.end("A", "failed");
    await soon(() => expect(first.rung).toBe("done"));
    const second = browser.tab().view("workload/A");
    await soon(() => expect(second.rung).toBe("done"));
    expect(second.job?.state).toBe("failed");
    expect(server.requests).toHaveLength(1);
  });

  it("reopen the stream only when another one joins, without a lost or repeated record", async () => {
    const a = browser.tab().view("workload/A");
    await soon(() => expect(a.seqs).toEqual([1, 2, 3]));
    const b = browser.tab().view("workload/B");
    await soon(() => expect(b.seqs).toEqual([1, 2]));
    server.print("A", 2);
    await soon(() => expect(a.seqs).toEqual(upTo(5)));
    expect(a.events.filter((event) => event.kind === "state").map(({ rung }) => rung)).not.toContain("reconnecting");
  });
});

describe("a closed tab", () => {
  it.each(["leave", "end"] as const)("(%s) closes its own streams only", async (how) => {
    const [one, other] = [browser.tab(), browser.tab()];
    const [a, b] = [one.view("workload/A"), other.view("workload/B")];
    await soon(() => expect([a.rung, b.rung]).toEqual(["live", "live"]));
    one[how]();
    await soon(() => expect(followed()).toEqual(["workload/B"]));
    server.print("B", 1);
    await soon(() => expect(b.seqs).toEqual([1, 2, 3]));
    expect(b.events.filter((event) => event.kind === "state").map(({ rung }) => rung)).not.toContain("reconnecting");
    other[how]();
    await soon(() => expect(server.readers.size).toBe(0));
  });

  it("that is reloaded at once interrupts nothing", async () => {
    const other = browser.tab().view("workload/A");
    const one = browser.tab();
    const a = one.view("workload/A");
    await soon(() => expect([a.rung, other.rung]).toEqual(["live", "live"]));
    one.leave();
    const again = browser.tab().view("workload/A");
    await soon(() => expect(again.snapshot).toMatchObject({ cursor: 3 }));
    await quiet(LINGER_MS + 200);
    server.print("A", 1);
    await soon(() => expect([other.seqs, again.seqs]).toEqual([[1, 2, 3, 4], [4]]));
    expect(server.requests).toHaveLength(1);
  });

  it("in the back-forward cache goes on when it is shown again", async () => {
    const tab = browser.tab();
    const a = tab.view("workload/A");
    await soon(() => expect(a.seqs).toEqual([1, 2, 3]));
    tab.dispatch("pagehide");
    tab.show(false);
    await soon(() => expect(server.readers.size).toBe(0));
    server.print("A", 2);
    tab.show(true);
    await soon(() => expect(a.seqs).toEqual(upTo(5)));
  });

  it.each([
    ["that was looked at", true, MAX_MISSED_HEARTBEATS * HEARTBEAT_MS],
    ["that was out of sight", false, HIDDEN_SILENCE_MS],
  ])("without notice or lock, %s, is detected by its missing heartbeats", async (_, visible, silence) => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "Date"] });
    browser = new BrowserOfTabs(page, false);
    const [one, other] = [browser.tab(), browser.tab()];
    const [a, b] = [one.view("workload/A"), other.view("workload/B")];
    await soon(() => expect([a.rung, b.rung]).toEqual(["live", "live"]));
    one.show(visible);
    await quiet(50);
    one.end();
    const heartbeat = async () => {
      const heard = other.line?.heard ?? 0;
      vi.advanceTimersByTime(HEARTBEAT_MS);
      await soon(() => expect(other.line?.heard).toBeGreaterThan(heard)); // the answer to its heartbeat
    };
    for (let passed = 0; passed < silence - HEARTBEAT_MS; passed += HEARTBEAT_MS) await heartbeat();
    await quiet(LINGER_MS + 200);
    expect(followed()).toEqual(["workload/A", "workload/B"]);
    for (const _ of upTo(3)) await heartbeat();
    await soon(() => expect(followed()).toEqual(["workload/B"]));
  });
});

describe("hidden tabs", () => {
  it("close the connection when all of them are hidden, and resume by cursor", async () => {
    const [one, other] = [browser.tab(), browser.tab()];
    const [a, b] = [one.view("workload/A"), other.view("workload/B")];
    await soon(() => expect([a.rung, b.rung]).toEqual(["live", "live"]));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    one.show(false);
    await settle();
    await vi.advanceTimersByTimeAsync(HIDDEN_MS * 2);
    expect(server.readers.size).toBe(1);
    other.show(false);
    await settle();
    await vi.advanceTimersByTimeAsync(HIDDEN_MS + 100);
    vi.useRealTimers();
    await soon(() => expect(server.readers.size).toBe(0));
    server.print("A", 2);
    other.show(true);
    await soon(() => expect(a.seqs).toEqual(upTo(5)));
    expect(server.readers.size).toBe(1);
  });
});

describe("a tab without a view", () => {
  it("that is visible keeps no connection for hidden ones", async () => {
    const [idle, other] = [browser.tab(), browser.tab()];
    const [none, a] = [idle.view("workload/B"), other.view("workload/A")];
    await soon(() => expect([none.rung, a.rung]).toEqual(["live", "live"]));
    none.subscription.close();
    await soon(() => expect(followed()).toEqual(["workload/A"]));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    other.show(false);
    await settle();
    await vi.advanceTimersByTimeAsync(HIDDEN_MS + 100);
    vi.useRealTimers();
    await soon(() => expect(server.readers.size).toBe(0));
  });
});

describe("without an answer of the worker", () => {
  it.each<[Attempt, number]>([
    ["silent", GREETING_MS],
    ["forbidden", 0],
    ["not found", 0],
    ["other build", 0],
  ])(
    "(%s) the page's own connection brings its logs, without a visible difference",
    sometimesSlow,
    async (attempt, wait) => {
      browser.worker = attempt;
      const tab = browser.tab();
      const a = tab.view("workload/A");
      const start = Date.now();
      await soon(() => expect(a.seqs).toEqual([1, 2, 3]));
      expect(Date.now() - start).toBeLessThan(wait + 1500);
      expect(tab.alone).toBe(1);
      expect(a.events.filter((event) => event.kind === "state").map(({ rung }) => rung)).toEqual([
        "connecting",
        "connecting",
        "live",
      ]);
      const b = tab.view("workload/B");
      await soon(() => expect(b.seqs).toEqual([1, 2]));
      expect(server.readers.size).toBe(1);
    },
  );
});

describe.each([
  ["its lock is free", true],
  ["it misses heartbeats, where there are no locks", false],
])("a worker that dies (%s)", (_, hasLocks) => {
  const notice = () => vi.advanceTimersByTime(hasLocks ? 0 : 4 * HEARTBEAT_MS);

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    browser.close();
    browser = new BrowserOfTabs(page, hasLocks);
  });

  it("is replaced by another one, which resumes from the cursors", async () => {
    const tab = browser.tab();
    const a = tab.view("workload/A");
    await soon(() => expect(a.seqs).toEqual([1, 2, 3]));
    browser.crash();
    server.cut();
    server.print("A", 2);
    notice();
    await soon(() => expect(a.seqs).toEqual(upTo(5)));
    expect(tab.alone).toBe(0);
    expect(a.events.filter((event) => event.kind === "state").map(({ rung }) => rung)).toContain("reconnecting");
  });

  it("leaves each tab at its own cursor, in whatever order they reach the next one", async () => {
    const [slow, fast] = [browser.tab(), browser.tab()];
    const [a, b] = [slow.view("workload/A"), fast.view("workload/A", { after: 0 })];
    await soon(() => expect(a.seqs).toEqual([1, 2, 3]));
    await soon(() => expect(b.rung).toBe("live"));
    slow.line?.freeze();
    server.print("A", 3);
    await soon(() => expect(b.seqs.at(-1)).toBe(6));
    browser.crash();
    notice();
    server.print("A", 1);
    await soon(() => expect(a.seqs).toEqual(upTo(7)));
    await soon(() => expect(b.seqs.at(-1)).toBe(7));
    expect(b.seqs).toEqual([...new Set(b.seqs)]);
  });

  it("without a successor is replaced by the page's own connection, from the cursors", async () => {
    const tab = browser.tab();
    const a = tab.view("workload/A");
    await soon(() => expect(a.seqs).toEqual([1, 2, 3]));
    browser.worker = "forbidden";
    browser.crash();
    server.print("A", 2);
    notice();
    await soon(() => expect(a.seqs).toEqual(upTo(5)));
    expect(tab.alone).toBe(1);
  });
});

describe("the backoff in the worker", () => {
  it("reaches all tabs, and each of them can reconnect without waiting for the backoff", async () => {
    overrideTimings({ BACKOFF_MS: [60_000] });
    const [one, other] = [browser.tab(), browser.tab()];
    const [a, b] = [one.view("workload/A"), other.view("workload/B")];
    await soon(() => expect([a.rung, b.rung]).toEqual(["live", "live"]));
    server.cut();
    await soon(() => expect([a.rung, b.rung]).toEqual(["reconnecting", "reconnecting"]));
    b.subscription.retryNow();
    await soon(() => expect([a.rung, b.rung]).toEqual(["live", "live"]));
    shortTimings();
  });

  it("ends with the reason of a rejection; a retry or a later view requests again", async () => {
    server.status = 403;
    const [one, other] = [browser.tab(), browser.tab()];
    const a = one.view("workload/A");
    await soon(() =>
      expect(a.message).toContain("Jupyter does not allow access to this log (403): refused by the test"),
    );
    server.status = 0;
    const b = other.view("workload/A");
    await soon(() => expect(b.rung).toBe("live"));
    a.subscription.retryNow();
    await soon(() => expect(a.rung).toBe("live"));
    expect(a.job?.id).toBe("A");
    expect(server.readers.size).toBe(1);
  });

  it("names a server that speaks another protocol", async () => {
    server.protocol = 2;
    const a = browser.tab().view("workload/A");
    await soon(() => expect(a.message).toContain("speaks protocol 2"));
  });
});

describe("credentials", () => {
  it("are those of the page at the time of the request", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const tab = browser.tab();
    tab.credentials = { xsrf: "first", token: "" };
    const a = tab.view("workload/A");
    await soon(() => expect(a.rung).toBe("live"));
    expect(server.xsrf.at(-1)).toBe("first");
    tab.credentials = { xsrf: "second", token: "" };
    vi.setSystemTime(Date.now() + 60_000);
    server.cut();
    await soon(() => expect(server.requests).toHaveLength(2));
    expect(server.xsrf.at(-1)).toBe("second");
  });

  it("of a page that does not answer are its last known ones", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const tab = browser.tab();
    const a = tab.view("workload/A");
    await soon(() => expect(a.rung).toBe("live"));
    tab.line?.freeze();
    vi.setSystemTime(Date.now() + 60_000);
    server.cut();
    await soon(() => expect(server.requests).toHaveLength(2));
    expect(server.xsrf.at(-1)).toBe("cookie");
  });
});
