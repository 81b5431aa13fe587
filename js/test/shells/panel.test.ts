// @vitest-environment happy-dom
// Side panel and tabs: content, subscription while visible, and Notebook 7, which has no tabs.
import { Widget } from "@lumino/widgets";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { HubEvent } from "../../src/protocol/types.js";
import plugin, { LogTab, WorkloadsPanel } from "../../src/shells/panel.js";
import { listed } from "../support/workload.js";

// The server serves the views; here they are imported from the sources.
vi.mock("../../src/shells/served-views.js", async () => ({
  ...(await import("../../src/shells/table.js")),
  ...(await import("../../src/shells/view.js")),
}));

const SLOT = Symbol.for("jupyter-logstream.v1");
const page = globalThis as unknown as { [key: symbol]: unknown };
const close = vi.fn();
const subscribe = vi.fn();

type Command = { label: string | ((args: object) => string); execute: (args: object) => unknown };
let commands: Map<string, Command>;
let added: [Widget, string][];
const activateById = vi.fn();
const restorer = { add: vi.fn(), restore: vi.fn().mockResolvedValue(undefined) };
const palette = { addItem: vi.fn() };

function start(lab: object | null): void {
  const app = {
    commands: {
      addCommand: (id: string, command: Command) => commands.set(id, command),
      execute: async (id: string, args: object) => commands.get(id)?.execute(args),
    },
    restored: Promise.resolve(),
    shell: { add: (widget: Widget, area: string) => added.push([widget, area]), activateById },
  };
  (plugin.activate as (...given: unknown[]) => void)(app, lab, restorer, palette);
}

beforeEach(() => {
  commands = new Map();
  added = [];
  for (const mock of [subscribe, close, activateById, restorer.add, palette.addItem]) mock.mockReset();
  restorer.restore.mockReset().mockResolvedValue(undefined);
  subscribe.mockReturnValue({ close, retryNow: vi.fn() });
  page[SLOT] = { subscribe };
});
afterEach(() => {
  for (const [widget] of added) widget.dispose();
  delete page[SLOT];
});

const streams = () => subscribe.mock.calls.map(([request]) => (request as { stream: string }).stream);
const emit = (event: HubEvent) => (subscribe.mock.lastCall as [object, (event: HubEvent) => void])[1](event);

describe("the panel", () => {
  let panel: WorkloadsPanel;

  beforeEach(() => {
    panel = new WorkloadsPanel();
    panel.hide();
    Widget.attach(panel, document.body);
  });
  afterEach(() => panel.dispose());

  it("sends no request before it is visible", () => {
    expect(subscribe).not.toHaveBeenCalled();
  });

  it("subscribes only while it is visible", () => {
    panel.show();
    expect(streams()).toEqual(["workloads"]);
    expect(panel.node.querySelector("[data-logstream=workloads]")).not.toBeNull();
    panel.hide();
    expect(close).toHaveBeenCalledOnce();
    panel.show();
    expect(streams()).toEqual(["workloads", "workloads"]);
    panel.dispose();
    expect(close).toHaveBeenCalledTimes(2);
  });

  it("has a title", () => {
    const host = document.createElement("div");
    panel.title.icon?.render?.(host);
    expect(host.querySelector("svg")).not.toBeNull();
    expect(panel.title.caption).toBe("Workloads");
  });

  it("that is created visible subscribes at once", () => {
    const other = new WorkloadsPanel();
    Widget.attach(other, document.body);
    expect(streams()).toEqual(["workloads"]);
    other.dispose();
  });
});

describe("the plugin in JupyterLab", () => {
  beforeEach(() => start({}));

  it("adds the panel to the left sidebar and restores its place", () => {
    expect(added.map(([, area]) => area)).toEqual(["left"]);
    expect(restorer.add).toHaveBeenCalledExactlyOnceWith(added[0]?.[0], added[0]?.[0].id);
  });

  it("is shown by a command in the palette", () => {
    const [item] = palette.addItem.mock.calls[0] as [{ command: string }];
    const command = commands.get(item.command);
    expect(command?.label).toBe("Workloads: Show");
    command?.execute({});
    expect(activateById).toHaveBeenCalledExactlyOnceWith(added[0]?.[0].id);
  });

  it.each([
    ["?logstream=W1", ["workload/W1"]],
    ["?logstream=", []],
    ["?logstream=../x", []],
    ["", []],
  ])("opens the log that the address %s names", async (search, opened) => {
    window.history.replaceState(null, "", `/lab${search}`);
    added = [];
    start({});
    await new Promise((resolve) => setTimeout(resolve));
    window.history.replaceState(null, "", "/lab");
    expect(streams()).toEqual(opened);
  });

  it("opens a log in a tab from the panel, once", async () => {
    const panel = added[0]?.[0] as WorkloadsPanel;
    panel.hide();
    Widget.attach(panel, document.body);
    panel.show();
    emit({ kind: "frame", type: "workload", data: listed(1) as never });
    const root = () => panel.node.querySelector("[data-logstream]")?.shadowRoot as ShadowRoot;
    await vi.waitFor(() => expect(root().querySelector(".act.tab")).not.toBeNull());
    root().querySelector<HTMLElement>(".act.tab")?.click();
    root().querySelector<HTMLElement>(".act.tab")?.click();
    const tabs = added.slice(1);
    expect(tabs.map(([widget, area]) => [widget.title.label, area, widget.title.closable])).toEqual([
      ["job 1", "main", true],
    ]);
    expect(streams()).toEqual(["workloads", "workload/W1"]);
    expect(activateById).toHaveBeenCalledTimes(2);
    tabs[0]?.[0].dispose();
    expect(close).toHaveBeenCalledOnce();
  });

  it("shows the server log by a command", () => {
    const items = palette.addItem.mock.calls.map(([item]) => item as { command: string; args?: object });
    const item = items.find(({ args }) => args !== undefined);
    const command = commands.get(item?.command ?? "") as Command & { label(args: object): string };
    expect(command.label(item?.args ?? {})).toBe("Workloads: Show Jupyter Server Log");
    command.execute(item?.args ?? {});
    expect(streams()).toEqual(["service"]);
    expect(added.at(-1)?.[0].title.label).toBe("Jupyter server log");
  });

  it("restores its tabs", () => {
    const [, how] = restorer.restore.mock.calls[0] as [
      unknown,
      { command: string; args: (tab: LogTab) => object; name: (tab: LogTab) => string },
    ];
    const tab = new LogTab({ workload: "W1", label: "train" });
    expect(how.args(tab)).toEqual({ workload: "W1", label: "train" });
    expect(how.name(tab)).toBe(tab.id);
    expect(commands.has(how.command)).toBe(true);
    tab.dispose();
  });
});

describe("the plugin in Notebook 7", () => {
  it("has the panel without tabs", () => {
    start(null);
    expect(added.map(([, area]) => area)).toEqual(["left"]);
    expect([...commands.keys()]).toHaveLength(1);
    expect(palette.addItem).toHaveBeenCalledOnce();
  });
});
