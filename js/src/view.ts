// The module that the server serves to every shell that doesn't carry the views itself: core and views behind one call.
// Knows nothing of who shows it.

import { workloadSource } from "./core/source.js";
import { mountLogView } from "./views/logview.js";

/** The protocol that these views speak. */
export const PROTOCOL = 1;

export interface LogOptions {
  readonly workload: string;
  /** Pixels; 0: as high as the log, up to a bound. */
  readonly height: number;
  /** The protocol that the caller expects. */
  readonly protocol: number;
}

/** Shows a workload's log in an element, until it is disposed of. */
export function showLog(host: HTMLElement, { workload, height, protocol }: LogOptions): { dispose(): void } {
  if (protocol > PROTOCOL) {
    host.textContent =
      `The kernel's jupyter-logstream speaks protocol ${protocol}, the server's ${PROTOCOL}: ` +
      "upgrade jupyter-logstream where the Jupyter server runs.";
    return { dispose: () => {} };
  }
  return mountLogView(host, workloadSource(workload), { height });
}
