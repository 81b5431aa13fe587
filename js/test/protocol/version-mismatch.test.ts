// Kernel, server and page with different protocol versions: a message that names the upgrade, never an empty view.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Hub } from "../../src/net/hub.js";
import type { Page } from "../../src/net/page.js";
import type { HubEvent, Subscription } from "../../src/protocol/types.js";
import { kernelMismatch } from "../../src/protocol/version-mismatch.js";
import { LogServer } from "../support/server.js";

describe("a kernel", () => {
  it("of our protocol is fine", () => {
    expect(kernelMismatch(1)).toBeUndefined();
  });

  it.each([
    [2, "protocol 2"],
    [0, "protocol 0"],
    [Number.NaN, "an unknown protocol"],
  ])("of protocol %s is named with what to do", (protocol, named) => {
    expect(kernelMismatch(protocol)).toContain(named);
    expect(kernelMismatch(protocol)).toContain("upgrade jupyter-logstream where the Jupyter server runs");
  });
});

describe("a server", () => {
  let server: LogServer;
  let page: Page;
  let hub: Hub;
  let subscription: Subscription | undefined;
  let last: HubEvent | undefined;

  const follow = (id: string) => {
    subscription = hub.subscribe({ stream: `workload/${id}` }, (event) => {
      if (event.kind === "state") last = event;
    });
  };
  const fails = (text: string) =>
    vi.waitFor(() => expect(last).toMatchObject({ rung: "error", message: expect.stringContaining(text) }), 4000);

  beforeEach(async () => {
    server = new LogServer();
    page = await server.start();
    hub = new Hub(page);
    last = undefined;
    server.add("W1", 3);
  });
  afterEach(async () => {
    subscription?.close();
    await server.stop();
  });

  it("of a newer protocol: reload the page", async () => {
    server.protocol = 2;
    follow("W1");
    await fails("speaks protocol 2, this page's 1: reload the page");
    await vi.waitFor(() => expect(server.readers.size).toBe(0));
  });

  it("of an older protocol: upgrade it", async () => {
    server.protocol = 0;
    follow("W1");
    await fails("upgrade jupyter-logstream where the Jupyter server runs");
  });

  it("without the extension: install it", async () => {
    server.protocol = undefined;
    follow("W1");
    await fails("does not run jupyter-logstream: install it where the server runs");
  });

  it("that was upgraded is followed when the user tries again", async () => {
    server.protocol = undefined;
    follow("W1");
    await fails("install it");
    server.protocol = 1;
    subscription?.retryNow();
    await vi.waitFor(() => expect(last).toMatchObject({ rung: "live" }), 4000);
  });

  it("that comes back with another protocol is noticed", async () => {
    follow("W1");
    await vi.waitFor(() => expect(last).toMatchObject({ rung: "live" }), 4000);
    server.protocol = 2;
    server.cut();
    await fails("speaks protocol 2");
  });

  it("without one log reports it for that log", async () => {
    follow("gone");
    await fails("This log was deleted from the server");
  });
});
