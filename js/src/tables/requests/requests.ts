// The request log in the page: rows of the stream `requests` by id, and the server's figures over all rows. Reports
// changes through `changed`; knows no DOM and no transport. Bounded: beyond MAX_LISTED_REQUESTS the oldest rows are
// dropped.

import { PermanentError } from "../../protocol/errors.js";
import {
  type Figures,
  MAX_LISTED_REQUESTS,
  type RequestStatus,
  type RequestsSource,
  type Row,
} from "../../protocol/request-log.js";
import type { Frame, HubEvent, Status, Subscription } from "../../protocol/types.js";

/** Interval of polling, if the user switched it on. */
export const POLL_MS = 3000;

const OPEN: ReadonlySet<RequestStatus> = new Set(["pending", "streaming"]);

export function isOpen(row: Row): boolean {
  return OPEN.has(row.status);
}

export class Requests {
  status: Status = { rung: "connecting" };
  /** The server's figures over all its rows. */
  figures: Figures | undefined;
  /** Increases with every change that can alter the list. */
  revision = 0;
  readonly #source: RequestsSource;
  readonly #changed: () => void;
  readonly #rows = new Map<string, Row>();
  readonly #changedAt = new Map<string, number>();
  #subscription: Subscription | undefined;
  #polling = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The page's clock minus the server's, in ms. */
  #skew = 0;
  /** Whether changes are marked: not before the rows that existed at the start have arrived. */
  #marksChanges = false;
  #newestId = "";
  /** Ids received since `open`, until the server has sent all rows. */
  #seenIds: Set<string> | undefined;

  constructor(source: RequestsSource, changed: () => void) {
    this.#source = source;
    this.#changed = changed;
  }

  get isOpen(): boolean {
    return this.#subscription !== undefined || this.#timer !== undefined;
  }

  get size(): number {
    return this.#rows.size;
  }

  get polling(): boolean {
    return this.#polling;
  }

  get serverNow(): number {
    return Date.now() - this.#skew;
  }

  get(id: string): Row | undefined {
    return this.#rows.get(id);
  }

  /** When the row arrived or changed; 0: before this page showed it. */
  changedAt(id: string): number {
    return this.#changedAt.get(id) ?? 0;
  }

  /** All rows, oldest first. */
  rows(): Iterable<Row> {
    return this.#rows.values();
  }

  /** The rows that pass `chosen`, newest first. */
  newest(chosen: (row: Row) => boolean = () => true): Row[] {
    return [...this.#rows.values()].filter(chosen).reverse();
  }

  open(): void {
    if (this.isOpen) return;
    this.#seenIds = new Set();
    if (this.#polling) void this.#poll();
    else this.#subscription = this.#source.subscribe((event) => this.#onEvent(event));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#subscription?.close();
    this.#subscription = undefined;
  }

  /** Switches between polling and listening. */
  poll(on: boolean): void {
    if (on === this.#polling) return;
    this.#polling = on;
    this.close();
    this.status = { rung: "connecting" };
    this.open();
    this.#changed();
  }

  retry(): void {
    if (this.#polling) {
      this.close();
      this.open();
    } else this.#subscription?.retryNow();
  }

  async #poll(): Promise<void> {
    const mine = setTimeout(() => {}, 0);
    this.#timer = mine;
    try {
      const { rows, figures, all } = await this.#source.poll();
      if (this.#timer !== mine) return;
      if (all) this.#retainOnly(new Set(rows.map(({ id }) => id)));
      for (const row of [...rows].reverse()) this.#put(row);
      this.figures = figures;
      this.#marksChanges = true;
      this.status = { rung: "polling" };
    } catch (error) {
      if (this.#timer !== mine) return;
      // A permanent error stands until the user retries; any other is transient.
      this.status =
        error instanceof PermanentError ? { rung: "error", message: error.message } : { rung: "reconnecting" };
    }
    if (this.status.rung !== "error") this.#timer = setTimeout(() => void this.#poll(), POLL_MS);
    this.#changed();
  }

  #onEvent(event: HubEvent): void {
    if (event.kind === "state") this.status = event;
    else if (event.kind === "frame") this.#onFrame(event.type, event.data);
    this.#changed();
  }

  #onFrame(type: string, frame: Frame): void {
    const data = frame["data"] as Partial<Row> & Partial<Figures>;
    if (type === "log:created") this.#put(data as Row);
    else if (type === "log:updated") this.#update(data);
    else if (type === "log:stats") {
      // The figures follow the last row: the server has deleted the rows that were not among them.
      if (this.#seenIds !== undefined) this.#retainOnly(this.#seenIds);
      this.#seenIds = undefined;
      this.figures = data as Figures;
      this.#marksChanges = true;
    } else if (type === "reset") this.#clear();
    else if (type === "ping" && typeof frame.timestamp === "number") this.#skew = Date.now() - frame.timestamp;
  }

  #put(row: Row): void {
    this.#seenIds?.add(row.id);
    const before = this.#rows.get(row.id);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(row)) return;
    if (before === undefined && this.#isOlder(row)) this.#insert(row);
    else this.#rows.set(row.id, row);
    if (row.id > this.#newestId) this.#newestId = row.id;
    this.#markChanged(row.id);
    for (const id of this.#rows.keys()) {
      if (this.#rows.size <= MAX_LISTED_REQUESTS) break;
      this.#rows.delete(id);
      this.#changedAt.delete(id);
    }
  }

  /** Drops all other rows: the server has deleted them. */
  #retainOnly(those: ReadonlySet<string>): void {
    for (const id of [...this.#rows.keys()]) {
      if (those.has(id)) continue;
      this.#rows.delete(id);
      this.#changedAt.delete(id);
      this.revision += 1;
    }
  }

  /** An unknown row is older than those that are listed. */
  #update(changes: Partial<Row>): void {
    const row = this.#rows.get(changes.id ?? "");
    if (row === undefined) return;
    this.#rows.set(row.id, { ...row, ...changes });
    this.#markChanged(row.id);
  }

  #markChanged(id: string): void {
    if (this.#marksChanges) this.#changedAt.set(id, Date.now());
    this.revision += 1;
  }

  #isOlder(row: Row): boolean {
    return row.id < this.#newestId;
  }

  /** Ids sort by creation. Rare: rows arrive in order except after a reset in between. */
  #insert(row: Row): void {
    const rows = [...this.#rows.values(), row].sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#rows.clear();
    for (const one of rows) this.#rows.set(one.id, one);
  }

  #clear(): void {
    this.#rows.clear();
    this.#changedAt.clear();
    this.#newestId = "";
    this.figures = undefined;
    this.#marksChanges = false;
    this.revision += 1;
  }
}
