// Replay buffers of endless streams, for listeners that join late. Page and shared worker.
// The server sends the history of an endless stream once per connection and has no ranges of it. Values only, no I/O.

import type { Frame, LogRecord, Workload } from "../protocol/types.js";

/** A frame with its type. */
export interface BufferedFrame {
  readonly type: string;
  readonly data: Frame;
}

export interface ReplayBuffer {
  /** Adds a frame of the stream; a `reset` empties the buffer and makes it complete. */
  add(type: string, data: Frame): void;
  /** The whole content as frames; undefined if it is incomplete: then the stream must be requested again. */
  frames(): readonly BufferedFrame[] | undefined;
}

/** At most this many workloads (about 10 MB); beyond, the buffer is emptied and a late listener restarts the stream for all. */
export const MAX_WORKLOADS = 10_000;
/** The newest records of the server log that are buffered ... */
export const MAX_RECORDS = 5000;
/** ... and their total length; beyond either bound the oldest are dropped. */
export const MAX_RECORD_CHARS = 4_000_000;

/** The stream `workloads`, folded by id. */
export class WorkloadList implements ReplayBuffer {
  readonly #rows = new Map<string, Frame>();
  #complete: boolean;

  /** `complete`: the stream is followed from its beginning, so the buffer holds all of it. */
  constructor(complete: boolean) {
    this.#complete = complete;
  }

  get size(): number {
    return this.#rows.size;
  }

  add(type: string, data: Frame): void {
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

  frames(): readonly BufferedFrame[] | undefined {
    return this.#complete ? [...this.#rows.values()].map((data) => ({ type: "workload", data })) : undefined;
  }

  /** The differences of a polled list, newest first, as frames; `all`: workloads missing in it were deleted. */
  changes(stream: string, polled: readonly Workload[], all: boolean): Frame[] {
    const changed = polled.filter((workload) => !this.#knows(workload)).reverse();
    const updates: Frame[] = changed.map((workload) => {
      // Only the stream carries the last line: keep the known one.
      const line = this.#rows.get(workload.id)?.["last_line"] ?? "";
      return { stream, ...workload, last_line: line };
    });
    const there = new Set(polled.map(({ id }) => id));
    const gone = all ? [...this.#rows.keys()].filter((id) => !there.has(id)) : [];
    return [...updates, ...gone.map((id) => ({ stream, id, deleted: true }))];
  }

  #knows(workload: Workload): boolean {
    const row = this.#rows.get(workload.id);
    if (row === undefined) return false;
    return Object.entries(workload).every(([name, value]) => JSON.stringify(value) === JSON.stringify(row[name]));
  }
}

/** At most this many rows of the request log; beyond, the oldest are dropped. */
export const MAX_ROWS = 2000;

/** The stream `requests`: its newest rows, folded by id, and the latest figures. */
export class RequestRows implements ReplayBuffer {
  readonly #rows = new Map<string, object>();
  #figures: Frame | undefined;
  #complete: boolean;

  constructor(complete: boolean) {
    this.#complete = complete;
  }

  add(type: string, data: Frame): void {
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

  frames(): readonly BufferedFrame[] | undefined {
    if (!this.#complete) return undefined;
    const rows = [...this.#rows.values()].map((data) => buffered("log:created", data));
    return this.#figures === undefined ? rows : [...rows, { type: "log:stats", data: this.#figures }];
  }

  /** The differences of polled rows, newest first, as frames. */
  changes(polled: readonly { readonly id: string }[]): BufferedFrame[] {
    const changed = polled.filter((row) => JSON.stringify(this.#rows.get(row.id)) !== JSON.stringify(row));
    return [...changed].reverse().map((row) => buffered("log:created", row));
  }
}

function buffered(type: string, data: object): BufferedFrame {
  return { type, data: { type, data } };
}

/** The stream `service` (the server log): its newest records. */
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

  add(type: string, data: Frame): void {
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

  frames(): readonly BufferedFrame[] | undefined {
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

  /** In steps, so that a full buffer does not move 5,000 entries for each record. */
  #trim(): void {
    let from = this.#records.length > MAX_RECORDS * 1.2 ? this.#records.length - MAX_RECORDS : 0;
    for (const record of this.#records.slice(0, from)) this.#chars -= record.message.length;
    while (this.#chars > MAX_RECORD_CHARS) this.#chars -= this.#records[from++]?.message.length ?? 0;
    if (from > 0) this.#records = this.#records.slice(from);
  }
}
