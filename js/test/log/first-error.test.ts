// @vitest-environment happy-dom
// The first error: its exception, its count, its card, and closing it.
import { describe, expect, it, vi } from "vitest";
import { type FirstError, firstError } from "../../src/log/overview/first-error.js";
import { mountErrorCard } from "../../src/views/log/panels/error-card.js";
import { record } from "../support/workload.js";

const { signal } = new AbortController();

async function found(text: string, seq: number): Promise<FirstError & { searched: string }> {
  const records = text.split("\n").map((message, i) => record(i + 1, { message, source: "stderr" }));
  let searched = "";
  const questions = {
    records: async (after: number, limit: number) => records.slice(after, after + limit),
    count: async (q: string) => {
      searched = q;
      return records.filter(({ message }) => message.includes(q)).length;
    },
  };
  return { ...(await firstError(records[seq - 1] as never, 7, questions, signal)), searched };
}

describe("the first error", () => {
  const TRACE = "Traceback (most recent call last):\n  File 'a.py', line 1\nKeyError: 'total'";

  it("of a traceback is its exception, its first line, and its count", async () => {
    expect(await found(`start\n${TRACE}\nagain\n${TRACE}`, 2)).toMatchObject({
      seq: 2,
      title: "KeyError: 'total'",
      repeats: 2,
      errors: 7,
    });
  });

  it("is the same if the server names another line of the traceback", async () => {
    expect(await found(`start\n${TRACE}`, 4)).toMatchObject({ seq: 2, title: "KeyError: 'total'" });
  });

  it("of a logged exception is the exception", async () => {
    expect(await found(`ERROR:root:load failed\n${TRACE}`, 1)).toMatchObject({ seq: 2, title: "KeyError: 'total'" });
  });

  it("of a line is the line without its timestamp", async () => {
    const line = "2026-11-20 10:30:05,123 ERROR cannot load orders.csv";
    expect(await found(`start\n${line}`, 2)).toMatchObject({
      seq: 2,
      title: "ERROR cannot load orders.csv",
      repeats: 1,
    });
  });

  it("is searched as text, even if it looks like a regular expression", async () => {
    expect((await found("/etc/app/ERROR/", 1)).searched).toBe("etc/app/ERROR/");
  });
});

describe("the card", () => {
  const error = { seq: 1234, title: "KeyError: '<b>'", lines: 3, repeats: 3, errors: 12 };

  it("contains the error as text and shows its line", () => {
    const host = document.createElement("div");
    const jump = vi.fn();
    const card = mountErrorCard(host, { jump });
    expect((host.firstElementChild as HTMLElement).hidden).toBe(true);
    card.update(error);
    expect(host.querySelector(".title")?.textContent).toBe("KeyError: '<b>'");
    expect(host.querySelector(".counts")?.textContent).toBe("line 1,234 · 3 times · 12 error lines in total");
    (host.querySelector(".show") as HTMLElement).click();
    expect(jump).toHaveBeenCalledWith(1234);
  });

  it("does not count its own lines as other errors", () => {
    const host = document.createElement("div");
    mountErrorCard(host, { jump: () => undefined }).update({ ...error, errors: 9 });
    expect(host.querySelector(".counts")?.textContent).toBe("line 1,234 · 3 times");
  });

  it("stays closed until another error is the first", () => {
    const host = document.createElement("div");
    const card = mountErrorCard(host, { jump: () => undefined });
    const hidden = () => (host.firstElementChild as HTMLElement).hidden;
    card.update(error);
    (host.querySelector(".close") as HTMLElement).click();
    card.update({ ...error, repeats: 4 });
    expect(hidden()).toBe(true);
    card.update({ ...error, seq: 5 });
    expect(hidden()).toBe(false);
    card.update(undefined);
    expect(hidden()).toBe(true);
  });
});
