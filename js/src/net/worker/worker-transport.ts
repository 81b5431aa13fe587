// A transport over the shared worker: one connection for all pages of the browser. Page.
// It exchanges messages with the worker over a port. Without an answer (no shared workers in this browser, forbidden by the
// page's policy, crashed) the page's own transport takes over, without a visible difference.

import { BUILD } from "../build.js";
import type { FollowedStream } from "../followed-stream.js";
import { timingOverrides, timings } from "../timings.js";
import type { StreamSet, Transport } from "../transport.js";
import { holdLock, onRelease } from "./liveness.js";
import type { FromPage, FromWorker, Worker, WorkerAccess } from "./worker-messages.js";

/** Heartbeats that the worker can miss; with the next one it counts as dead. */
const MAX_MISSED_HEARTBEATS = 3;

type Message = FromPage extends infer M ? (M extends unknown ? Omit<M, "credentials"> : never) : never;

export class WorkerTransport implements Transport {
  readonly #access: WorkerAccess;
  readonly #streams: StreamSet;
  readonly #createFallback: () => Transport;
  /** The transport used if there is no worker. */
  #fallback: Transport | undefined;
  #worker: Worker | undefined;
  /** Has the worker answered? */
  #ready = false;
  #greetingTimer: ReturnType<typeof setTimeout> | undefined;
  #heartbeatTimer: ReturnType<typeof setInterval> | undefined;
  #missedHeartbeats = 0;
  #acked = 0;
  #lock: Promise<string | undefined> | undefined;
  /** Aborts the wait for the death of the current worker. */
  #watching = new AbortController();
  #collecting = false;

  constructor(access: WorkerAccess, streams: StreamSet, createFallback: () => Transport) {
    this.#access = access;
    this.#streams = streams;
    this.#createFallback = createFallback;
    access.onVisibility(() => this.#post({ type: "visible", visible: !access.hidden() }));
    access.onEnd(() => this.#post({ type: "bye" }));
  }

  streamsChanged(): void {
    if (this.#fallback !== undefined) this.#fallback.streamsChanged();
    else if (this.#worker === undefined) this.#open();
    else if (this.#ready && !this.#collecting) {
      this.#collecting = true;
      // Views that appear together send one message; the worker collects those of other pages.
      queueMicrotask(() => {
        this.#collecting = false;
        this.#follow();
      });
    }
  }

  retryNow(stream: FollowedStream): void {
    if (this.#fallback !== undefined) this.#fallback.retryNow(stream);
    else this.#follow(stream.name);
  }

  // --- lifetime of the worker ---

  #open(): void {
    this.#ready = false;
    this.#missedHeartbeats = 0;
    this.#acked = 0;
    try {
      const worker = this.#access.open();
      this.#worker = worker;
      // It could not be loaded. A later error in it is reported to all pages, and no reason to leave it.
      worker.onerror = () => {
        if (!this.#ready) this.#fallBack(worker);
      };
      this.#greetingTimer = setTimeout(() => this.#fallBack(worker), timings().GREETING_MS);
      worker.port.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#onMessage(worker, data);
      void this.#sendHello();
    } catch {
      this.#fallBack(this.#worker); // this browser has no shared workers, or the page's policy forbids them
    }
  }

  async #sendHello(): Promise<void> {
    this.#lock ??= holdLock(this.#access.locks, "page");
    const lock = await this.#lock;
    const overrides = timingOverrides();
    this.#post({
      type: "hello",
      build: BUILD,
      visible: !this.#access.hidden(),
      ...(lock === undefined ? {} : { lock }),
      ...(overrides === undefined ? {} : { timings: overrides }),
    });
  }

  #fallBack(worker: Worker | undefined): void {
    if (worker !== this.#worker || this.#fallback !== undefined) return;
    this.#leave();
    this.#fallback = this.#createFallback();
    this.#fallback.streamsChanged();
  }

  #leave(): void {
    clearTimeout(this.#greetingTimer);
    clearInterval(this.#heartbeatTimer);
    this.#watching.abort();
    this.#post({ type: "bye" });
    this.#worker?.port.close();
    this.#worker = undefined;
  }

  #sendHeartbeat(): void {
    if (++this.#missedHeartbeats > MAX_MISSED_HEARTBEATS) this.#replace();
    else this.#post({ type: "heartbeat" });
  }

  /** A dead worker took the streams of its pages along: another one resumes from their cursors. */
  #replace(): void {
    this.#leave();
    for (const stream of this.#streams.active()) stream.setStatus({ rung: "reconnecting" });
    this.#open();
  }

  // --- messages ---

  #post(message: Message): void {
    this.#worker?.port.postMessage({ ...message, credentials: this.#access.credentials() });
  }

  #follow(retry?: string): void {
    if (!this.#ready) return;
    const streams = this.#streams.active().map((stream) => {
      return { name: stream.name, generation: stream.generation, request: stream.query() };
    });
    this.#post({ type: "follow", streams, ...(retry === undefined ? {} : { retry }) });
  }

  #onMessage(worker: Worker, message: FromWorker): void {
    if (worker !== this.#worker) return;
    this.#missedHeartbeats = 0;
    switch (message.type) {
      case "hello":
        if (message.build === BUILD) this.#onHello(message.lock);
        else this.#fallBack(worker); // the server has another version than this page
        break;
      case "events":
        for (const [name, event] of message.events) this.#streams.byName(name)?.applyRemote(event);
        this.#post({ type: "ack", count: ++this.#acked });
        break;
      case "resume":
        this.#follow();
        break;
      case "credentials":
        this.#post({ type: "credentials" });
    }
  }

  #onHello(lock: string | undefined): void {
    clearTimeout(this.#greetingTimer);
    this.#ready = true;
    this.#watching = new AbortController();
    if (lock !== undefined) onRelease(this.#access.locks, lock, () => this.#replace(), this.#watching.signal);
    this.#heartbeatTimer = setInterval(() => this.#sendHeartbeat(), timings().HEARTBEAT_MS);
    this.#follow();
  }
}
