// One call as a row of the request table. DOM only; text of services enters as textContent.

import type { Row } from "../../protocol/request-log.js";
import {
  brief,
  callerOf,
  dollars,
  serviceOf,
  statusBadge,
  subject,
  tokens,
  took,
} from "../../tables/requests/request-labels.js";
import { isOpen } from "../../tables/requests/requests.js";
import { ago } from "../../text/format.js";
import { setData } from "../dom/dom.js";
import type { RowView } from "../table/table-body.js";
import { type RowAppearance, TableCells } from "../table/table-cells.js";

export interface RequestModel extends RowAppearance {
  readonly row: Row;
}

/** The columns and their headers. */
export const COLUMNS = [
  ["open", "Open"],
  ["state", "Status"],
  ["what", "Model or route"],
  ["who", "Service"],
  ["note", "Called by, or error"],
  ["finish", "Finish reason"],
  ["tokens", "Tokens in / out"],
  ["cost", "Cost"],
  ["first", "First chunk"],
  ["took", "Duration"],
  ["when", "Started"],
] as const;

type Column = (typeof COLUMNS)[number][0];

export class RequestRow implements RowView<RequestModel> {
  readonly element: HTMLElement;
  readonly #cells: TableCells<Column>;

  constructor(id: string) {
    this.#cells = new TableCells<Column>(id, COLUMNS, "what");
    this.element = this.#cells.element;
  }

  update(model: RequestModel): void {
    const { row, now } = model;
    const cells = this.#cells;
    this.#paintState(model);
    const what = subject(row);
    cells.write("what", what, lines(what, answered(row), `${row.method ?? ""} ${row.path ?? ""}`));
    cells.write("who", serviceOf(row), lines(row.provider, row.upstream, row.operation));
    const stopped = stoppedEarly(row);
    const note = row.error ?? [stopped, callerOf(row)].filter(Boolean).join(", ");
    cells.write("note", note, lines(row.error, stopped, row.session, row.workload_id, row.cell));
    cells.write("finish", row.finish_reason ?? "", stopped);
    setData(this.element, "stopped", String(stopped !== ""));
    const cached = row.cached_tokens ? `${row.cached_tokens} input tokens were cached` : "";
    cells.write("tokens", tokens(row.input_tokens, row.output_tokens), cached);
    cells.write("cost", dollars(row.cost_usd));
    cells.write("first", brief(row.time_to_first_chunk_ms));
    cells.write("took", brief(took(row, now)));
    const started = new Date(row.initial_time).toLocaleString();
    cells.write("when", ago(Math.max(0, now - row.initial_time)), started);
  }

  #paintState(model: RequestModel): void {
    const { status, http_status: code, error } = model.row;
    const badge = statusBadge(status);
    const exit = code !== null && code >= 400 ? String(code) : "";
    const title = isOpen(model.row) ? badge.label : [badge.label, code].filter(Boolean).join(", ");
    this.#cells.paint({ ...badge, state: status, exit, title }, model);
    setData(this.element, "failed", String(error !== null));
  }
}

function lines(...texts: (string | null)[]): string {
  return texts.filter(Boolean).join("\n");
}

/** Why the model stopped, if it is not the usual end of an answer. */
function stoppedEarly({ finish_reason: reason }: Row): string {
  const usual = /^(?:stop|end_turn|tool_calls|tool_use|stop_sequence|complete|completed|finish)$/i;
  return !reason || usual.test(reason) ? "" : `stopped by ${reason}`;
}

function answered({ model, response_model: other }: Row): string {
  return other === null || other === model ? "" : `answered by ${other}`;
}
