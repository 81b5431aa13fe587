// One page as the shared worker sees it: its streams, and flow control towards it. Shared worker.
// A visible page receives a frame at once, hidden ones after it. A visible page that acknowledges slowly is waited for. A
// page that acknowledges nothing (frozen, gone), or is hidden and far behind, is detached: it receives nothing more; once
// it has caught up it sends its streams again and resumes by cursor.

import type { HubEvent, StreamRequest, Subscription } from "../../protocol/types.js";
import { BUILD } from "../build.js";
import { overrideTimings } from "../timings.js";
import type { Credentials, FromPage, FromWorker, PageStream } from "./worker-messages.js";

/** Characters (about) sent and not acknowledged; beyond, the page is detached. Twice the longest list of workloads. */
export const MAX_UNACKED_CHARS = 16_000_000;
/** A page with half of that unacknowledged that acknowledges nothing for so long is detached. */
const ACK_TIMEOUT_MS = 1000;
/** Weight of a record or a frame besides its text, in characters. */
const OVERHEAD_CHARS = 200;

/** What a client needs of the worker. */
export interface ClientHost {
  subscribe(request: StreamRequest, listener: (event: HubEvent) => void): Subscription;
  /** The client has sent a message, and with it its credentials. */
  onMessage(client: WorkerClient): void;
  /** The client was attached or detached, shown or hidden, or follows other streams. */
  onChange(client: WorkerClient): void;
  /** Ends the client when this lock is released. */
  endOnRelease(client: WorkerClient, lock: string): void;
  /** Name of a lock that the worker holds for its lifetime. */
  readonly lock: Promise<string | undefined>;
}

interface Followed extends Subscription {
  readonly generation: number;
}

type NamedEvent = readonly [name: string, event: HubEvent];

export class WorkerClient {
  credentials: Credentials = { xsrf: undefined, token: "" };
  visible = false;
  /** Does it receive events? Not while too much is unacknowledged, nor after `bye` or a long silence. */
  attached = false;
  /** Time of its last message (Unix ms). */
  lastMessageAt = Date.now();
  hasLock = false;
  readonly #port: MessagePort;
  readonly #host: ClientHost;
  readonly #followed = new Map<string, Followed>();
  /** The weights of the messages not yet acknowledged, in order, and their sum. */
  #unacked: number[] = [];
  #unackedChars = 0;
  #acked = 0;
  /** Ends the wait for an acknowledgement. */
  #onAck: (() => void) | undefined;
  /** Events for a hidden page, sent after those of the visible ones. */
  #deferred: NamedEvent[] = [];
  #flushing: ReturnType<typeof setTimeout> | undefined;

  constructor(port: MessagePort, host: ClientHost) {
    this.#port = port;
    this.#host = host;
    port.onmessage = ({ data }: MessageEvent<FromPage>) => this.#onMessage(data);
  }

  get followsStreams(): boolean {
    return this.#followed.size > 0;
  }

  /** Closes its streams; it is attached again with its next message if it is still there. */
  detach(): void {
    this.attached = false;
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    this.#deferred = [];
    for (const { close } of this.#followed.values()) close();
    this.#followed.clear();
    this.#host.onChange(this);
  }

  /** The page is gone. */
  end(): void {
    this.#port.onmessage = null;
    this.#port.close();
    this.detach();
  }

  /** Waits while a visible page is far behind but acknowledges (back-pressure); detaches it if it stops to. */
  async drained(): Promise<void> {
    while (this.attached && this.visible && this.#unackedChars > MAX_UNACKED_CHARS / 2) {
      const acked = this.#acked;
      await new Promise<void>((resolve) => {
        const timeout = setTimeout(resolve, ACK_TIMEOUT_MS);
        this.#onAck = () => {
          clearTimeout(timeout);
          resolve();
        };
      });
      if (this.#acked === acked) this.detach();
    }
  }

  requestCredentials(): void {
    this.#post({ type: "credentials" });
  }

  #onMessage(message: FromPage): void {
    this.lastMessageAt = Date.now();
    this.credentials = message.credentials;
    this.#host.onMessage(this);
    if (message.type === "bye") {
      this.detach();
      return;
    }
    if (message.type === "hello") this.#onHello(message);
    else this.#handle(message);
    // A page that is being left reports itself hidden in its last message.
    const isLeaving = message.type === "visible" && !message.visible;
    if (!this.attached && !isLeaving && this.#unackedChars === 0) this.#reattach();
    this.#host.onChange(this);
  }

  #handle(message: FromPage): void {
    switch (message.type) {
      case "ack":
        this.#acknowledge(message.count);
        break;
      case "visible":
        this.visible = message.visible;
        if (this.visible) this.#flush();
        break;
      case "heartbeat":
        this.#post({ type: "heartbeat" });
        break;
      case "follow":
        if (this.attached) this.#follow(message.streams, message.retry);
    }
  }

  #onHello({ visible, lock, timings }: FromPage & { type: "hello" }): void {
    overrideTimings(timings);
    this.attached = true;
    this.visible = visible;
    this.hasLock = lock !== undefined;
    if (lock !== undefined) this.#host.endOnRelease(this, lock);
    void this.#host.lock.then((ours) => {
      this.#post({ type: "hello", build: BUILD, ...(ours === undefined ? {} : { lock: ours }) });
    });
  }

  #reattach(): void {
    this.attached = true;
    this.#post({ type: "resume" });
  }

  #follow(streams: readonly PageStream[], retry: string | undefined): void {
    const wanted = new Map(streams.map((stream) => [stream.name, stream]));
    for (const [name, followed] of this.#followed) {
      if (wanted.get(name)?.generation === followed.generation) continue;
      followed.close();
      this.#followed.delete(name);
    }
    for (const stream of streams) {
      const followed = this.#followed.get(stream.name);
      if (followed === undefined) this.#subscribe(stream);
      else if (stream.name === retry) followed.retryNow();
    }
  }

  #subscribe({ name, generation, request: { id: _, ...request } }: PageStream): void {
    const subscription = this.#host.subscribe(request, (event) => this.#deliver([name, event]));
    this.#followed.set(name, { generation, ...subscription });
  }

  // --- events and acknowledgements ---

  #deliver(event: NamedEvent): void {
    if (!this.attached) return;
    if (this.visible) {
      this.#send([event]);
      return;
    }
    this.#deferred.push(event);
    this.#flushing ??= setTimeout(() => this.#flush(), 0);
  }

  #flush(): void {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    const deferred = this.#deferred;
    this.#deferred = [];
    if (deferred.length > 0 && this.attached) this.#send(deferred);
  }

  #send(events: readonly NamedEvent[]): void {
    const weight = events.reduce((sum, [, event]) => sum + weightOf(event), 0);
    this.#unacked.push(weight);
    this.#unackedChars += weight;
    this.#post({ type: "events", events });
    if (this.#unackedChars > MAX_UNACKED_CHARS) this.detach();
  }

  #acknowledge(count: number): void {
    const weights = this.#unacked.splice(0, count - this.#acked);
    this.#acked = count;
    for (const weight of weights) this.#unackedChars -= weight;
    this.#onAck?.();
  }

  #post(message: FromWorker): void {
    this.#port.postMessage(message);
  }
}

function weightOf(event: HubEvent): number {
  if (event.kind !== "frame") return OVERHEAD_CHARS;
  const logs = event.data.logs ?? [];
  if (logs.length > 0) return logs.reduce((sum, { message }) => sum + message.length + OVERHEAD_CHARS, 0);
  return event.type === "workload" ? 4 * OVERHEAD_CHARS : OVERHEAD_CHARS + (event.data.message?.length ?? 0);
}
