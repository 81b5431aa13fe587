// Entry point of the request-log view, served as a module like view.ts and table.ts. Page.

import type { Via } from "../net/comm/comm-session.js";
import { requestsSource, unavailableRequests } from "../net/sources/requests.js";
import { kernelMismatch } from "../protocol/version-mismatch.js";
import { mountRequests } from "../views/requests/request-table.js";

export interface RequestOptions {
  /** Pixels; 0: as high as its rows, up to a bound. */
  readonly height: number;
  readonly protocol: number;
  /** Number of newest rows shown; 0: all. */
  readonly limit?: number;
  /** The connection to the server; absent: that of the page. */
  readonly via?: Via | undefined;
}

/** Shows the request log in an element until `dispose`. */
export function showRequests(host: HTMLElement, options: RequestOptions): { dispose(): void } {
  const { protocol, via, ...shown } = options;
  const mismatch = kernelMismatch(protocol);
  return mountRequests(
    host,
    mismatch === undefined ? requestsSource(via?.page, via?.hub) : unavailableRequests(mismatch),
    shown,
  );
}
