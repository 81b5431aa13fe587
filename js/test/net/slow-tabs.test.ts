// Tabs that acknowledge no messages, or slowly: bounded memory, no delay of other tabs, no lost record.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MAX_UNACKED_CHARS } from "../../src/net/worker/worker-client.js";
import { quiet, shortTimings, soon, upTo } from "../support/listening.js";
import { LogServer } from "../support/server.js";
import { BrowserOfTabs } from "../support/tabs.js";

shortTimings();
let server: LogServer;
let browser: BrowserOfTabs;

beforeEach(async () => {
  server = new LogServer();
  browser = new BrowserOfTabs(await server.start());
  server.add("A", 3);
});
afterEach(async () => {
  browser.close();
  await server.stop();
});

describe("a tab that acknowledges nothing", () => {
  const long = { message: "x".repeat(50_000) };

  it.each([
    ["looked at", true],
    ["out of sight", false],
  ])("(%s) receives a bounded number of messages, then no stream, and resumes by cursor", async (_, visible) => {
    const tab = browser.tab();
    const a = tab.view("workload/A");
    await soon(() => expect(a.seqs).toEqual([1, 2, 3]));
    tab.show(visible);
    await quiet(50);
    tab.line?.freeze();
    const records = Math.ceil(MAX_UNACKED_CHARS / long.message.length);
    for (const _ of upTo(records)) server.print("A", 1, long);

    await soon(() => expect(server.readers.size).toBe(0), 8000);
    server.print("A", 100);
    tab.line?.thaw();
    await soon(() => expect(a.seqs).toEqual(upTo(3 + records + 100)), 8000);
  });

  it("does not delay the others", async () => {
    const [frozen, other] = [browser.tab(), browser.tab()];
    const [a, b] = [frozen.view("workload/A"), other.view("workload/A")];
    await soon(() => expect(a.seqs).toEqual([1, 2, 3]));
    await soon(() => expect(b.rung).toBe("live"));
    const before = b.snapshot === undefined ? 0 : 3;
    frozen.line?.freeze();
    const records = Math.ceil(MAX_UNACKED_CHARS / long.message.length) + 50;
    for (const _ of upTo(records)) server.print("A", 1, long);
    await soon(() => expect(b.seqs).toEqual(upTo(3 + records, before + 1)), 8000);
    const held = frozen.line?.waiting ?? 0;
    server.print("A", 10);
    await soon(() => expect(b.seqs.at(-1)).toBe(3 + records + 10));
    expect(frozen.line?.waiting).toBe(held);
    frozen.line?.thaw();
    await soon(() => expect(a.events.at(-1)).toMatchObject({ kind: "state", rung: "live" }));
    expect(a.events.findLast((event) => event.kind === "snapshot")).toMatchObject({ cursor: 3 + records + 10 });
  });
});

describe("a tab that is slow", () => {
  it("is waited for and receives every record", async () => {
    server.add("LONG");
    const records = (3 * MAX_UNACKED_CHARS) / 50_000;
    for (const _ of upTo(records)) server.print("LONG", 1, { message: "x".repeat(50_000) });
    const tab = browser.tab();
    const a = tab.view("workload/A");
    await soon(() => expect(a.rung).toBe("live"));
    tab.line?.freeze();
    const long = tab.view("workload/LONG", { after: 0 });
    const taking = setInterval(() => tab.line?.take(1), 5);
    for (const _ of upTo(20)) {
      await quiet(25);
      server.print("LONG", 10, { message: "x".repeat(50_000) });
    }
    await soon(() => expect(long.seqs).toHaveLength(records + 200), 15_000);
    clearInterval(taking);
    expect(long.seqs).toEqual(upTo(records + 200));
    expect(long.events.filter((event) => event.kind === "snapshot" && Number(event.cursor) > 0)).toEqual([]);
  });
});
