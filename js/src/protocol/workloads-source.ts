// The contract of the list of workloads: its entries and the source they come from. Types and limits only.

import type { HubEvent, Subscription, Workload } from "./types.js";

/** Workloads held at most; also how many are asked for. */
export const MAX_LISTED_WORKLOADS = 10_000;

/** What the stream `workloads` tells of one. */
export interface ListedWorkload extends Workload {
  /** Text of its newest record. */
  readonly last_line?: string;
}

export interface WorkloadsSource {
  subscribe(listener: (event: HubEvent) => void): Subscription;
  cancel(id: string): Promise<void>;
  /** Forgets a workload that has ended, and its log. */
  remove(id: string): Promise<void>;
  /** Starts another one just like it, and says which. */
  again(id: string): Promise<Workload>;
}
