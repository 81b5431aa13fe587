// Core and views behind two calls: what every shell shows. The server serves it as a module to shells that don't carry it.
// Knows nothing of who shows it.

import { statesOf } from "./core/choice.js";
import { remoteSource } from "./core/remote.js";
import { serviceSource } from "./core/service.js";
import { kernelSkew } from "./core/skew.js";
import {
  type LogSource,
  refusedRequests,
  refusedSource,
  refusedWorkloads,
  requestsSource,
  workloadSource,
  workloadsSource,
} from "./core/source.js";
import type { Kept } from "./core/types.js";
import type { Listed } from "./core/workloads.js";
import { mountLogView } from "./views/logview.js";
import { mountRequests } from "./views/requesttable.js";
import { mountTable, type Table } from "./views/table.js";

export interface LogOptions {
  readonly workload: string;
  /** `service`: the Jupyter server's own log instead of a workload's. */
  readonly scope?: string;
  /** The server that has it, as the configuration calls it; empty: this one. */
  readonly upstream?: string;
  /** Pixels; 0: as high as the log, up to a bound. */
  readonly height: number;
  /** As high as the place it is put in. */
  readonly fill?: boolean;
  /** The protocol that the caller expects. */
  readonly protocol: number;
  /** Shown where the log can't be had. */
  readonly kept?: Kept | undefined;
  /** Offers nothing that changes anything. */
  readonly readOnly?: boolean;
}

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

export interface RequestOptions {
  /** Pixels; 0: as high as its rows, up to a bound. */
  readonly height: number;
  readonly protocol: number;
  /** So many of the newest are shown; 0: all. */
  readonly limit?: number;
}

/** Shows a log in an element, until it is disposed of. */
export function showLog(host: HTMLElement, options: LogOptions): { dispose(): void } {
  const { workload, scope, upstream = "", protocol, ...shown } = options;
  const skew = kernelSkew(protocol);
  if (upstream !== "" && skew === undefined) return showRemote(host, upstream, workload, shown);
  const source = skew === undefined ? logOf(workload, scope) : refusedSource(workload, skew);
  return mountLogView(host, source, shown);
}

const UNTRUSTED = "This log is kept by another server: trust the notebook to have it read.";

/** What the other server speaks is found out first. Who may only read calls no other server with the keys of this one. */
function showRemote(
  host: HTMLElement,
  upstream: string,
  workload: string,
  shown: Omit<LogOptions, "workload" | "protocol">,
): { dispose(): void } {
  let view: { dispose(): void } | undefined;
  let gone = false;
  if (shown.readOnly) return mountLogView(host, refusedSource(workload, UNTRUSTED), shown);
  Object.assign(host.dataset, { logstream: "log", workload, state: "connecting" });
  void remoteSource(upstream, workload).then(({ source, readOnly }) => {
    if (!gone) view = mountLogView(host, source, { ...shown, readOnly });
  });
  const dispose = () => {
    gone = true;
    view?.dispose();
  };
  return { dispose };
}

/** Shows all workloads in an element, until it is disposed of. */
export function showTable(host: HTMLElement, options: TableOptions): Table {
  const { protocol, state = "", ...shown } = options;
  const skew = kernelSkew(protocol);
  const source = skew === undefined ? workloadsSource() : refusedWorkloads(skew);
  return mountTable(host, source, (id) => logOf(id), { ...shown, states: statesOf(state) });
}

/** Shows the request log in an element, until it is disposed of. */
export function showRequests(host: HTMLElement, options: RequestOptions): { dispose(): void } {
  const { protocol, ...shown } = options;
  const skew = kernelSkew(protocol);
  return mountRequests(host, skew === undefined ? requestsSource() : refusedRequests(skew), shown);
}

function logOf(workload: string, scope?: string): LogSource {
  return scope === "service" ? serviceSource() : workloadSource(workload);
}
