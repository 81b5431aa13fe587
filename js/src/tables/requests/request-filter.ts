// Filter of the request table: status, service, model and words. No DOM.

import type { RequestStatus, Row } from "../../protocol/request-log.js";
import { TableFilter } from "../table-filter.js";
import { serviceOf } from "./request-labels.js";
import type { Requests } from "./requests.js";

export class RequestFilter extends TableFilter<RequestStatus> {
  /** "": any. */
  service = "";
  model = "";
  /** Matching rows, newest first. A new array only if the rows may differ. */
  rows: readonly Row[] = [];
  ids: readonly string[] = [];
  /** How many rows match, without the limit. */
  matching = 0;
  #selectedFor = "";

  override clear(): void {
    super.clear();
    this.service = this.model = "";
  }

  /** Whether every row matches. */
  get isAll(): boolean {
    return this.values.size + this.words.length === 0 && this.service === "" && this.model === "";
  }

  /** Filters again if the result may differ. Rows of `kept` (with an open panel) stay even if they do not match. */
  choose(requests: Requests, kept: ReadonlyMap<string, unknown>, limit: number): void {
    const criteria = [[...this.values], this.service, this.model, this.words, [...kept.keys()], limit];
    const by = JSON.stringify([requests.revision, criteria]);
    if (by === this.#selectedFor) return;
    this.#selectedFor = by;
    const found = requests.newest((row) => kept.has(row.id) || this.#holds(row));
    this.matching = found.length;
    this.rows = found.slice(0, limit);
    const ids = this.rows.map(({ id }) => id);
    if (ids.length !== this.ids.length || ids.some((id, at) => id !== this.ids[at])) this.ids = ids;
  }

  #holds(row: Row): boolean {
    if (this.values.size > 0 && !this.values.has(row.status)) return false;
    if (this.service !== "" && serviceOf(row) !== this.service) return false;
    if (this.model !== "" && row.model !== this.model && row.response_model !== this.model) return false;
    return this.words.length === 0 || containsAll(row, this.words);
  }
}

function containsAll(row: Row, words: readonly string[]): boolean {
  const texts = Object.values(row).filter((value) => typeof value === "string");
  const text = texts.join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}
