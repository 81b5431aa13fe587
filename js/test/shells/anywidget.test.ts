// @vitest-environment happy-dom
// The anywidget shell: traits, one view, and its cleanup.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Reach, shell } from "../../src/shells/anywidget.js";
import * as requests from "../../src/shells/requests.js";
import { viewsUrl } from "../../src/shells/served-views.js";
import * as table from "../../src/shells/table.js";
import * as view from "../../src/shells/view.js";

/** Waits until the view is loaded. */
const settled = () => new Promise((resolve) => setTimeout(resolve));
const views = { view, table, requests };
const load: Reach["load"] = async (name) => views[name];
const widget = shell({ probe: async () => true, load });

const subscribe = vi.fn();
const close = vi.fn();

class Model {
  readonly traits: { [name: string]: unknown } = { workload: "W1", height: 0, protocol: 1 };
  readonly listeners = new Set<() => void>();
  get = (name: string) => this.traits[name];
  readonly sent: unknown[] = [];
  send = (message: unknown) => void this.sent.push(message);
  on = (event: string, listener: () => void) => void (event.startsWith("change:") && this.listeners.add(listener));
  saved = 0;
  save_changes = () => void this.saved++;
  off = (_event: string, listener: () => void) => void this.listeners.delete(listener);
  set(name: string, value: unknown): void {
    this.traits[name] = value;
    for (const listener of this.listeners) listener();
  }
}

const SLOT = Symbol.for("jupyter-logstream.v1");
const page = globalThis as unknown as { [key: symbol]: unknown };
const shown = (el: HTMLElement) => el.querySelector<HTMLElement>("[data-logstream=log]");
let el: HTMLElement;

beforeEach(() => {
  subscribe.mockReset();
  subscribe.mockReturnValue({ close, retryNow: vi.fn() });
  close.mockReset();
  page[SLOT] = { subscribe };
  el = document.createElement("div");
  document.body.append(el);
});
afterEach(() => {
  delete page[SLOT];
});

describe("initialize", () => {
  const claim = Symbol.for("jupyter-logstream.outputs");

  it.each([
    [undefined, "anywidget"],
    [true, "labextension"],
  ])("reports to the kernel which shell shows the output (claimed: %s)", async (claimed, shell) => {
    page[claim] = claimed;
    const model = new Model();
    widget.initialize({ model });
    await settled();
    delete page[claim];
    expect(model.traits["page"]).toBe(shell);
    expect(model.saved).toBe(1);
  });
});

describe("render", () => {
  it("shows the workload and subscribes at the page's hub", async () => {
    const cleanup = widget.render({ model: new Model(), el });
    await settled();
    expect(shown(el)?.dataset["workload"]).toBe("W1");
    expect(subscribe.mock.lastCall?.[0]).toEqual({ stream: "workload/W1", tail: 200 });
    cleanup();
  });

  it("is disposed once by its cleanup and by the signal, in any order", async () => {
    const life = new AbortController();
    const model = new Model();
    const cleanup = widget.render({ model, el, signal: life.signal });
    await settled();
    life.abort();
    cleanup();
    cleanup();
    expect(close).toHaveBeenCalledOnce();
    expect(model.listeners.size).toBe(0);
  });

  it("opens nothing if the signal is already aborted", async () => {
    widget.render({ model: new Model(), el, signal: AbortSignal.abort() });
    await settled();
    expect(subscribe).not.toHaveBeenCalled();
  });

  it("opens nothing if it ends before the views are loaded", async () => {
    widget.render({ model: new Model(), el })();
    await settled();
    expect(subscribe).not.toHaveBeenCalled();
  });

  it("switches to another workload with the trait", async () => {
    const model = new Model();
    const cleanup = widget.render({ model, el });
    await settled();
    model.set("workload", "W2");
    await settled();
    expect(close).toHaveBeenCalledOnce();
    expect(el.childElementCount).toBe(1);
    expect(shown(el)?.dataset["workload"]).toBe("W2");
    cleanup();
    expect(close).toHaveBeenCalledTimes(2);
  });

  it("has the height of the trait", async () => {
    const model = new Model();
    model.traits["height"] = 500;
    const cleanup = widget.render({ model, el });
    await settled();
    expect(shown(el)?.shadowRoot?.querySelector<HTMLElement>(".view")?.style.height).toBe("500px");
    cleanup();
  });

  it("shows the workload table for its trait", async () => {
    const model = new Model();
    Object.assign(model.traits, { view: "workloads", workload: "", state: "failed", limit: 3 });
    const cleanup = widget.render({ model, el });
    await settled();
    expect(el.querySelector("[data-logstream=workloads]")).not.toBeNull();
    expect(subscribe.mock.lastCall?.[0]).toMatchObject({ stream: "workloads" });
    cleanup();
    expect(close).toHaveBeenCalledOnce();
  });

  it("shows the server log for its trait", async () => {
    const model = new Model();
    Object.assign(model.traits, { scope: "service", workload: "" });
    const cleanup = widget.render({ model, el });
    await settled();
    expect(subscribe.mock.lastCall?.[0]).toMatchObject({ stream: "service" });
    expect(shown(el)?.shadowRoot?.querySelector(".name")?.textContent).toBe("Jupyter server log");
    cleanup();
  });

  it("names the upgrade when the kernel speaks a newer protocol", async () => {
    const model = new Model();
    model.traits["protocol"] = 2;
    const cleanup = widget.render({ model, el });
    const notice = () => shown(el)?.shadowRoot?.querySelector(".notice")?.textContent;
    await vi.waitFor(() => expect(notice()).toContain("speaks protocol 2"));
    expect(notice()).toContain("upgrade jupyter-logstream where the Jupyter server runs");
    expect(subscribe).not.toHaveBeenCalled();
    cleanup();
  });

  it("reports that the server has no views to load", async () => {
    const cleanup = shell({ probe: async () => true, load: () => Promise.reject(new Error("404")) }).render({
      model: new Model(),
      el,
    });
    await settled();
    expect(el.textContent).toContain("Check that jupyter-logstream is installed in this Jupyter server.");
    cleanup();
  });

  it("loads the views from the server of the page, below its base URL", () => {
    const doc = document.implementation.createHTMLDocument();
    const config = doc.createElement("script");
    config.id = "jupyter-config-data";
    config.textContent = JSON.stringify({ baseUrl: "/user/x", token: "t" });
    doc.body.append(config);
    const location = new URL("https://hub.example/user/x/lab") as unknown as Location;
    expect(viewsUrl("view", doc, location)).toBe("https://hub.example/user/x/static/jupyter_logstream/view.js");
  });
});
