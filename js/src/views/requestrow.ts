// One call as a row of the request table. DOM only: it shows what it is told. What services say enters as textContent.

import { ago } from "../core/format.js";
import { isOpen, type Row } from "../core/requests.js";
import { brief, callerOf, dollars, serviceOf, statusBadge, subject, tokens, took } from "../core/requestwords.js";
import { element, icon, setData, setIcon, setText } from "./dom.js";
import type { RowView } from "./tablebody.js";

export interface RequestModel {
  readonly row: Row;
  /** Now in the server's time. */
  readonly now: number;
  /** New, or changed a moment ago. */
  readonly fresh: boolean;
  readonly open: boolean;
  /** The one that the keyboard is on. */
  readonly current: boolean;
}

/** Heads of the columns, and how the cells below are called. */
const COLUMNS = [
  ["open", ""],
  ["state", "Status"],
  ["what", "Model or route"],
  ["who", "Service"],
  ["note", "Called by, or error"],
  ["tokens", "Tokens in / out"],
  ["cost", "Cost"],
  ["first", "First chunk"],
  ["took", "Duration"],
  ["when", "Started"],
] as const;

type Column = (typeof COLUMNS)[number][0];

export class RequestRow implements RowView<RequestModel> {
  readonly element: HTMLElement;
  readonly #sign = icon("ring", "sign");
  readonly #label = element("span", "label");
  readonly #code = element("span", "exit");
  readonly #cells: { readonly [column in Column]: HTMLElement };

  constructor(id: string) {
    const cell = (column: Column, ...children: Node[]) => {
      const made = element("div", `cell c-${column}`, ...children);
      made.setAttribute("role", column === "what" ? "rowheader" : "gridcell");
      return made;
    };
    this.#cells = {
      open: cell("open", icon("chevron")),
      state: cell("state", this.#sign, element("span", "word", this.#label, this.#code)),
      what: cell("what"),
      who: cell("who"),
      note: cell("note"),
      tokens: cell("tokens"),
      cost: cell("cost"),
      first: cell("first"),
      took: cell("took"),
      when: cell("when"),
    };
    this.element = element("div", "row", ...Object.values(this.#cells));
    this.element.setAttribute("role", "row");
    this.element.setAttribute("aria-level", "1");
    this.element.dataset["id"] = id;
    this.element.dataset["lmSuppressShortcuts"] = "true";
  }

  update(model: RequestModel): void {
    const { row, now } = model;
    this.#paintState(model);
    const what = subject(row);
    setText(this.#cells.what, what);
    setTitle(
      this.#cells.what,
      [what, answered(row), `${row.method ?? ""} ${row.path ?? ""}`].filter(Boolean).join("\n"),
    );
    setText(this.#cells.who, serviceOf(row));
    setTitle(this.#cells.who, [row.provider, row.upstream, row.operation].filter(Boolean).join("\n"));
    setText(this.#cells.note, row.error ?? callerOf(row));
    setTitle(this.#cells.note, [row.error, row.session, row.workload_id, row.cell].filter(Boolean).join("\n"));
    setText(this.#cells.tokens, tokens(row.input_tokens, row.output_tokens));
    setTitle(this.#cells.tokens, row.cached_tokens ? `${row.cached_tokens} of them from a cache` : "");
    setText(this.#cells.cost, dollars(row.cost_usd));
    setText(this.#cells.first, brief(row.time_to_first_chunk_ms));
    setText(this.#cells.took, brief(took(row, now)));
    setText(this.#cells.when, ago(Math.max(0, now - row.initial_time)));
    setTitle(this.#cells.when, new Date(row.initial_time).toLocaleString());
  }

  #paintState({ row, fresh, open, current }: RequestModel): void {
    const target = this.element;
    const { tone, sign, label } = statusBadge(row.status);
    setData(target, "state", row.status);
    setData(target, "tone", tone);
    setData(target, "fresh", String(fresh));
    setData(target, "open", String(open));
    setData(target, "failed", String(row.error !== null));
    target.setAttribute("aria-expanded", String(open));
    target.tabIndex = current ? 0 : -1;
    setIcon(this.#sign, sign);
    setText(this.#label, label);
    setText(this.#code, row.http_status !== null && row.http_status >= 400 ? String(row.http_status) : "");
    setTitle(this.#cells.state, isOpen(row) ? label : [label, row.http_status].filter(Boolean).join(", "));
  }
}

export function heads(): HTMLElement {
  const cells = COLUMNS.map(([column, label]) => {
    const made = element("div", `head c-${column}`, element("span", "label", label || "Open"));
    made.setAttribute("role", "columnheader");
    return made;
  });
  const row = element("div", "heads", ...cells);
  row.setAttribute("role", "row");
  row.setAttribute("aria-rowindex", "1");
  const group = element("div", "headgroup", row);
  group.setAttribute("role", "rowgroup");
  return group;
}

function answered({ model, response_model: other }: Row): string {
  return other === null || other === model ? "" : `answered by ${other}`;
}

function setTitle(target: HTMLElement, title: string): void {
  if (target.title !== title) target.title = title;
}
