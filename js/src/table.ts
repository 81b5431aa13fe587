// The table of workloads behind one call, beside view.ts: the server serves both as modules. Knows nothing of who shows it.

import { statesOf } from "./core/choice.js";
import { kernelSkew } from "./core/skew.js";
import { refusedWorkloads, workloadsSource } from "./core/source.js";
import type { Listed } from "./core/workloads.js";
import { logOf } from "./view.js";
import { mountTable, type Table } from "./views/table.js";

export interface TableOptions {
  /** Pixels; 0: as high as its rows, up to a bound. */
  readonly height: number;
  readonly fill?: boolean;
  readonly protocol: number;
  /** States that are shown at first, with commas between; empty: all. */
  readonly state?: string;
  /** So many of the newest are shown; 0: all. */
  readonly limit?: number;
  readonly openTab?: (job: Listed) => void;
}

/** Shows all workloads in an element, until it is disposed of. */
export function showTable(host: HTMLElement, options: TableOptions): Table {
  const { protocol, state = "", ...shown } = options;
  const skew = kernelSkew(protocol);
  const source = skew === undefined ? workloadsSource() : refusedWorkloads(skew);
  return mountTable(host, source, (id) => logOf(id), { ...shown, states: statesOf(state) });
}
