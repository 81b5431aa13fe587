// One stream as the hub follows it: its cursor, what is last known of it, and who listens.
// Knows nothing of connections; it is told frames, and sees to it that no listener is told a record twice.

import { type Filter, filterOf, isEndless, isPolled } from "../protocol/stream.js";
import type {
  ConnectionState,
  Cursor,
  Frame,
  HubEvent,
  LogRecord,
  Status,
  StreamRequest,
  Workload,
} from "../protocol/types.js";
import { RecentRecords, type ReplayBuffer, RequestRows, type Told, WorkloadList } from "./replay-buffer.js";
import type { StreamQuery } from "./worker/worker-messages.js";

type Listener = (event: HubEvent) => void;

export class FollowedStream {
  readonly stream: string;
  /** What its frames are called on the wire: the stream, unless the same stream is asked for twice. */
  readonly name: string;
  readonly filter: Filter;
  /** LevelCounts how often it began again from nothing: an open request of an earlier turn doesn't carry it. */
  turn = 0;
  linger: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners = new Set<Listener>();
  readonly #progress = new Map<string, Frame>();
  readonly #memory: ReplayBuffer | undefined;
  readonly #tail: number | undefined;
  #cursor: Cursor | undefined;
  #job: Workload | undefined;
  #polled = false;
  #status: Status = { rung: "connecting" };

  constructor(request: StreamRequest, name: string = request.stream) {
    this.stream = request.stream;
    this.name = name;
    this.filter = filterOf(request);
    this.#cursor = request.after;
    this.#tail = request.tail;
    this.#memory = memoryOf(request);
  }

  get state(): ConnectionState {
    return this.#status.rung;
  }

  get ended(): boolean {
    return this.state === "done" || this.state === "error";
  }

  get used(): boolean {
    return this.#listeners.size > 0;
  }

  get cursor(): Cursor | undefined {
    return this.#cursor;
  }

  get tail(): number | undefined {
    return this.#tail;
  }

  /** Who joins later is told first what the others know already. */
  join(listener: Listener): void {
    const later = this.used || this.turn > 0 || this.state !== "connecting";
    this.#listeners.add(listener);
    if (later && this.#memory !== undefined && this.#memory.replay() === undefined) this.#restart();
    // Not from within subscribe(): the caller has no handle yet.
    queueMicrotask(() => {
      if (!this.#listeners.has(listener)) return;
      if (this.#memory === undefined) this.#tellHistory(listener);
      else if (later) for (const told of this.#everything()) hand(listener, { kind: "frame", ...told });
      hand(listener, { kind: "state", ...this.#status });
    });
  }

  leave(listener: Listener): boolean {
    return this.#listeners.delete(listener);
  }

  /** This stream's part of the request: from the cursor on, once there is one. */
  request(): StreamQuery {
    const id = this.name === this.stream ? {} : { id: this.name };
    const tail = this.#tail === undefined ? {} : { tail: this.#tail };
    const from = this.#cursor === undefined ? tail : { after: this.#cursor };
    return { stream: this.stream, ...id, ...from, ...this.filter };
  }

  /** Where polling goes on; at first with the tail that was asked for, of so many lines. */
  start(lines: number): Cursor {
    this.#cursor ??= this.#tail === undefined ? 0 : Math.max(0, lines - this.#tail);
    return this.#cursor;
  }

  /** Of the stream `workloads`: the newest of the list, newest first; `all`: there are no others. */
  polled(workloads: readonly Workload[], all: boolean): void {
    if (!(this.#memory instanceof WorkloadList)) return;
    for (const data of this.#memory.news(this.stream, workloads, all)) this.frame("workload", data);
    this.#polled = true;
  }

  /** Of the stream `requests`: its newest rows, newest first, and the figures. */
  polledRows(rows: readonly { readonly id: string }[], figures: object): void {
    if (!(this.#memory instanceof RequestRows)) return;
    for (const { type, data } of this.#memory.news(rows)) this.frame(type, { stream: this.stream, ...data });
    this.frame("log:stats", { stream: this.stream, type: "log:stats", data: figures });
    this.#polled = true;
  }

  tell(status: Status): void {
    // What can't be polled is told the truth: nothing comes.
    this.#status = status.rung === "polling" && !isPolled(this.stream) ? { rung: "reconnecting" } : status;
    this.#emit({ kind: "state", ...this.#status });
  }

  fail(message: string): void {
    this.tell({ rung: "error", message });
  }

  /** Says again where it stands; what was refused may be asked for anew. */
  revive(): void {
    this.tell(this.state === "error" ? { rung: "connecting" } : this.#status);
  }

  /** What another hub tells of this stream, to us as one of its listeners. */
  hear(event: HubEvent): void {
    if (event.kind === "frame") this.#hearFrame(event.type, event.data);
    else if (event.kind === "state") this.tell(event);
    else {
      this.#cursor = later(event.cursor, this.#cursor);
      this.#job = event.job ?? this.#job;
      this.#emit(this.#cursor === undefined ? event : { ...event, cursor: this.#cursor });
    }
  }

  ping(timestamp: number | undefined, cursor: Cursor | undefined): void {
    if (cursor !== undefined) {
      this.#supersede();
      this.#cursor = cursor;
    }
    this.alive();
    const data = { ...(timestamp === undefined ? {} : { timestamp }), ...(cursor === undefined ? {} : { cursor }) };
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
    if (data.cursor !== undefined) this.#supersede();
    this.#remember(type, news);
    this.#emit({ kind: "frame", type, data: news });
  }

  /** A stream that joined an open connection is live when its first frame comes; the connection doesn't say so again. */
  alive(): void {
    if (this.state === "connecting" || this.state === "reconnecting") this.tell({ rung: "live" });
  }

  #hearFrame(type: string, data: Frame): void {
    if (type === "ping") this.ping(data.timestamp, data.cursor);
    else this.frame(type, data);
  }

  #tellHistory(listener: Listener): void {
    const job = this.#job;
    const cursor = this.#cursor;
    if (job === undefined && cursor === undefined) return;
    const history = { ...(job === undefined ? {} : { job }), ...(cursor === undefined ? {} : { cursor }) };
    hand(listener, { kind: "snapshot", ...history });
    for (const data of this.#progress.values()) hand(listener, { kind: "frame", type: "progress", data });
  }

  /** An endless stream for one who joins it: all that is kept, and nothing of what was before. */
  #everything(): readonly Told[] {
    const reset: Told = { type: "reset", data: { stream: this.stream, reason: "joined" } };
    const told = [reset, ...(this.#memory?.replay() ?? [])];
    // The cursor comes with the last of it: who is cut off before begins anew.
    return told.map(({ type, data: { cursor: _, ...data } }, i) => {
      const cursor = i === told.length - 1 && this.#cursor !== undefined ? { cursor: this.#cursor } : {};
      return { type, data: { ...data, ...cursor } };
    });
  }

  /** The server is to tell all of it again, and everybody is to forget what they have. */
  #restart(): void {
    this.turn += 1;
    this.#cursor = undefined;
    const data = { stream: this.stream, reason: "joined" };
    this.#memory?.take("reset", data);
    this.#emit({ kind: "frame", type: "reset", data });
  }

  /** A stream that begins after a list was polled tells all anew; what was polled may be gone by now. */
  #supersede(): void {
    if (!this.#polled) return;
    this.#polled = false;
    if (this.#cursor !== undefined) return;
    const data = { stream: this.stream, reason: "polled" };
    this.#memory?.take("reset", data);
    this.#emit({ kind: "frame", type: "reset", data });
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
    this.#memory?.take(type, data);
    if (type === "status" && data.job !== undefined) this.#job = data.job;
    if (type === "progress") this.#progress.set(data.source ?? "", data);
    if (type === "logs") for (const record of data.logs ?? []) this.#progress.delete(record.source);
    if (type === "reset") this.#progress.clear();
    this.#move(type, data);
  }

  #move(type: string, { cursor, logs, to }: Frame): void {
    const endless = isEndless(this.stream);
    if (type === "reset") this.#cursor = endless ? undefined : 0;
    if (type === "gap" && !endless) this.#cursor = to ?? this.#cursor;
    // The seq of a record is no cursor of an endless stream: those bear their epoch.
    this.#cursor = cursor ?? (endless ? undefined : logs?.at(-1)?.seq) ?? this.#cursor;
  }

  #emit(event: HubEvent): void {
    for (const listener of [...this.#listeners]) hand(listener, event);
  }
}

function memoryOf({ stream, after }: StreamRequest): ReplayBuffer | undefined {
  if (stream === "workloads") return new WorkloadList(after === undefined);
  if (stream === "requests") return new RequestRows(after === undefined);
  return stream === "service" ? new RecentRecords(stream, after === undefined) : undefined;
}

/** Another hub may be behind us, where its connection was cut: what we have told, we don't tell again. */
function later(told: Cursor | undefined, ours: Cursor | undefined): Cursor | undefined {
  return typeof told === "number" && typeof ours === "number" ? Math.max(told, ours) : (told ?? ours);
}

/** One view's mistake is not the others' trouble. */
function hand(listener: Listener, event: HubEvent): void {
  try {
    listener(event);
  } catch (error) {
    console.error("jupyter-logstream", error);
  }
}
