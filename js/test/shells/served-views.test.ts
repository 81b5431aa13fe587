// @vitest-environment happy-dom
// The views that the labextension imports from the server: shown when they arrive, with a message if they do not.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { type Load, NOT_LOADED, showLog, showTable, type Views } from "../../src/shells/served-views.js";
import { workload } from "../support/workload.js";

const OPTIONS = { workload: "W1", height: 0, protocol: 1 };
const view = { dispose: vi.fn(), suspend: vi.fn(), resume: vi.fn() };
let host: HTMLElement;

const serve =
  (views: Partial<Views>): Load =>
  (name) =>
    Promise.resolve(views[name] as Views[typeof name]);
const unavailable: Load = () => Promise.reject(new TypeError("Failed to fetch"));
const arrived = () => new Promise((resolve) => setTimeout(resolve));

beforeEach(() => {
  vi.clearAllMocks();
  host = document.createElement("div");
});

describe("a log", () => {
  it("is shown when its module arrives, and disposed once", async () => {
    const mount = vi.fn(() => view);
    const log = showLog(host, OPTIONS, serve({ view: { showLog: mount } }));
    await arrived();
    expect(mount).toHaveBeenCalledExactlyOnceWith(host, OPTIONS);
    log.dispose();
    log.dispose();
    expect(view.dispose).toHaveBeenCalledOnce();
  });

  it("that was disposed before its module arrived is not shown", async () => {
    const mount = vi.fn(() => view);
    showLog(host, OPTIONS, serve({ view: { showLog: mount } })).dispose();
    await arrived();
    expect(mount).not.toHaveBeenCalled();
  });

  it("on a server without the extension shows the saved lines as text, with the reason", async () => {
    showLog(host, { ...OPTIONS, saved: { job: workload({}), lines: ["<b>one</b>", "two"] } }, unavailable);
    await arrived();
    expect(host.querySelector("p")?.textContent).toBe(NOT_LOADED);
    expect(host.querySelector("pre")?.textContent).toBe("<b>one</b>\ntwo");
  });
});

describe("the table", () => {
  it("that is hidden before its module arrives stays suspended until it is shown again", async () => {
    const table = showTable(host, { height: 0, protocol: 1 }, serve({ table: { showTable: () => view } }));
    table.suspend();
    await arrived();
    expect(view.suspend).toHaveBeenCalledOnce();
    table.resume();
    expect(view.resume).toHaveBeenCalledOnce();
  });

  it("names what to check on a server without the extension", async () => {
    showTable(host, { height: 0, protocol: 1 }, unavailable);
    await arrived();
    expect(host.textContent).toBe(NOT_LOADED);
    expect(host.querySelector("pre")?.hidden).toBe(true);
  });
});
