// The table of all workloads: bar, rows, the logs that are open in it, and what one can do with a workload. Wired to an
// injected source. DOM only: no fetch, no widget. Painted at most once per animation frame, whatever arrives.

import { Selection, wordsOf } from "../core/choice.js";
import type { LogSource } from "../core/source.js";
import type { WorkloadState } from "../core/types.js";
import { type Listed, Workloads, type WorkloadsSource } from "../core/workloads.js";
import { Acts } from "./acts.js";
import { button, element, icon, setData, setText } from "./dom.js";
import viewCss from "./logview.css?inline";
import { OpenLogs } from "./opened.js";
import { Presence } from "./presence.js";
import css from "./table.css?inline";
import { TableBar } from "./tablebar.js";
import { TableBody } from "./tablebody.js";
import narrowCss from "./tablenarrow.css?inline";
import rowCss from "./tablerow.css?inline";
import { type Act, heads, type RowModel, TableRow } from "./tablerow.js";
import { followTheme } from "./theme.js";

const TICK_MS = 1000;
/** So long a row is marked as changed. */
const FRESH_MS = 2000;
/** From this width on a workload is one line of columns, below it two lines. */
const WIDE_PX = 720;
const ROW_PX = { wide: 30, narrow: 48 };
/** What an open row is higher: where there are no columns its buttons are in a third line. */
const OPEN_PX = { wide: 0, narrow: 26 };

export interface TableOptions {
  /** Height of the whole view in px; 0: as tall as its rows, up to a bound. */
  readonly height?: number;
  /** As tall as the place it is put in. */
  readonly fill?: boolean;
  /** What is shown at first; empty: all. */
  readonly states?: ReadonlySet<WorkloadState>;
  /** So many of the newest are shown; 0: all. */
  readonly limit?: number;
  /** Opens a log in a place of its own, where there is one. */
  readonly openTab?: ((job: Listed) => void) | undefined;
}

export interface Table {
  /** Lets go of the stream while nobody looks; what is known stays. */
  suspend(): void;
  resume(): void;
  dispose(): void;
}

export function mountTable(
  host: HTMLElement,
  source: WorkloadsSource,
  logOf: (id: string) => LogSource,
  options: TableOptions = {},
): Table {
  return new WorkloadTable(host, source, logOf, options);
}

class WorkloadTable implements Table {
  readonly #host: HTMLElement;
  readonly #options: TableOptions;
  readonly #list: Workloads;
  readonly #bar: TableBar;
  readonly #body: TableBody<RowModel, TableRow>;
  readonly #section = element("section", "view table");
  readonly #notice = element("div", "notice");
  readonly #empty = element("div", "nothing");
  readonly #more = element("div", "more");
  /** What has been done, for those who can't see it. */
  readonly #said = element("div", "said");
  readonly #newsLabel = element("span", "label");
  readonly #news = element("button", "news", icon("up"), this.#newsLabel);
  readonly #presence: Presence;
  readonly #stopTheme: () => void;
  readonly #open: OpenLogs;
  readonly #shown: Selection;
  readonly #acts: Acts;
  #layout: "wide" | "narrow" = "wide";
  #frame: number | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;
  #disposed = false;
  #suspended = false;

  constructor(host: HTMLElement, source: WorkloadsSource, logOf: (id: string) => LogSource, options: TableOptions) {
    this.#host = host;
    this.#open = new OpenLogs(logOf);
    this.#shown = new Selection(options.states, options.limit);
    this.#options = options;
    this.#list = new Workloads(source, () => this.#dirty());
    this.#bar = new TableBar({
      retry: () => this.#list.retry(),
      choose: (state) => {
        this.#shown.toggle(state);
        this.#body.toTop();
      },
      search: (text) => {
        this.#shown.words = wordsOf(text);
        this.#body.toTop();
      },
      left: () => this.#body.focusRow(),
    });
    const act = (id: string, which: Act) => this.#acts.act(which, this.#list.get(id));
    this.#body = new TableBody(
      {
        act,
        toggle: (id) => this.#toggle(id),
        search: () => this.#bar.focusSearch(),
        changed: () => this.#dirty(),
      },
      { label: "Workloads", heads, row: (id) => new TableRow(id, (which) => act(id, which)) },
    );
    this.#acts = new Acts(source, {
      openTab: options.openTab,
      changed: () => this.#dirty(),
      focus: (id, act) => this.#focus(id, act),
    });
    this.#stopTheme = followTheme(host);
    this.#mount();
    this.#presence = new Presence(
      host,
      () => this.#appeared(),
      () => this.#letGo(),
    );
    this.#goOn();
    this.#paint();
  }

  suspend(): void {
    this.#suspended = true;
    this.#letGo();
  }

  resume(): void {
    this.#suspended = false;
    this.#appeared();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#letGo();
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#presence.dispose();
    this.#body.dispose();
    this.#stopTheme();
  }

  #mount(): void {
    const host = this.#host;
    host.dataset["logstream"] = "workloads";
    // Keys pressed inside a shadow root seem to come from its host: see viewport.ts.
    host.dataset["lmSuppressShortcuts"] = "true";
    if (this.#options.fill) host.dataset["fill"] = "";
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    const style = document.createElement("style");
    style.textContent = viewCss + css + rowCss + narrowCss;
    const { height = 0 } = this.#options;
    if (height > 0) this.#section.style.height = `${height}px`;
    this.#notice.setAttribute("role", "status");
    this.#said.setAttribute("role", "status");
    this.#news.type = "button";
    this.#news.addEventListener("click", () => this.#body.toTop());
    const body = element("div", "body", this.#body.element, this.#empty, this.#news);
    this.#section.setAttribute("aria-label", "Workloads");
    this.#section.append(this.#bar.element, this.#notice, body, this.#more, this.#said);
    root.replaceChildren(style, this.#section);
  }

  // --- is anybody there? ---

  #goOn(): void {
    this.#list.open();
    this.#open.goOn();
    this.#tick = setInterval(() => this.#dirty(), TICK_MS);
    this.#presence.watch();
  }

  #letGo(): void {
    clearInterval(this.#tick);
    this.#presence.rest();
    this.#list.close();
    this.#open.letGo();
  }

  #appeared(): void {
    if (this.#disposed || this.#suspended) return;
    if (!this.#list.isOpen) this.#goOn();
    this.#dirty();
  }

  // --- what is shown ---

  #toggle(id: string): void {
    const job = this.#list.get(id);
    if (job !== undefined) this.#open.toggle(job);
    this.#dirty();
  }

  #dirty(): void {
    if (this.#disposed) return;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.#paint();
    });
  }

  #paint(): void {
    const width = this.#section.clientWidth;
    if (width > 0) this.#layout = width >= WIDE_PX ? "wide" : "narrow";
    setData(this.#section, "layout", this.#layout);
    const { status, size } = this.#list;
    setData(this.#host, "state", status.rung);
    setData(this.#section, "empty", String(size === 0));
    this.#open.keep((id) => this.#list.get(id) !== undefined);
    const ids = this.#shown.choose(this.#list, this.#open.all);
    this.#bar.update({ status, total: size, states: this.#shown.states, count: (state) => this.#list.count(state) });
    const now = this.#list.serverNow;
    this.#body.paint({
      ids,
      rowHeight: ROW_PX[this.#layout],
      openHeight: OPEN_PX[this.#layout],
      below: this.#open.all,
      row: (id, current) => this.#row(id, current, now),
    });
    this.#paintTexts(ids.length);
  }

  #row(id: string, current: boolean, now: number): RowModel {
    const job = this.#list.get(id) as Listed;
    return {
      job,
      now,
      current,
      fresh: Date.now() - this.#list.changedAt(id) < FRESH_MS,
      open: this.#open.all.has(id),
      asking: this.#acts.asking === id,
      cancelling: this.#acts.isCancelling(job),
      tabs: this.#options.openTab !== undefined,
    };
  }

  #paintTexts(rows: number): void {
    const { status, size, complete } = this.#list;
    const notice = status.rung === "error" ? (status.message ?? "") : this.#acts.trouble;
    setText(this.#notice, notice);
    setText(this.#said, this.#acts.said);
    this.#notice.hidden = notice === "";
    this.#empty.hidden = rows > 0;
    const isEmpty = size === 0 && complete;
    const kind = rows > 0 || status.rung === "error" ? "" : size > 0 ? "none" : isEmpty ? "empty" : "wait";
    if (this.#empty.dataset["kind"] !== kind) this.#fillEmpty(kind);
    setText(this.#more, `The newest ${rows}; ${this.#shown.left} older ones are not shown`);
    this.#more.hidden = this.#shown.left <= 0;
    const { news } = this.#body;
    this.#news.hidden = news <= 0;
    setText(this.#newsLabel, news === 1 ? "1 new workload" : `${news} new workloads`);
  }

  #fillEmpty(kind: string): void {
    this.#empty.dataset["kind"] = kind;
    const said: { readonly [kind: string]: () => (Node | string)[] } = {
      wait: () => ["Connecting…"],
      none: () => [
        element("p", "", "No workload matches"),
        button("clear", "Show all", "Show all workloads", () => this.#showAll()),
      ],
      empty: () => [
        element("p", "", "No workloads yet. Start one from a notebook:"),
        element("code", "", 'from jupyter_logstream import run\nrun("python train.py")'),
      ],
    };
    this.#empty.replaceChildren(...(said[kind]?.() ?? []));
  }

  /** The buttons of a row change with what is asked: they are there after a paint. */
  #focus(id: string, act: "remove" | undefined): void {
    this.#paint();
    if (act === undefined) this.#body.focusRow(id);
    else this.#body.drawn(id)?.focusOn(act);
  }

  #showAll(): void {
    this.#shown.clear();
    this.#bar.clear();
    this.#dirty();
    this.#body.focusRow();
  }
}
