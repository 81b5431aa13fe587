// One stream that a hub follows: its cursor, its last known state, and its listeners. Page and shared worker.
// Knows no connection: a transport applies frames to it, and it delivers each record to a listener at most once.

import { type Filter, filterOf, isEndless, isPolled } from "../protocol/stream.js";
import type {
  ConnectionState,
  Cursor,
  Frame,
  HubEvent,
  KernelState,
  LogRecord,
  Status,
  StreamRequest,
  Workload,
} from "../protocol/types.js";
import { type BufferedFrame, RecentRecords, type ReplayBuffer, RequestRows, WorkloadList } from "./replay-buffer.js";
import type { StreamQuery } from "./worker/worker-messages.js";

type Listener = (event: HubEvent) => void;

export class FollowedStream {
  readonly stream: string;
  /** The name its frames carry: the stream itself, or an id where the same stream is followed with several filters. */
  readonly name: string;
  readonly filter: Filter;
  /** Grows when the stream restarts from its beginning: an open request of an earlier generation does not carry it. */
  generation = 0;
  lingerTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners = new Set<Listener>();
  readonly #progress = new Map<string, Frame>();
  readonly #buffer: ReplayBuffer | undefined;
  readonly #tail: number | undefined;
  #cursor: Cursor | undefined;
  #job: Workload | undefined;
  #polled = false;
  #status: Status = { rung: "connecting" };
  #kernel: KernelState | undefined;

  constructor(request: StreamRequest, name: string = request.stream) {
    this.stream = request.stream;
    this.name = name;
    this.filter = filterOf(request);
    this.#cursor = request.after;
    this.#tail = request.tail;
    this.#buffer = bufferFor(request);
  }

  get state(): ConnectionState {
    return this.#status.rung;
  }

  get ended(): boolean {
    return this.state === "done" || this.state === "error";
  }

  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }

  get cursor(): Cursor | undefined {
    return this.#cursor;
  }

  get tail(): number | undefined {
    return this.#tail;
  }

  /** Adds a listener. A late one first receives what the others already have, never from within this call. */
  addListener(listener: Listener): void {
    const later = this.hasListeners || this.generation > 0 || this.state !== "connecting";
    this.#listeners.add(listener);
    if (later && this.#buffer !== undefined && this.#buffer.frames() === undefined) this.#restart();
    // Not from within subscribe(): its caller has no handle yet.
    queueMicrotask(() => {
      if (!this.#listeners.has(listener)) return;
      if (this.#buffer === undefined) this.#sendSnapshot(listener);
      else if (later) for (const frame of this.#replay()) deliver(listener, { kind: "frame", ...frame });
      deliver(listener, this.#stateEvent());
    });
  }

  removeListener(listener: Listener): boolean {
    return this.#listeners.delete(listener);
  }

  /** This stream's part of a request: from its cursor on, once it has one. */
  query(): StreamQuery {
    const id = this.name === this.stream ? {} : { id: this.name };
    const tail = this.#tail === undefined ? {} : { tail: this.#tail };
    const from = this.#cursor === undefined ? tail : { after: this.#cursor };
    return { stream: this.stream, ...id, ...from, ...this.filter };
  }

  /** The cursor to poll from; the first time it is set by the requested tail of a log of `lines` lines. */
  startAt(lines: number): Cursor {
    this.#cursor ??= this.#tail === undefined ? 0 : Math.max(0, lines - this.#tail);
    return this.#cursor;
  }

  /** Applies a polled page of the stream `workloads`, newest first; `all`: the server has no others. */
  applyPolledWorkloads(workloads: readonly Workload[], all: boolean): void {
    if (!(this.#buffer instanceof WorkloadList)) return;
    for (const data of this.#buffer.changes(this.stream, workloads, all)) this.applyFrame("workload", data);
    this.#polled = true;
  }

  /** Applies a polled page of the stream `requests`, newest first, and its figures. */
  applyPolledRequests(rows: readonly { readonly id: string }[], figures: object): void {
    if (!(this.#buffer instanceof RequestRows)) return;
    for (const { type, data } of this.#buffer.changes(rows)) this.applyFrame(type, { stream: this.stream, ...data });
    this.applyFrame("log:stats", { stream: this.stream, type: "log:stats", data: figures });
    this.#polled = true;
  }

  /** Sets the connection state and reports it to the listeners. */
  setStatus(status: Status): void {
    // A stream without pages cannot be polled: it is still reconnecting.
    this.#status = status.rung === "polling" && !isPolled(this.stream) ? { rung: "reconnecting" } : status;
    this.#emit(this.#stateEvent());
  }

  /** Sets the state of the kernel that this stream comes through, also after its end: ranges are requested there. */
  setKernel(kernel: KernelState | undefined): void {
    if (this.#kernel === kernel) return;
    this.#kernel = kernel;
    this.#emit(this.#stateEvent());
  }

  #stateEvent(): HubEvent {
    if (this.#kernel === undefined) return { kind: "state", ...this.#status };
    const isCut = this.#kernel === "gone" && !this.ended;
    return { kind: "state", ...(isCut ? { rung: "reconnecting" } : this.#status), kernel: this.#kernel };
  }

  /** Ends the stream with an error for the user. */
  fail(message: string): void {
    this.setStatus({ rung: "error", message });
  }

  /** Leaves the error state, so that the stream is requested again; reports the current state either way. */
  retry(): void {
    this.setStatus(this.state === "error" ? { rung: "connecting" } : this.#status);
  }

  /** Applies an event that another hub (the one in the shared worker) delivered for this stream. */
  applyRemote(event: HubEvent): void {
    if (event.kind === "frame") this.#applyRemoteFrame(event.type, event.data);
    else if (event.kind === "state") this.setStatus(event);
    else {
      this.#cursor = later(event.cursor, this.#cursor);
      this.#job = event.job ?? this.#job;
      this.#emit(this.#cursor === undefined ? event : { ...event, cursor: this.#cursor });
    }
  }

  /** A ping: the server's clock, and the cursor that moved past records the filter leaves out. */
  applyPing(timestamp: number | undefined, cursor: Cursor | undefined): void {
    if (cursor !== undefined) {
      this.#discardPolled();
      this.#cursor = cursor;
    }
    this.markLive();
    const data = { ...(timestamp === undefined ? {} : { timestamp }), ...(cursor === undefined ? {} : { cursor }) };
    this.#emit({ kind: "frame", type: "ping", data });
  }

  /** Applies a frame of this stream: records at or before the cursor are dropped. */
  applyFrame(type: string, data: Frame): void {
    if (this.ended) return;
    if (type === "done") {
      this.#done(data);
      return;
    }
    const fresh = type === "logs" ? this.#withoutKnown(data) : data;
    if (fresh === undefined) return;
    if (data.cursor !== undefined) this.#discardPolled();
    this.#record(type, fresh);
    this.#emit({ kind: "frame", type, data: fresh });
  }

  /** A stream that joined an open connection is live with its first frame: the connection reports that only once. */
  markLive(): void {
    if (this.state === "connecting" || this.state === "reconnecting") this.setStatus({ rung: "live" });
  }

  #applyRemoteFrame(type: string, data: Frame): void {
    if (type === "ping") this.applyPing(data.timestamp, data.cursor);
    else this.applyFrame(type, data);
  }

  #sendSnapshot(listener: Listener): void {
    const job = this.#job;
    const cursor = this.#cursor;
    if (job === undefined && cursor === undefined) return;
    const history = { ...(job === undefined ? {} : { job }), ...(cursor === undefined ? {} : { cursor }) };
    deliver(listener, { kind: "snapshot", ...history });
    for (const data of this.#progress.values()) deliver(listener, { kind: "frame", type: "progress", data });
  }

  /** The buffered content of an endless stream, for a late listener: a reset, then all frames. */
  #replay(): readonly BufferedFrame[] {
    const reset: BufferedFrame = { type: "reset", data: { stream: this.stream, reason: "joined" } };
    const frames = [reset, ...(this.#buffer?.frames() ?? [])];
    // Only the last frame carries the cursor: a listener that is disconnected before it restarts from the beginning.
    return frames.map(({ type, data: { cursor: _, ...data } }, i) => {
      const cursor = i === frames.length - 1 && this.#cursor !== undefined ? { cursor: this.#cursor } : {};
      return { type, data: { ...data, ...cursor } };
    });
  }

  /** Requests the stream again from its beginning; all listeners are reset. */
  #restart(): void {
    this.generation += 1;
    this.#cursor = undefined;
    const data = { stream: this.stream, reason: "joined" };
    this.#buffer?.add("reset", data);
    this.#emit({ kind: "frame", type: "reset", data });
  }

  /** A stream that starts after polling sends its whole list: what was polled is discarded, some of it may be gone. */
  #discardPolled(): void {
    if (!this.#polled) return;
    this.#polled = false;
    if (this.#cursor !== undefined) return;
    const data = { stream: this.stream, reason: "polled" };
    this.#buffer?.add("reset", data);
    this.#emit({ kind: "frame", type: "reset", data });
  }

  #done(data: Frame): void {
    const job = data.job ?? (data as unknown as Workload);
    this.#job = job;
    this.#progress.clear();
    if (data.cursor !== undefined) this.#cursor = data.cursor;
    this.#emit({ kind: "frame", type: "done", data: { ...data, job } });
    this.setStatus({ rung: "done" });
  }

  /** Polling and a resumed stream can overlap: drops the records at or before the cursor; undefined if none is left. */
  #withoutKnown(data: Frame): Frame | undefined {
    const logs = data.logs ?? [];
    const cursor = this.#cursor;
    if (typeof cursor !== "number" || logs.length === 0) return data;
    const from = logs.findIndex((record: LogRecord) => record.seq > cursor);
    if (from === 0) return data;
    return from === -1 ? undefined : { ...data, logs: logs.slice(from) };
  }

  #record(type: string, data: Frame): void {
    this.#buffer?.add(type, data);
    if (type === "status" && data.job !== undefined) this.#job = data.job;
    if (type === "progress") this.#progress.set(data.source ?? "", data);
    if (type === "logs") for (const record of data.logs ?? []) this.#progress.delete(record.source);
    if (type === "reset") this.#progress.clear();
    this.#advance(type, data);
  }

  #advance(type: string, { cursor, logs, to }: Frame): void {
    const endless = isEndless(this.stream);
    if (type === "reset") this.#cursor = endless ? undefined : 0;
    if (type === "gap" && !endless) this.#cursor = to ?? this.#cursor;
    // A seq is no cursor of an endless stream: its cursors carry an epoch.
    this.#cursor = cursor ?? (endless ? undefined : logs?.at(-1)?.seq) ?? this.#cursor;
  }

  #emit(event: HubEvent): void {
    for (const listener of [...this.#listeners]) deliver(listener, event);
  }
}

function bufferFor({ stream, after }: StreamRequest): ReplayBuffer | undefined {
  if (stream === "workloads") return new WorkloadList(after === undefined);
  if (stream === "requests") return new RequestRows(after === undefined);
  return stream === "service" ? new RecentRecords(stream, after === undefined) : undefined;
}

/** The further cursor: the other hub can be behind ours after a disconnect. */
function later(theirs: Cursor | undefined, ours: Cursor | undefined): Cursor | undefined {
  return typeof theirs === "number" && typeof ours === "number" ? Math.max(theirs, ours) : (theirs ?? ours);
}

/** Delivers an event; the exception of one listener is logged and does not reach the others. */
function deliver(listener: Listener, event: HubEvent): void {
  try {
    listener(event);
  } catch (error) {
    console.error("jupyter-logstream", error);
  }
}
