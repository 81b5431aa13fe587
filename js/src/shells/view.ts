// Entry point of the log view, used by every shell. Page. The server serves it as a module to shells that do not bundle it.
// The table of workloads is a module of its own (table.ts): a page of logs does not load it.

import type { Via } from "../net/comm/comm-session.js";
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
  /** Name of the upstream that has the log; empty: this server. */
  readonly upstream?: string;
  /** Pixels; 0: as high as the log, up to a bound. */
  readonly height: number;
  /** Fills the height of its container. */
  readonly fill?: boolean;
  /** The protocol that the caller expects. */
  readonly protocol: number;
  /** Shown if the log is not available. */
  readonly saved?: SavedLog | undefined;
  /** Offers no actions on the workload. */
  readonly readOnly?: boolean;
  /** The connection to the server; absent: that of the page. */
  readonly via?: Via | undefined;
}

/** Shows a log in an element until `dispose`. */
export function showLog(host: HTMLElement, options: LogOptions): { dispose(): void } {
  const { workload, scope, upstream = "", protocol, via, ...shown } = options;
  const mismatch = kernelMismatch(protocol);
  if (upstream !== "" && mismatch === undefined) return showRemote(host, upstream, workload, shown, via);
  const source = mismatch === undefined ? logOf(workload, scope, via) : unavailableLog(workload, mismatch);
  return mountLogView(host, source, shown);
}

const UNTRUSTED = "This log is on another server. Trust this notebook to read it.";

/** Detects the protocol of the other server first. A read-only view never calls it: that would use the keys of this server. */
function showRemote(
  host: HTMLElement,
  upstream: string,
  workload: string,
  shown: Omit<LogOptions, "workload" | "protocol">,
  via?: Via,
): { dispose(): void } {
  let view: { dispose(): void } | undefined;
  let disposed = false;
  if (shown.readOnly) return mountLogView(host, unavailableLog(workload, UNTRUSTED), shown);
  Object.assign(host.dataset, { logstream: "log", workload, state: "connecting" });
  host.textContent = "Connecting…"; // hidden by the view's shadow root once that is there
  void remoteSource(upstream, workload, via?.page).then(({ source, readOnly }) => {
    if (!disposed) view = mountLogView(host, source, { ...shown, readOnly });
  });
  const dispose = () => {
    disposed = true;
    view?.dispose();
  };
  return { dispose };
}

/** The source of a log; with the scope `service` that of the server log. */
export function logOf(workload: string, scope?: string, via?: Via): LogSource {
  return scope === "service" ? serviceSource(via?.hub) : workloadSource(workload, via?.page, via?.hub);
}
