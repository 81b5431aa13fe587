// A table as a view: bar, rows, empty states, and lifetime. The table definition supplies rows, filter and list. DOM
// only: no fetch, no widget. Painted at most once per animation frame.

import viewCss from "../dom/base.css?inline";
import { button, element, setData, setText } from "../dom/dom.js";
import { FrameScheduler } from "../dom/frame-scheduler.js";
import { attach } from "../dom/host.js";
import { NewRowsButton } from "../dom/new-rows-button.js";
import { Presence } from "../dom/presence.js";
import { followTheme } from "../dom/theme.js";
import rowCss from "../workloads/workload-row.css?inline";
import css from "./table.css?inline";
import { TableBar } from "./table-bar.js";
import { type RowView, TableBody } from "./table-body.js";
import type { Layout, TableContent, TableDefinition, TableSize } from "./table-definition.js";
import type { DeletePrompt } from "./table-keys.js";
import narrowCss from "./table-narrow.css?inline";

const TICK_MS = 1000;
/** How long a changed row is marked. */
const FRESH_MS = 2000;
const ROW_PX: { readonly [layout in Layout]: number } = { wide: 30, narrow: 48 };

export class TableView<Model, View extends RowView<Model>, Value extends string> {
  readonly body: TableBody<Model, View>;
  readonly #host: HTMLElement;
  readonly #table: TableDefinition<Model, View, Value>;
  readonly #bar: TableBar<Value>;
  readonly #section: HTMLElement;
  readonly #notice = element("div", "notice");
  readonly #empty = element("div", "nothing");
  readonly #more = element("div", "more");
  readonly #news: NewRowsButton;
  readonly #presence: Presence;
  readonly #stopTheme: () => void;
  readonly #repaint = new FrameScheduler({
    read: () => this.#read(),
    write: () => {
      this.#write();
      return undefined;
    },
  });
  #layout: Layout = "wide";
  #tick: ReturnType<typeof setInterval> | undefined;
  #disposed = false;
  #suspended = false;

  /** Creates the view in its host; `start` begins its lifetime. */
  constructor(host: HTMLElement, table: TableDefinition<Model, View, Value>, size: TableSize) {
    this.#host = host;
    this.#table = table;
    this.#section = element("section", `view table ${table.name}`);
    this.#bar = this.#makeBar();
    this.body = this.#makeBody();
    this.#news = new NewRowsButton("up", table.noun, () => this.body.toTop());
    this.#arrange(size);
    this.#stopTheme = followTheme(host);
    this.#presence = new Presence(
      host,
      () => this.#appeared(),
      () => this.#stopListening(),
    );
  }

  start(): void {
    this.#startListening();
    this.paint();
  }

  /** Closes the stream while the view is hidden; known rows stay. */
  suspend(): void {
    this.#suspended = true;
    this.#stopListening();
  }

  resume(): void {
    this.#suspended = false;
    this.#appeared();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#repaint.stop();
    this.#stopListening();
    this.#presence.dispose();
    this.body.dispose();
    this.#stopTheme();
  }

  // --- parts ---

  #makeBar(): TableBar<Value> {
    const { bar, filter, list } = this.#table;
    return new TableBar(bar, {
      retry: () => list.retry(),
      choose: (value) => this.chosen(() => filter.toggle(value)),
      search: (text) => this.chosen(() => filter.search(text)),
      left: () => this.body.focusRow(),
    });
  }

  #makeBody(): TableBody<Model, View> {
    const actions = {
      act: (id: string, what: DeletePrompt) => this.#table.promptDelete?.(id, what),
      toggle: (id: string) => {
        this.#table.toggle(id);
        this.changed();
      },
      search: () => this.#bar.focusSearch(),
      changed: () => this.changed(),
    };
    return new TableBody(actions, this.#table.rows);
  }

  #arrange({ height = 0, fill }: TableSize): void {
    const { name, label, above = [], after = [], css: own } = this.#table;
    if (height > 0) this.#section.style.height = `${height}px`;
    this.#notice.setAttribute("role", "status");
    const body = element("div", "body", this.body.element, this.#empty, this.#news.element);
    this.#section.append(this.#bar.element, this.#notice, ...above, body, this.#more, ...after);
    attach(this.#host, this.#section, { name, label, css: viewCss + css + rowCss + narrowCss + own, fill });
  }

  // --- visibility ---

  #startListening(): void {
    this.#table.open();
    this.#tick = setInterval(() => this.changed(), TICK_MS);
    this.#presence.watch();
  }

  #stopListening(): void {
    clearInterval(this.#tick);
    this.#presence.unwatch();
    this.#table.close();
  }

  #appeared(): void {
    if (this.#disposed || this.#suspended) return;
    if (!this.#table.list.isOpen) this.#startListening();
    this.changed();
  }

  // --- painting ---

  /** Something changed that is painted. */
  changed(): void {
    this.#repaint.request();
  }

  /** Changes the filter and scrolls to the newest matching row. */
  chosen(choose: () => void): void {
    choose();
    this.body.toTop();
  }

  /** Paints at once, without waiting for an animation frame. */
  paint(): void {
    this.#read();
    this.#write();
  }

  #read(): void {
    const width = this.#section.clientWidth;
    if (width > 0) this.#layout = width >= this.#table.widePx ? "wide" : "narrow";
    this.body.read();
  }

  #write(): void {
    setData(this.#section, "layout", this.#layout);
    const painted = this.#table.paint(this.#layout);
    const { list, filter } = this.#table;
    const { status, size, serverNow: now } = list;
    setData(this.#host, "state", status.rung);
    setData(this.#section, "empty", String(size === 0));
    this.#bar.update({ ...painted, status, total: size, chosen: filter.values });
    const row = (id: string, current: boolean) => {
      const fresh = Date.now() - list.changedAt(id) < FRESH_MS;
      return this.#table.model(id, { now, current, fresh, open: painted.below.has(id) });
    };
    this.body.paint({ ...painted, rowHeight: ROW_PX[this.#layout], row });
    this.#paintTexts(painted);
  }

  #paintTexts({ ids, complete, trouble, more }: TableContent<Value>): void {
    const { status, size } = this.#table.list;
    const failed = status.rung === "error";
    const notice = failed ? (status.message ?? "") : trouble;
    setText(this.#notice, notice);
    this.#notice.hidden = notice === "";
    setText(this.#more, more);
    this.#more.hidden = more === "";
    this.#empty.hidden = ids.length > 0;
    const kind = ids.length > 0 || failed ? "" : size > 0 ? "none" : complete ? "empty" : "wait";
    if (this.#empty.dataset["kind"] !== kind) this.#fillEmpty(kind);
    this.#news.update(this.body.news);
  }

  #fillEmpty(kind: string): void {
    const { noun, begin } = this.#table;
    const content = [];
    if (kind === "wait") content.push("Connecting…");
    else if (kind === "none") {
      const all = button("clear", "Show all", `Show all ${noun}s`, () => this.#showAll());
      content.push(element("p", "", `No ${noun} matches`), all);
    } else if (kind === "empty") {
      content.push(element("p", "", `No ${noun}s yet. ${begin[0]}`), element("code", "", begin[1]));
    }
    this.#empty.dataset["kind"] = kind;
    this.#empty.replaceChildren(...content);
  }

  #showAll(): void {
    this.#table.filter.clear();
    this.#bar.clear();
    this.changed();
    this.body.focusRow();
  }
}
