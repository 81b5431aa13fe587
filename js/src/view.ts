// Core and views behind one call: what every shell shows. The server serves it as a module to shells that don't carry it.
// Knows nothing of who shows it.

import { kernelSkew } from "./core/skew.js";
import { refusedSource, workloadSource } from "./core/source.js";
import type { Kept } from "./core/types.js";
import { mountLogView } from "./views/logview.js";

export interface LogOptions {
  readonly workload: string;
  /** Pixels; 0: as high as the log, up to a bound. */
  readonly height: number;
  /** The protocol that the caller expects. */
  readonly protocol: number;
  /** Shown where the log can't be had. */
  readonly kept?: Kept | undefined;
  /** Offers nothing that changes anything. */
  readonly readOnly?: boolean;
}

/** Shows a workload's log in an element, until it is disposed of. */
export function showLog(host: HTMLElement, options: LogOptions): { dispose(): void } {
  const { workload, protocol, ...shown } = options;
  const skew = kernelSkew(protocol);
  const source = skew === undefined ? workloadSource(workload) : refusedSource(workload, skew);
  return mountLogView(host, source, shown);
}
