// One stream as the hub follows it: its cursor, what is last known of it, and who listens.
// Knows nothing of connections; it is told frames, and sees to it that no listener is told a record twice.

import type { Cursor, Frame, HubEvent, LogRecord, Rung, Status, StreamRequest, Workload } from "./types.js";

type Listener = (event: HubEvent) => void;

export function workloadOf(stream: string): string | undefined {
  return stream.startsWith("workload/") ? stream.slice("workload/".length) : undefined;
}

export class Topic {
  readonly stream: string;
  linger: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners = new Set<Listener>();
  readonly #progress = new Map<string, Frame>();
  readonly #tail: number | undefined;
  #cursor: Cursor | undefined;
  #job: Workload | undefined;
  #status: Status = { rung: "connecting" };

  constructor(request: StreamRequest) {
    this.stream = request.stream;
    this.#cursor = request.after;
    this.#tail = request.tail;
  }

  get state(): Rung {
    return this.#status.rung;
  }

  get ended(): boolean {
    return this.state === "done" || this.state === "error";
  }

  get used(): boolean {
    return this.#listeners.size > 0;
  }

  /** Who joins later is told first what the others know already. */
  join(listener: Listener): void {
    const job = this.#job;
    const cursor = this.#cursor;
    const known = job === undefined && cursor === undefined ? [] : [...this.#progress.values()];
    this.#listeners.add(listener);
    // Not from within subscribe(): the caller has no handle yet. Nothing can come between, frames are tasks.
    queueMicrotask(() => {
      if (!this.#listeners.has(listener)) return;
      const history = { ...(job === undefined ? {} : { job }), ...(cursor === undefined ? {} : { cursor }) };
      if (job !== undefined || cursor !== undefined) hand(listener, { kind: "snapshot", ...history });
      for (const data of known) hand(listener, { kind: "frame", type: "progress", data });
      hand(listener, { kind: "state", ...this.#status });
    });
  }

  leave(listener: Listener): boolean {
    return this.#listeners.delete(listener);
  }

  /** This stream's part of the request: from the cursor on, once there is one. */
  request(): StreamRequest {
    if (this.#cursor !== undefined) return { stream: this.stream, after: this.#cursor };
    return this.#tail === undefined ? { stream: this.stream } : { stream: this.stream, tail: this.#tail };
  }

  /** Where polling goes on; without a cursor at the tail that was asked for. */
  start(lines: number): Cursor {
    this.#cursor ??= this.#tail === undefined ? 0 : Math.max(0, lines - this.#tail);
    return this.#cursor;
  }

  tell(status: Status): void {
    this.#status = status;
    this.#emit({ kind: "state", ...status });
  }

  fail(message: string): void {
    this.tell({ rung: "error", message });
  }

  /** Says again where it stands; what was refused may be asked for anew. */
  revive(): void {
    this.tell(this.state === "error" ? { rung: "connecting" } : this.#status);
  }

  ping(data: Frame, cursor: Cursor | undefined): void {
    if (cursor !== undefined) this.#cursor = cursor;
    this.alive();
    this.#emit({ kind: "frame", type: "ping", data });
  }

  frame(type: string, data: Frame): void {
    if (this.ended) return;
    if (type === "done") {
      this.#done(data);
      return;
    }
    const news = type === "logs" ? this.#fresh(data) : data;
    if (news === undefined) return;
    this.#remember(type, news);
    this.#emit({ kind: "frame", type, data: news });
  }

  /** A stream that joined an open connection is live when its first frame comes; the connection doesn't say so again. */
  alive(): void {
    if (this.state === "connecting" || this.state === "reconnecting") this.tell({ rung: "live" });
  }

  #done(data: Frame): void {
    const job = data.job ?? (data as unknown as Workload);
    this.#job = job;
    this.#progress.clear();
    if (data.cursor !== undefined) this.#cursor = data.cursor;
    this.#emit({ kind: "frame", type: "done", data: { ...data, job } });
    this.tell({ rung: "done" });
  }

  /** Polling and a stream that comes back may overlap: what lies at or before the cursor is dropped. */
  #fresh(data: Frame): Frame | undefined {
    const logs = data.logs ?? [];
    const cursor = this.#cursor;
    if (typeof cursor !== "number" || logs.length === 0) return data;
    const from = logs.findIndex((record: LogRecord) => record.seq > cursor);
    if (from === 0) return data;
    return from === -1 ? undefined : { ...data, logs: logs.slice(from) };
  }

  #remember(type: string, data: Frame): void {
    if (type === "status" && data.job !== undefined) this.#job = data.job;
    if (type === "progress") this.#progress.set(data.source ?? "", data);
    if (type === "logs") for (const record of data.logs ?? []) this.#progress.delete(record.source);
    if (type === "reset") {
      this.#cursor = 0;
      this.#progress.clear();
    }
    if (type === "gap" && data.to !== undefined) this.#cursor = data.to;
    const last = data.cursor ?? data.logs?.at(-1)?.seq;
    if (last !== undefined) this.#cursor = last;
  }

  #emit(event: HubEvent): void {
    for (const listener of [...this.#listeners]) hand(listener, event);
  }
}

/** One view's mistake is not the others' trouble. */
function hand(listener: Listener, event: HubEvent): void {
  try {
    listener(event);
  } catch (error) {
    console.error("jupyter-logstream", error);
  }
}
