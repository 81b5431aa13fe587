// Support for tests of the hub: a listener that records its events, waiting for a condition, shorter time constants.
import { vi } from "vitest";
import type { Hub } from "../../src/net/hub.js";
import { overrideTimings } from "../../src/net/timings.js";
import type { Frame, HubEvent, StreamRequest, Subscription, Workload } from "../../src/protocol/types.js";

/** A listener of one stream that records what it receives. */
export class View {
  readonly seqs: number[] = [];
  readonly events: HubEvent[] = [];
  /** The stream `workloads`, folded by id as the table does. */
  readonly rows = new Map<string, Frame>();
  resets = 0;
  readonly subscription: Subscription;
  rung = "";
  message: string | undefined;
  job: Workload | undefined;

  constructor(hub: Hub, stream: string, from: Omit<StreamRequest, "stream"> = {}) {
    this.subscription = hub.subscribe({ stream, ...from }, (event) => this.#onEvent(event));
  }

  #onEvent(event: HubEvent): void {
    this.events.push(event);
    if (event.kind === "state") {
      this.rung = event.rung;
      this.message = event.message;
    } else if (event.kind === "snapshot") this.job = event.job;
    else {
      this.job = event.data.job ?? this.job;
      this.#applyFrame(event.type, event.data);
    }
  }

  #applyFrame(type: string, data: Frame): void {
    if (type === "logs") this.seqs.push(...(data.logs ?? []).map(({ seq }) => seq));
    if (type === "reset") {
      this.resets += 1;
      this.rows.clear();
    }
    if (type !== "workload") return;
    const id = String(data["id"]);
    if (data["deleted"] === true) this.rows.delete(id);
    else this.rows.set(id, data);
  }

  /** The ids of the workloads received, sorted. */
  get ids(): string[] {
    return [...this.rows.keys()].sort();
  }

  get snapshot() {
    return this.events.find((event) => event.kind === "snapshot");
  }
}

export const upTo = (last: number, from = 1) => Array.from({ length: last - from + 1 }, (_, i) => from + i);
export const soon = (check: () => void, timeout = 10_000) => vi.waitFor(check, { timeout, interval: 10 });
export const quiet = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Shortens the delays of the connection for the tests of this file, which use a real clock. */
export function shortTimings(): void {
  overrideTimings({ COLLECT_MS: 20, LINGER_MS: 300, GREETING_MS: 300, BACKOFF_MS: [300, 600, 1200, 2400, 4800] });
}
