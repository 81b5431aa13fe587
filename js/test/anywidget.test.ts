// @vitest-environment happy-dom
// The shell: traits in, one view out, and every lifetime ends once.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import widget from "../src/anywidget.js";

const subscribe = vi.fn();
const close = vi.fn();

class Model {
  readonly traits: { [name: string]: unknown } = { workload: "W1", height: 0, protocol: 1 };
  readonly listeners = new Set<() => void>();
  get = (name: string) => this.traits[name];
  on = (_event: string, listener: () => void) => void this.listeners.add(listener);
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

describe("render", () => {
  it("shows the workload at once, and asks the page's hub for its stream", () => {
    const cleanup = widget.render({ model: new Model(), el });
    expect(shown(el)?.dataset["workload"]).toBe("W1");
    expect(subscribe.mock.lastCall?.[0]).toEqual({ stream: "workload/W1", tail: 200 });
    cleanup();
  });

  it("ends by its cleanup and by the signal, in any order, once", () => {
    const life = new AbortController();
    const model = new Model();
    const cleanup = widget.render({ model, el, signal: life.signal });
    life.abort();
    cleanup();
    cleanup();
    expect(close).toHaveBeenCalledOnce();
    expect(model.listeners.size).toBe(0);
  });

  it("opens nothing when the signal is aborted already", () => {
    widget.render({ model: new Model(), el, signal: AbortSignal.abort() });
    expect(subscribe).not.toHaveBeenCalled();
  });

  it("turns to another workload when the trait does", () => {
    const model = new Model();
    const cleanup = widget.render({ model, el });
    model.set("workload", "W2");
    expect(close).toHaveBeenCalledOnce();
    expect(el.childElementCount).toBe(1);
    expect(shown(el)?.dataset["workload"]).toBe("W2");
    cleanup();
    expect(close).toHaveBeenCalledTimes(2);
  });

  it("takes the height that is asked for", () => {
    const model = new Model();
    model.traits["height"] = 500;
    const cleanup = widget.render({ model, el });
    expect(shown(el)?.shadowRoot?.querySelector<HTMLElement>(".view")?.style.height).toBe("500px");
    cleanup();
  });

  it("says so when the kernel speaks a newer protocol", () => {
    const model = new Model();
    model.traits["protocol"] = 2;
    widget.render({ model, el })();
    expect(el.textContent).toContain("protocol 2");
    expect(subscribe).not.toHaveBeenCalled();
  });
});
