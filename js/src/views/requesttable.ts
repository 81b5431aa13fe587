// The table of the request log: bar, figures, rows, and what lies open below a row. Wired to an injected source. DOM only: no
// fetch, no widget. Painted at most once per animation frame, whatever arrives.

import { thousands } from "../core/format.js";
import { RequestChoice } from "../core/requestchoice.js";
import { type Figures, Requests, type RequestsSource, type Row } from "../core/requests.js";
import { type Sums, sumsOf, withOpen } from "../core/requestsums.js";
import { button, element, icon, setData, setText } from "./dom.js";
import viewCss from "./logview.css?inline";
import { Presence } from "./presence.js";
import { RequestBar } from "./requestbar.js";
import { RequestDetail } from "./requestdetail.js";
import { RequestFigures } from "./requestfigures.js";
import { heads, type RequestModel, RequestRow } from "./requestrow.js";
import requestsCss from "./requests.css?inline";
import css from "./table.css?inline";
import { TableBody } from "./tablebody.js";
import narrowCss from "./tablenarrow.css?inline";
import rowCss from "./tablerow.css?inline";
import { followTheme } from "./theme.js";

const TICK_MS = 1000;
/** So long a row is marked as changed. */
const FRESH_MS = 2000;
const WIDE_PX = 820;
const ROW_PX = { wide: 30, narrow: 48 };

export interface RequestOptions {
  /** Height of the whole view in px; 0: as tall as its rows, up to a bound. */
  readonly height?: number;
  /** So many of the newest are shown. */
  readonly limit?: number;
}

export function mountRequests(
  host: HTMLElement,
  source: RequestsSource,
  options: RequestOptions = {},
): { dispose(): void } {
  return new RequestTable(host, source, options);
}

class RequestTable {
  readonly #host: HTMLElement;
  readonly #source: RequestsSource;
  readonly #limit: number;
  readonly #requests: Requests;
  readonly #choice = new RequestChoice();
  readonly #bar: RequestBar;
  readonly #figures = new RequestFigures();
  readonly #body: TableBody<RequestModel, RequestRow>;
  readonly #section = element("section", "view table requests");
  readonly #notice = element("div", "notice");
  readonly #empty = element("div", "nothing");
  readonly #more = element("div", "more");
  readonly #newsLabel = element("span", "label");
  readonly #news = element("button", "news", icon("up"), this.#newsLabel);
  readonly #presence: Presence;
  readonly #stopTheme: () => void;
  readonly #open = new Map<string, RequestDetail>();
  #sums: (Sums & { readonly of: number }) | undefined;
  #merged: { readonly old: Figures; readonly sums: Sums; readonly figures: Figures } | undefined;
  #frame: number | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;
  #disposed = false;

  constructor(host: HTMLElement, source: RequestsSource, options: RequestOptions) {
    this.#host = host;
    this.#source = source;
    this.#limit = options.limit || Number.POSITIVE_INFINITY;
    this.#requests = new Requests(source, () => this.#dirty());
    const chosen = (change: () => void) => {
      change();
      this.#body.toTop();
    };
    this.#bar = new RequestBar({
      retry: () => this.#requests.retry(),
      poll: (on) => this.#requests.poll(on),
      choose: (status) => chosen(() => this.#choice.toggle(status)),
      service: (name) => chosen(() => Object.assign(this.#choice, { service: name })),
      model: (name) => chosen(() => Object.assign(this.#choice, { model: name })),
      search: (text) => chosen(() => this.#choice.search(text)),
      left: () => this.#body.focusRow(),
    });
    this.#body = new TableBody(
      {
        act: () => {},
        toggle: (id) => this.#toggle(id),
        search: () => this.#bar.focusSearch(),
        changed: () => this.#dirty(),
      },
      { label: "Requests", heads, row: (id) => new RequestRow(id) },
    );
    this.#stopTheme = followTheme(host);
    this.#mount(options.height ?? 0);
    this.#presence = new Presence(
      host,
      () => this.#appeared(),
      () => this.#letGo(),
    );
    this.#goOn();
    this.#paint();
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

  #mount(height: number): void {
    const host = this.#host;
    host.dataset["logstream"] = "requests";
    // Keys pressed inside a shadow root seem to come from its host: see viewport.ts.
    host.dataset["lmSuppressShortcuts"] = "true";
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    const style = document.createElement("style");
    style.textContent = viewCss + css + rowCss + narrowCss + requestsCss;
    if (height > 0) this.#section.style.height = `${height}px`;
    this.#notice.setAttribute("role", "status");
    this.#news.type = "button";
    this.#news.addEventListener("click", () => this.#body.toTop());
    const body = element("div", "body", this.#body.element, this.#empty, this.#news);
    this.#section.setAttribute("aria-label", "Request log");
    this.#section.append(this.#bar.element, this.#notice, this.#figures.element, body, this.#more);
    root.replaceChildren(style, this.#section);
  }

  // --- is anybody there? ---

  #goOn(): void {
    this.#requests.open();
    this.#tick = setInterval(() => this.#dirty(), TICK_MS);
    this.#presence.watch();
  }

  #letGo(): void {
    clearInterval(this.#tick);
    this.#presence.rest();
    this.#requests.close();
  }

  #appeared(): void {
    if (this.#disposed) return;
    if (!this.#requests.isOpen) this.#goOn();
    this.#dirty();
  }

  // --- what is shown ---

  #toggle(id: string): void {
    const row = this.#requests.get(id);
    if (this.#open.has(id)) this.#open.delete(id);
    else if (row !== undefined) this.#open.set(id, new RequestDetail(this.#source, row));
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
    const requests = this.#requests;
    const layout = this.#section.clientWidth >= WIDE_PX ? "wide" : "narrow";
    setData(this.#section, "layout", layout);
    setData(this.#host, "state", requests.status.rung);
    const now = requests.serverNow;
    for (const [id, detail] of this.#open) {
      const row = requests.get(id);
      if (row === undefined) this.#open.delete(id);
      else detail.update(row, now);
    }
    this.#choice.choose(requests, this.#open, this.#limit);
    const sums = this.#sum();
    this.#paintBar(sums);
    this.#figures.update(this.#figuresNow(sums), this.#choice.rows);
    this.#body.paint({
      ids: this.#choice.ids,
      rowHeight: ROW_PX[layout],
      openHeight: 0,
      below: this.#open,
      row: (id, current) => this.#row(id, current, now),
    });
    this.#paintTexts();
  }

  #row(id: string, current: boolean, now: number): RequestModel {
    const fresh = Date.now() - this.#requests.changedAt(id) < FRESH_MS;
    return { row: this.#requests.get(id) as Row, now, current, fresh, open: this.#open.has(id) };
  }

  /** Made anew only when rows have changed. */
  #sum(): Sums {
    const { revision } = this.#requests;
    if (this.#sums?.of !== revision) this.#sums = { of: revision, ...sumsOf(this.#requests.rows()) };
    return this.#sums;
  }

  /** Of all rows of the server: made here where all of them are here, so that they are never older than the rows. */
  #figuresNow(sums: Sums): Figures | undefined {
    const { figures, size } = this.#requests;
    if (figures === undefined || size >= figures.totals.requests) return figures && sums.figures;
    if (this.#merged?.old !== figures || this.#merged.sums !== sums) {
      this.#merged = { old: figures, sums, figures: withOpen(figures, sums) };
    }
    return this.#merged.figures;
  }

  #paintBar({ services, models, statuses: counts }: Sums): void {
    const { status, polling, size: total } = this.#requests;
    const { statuses, service, model } = this.#choice;
    this.#bar.update({ status, polling, total, counts, statuses, services, models, service, model });
  }

  #paintTexts(): void {
    const { status, size, figures } = this.#requests;
    const rows = this.#choice.ids.length;
    const notice = status.rung === "error" ? (status.message ?? "") : "";
    setText(this.#notice, notice);
    this.#notice.hidden = notice === "";
    this.#empty.hidden = rows > 0;
    // Of rows that the page lacks nobody here knows whether they would be chosen.
    const all = Math.max(this.#choice.matching, this.#choice.isAll ? (figures?.totals.requests ?? 0) : 0);
    this.#more.hidden = all <= rows;
    setText(this.#more, this.#more.hidden ? "" : `The newest ${thousands(rows)} of ${thousands(all)} calls are shown`);
    const kind = rows > 0 || notice !== "" ? "" : size > 0 ? "none" : figures === undefined ? "wait" : "empty";
    if (this.#empty.dataset["kind"] !== kind) this.#fillEmpty(kind);
    const { news } = this.#body;
    this.#news.hidden = news <= 0;
    setText(this.#newsLabel, news === 1 ? "1 new call" : `${news} new calls`);
  }

  #fillEmpty(kind: string): void {
    this.#empty.dataset["kind"] = kind;
    const said: { readonly [kind: string]: () => (Node | string)[] } = {
      wait: () => ["Connecting…"],
      none: () => [
        element("p", "", "No call matches"),
        button("clear", "Show all", "Show all calls", () => this.#showAll()),
      ],
      empty: () => [
        element("p", "", "No calls yet. Make one through the proxy:"),
        element("code", "", 'from jupyter_logstream import proxy_url\nurl = proxy_url("llm")'),
      ],
    };
    this.#empty.replaceChildren(...(said[kind]?.() ?? []));
  }

  #showAll(): void {
    this.#choice.clear();
    this.#bar.clear();
    this.#dirty();
    this.#body.focusRow();
  }
}
