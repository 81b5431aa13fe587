// A log behind one call: what every shell shows. The server serves it as a module to shells that don't carry it. Knows nothing
// of who shows it. The table of workloads is a module of its own (table.ts): a page of logs loads nothing of it.

import { serviceSource } from "./core/service.js";
import { kernelSkew } from "./core/skew.js";
import { type LogSource, refusedSource, workloadSource } from "./core/source.js";
import type { Kept } from "./core/types.js";
import { mountLogView } from "./views/logview.js";

export interface LogOptions {
  readonly workload: string;
  /** `service`: the Jupyter server's own log instead of a workload's. */
  readonly scope?: string;
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

/** Shows a log in an element, until it is disposed of. */
export function showLog(host: HTMLElement, options: LogOptions): { dispose(): void } {
  const { workload, scope, protocol, ...shown } = options;
  const skew = kernelSkew(protocol);
  const source = skew === undefined ? logOf(workload, scope) : refusedSource(workload, skew);
  return mountLogView(host, source, shown);
}

/** The source of a log; of the server's own where `scope` says so. */
export function logOf(workload: string, scope?: string): LogSource {
  return scope === "service" ? serviceSource() : workloadSource(workload);
}
