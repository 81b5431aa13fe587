// The routes that a log source requests, and permanent against transient errors.
import { describe, expect, it } from "vitest";
import type { Hub } from "../../src/net/hub.js";
import type { Page } from "../../src/net/page.js";
import { workloadSource } from "../../src/net/sources/source.js";
import { PermanentError } from "../../src/protocol/errors.js";

function sourceWith(answer: () => Response) {
  const requested: string[] = [];
  const page: Page = {
    root: new URL("http://h/x/logstream/"),
    request: async (path, init) => {
      requested.push(`${init?.method ?? "GET"} ${path}`);
      return answer();
    },
    hidden: () => false,
    onVisibility: () => undefined,
  };
  const subscribed: unknown[] = [];
  const hub = { subscribe: (request: unknown) => subscribed.push(request) } as unknown as Hub;
  return { requested, subscribed, source: workloadSource("W1", page, hub) };
}

const signal = new AbortController().signal;

describe("a workload's source", () => {
  it("requests ranges, cancels and subscribes by the routes of the protocol", async () => {
    const { requested, subscribed, source } = sourceWith(() => Response.json({ records: [{ seq: 8 }] }));
    expect((await source.page({ after: 7, limit: 250 }, signal)).records).toEqual([{ seq: 8 }]);
    await source.cancel();
    source.subscribe({ tail: 5 }, () => undefined);
    expect(requested).toEqual(["GET v1/workloads/W1/records?after=7&limit=250", "POST v1/workloads/W1/cancel"]);
    expect(subscribed).toEqual([{ stream: "workload/W1", tail: 5 }]);
    expect(source.downloadUrl).toBe("http://h/x/logstream/v1/workloads/W1/log.txt");
  });

  it.each([403, 404])("throws PermanentError for %i, with the server's reason", async (status) => {
    const { source } = sourceWith(() => Response.json({ message: "no such workload" }, { status }));
    const failure = source.page({ limit: 1 }, signal);
    await expect(failure).rejects.toBeInstanceOf(PermanentError);
    await expect(failure).rejects.toThrow(new RegExp(`${status}\\)?: no such workload`));
  });

  it("throws a transient error for anything else", async () => {
    const { source } = sourceWith(() => new Response("<html>", { status: 502, statusText: "Bad Gateway" }));
    const failure = source.page({ limit: 1 }, signal);
    await expect(failure).rejects.not.toBeInstanceOf(PermanentError);
    await expect(failure).rejects.toThrow("502: Bad Gateway");
  });
});
