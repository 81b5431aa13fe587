// The table of workloads behind one call, beside view.ts: the server serves both as modules. Knows nothing of who shows it.

import { unavailableWorkloads, workloadsSource } from "../net/sources/source.js";
import { kernelMismatch } from "../protocol/version-mismatch.js";
import type { ListedWorkload } from "../protocol/workloads-source.js";
import { statesOf } from "../tables/workloads/workload-filter.js";
import { mountTable, type Table } from "../views/workloads/workload-table.js";
import { logOf } from "./view.js";

export interface TableOptions {
  /** Pixels; 0: as high as its rows, up to a bound. */
  readonly height: number;
  readonly fill?: boolean;
  readonly protocol: number;
  /** States that are shown at first, with commas between; empty: all. */
  readonly state?: string;
  /** So many of the newest are shown; 0: all. */
  readonly limit?: number;
  readonly openTab?: (job: ListedWorkload) => void;
}

/** Shows all workloads in an element, until it is disposed of. */
export function showTable(host: HTMLElement, options: TableOptions): Table {
  const { protocol, state = "", ...shown } = options;
  const mismatch = kernelMismatch(protocol);
  const source = mismatch === undefined ? workloadsSource() : unavailableWorkloads(mismatch);
  return mountTable(host, source, (id) => logOf(id), { ...shown, states: statesOf(state) });
}
