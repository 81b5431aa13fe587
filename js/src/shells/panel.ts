// The JupyterLab plugin: the table of workloads in the left area, and logs in main-area tabs. Page.
// Knows JupyterLab's shell and lifetimes, nothing about logs or the network. A hidden panel sends no requests.
// Notebook 7 has a left area, but no tabs.

import {
  type Args,
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin,
} from "@jupyterlab/application";
import { ICommandPalette, WidgetTracker } from "@jupyterlab/apputils";
import { Widget } from "@lumino/widgets";
import { PROTOCOL } from "../protocol/types.js";
import { printable } from "../text/unprintable.js";
import { showLog, showTable } from "./served-views.js";

const SHOW = "jupyter-logstream:show-workloads";
const OPEN = "jupyter-logstream:open-log";
const SERVICE: Args = { scope: "service", workload: "", label: "Jupyter server log" };
/** Of the page's address: the id of a workload. */
const PARAMETER = "logstream";
const PALETTE = "Workloads";
/** After JupyterLab's own panels. */
const RANK = 600;

/** Three lines with their states. */
const ICON = "M3 5.5 4.5 7 7 4M10 5.5h7M3.5 9l3 3m0-3-3 3M10 10.5h7M5 15.5h.1M10 15.5h7";

/** The icon of a title; `size` in px, `margin` as in CSS. */
function icon(size: number, margin: string): Widget["title"]["icon"] {
  return {
    render(host: HTMLElement): void {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", ICON);
      svg.append(path);
      svg.setAttribute("viewBox", "0 0 20 20");
      svg.setAttribute("aria-hidden", "true");
      svg.style.cssText =
        `display:block;width:${size}px;height:${size}px;margin:${margin};fill:none;` +
        "stroke:var(--jp-inverse-layout-color3,currentcolor);stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round";
      host.replaceChildren(svg);
    },
  };
}

export class WorkloadsPanel extends Widget {
  readonly #openTab: ((args: Args) => void) | undefined;
  #table: ReturnType<typeof showTable> | undefined;

  constructor(openTab?: (args: Args) => void) {
    super();
    this.#openTab = openTab;
    this.id = "jupyter-logstream-workloads";
    this.addClass("jupyter-logstream-panel");
    this.title.caption = "Workloads";
    this.title.icon = icon(20, "auto");
    this.node.setAttribute("role", "region");
    this.node.setAttribute("aria-label", "Workloads");
  }

  /** The panel can be attached to an area that is visible already. */
  protected override onAfterAttach(): void {
    if (this.isVisible) this.onAfterShow();
  }

  protected override onAfterShow(): void {
    if (this.#table === undefined) this.#show();
    else this.#table.resume();
  }

  protected override onBeforeHide(): void {
    this.#table?.suspend();
  }

  override dispose(): void {
    this.#table?.dispose();
    this.#table = undefined;
    super.dispose();
  }

  #show(): void {
    const host = document.createElement("div");
    this.node.replaceChildren(host);
    const open = this.#openTab;
    const tabs = open && {
      openTab: ({ id, name }: { id: string; name: string | null }) => open({ workload: id, label: name ?? id }),
    };
    this.#table = showTable(host, { height: 0, fill: true, protocol: PROTOCOL, ...tabs });
  }
}

/** A log in the main area. */
export class LogTab extends Widget {
  readonly args: Args;
  readonly #view: { dispose(): void };

  constructor(args: Args) {
    super();
    this.args = args;
    const { workload = "", scope = "job", label = "" } = args;
    this.id = `jupyter-logstream-${scope}-${workload}`;
    this.title.label = printable(label);
    this.title.caption = printable(scope === "service" ? label : `Log of ${label}\n${workload}`);
    this.title.closable = true;
    this.title.icon = icon(14, "0 5px 0 0");
    this.node.tabIndex = -1;
    this.node.style.outline = "none"; // it only holds the focus for its content
    const host = document.createElement("div");
    this.node.append(host);
    this.#view = showLog(host, { workload, scope, height: 0, fill: true, protocol: PROTOCOL });
  }

  protected override onActivateRequest(): void {
    this.node.focus();
  }

  override dispose(): void {
    this.#view.dispose();
    super.dispose();
  }
}

function activate(
  app: JupyterFrontEnd,
  lab: ILabShell | null,
  restorer: ILayoutRestorer | null,
  palette: ICommandPalette | null,
): void {
  const panel = new WorkloadsPanel(lab === null ? undefined : (args) => void app.commands.execute(OPEN, args));
  app.shell.add(panel, "left", { rank: RANK });
  restorer?.add(panel, panel.id);
  app.commands.addCommand(SHOW, { label: "Workloads: Show", execute: () => app.shell.activateById(panel.id) });
  palette?.addItem({ command: SHOW, category: PALETTE });
  if (lab === null) return;
  const tabs = new WidgetTracker<LogTab>({ namespace: "jupyter-logstream-logs" });
  app.commands.addCommand(OPEN, {
    label: ({ scope }) => (scope === "service" ? "Workloads: Show Jupyter Server Log" : "Open Log"),
    execute: (args) => openTab(app, tabs, args),
  });
  palette?.addItem({ command: OPEN, category: PALETTE, args: SERVICE });
  openNamed(app, new URLSearchParams(window.location.search).get(PARAMETER));
  void restorer?.restore(tabs, { command: OPEN, args: (tab) => tab.args, name: (tab) => tab.id });
}

/** Open the log that the page's address names, as `jupyter logstream open` prints it. */
function openNamed(app: JupyterFrontEnd, workload: string | null): void {
  if (workload === null || !/^[\w-]{1,64}$/.test(workload)) return;
  void app.restored.then(() => app.commands.execute(OPEN, { workload, label: workload }));
}

function openTab(app: JupyterFrontEnd, tabs: WidgetTracker<LogTab>, args: Args): void {
  const { workload = "", scope = "job" } = args;
  if (workload === "" && scope === "job") return; // no log named
  let tab = tabs.find((one) => one.args["workload"] === workload && (one.args["scope"] ?? "job") === scope);
  if (tab === undefined) {
    tab = new LogTab(args);
    app.shell.add(tab, "main");
    void tabs.add(tab);
  }
  app.shell.activateById(tab.id);
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: "jupyter-logstream:workloads",
  description: "Shows the workloads of the server and their logs, live, beside the notebooks.",
  autoStart: true,
  optional: [ILabShell, ILayoutRestorer, ICommandPalette],
  activate,
};

export default plugin;
