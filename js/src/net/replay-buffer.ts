// What is kept of an endless stream, so that who joins late gets all of it: the server tells its history once per
// connection, and has no ranges of it. Values only; who listens is the topic's business.

import type { Frame, LogRecord, Workload } from "../protocol/types.js";

/** A frame with its type. */
export interface Told {
  readonly type: string;
  readonly data: Frame;
}

export interface ReplayBuffer {
  take(type: string, data: Frame): void;
  /** All there is, as frames; undefined where something of it was not kept: then only the server can tell it. */
  replay(): readonly Told[] | undefined;
}

/** Beyond so many workloads (some 10 MB) none is kept: who joins then makes the stream begin again for all. */
export const MAX_WORKLOADS = 10_000;
/** The newest records that are kept of the server's log ... */
export const MAX_RECORDS = 5000;
/** ... as long as their text isn't longer than this. */
export const MAX_RECORD_CHARS = 4_000_000;

/** The stream `workloads`, folded by id. */
export class WorkloadList implements ReplayBuffer {
  readonly #rows = new Map<string, Frame>();
  #complete: boolean;

  /** `complete`: the stream is followed from its beginning. */
  constructor(complete: boolean) {
    this.#complete = complete;
  }

  get size(): number {
    return this.#rows.size;
  }

  take(type: string, data: Frame): void {
    if (type === "reset") {
      this.#rows.clear();
      this.#complete = true;
    }
    const id = data["id"];
    if (type !== "workload" || typeof id !== "string" || !this.#complete) return;
    if (data["deleted"] === true) this.#rows.delete(id);
    else this.#rows.set(id, data);
    if (this.#rows.size <= MAX_WORKLOADS) return;
    this.#complete = false;
    this.#rows.clear();
  }

  replay(): readonly Told[] | undefined {
    return this.#complete ? [...this.#rows.values()].map((data) => ({ type: "workload", data })) : undefined;
  }

  /** What a polled list, newest first, has that is new; `all`: what it lacks was deleted. */
  news(stream: string, polled: readonly Workload[], all: boolean): Frame[] {
    const told = polled.filter((workload) => !this.#knows(workload)).reverse();
    const news: Frame[] = told.map((workload) => {
      // Only the stream tells the last line: the one that is known is better than none.
      const line = this.#rows.get(workload.id)?.["last_line"] ?? "";
      return { stream, ...workload, last_line: line };
    });
    const there = new Set(polled.map(({ id }) => id));
    const gone = all ? [...this.#rows.keys()].filter((id) => !there.has(id)) : [];
    return [...news, ...gone.map((id) => ({ stream, id, deleted: true }))];
  }

  #knows(workload: Workload): boolean {
    const row = this.#rows.get(workload.id);
    if (row === undefined) return false;
    return Object.entries(workload).every(([name, value]) => JSON.stringify(value) === JSON.stringify(row[name]));
  }
}

/** Beyond so many the oldest rows of the request log are let go. */
export const MAX_ROWS = 2000;

/** The request log: its newest rows, folded by id, and the figures that came last. */
export class RequestRows implements ReplayBuffer {
  readonly #rows = new Map<string, object>();
  #figures: Frame | undefined;
  #complete: boolean;

  constructor(complete: boolean) {
    this.#complete = complete;
  }

  take(type: string, data: Frame): void {
    if (type === "reset") {
      this.#rows.clear();
      this.#figures = undefined;
      this.#complete = true;
    } else if (type === "log:stats") this.#figures = data;
    const row = data["data"] as { readonly id?: string };
    const id = row?.id ?? "";
    if (type === "log:created") this.#rows.set(id, row);
    else if (type === "log:updated" && this.#rows.has(id)) this.#rows.set(id, { ...this.#rows.get(id), ...row });
    for (const oldest of this.#rows.keys()) {
      if (this.#rows.size <= MAX_ROWS) break;
      this.#rows.delete(oldest);
    }
  }

  replay(): readonly Told[] | undefined {
    if (!this.#complete) return undefined;
    const rows = [...this.#rows.values()].map((data) => told("log:created", data));
    return this.#figures === undefined ? rows : [...rows, { type: "log:stats", data: this.#figures }];
  }

  /** What polled rows, newest first, have that is new. */
  news(polled: readonly { readonly id: string }[]): Told[] {
    const changed = polled.filter((row) => JSON.stringify(this.#rows.get(row.id)) !== JSON.stringify(row));
    return [...changed].reverse().map((row) => told("log:created", row));
  }
}

function told(type: string, data: object): Told {
  return { type, data: { type, data } };
}

/** The server's own log: its newest records. */
export class RecentRecords implements ReplayBuffer {
  readonly #stream: string;
  #records: LogRecord[] = [];
  #chars = 0;
  #last: Frame | undefined;
  #complete: boolean;

  constructor(stream: string, complete: boolean) {
    this.#stream = stream;
    this.#complete = complete;
  }

  take(type: string, data: Frame): void {
    if (type === "reset") {
      this.#records = [];
      this.#chars = 0;
      this.#complete = true;
    }
    if (type !== "logs") return;
    this.#last = data;
    for (const record of data.logs ?? []) {
      this.#records.push(record);
      this.#chars += record.message.length;
    }
    this.#trim();
  }

  replay(): readonly Told[] | undefined {
    if (!this.#complete) return undefined;
    if (this.#records.length === 0) return [];
    const { cursor } = this.#last ?? {};
    const data = {
      stream: this.#stream,
      job_id: null,
      logs: [...this.#records],
      ...(cursor === undefined ? {} : { cursor }),
    };
    return [{ type: "logs", data }];
  }

  /** In steps, so that a full memory doesn't move 5,000 entries for each record. */
  #trim(): void {
    let from = this.#records.length > MAX_RECORDS * 1.2 ? this.#records.length - MAX_RECORDS : 0;
    for (const record of this.#records.slice(0, from)) this.#chars -= record.message.length;
    while (this.#chars > MAX_RECORD_CHARS) this.#chars -= this.#records[from++]?.message.length ?? 0;
    if (from > 0) this.#records = this.#records.slice(from);
  }
}
