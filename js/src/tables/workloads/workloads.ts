// The list of workloads in the page: the stream `workloads` by id. Reports changes through `changed`; knows no DOM
// and no transport. Bounded: beyond MAX_LISTED_WORKLOADS the oldest ended workloads are dropped.

import type { Frame, HubEvent, Status, Subscription, Workload, WorkloadState } from "../../protocol/types.js";
import { isFinal } from "../../protocol/types.js";
import { type ListedWorkload, MAX_LISTED_WORKLOADS, type WorkloadsSource } from "../../protocol/workloads-source.js";

/** A snapshot of the list is complete after no unknown workload has arrived for this long. */
export const SETTLE_MS = 700;

interface Entry {
  job: ListedWorkload;
  /** When it was new or changed its state or step; 0: not since the page knows it. */
  changedAt: number;
}

export class Workloads {
  status: Status = { rung: "connecting" };
  /** Increases when workloads are added, removed, or change their state or searched text. */
  revision = 0;
  /** Whether the server has sent the whole list at least once. */
  complete = false;
  readonly #source: WorkloadsSource;
  readonly #changed: () => void;
  readonly #entries = new Map<string, Entry>();
  /** Oldest first. */
  readonly #order: string[] = [];
  readonly #counts = new Map<WorkloadState, number>();
  /** Known before the current snapshot began, and not part of it so far. */
  readonly #stale = new Set<string>();
  #settling: ReturnType<typeof setTimeout> | undefined;
  #subscription: Subscription | undefined;
  /** The page's clock minus the server's, in ms. */
  #skew = 0;

  constructor(source: WorkloadsSource, changed: () => void) {
    this.#source = source;
    this.#changed = changed;
  }

  get isOpen(): boolean {
    return this.#subscription !== undefined;
  }

  get size(): number {
    return this.#order.length;
  }

  get serverNow(): number {
    return Date.now() - this.#skew;
  }

  get(id: string): ListedWorkload | undefined {
    return this.#entries.get(id)?.job;
  }

  changedAt(id: string): number {
    return this.#entries.get(id)?.changedAt ?? 0;
  }

  count(state: WorkloadState): number {
    return this.#counts.get(state) ?? 0;
  }

  /** The ids of the workloads that pass `chosen`, newest first. */
  newest(chosen: (job: ListedWorkload) => boolean = () => true): string[] {
    const found: string[] = [];
    for (let i = this.#order.length - 1; i >= 0; i--) {
      const job = this.get(this.#order[i] ?? "");
      if (job !== undefined && chosen(job)) found.push(job.id);
    }
    return found;
  }

  /** Opens the stream; known workloads stay until the snapshot is complete. */
  open(): void {
    if (this.#subscription !== undefined) return;
    this.#beginSnapshot();
    this.#subscription = this.#source.subscribe((event) => this.#onEvent(event));
  }

  close(): void {
    clearTimeout(this.#settling);
    this.#settling = undefined;
    this.#subscription?.close();
    this.#subscription = undefined;
  }

  retry(): void {
    this.#subscription?.retryNow();
  }

  #onEvent(event: HubEvent): void {
    if (event.kind === "state") {
      this.status = event;
      if (this.#settling !== undefined) this.#restartSettleTimer();
    } else if (event.kind === "frame") this.#onFrame(event.type, event.data);
    this.#changed();
  }

  #onFrame(type: string, data: Frame): void {
    if (type === "workload") this.#onWorkload(data);
    else if (type === "reset") this.#beginSnapshot();
    else if (type === "ping") {
      if (typeof data.timestamp === "number") this.#skew = Date.now() - data.timestamp;
      this.#settle(); // a ping is sent only when there is nothing else to send
    }
  }

  #onWorkload(data: Frame): void {
    if (typeof data["id"] !== "string") return;
    if (data["deleted"] === true) this.#drop(data["id"]);
    else this.#put(data as unknown as ListedWorkload);
  }

  // --- snapshots ---

  #beginSnapshot(): void {
    for (const id of this.#order) this.#stale.add(id);
    this.#restartSettleTimer();
  }

  #restartSettleTimer(): void {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#settle(), SETTLE_MS);
  }

  /** Drops the workloads that were not part of the snapshot. */
  #settle(): void {
    if (this.#settling === undefined || (this.status.rung !== "live" && this.status.rung !== "polling")) return;
    clearTimeout(this.#settling);
    this.#settling = undefined;
    this.complete = true;
    for (const id of [...this.#stale]) this.#drop(id);
    this.#changed();
  }

  // --- changes ---

  #put(job: ListedWorkload): void {
    const { id } = job;
    const before = this.#entries.get(id);
    const wasStale = this.#stale.delete(id);
    if (this.#settling !== undefined && (before === undefined || wasStale)) this.#restartSettleTimer();
    if (before === undefined) this.#insert(job);
    else this.#replace(before, job);
    this.#count(job.state, 1);
    if (this.#order.length > MAX_LISTED_WORKLOADS) this.#drop(this.#oldest());
  }

  #insert(job: ListedWorkload): void {
    this.#entries.set(job.id, { job, changedAt: this.#settling === undefined ? Date.now() : 0 });
    this.#order.splice(this.#insertionIndex(job), 0, job.id);
    this.revision += 1;
  }

  #replace(entry: Entry, job: ListedWorkload): void {
    const before = entry.job;
    entry.job = job;
    this.#count(before.state, -1);
    if (before.state !== job.state || runningStep(before) !== runningStep(job)) entry.changedAt = Date.now();
    const isFoundAlike = before.last_line === job.last_line && before.node === job.node;
    if (before.state !== job.state || !isFoundAlike) this.revision += 1;
  }

  #drop(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#count(entry.job.state, -1);
    this.#order.splice(this.#insertionIndex(entry.job) - 1, 1);
    this.#entries.delete(id);
    this.#stale.delete(id);
    this.revision += 1;
  }

  #count(state: WorkloadState, by: number): void {
    this.#counts.set(state, this.count(state) + by);
  }

  /** The number of known workloads up to and including it. */
  #insertionIndex(job: ListedWorkload): number {
    let [low, high] = [0, this.#order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isAfter(this.get(this.#order[middle] ?? ""), job)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #oldest(): string {
    const ended = this.#order.find((id) => isFinal(this.#entries.get(id)?.job.state ?? "running"));
    return ended ?? this.#order[0] ?? "";
  }
}

function isAfter(a: ListedWorkload | undefined, b: ListedWorkload): boolean {
  return a !== undefined && (a.created > b.created || (a.created === b.created && a.id > b.id));
}

/** The name of the running step, or "". */
export function runningStep(job: Workload): string {
  return job.steps?.findLast((step) => step.ended === null && step.state === "running")?.name ?? "";
}

export function errorsOf(job: Workload): number {
  return (job.levels?.error ?? 0) + (job.levels?.fatal ?? 0);
}
