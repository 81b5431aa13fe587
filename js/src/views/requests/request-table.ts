// The request table: its rows, the figures above them and the detail panels below them. Wired to an injected source;
// table-view.ts owns appearance and lifetime. DOM only: no fetch, no widget.

import type { RequestStatus, RequestsSource, Row } from "../../protocol/request-log.js";
import { type FilterOptions, filterOptions } from "../../tables/requests/filter-options.js";
import { RequestFilter } from "../../tables/requests/request-filter.js";
import { STATUSES, statusBadge } from "../../tables/requests/request-labels.js";
import { Requests } from "../../tables/requests/requests.js";
import { thousands } from "../../text/format.js";
import type { BarKind } from "../table/table-bar.js";
import type { RowAppearance } from "../table/table-cells.js";
import type { TableContent, TableDefinition, TableSize } from "../table/table-definition.js";
import { TableView } from "../table/table-view.js";
import { RequestBar } from "./request-bar.js";
import { RequestDetail } from "./request-detail.js";
import { RequestFigures } from "./request-figures.js";
import { COLUMNS, type RequestModel, RequestRow } from "./request-row.js";
import css from "./requests.css?inline";

export interface RequestOptions extends TableSize {
  /** Maximum number of rows; 0: all. */
  readonly limit?: number;
}

export function mountRequests(
  host: HTMLElement,
  source: RequestsSource,
  options: RequestOptions = {},
): { dispose(): void } {
  const { view } = new RequestTable(host, source, options);
  view.start();
  return view;
}

class RequestTable implements TableDefinition<RequestModel, RequestRow, RequestStatus> {
  readonly name = "requests";
  readonly label = "Request log";
  readonly noun = "call";
  readonly begin = [
    "Make one through the proxy:",
    'from jupyter_logstream import proxy_url\nurl = proxy_url("llm")',
  ] as const;
  readonly css = css;
  readonly widePx = 900;
  readonly rows = { label: "Requests", columns: COLUMNS, row: (id: string) => new RequestRow(id) };
  readonly bar: BarKind<RequestStatus>;
  readonly filter = new RequestFilter();
  readonly list: Requests;
  readonly above: readonly HTMLElement[];
  readonly view: TableView<RequestModel, RequestRow, RequestStatus>;
  readonly #source: RequestsSource;
  readonly #limit: number;
  readonly #bar: RequestBar;
  readonly #figures = new RequestFigures();
  readonly #details = new Map<string, RequestDetail>();
  #options: (FilterOptions & { readonly revision: number }) | undefined;

  constructor(host: HTMLElement, source: RequestsSource, options: RequestOptions) {
    this.#source = source;
    this.#limit = options.limit || Number.POSITIVE_INFINITY;
    this.list = new Requests(source, () => this.view.changed());
    const picked = (some: Partial<RequestFilter>) => this.view.chosen(() => Object.assign(this.filter, some));
    this.#bar = new RequestBar({
      poll: (on) => this.list.poll(on),
      service: (service) => picked({ service }),
      model: (model) => picked({ model }),
    });
    this.bar = {
      label: "Filter by status",
      values: STATUSES,
      badgeOf: statusBadge,
      searches: "any text in a row",
      ...{ buttons: this.#bar.buttons, selects: this.#bar.selects },
    };
    this.above = [this.#figures.element];
    this.view = new TableView(host, this, options);
  }

  open(): void {
    this.list.open();
  }

  close(): void {
    this.list.close();
  }

  toggle(id: string): void {
    const row = this.list.get(id);
    if (this.#details.has(id)) this.#details.delete(id);
    else if (row !== undefined) this.#details.set(id, new RequestDetail(this.#source, row));
  }

  paint(): TableContent<RequestStatus> {
    const { list, filter } = this;
    this.#paintDetails(list.serverNow);
    filter.choose(list, this.#details, this.#limit);
    const { services, models, statuses } = this.#filterOptions();
    const { service, model } = filter;
    const { polling, figures } = list;
    this.#bar.update({ polling, services, models, service, model });
    this.#figures.update(figures, filter.rows);
    return {
      ...{ ids: filter.ids, below: this.#details, openHeight: 0, polling, trouble: "", more: this.#more() },
      count: (status) => statuses.get(status) ?? 0,
      complete: figures !== undefined,
    };
  }

  model(id: string, look: RowAppearance): RequestModel {
    return { ...look, row: this.list.get(id) as Row };
  }

  #paintDetails(now: number): void {
    for (const [id, detail] of this.#details) {
      const row = this.list.get(id);
      if (row === undefined) this.#details.delete(id);
      else detail.update(row, now);
    }
  }

  /** Computed again only after rows have changed. */
  #filterOptions(): FilterOptions {
    const { revision } = this.list;
    if (this.#options?.revision !== revision) this.#options = { revision, ...filterOptions(this.list.rows()) };
    return this.#options;
  }

  #more(): string {
    const { ids, matching, isAll } = this.filter;
    // Whether rows that the page does not hold match the filter is unknown.
    const all = Math.max(matching, isAll ? (this.list.figures?.totals.requests ?? 0) : 0);
    return all <= ids.length ? "" : `Showing the newest ${thousands(ids.length)} of ${thousands(all)} calls`;
  }
}
