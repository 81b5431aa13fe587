// @vitest-environment happy-dom
// Many log views of one page: one read phase and one write phase per frame, and views out of the window are not painted.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { mountLogView } from "../../src/views/log/log-view.js";
import { paint, ScriptedSource } from "../support/stage.js";
import { records, workload } from "../support/workload.js";

const VIEWS = 12;
/** Longer than many views wait for each other. */
const FRAMES_MS = 400;

interface Mounted {
  readonly host: HTMLElement;
  readonly source: ScriptedSource;
  readonly view: { dispose(): void };
}

let views: Mounted[] = [];
let intersect: IntersectionObserverCallback = () => {};

class ScriptedIntersectionObserver {
  constructor(callback: IntersectionObserverCallback) {
    intersect = callback;
  }
  observe(): void {}
  unobserve(): void {}
}
vi.stubGlobal("IntersectionObserver", ScriptedIntersectionObserver);

beforeEach(async () => {
  views = Array.from({ length: VIEWS }, () => {
    const host = document.createElement("div");
    document.body.append(host);
    const source = new ScriptedSource();
    return { host, source, view: mountLogView(host, source) };
  });
  for (const { source } of views) {
    source.emit({ kind: "state", rung: "live" });
    source.frame("status", { job: workload({ started: 500 }) });
    source.logs(...records(1, 100));
  }
  await vi.advanceTimersByTimeAsync(FRAMES_MS);
});
afterEach(() => {
  for (const { view } of views) view.dispose();
});

const setSight = (host: HTMLElement, isIntersecting: boolean) =>
  intersect([{ target: host, isIntersecting }] as unknown as IntersectionObserverEntry[], {} as IntersectionObserver);
const newest = ({ host }: Mounted) => [...(host.shadowRoot?.querySelectorAll(".row") ?? [])].at(-1)?.textContent;

/** Records in order what is read from the layout ("read") and what is written to the document ("write"). */
function recordPhases(): string[] {
  const phases: string[] = [];
  const note = (phase: string) => {
    if (phases.at(-1) !== phase) phases.push(phase);
  };
  for (const name of ["clientHeight", "clientWidth", "offsetHeight", "offsetWidth"] as const) {
    vi.spyOn(HTMLElement.prototype, name, "get").mockImplementation(() => {
      note("read");
      return 280;
    });
  }
  const rectangle = HTMLElement.prototype.getBoundingClientRect;
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockImplementation(function (this: HTMLElement) {
    note("read");
    return rectangle.call(this);
  });
  const insert = Node.prototype.insertBefore;
  vi.spyOn(Node.prototype, "insertBefore").mockImplementation(function (this: Node, node, child) {
    note("write");
    return insert.call(this, node, child) as never;
  });
  const top = Object.getOwnPropertyDescriptor(Element.prototype, "scrollTop") as PropertyDescriptor;
  vi.spyOn(Element.prototype, "scrollTop", "get").mockImplementation(function (this: Element) {
    note("scroll");
    return top.get?.call(this) as number;
  });
  return phases;
}

describe("many views", () => {
  it("write in one phase of the frame, after all reads, and scroll behind that", async () => {
    const phases = recordPhases();
    for (const { source } of views) source.logs(...records(101, 110));
    await vi.advanceTimersByTimeAsync(FRAMES_MS);
    expect(views.map(newest)).toEqual(views.map(() => "line 110"));
    expect(phases.join(" ")).toMatch(/^(?:read )?write scroll$/);
  });

  it("share the frames in which wrapped rows are measured and laid out again", async () => {
    for (const { host } of views) {
      const event = new KeyboardEvent("keydown", { key: "w", bubbles: true, composed: true });
      host.shadowRoot?.querySelector(".viewport")?.dispatchEvent(event);
    }
    await paint();
    const phases = recordPhases();
    for (const { source } of views) source.logs(...records(101, 110));
    await vi.advanceTimersByTimeAsync(FRAMES_MS);
    localStorage.clear();
    expect(views.map(newest)).toEqual(views.map(() => "line 110"));
    // Twelve views one after the other would be twelve times as many.
    expect(phases.filter((phase) => phase === "write").length).toBeLessThanOrEqual(5);
  });

  it("request one animation frame together", async () => {
    await vi.advanceTimersByTimeAsync(FRAMES_MS);
    const requested = vi.spyOn(globalThis, "requestAnimationFrame");
    for (const { source } of views) source.logs(...records(101, 110));
    await vi.advanceTimersByTimeAsync(FRAMES_MS);
    expect(views.map(newest)).toEqual(views.map(() => "line 110"));
    // The panels above the lines follow in frames of their own. A frame for each view would be at least twelve.
    expect(requested.mock.calls.length).toBeLessThan(views.length);
  });

  it("leave the page most of its time: the next frame waits for a multiple of the last one's duration", async () => {
    await vi.advanceTimersByTimeAsync(FRAMES_MS);
    let time = performance.now() + 1000;
    vi.spyOn(performance, "now").mockImplementation(() => time);
    const requested = vi.spyOn(globalThis, "requestAnimationFrame").mockImplementation((paintAll) => {
      setTimeout(() => {
        paintAll(time);
        time += 20; // the duration of the frame
      });
      return 1;
    });
    for (const { source } of views) source.logs(...records(101, 110));
    await vi.advanceTimersByTimeAsync(10);
    expect(requested).toHaveBeenCalledTimes(1);
    for (const { source } of views) source.logs(...records(111, 120));
    await vi.advanceTimersByTimeAsync(7 * 20 - 20);
    expect(requested).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(40);
    expect(requested).toHaveBeenCalledTimes(2);
    expect(views.map(newest)).toEqual(views.map(() => "line 120"));
  });

  it("do not stop each other by an exception", async () => {
    const [broken] = views as [Mounted];
    const thrown = vi.fn();
    vi.spyOn(globalThis, "queueMicrotask").mockImplementation((report) => {
      try {
        report();
      } catch (error) {
        thrown(error);
      }
    });
    vi.spyOn(broken.host, "shadowRoot", "get").mockReturnValue(null);
    const rows = broken.host.dataset;
    Object.defineProperty(broken.host, "dataset", {
      get: () => {
        throw new Error("broken");
      },
      configurable: true,
    });
    for (const { source } of views) source.logs(...records(101, 110));
    await vi.advanceTimersByTimeAsync(FRAMES_MS);
    Object.defineProperty(broken.host, "dataset", { value: rows, configurable: true });
    expect(thrown).toHaveBeenCalled();
    expect(views.slice(1).map(newest)).toEqual(views.slice(1).map(() => "line 110"));
  });
});

describe("a view out of the window", () => {
  it("counts its lines without being painted, and is painted when it comes into sight", async () => {
    const [out] = views as [Mounted];
    setSight(out.host, false);
    await vi.advanceTimersByTimeAsync(FRAMES_MS);
    const rows = out.host.shadowRoot?.querySelector(".rows") as HTMLElement;
    const inserted = vi.spyOn(rows, "insertBefore");
    for (let seq = 101; seq <= 120; seq++) {
      out.source.logs(...records(seq, seq));
      await paint();
    }
    expect(inserted).not.toHaveBeenCalled();
    expect(newest(out)).toBe("line 100");
    expect(out.host.dataset["lines"]).toBe("120");
    setSight(out.host, true);
    await paint();
    expect(newest(out)).toBe("line 120");
  });

  it("is painted when nothing has come for a while", async () => {
    const [out] = views as [Mounted];
    setSight(out.host, false);
    out.source.logs(...records(101, 110));
    await vi.advanceTimersByTimeAsync(2000);
    expect(newest(out)).toBe("line 110");
  });

  it("shows and announces at once that its workload has ended", async () => {
    const [out] = views as [Mounted];
    setSight(out.host, false);
    out.source.logs(...records(101, 110));
    out.source.frame("done", { job: workload({ state: "failed", exit_code: 3 }), cursor: 110 });
    out.source.emit({ kind: "state", rung: "done" });
    await paint();
    expect(out.host.dataset["state"]).toBe("done");
    expect(out.host.shadowRoot?.querySelector('.unseen[role="status"]')?.textContent).toMatch(/Failed|exit/i);
    expect(newest(out)).toBe("line 110");
  });

  it("obeys its keys at once", async () => {
    const [out] = views as [Mounted];
    setSight(out.host, false);
    const log = out.host.shadowRoot?.querySelector(".viewport");
    log?.dispatchEvent(new KeyboardEvent("keydown", { key: "Home", bubbles: true, composed: true }));
    await paint();
    expect(out.host.shadowRoot?.querySelector(".row")?.textContent).toBe("line 1");
  });
});
