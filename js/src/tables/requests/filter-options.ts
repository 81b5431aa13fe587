// Options of the request table's filters: the statuses, services and models of the listed rows. Pure; no DOM.

import type { RequestStatus, Row } from "../../protocol/request-log.js";
import { serviceOf } from "./request-labels.js";

/** Options of one filter: each call can name another model, and ten thousand options would freeze the page. */
export const MAX_OPTIONS = 200;

export interface FilterOptions {
  /** How many rows have a status. */
  readonly statuses: ReadonlyMap<RequestStatus, number>;
  /** Those of the most rows, sorted by name; at most MAX_OPTIONS. */
  readonly services: readonly string[];
  readonly models: readonly string[];
}

export function filterOptions(rows: Iterable<Row>): FilterOptions {
  const statuses = new Map<RequestStatus, number>();
  const services = new Map<string, number>();
  const models = new Map<string, number>();
  for (const row of rows) {
    count(statuses, row.status);
    count(services, serviceOf(row));
    if (row.model !== null) count(models, row.model);
  }
  services.delete("");
  return { statuses, services: mostUsed(services), models: mostUsed(models) };
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function mostUsed(counts: ReadonlyMap<string, number>): readonly string[] {
  const names = [...counts.keys()];
  if (names.length <= MAX_OPTIONS) return names.sort();
  const byRows = names.sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0));
  return byRows.slice(0, MAX_OPTIONS).sort();
}
