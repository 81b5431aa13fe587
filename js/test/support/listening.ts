// What the tests of the hub listen with: a view, as far as the hub sees one, and the patience for what must come or not.
import { vi } from "vitest";
import type { Hub } from "../../src/net/hub.js";
import type { Frame, HubEvent, StreamRequest, Subscription, Workload } from "../../src/protocol/types.js";

/** A view, as far as the hub sees one. */
export class View {
  readonly seqs: number[] = [];
  readonly events: HubEvent[] = [];
  /** The stream `workloads`, folded by id as its table does. */
  readonly rows = new Map<string, Frame>();
  resets = 0;
  readonly subscription: Subscription;
  rung = "";
  message: string | undefined;
  job: Workload | undefined;

  constructor(hub: Hub, stream: string, from: Omit<StreamRequest, "stream"> = {}) {
    this.subscription = hub.subscribe({ stream, ...from }, (event) => this.#hear(event));
  }

  #hear(event: HubEvent): void {
    this.events.push(event);
    if (event.kind === "state") {
      this.rung = event.rung;
      this.message = event.message;
    } else if (event.kind === "snapshot") this.job = event.job;
    else {
      this.job = event.data.job ?? this.job;
      this.#fold(event.type, event.data);
    }
  }

  #fold(type: string, data: Frame): void {
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

  /** Of a list of workloads: their ids, in order. */
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
