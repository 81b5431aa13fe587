// The contract of the list of workloads: its entries and the source they come from. Types and limits only.

import type { HubEvent, Subscription, Workload } from "./types.js";

/** Maximum number of listed workloads; also the number that is requested. */
export const MAX_LISTED_WORKLOADS = 10_000;

/** An entry of the stream `workloads`. */
export interface ListedWorkload extends Workload {
  /** Text of its newest record. */
  readonly last_line?: string;
}

export interface WorkloadsSource {
  subscribe(listener: (event: HubEvent) => void): Subscription;
  cancel(id: string): Promise<void>;
  /** Deletes an ended workload and its log. */
  remove(id: string): Promise<void>;
  /** Starts a new workload with the same specification and returns it. */
  again(id: string): Promise<Workload>;
}
