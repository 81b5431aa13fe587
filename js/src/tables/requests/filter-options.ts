// Options of the request table's filters: the statuses, services and models of the listed rows. Pure; no DOM.

import type { RequestStatus, Row } from "../../protocol/request-log.js";
import { serviceOf } from "./request-labels.js";

export interface FilterOptions {
  /** How many rows have a status. */
  readonly statuses: ReadonlyMap<RequestStatus, number>;
  /** Sorted by name. */
  readonly services: readonly string[];
  readonly models: readonly string[];
}

export function filterOptions(rows: Iterable<Row>): FilterOptions {
  const statuses = new Map<RequestStatus, number>();
  const services = new Set<string>();
  const models = new Set<string>();
  for (const row of rows) {
    statuses.set(row.status, (statuses.get(row.status) ?? 0) + 1);
    services.add(serviceOf(row));
    if (row.model !== null) models.add(row.model);
  }
  services.delete("");
  return { statuses, services: [...services].sort(), models: [...models].sort() };
}
