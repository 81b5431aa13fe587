// A log behind one call: what every shell shows. The server serves it as a module to shells that don't carry it. Knows nothing
// of who shows it. The table of workloads is a module of its own (table.ts): a page of logs loads nothing of it.

import { remoteSource } from "../net/sources/remote.js";
import { serviceSource } from "../net/sources/service.js";
import { unavailableLog, workloadSource } from "../net/sources/source.js";
import type { LogSource } from "../protocol/log-source.js";
import type { SavedLog } from "../protocol/types.js";
import { kernelMismatch } from "../protocol/version-mismatch.js";
import { mountLogView } from "../views/log/log-view.js";

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
  readonly saved?: SavedLog | undefined;
  /** Offers nothing that changes anything. */
  readonly readOnly?: boolean;
}

/** Shows a log in an element, until it is disposed of. */
export function showLog(host: HTMLElement, options: LogOptions): { dispose(): void } {
  const { workload, scope, upstream = "", protocol, ...shown } = options;
  const mismatch = kernelMismatch(protocol);
  if (upstream !== "" && mismatch === undefined) return showRemote(host, upstream, workload, shown);
  const source = mismatch === undefined ? logOf(workload, scope) : unavailableLog(workload, mismatch);
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
  if (shown.readOnly) return mountLogView(host, unavailableLog(workload, UNTRUSTED), shown);
  Object.assign(host.dataset, { logstream: "log", workload, state: "connecting" });
  host.textContent = "Connecting…"; // until the view's root is there, which hides it
  void remoteSource(upstream, workload).then(({ source, readOnly }) => {
    if (!gone) view = mountLogView(host, source, { ...shown, readOnly });
  });
  const dispose = () => {
    gone = true;
    view?.dispose();
  };
  return { dispose };
}

/** The source of a log; of the server's own where `scope` says so. */
export function logOf(workload: string, scope?: string): LogSource {
  return scope === "service" ? serviceSource() : workloadSource(workload);
}
