// Entry point of the table of workloads, served as a module like view.ts. Page.

import type { Via } from "../net/comm/comm-session.js";
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
  /** States shown at first, comma-separated; empty: all. */
  readonly state?: string;
  /** Number of newest workloads shown; 0: all. */
  readonly limit?: number;
  /** The connection to the server; absent: that of the page. */
  readonly via?: Via | undefined;
  readonly openTab?: (job: ListedWorkload) => void;
}

/** Shows all workloads in an element until `dispose`. */
export function showTable(host: HTMLElement, options: TableOptions): Table {
  const { protocol, state = "", via, ...shown } = options;
  const mismatch = kernelMismatch(protocol);
  const source = mismatch === undefined ? workloadsSource(via?.page, via?.hub) : unavailableWorkloads(mismatch);
  return mountTable(host, source, (id) => logOf(id, undefined, via), { ...shown, states: statesOf(state) });
}
