// One hub per page: all views subscribe to it, and a transport brings all streams together. Page and shared worker.
// Knows the active streams and their listeners; knows no view and no connection. It outlives the module that made it and
// serves views of other module instances (anywidget imports the module once per model), so the interface that views use,
// `subscribe`, stays small and only grows.

import { isStream, keyOf } from "../protocol/stream.js";
import type { HubEvent, KernelState, StreamRequest, Subscription } from "../protocol/types.js";
import { PROTOCOL } from "../protocol/types.js";
import { FetchTransport } from "./fetch-transport.js";
import { FollowedStream } from "./followed-stream.js";
import { currentPage, type Page } from "./page.js";
import { timings } from "./timings.js";
import type { StreamSet, Transport } from "./transport.js";
import { workerAccess } from "./worker/worker-access.js";
import { WorkerTransport } from "./worker/worker-transport.js";

/** Ended workloads that are remembered, so that showing one again needs no request; beyond, the oldest are forgotten. */
const MAX_ENDED = 200;

const SLOT = Symbol.for("jupyter-logstream.v1");

export class Hub implements StreamSet {
  readonly protocol = PROTOCOL;
  readonly #transport: Transport;
  /** By `keyOf` their request. */
  readonly #followed = new Map<string, FollowedStream>();
  #names = 0;
  #kernel: KernelState | undefined;

  constructor(
    page: Page,
    transport: (streams: StreamSet) => Transport = (streams) => new FetchTransport(page, streams),
  ) {
    this.#transport = transport(this);
  }

  /** Follows a stream until the subscription is closed; the listener is never called from within this call. */
  subscribe(request: StreamRequest, listener: (event: HubEvent) => void): Subscription {
    const key = keyOf(request);
    const stream = this.#streamOf(key, request);
    stream.addListener(listener);
    if (!stream.ended) this.#transport.streamsChanged();
    return {
      close: () => this.#removeListener(key, stream, listener),
      retryNow: () => this.#retry(stream),
    };
  }

  /** Reports the state of the kernel that all streams come through. */
  setKernel(kernel: KernelState | undefined): void {
    this.#kernel = kernel;
    for (const stream of this.#followed.values()) stream.setKernel(kernel);
  }

  // --- StreamSet ---

  active(): FollowedStream[] {
    return [...this.#followed.values()].filter((stream) => !stream.ended);
  }

  byName(name: string): FollowedStream | undefined {
    // A handful of streams, some hundred at most, and mostly the first one: no second index.
    for (const stream of this.#followed.values()) if (stream.name === name) return stream;
    return undefined;
  }

  // --- the set of streams ---

  #streamOf(key: string, request: StreamRequest): FollowedStream {
    let stream = this.#followed.get(key);
    if (stream === undefined) {
      stream = new FollowedStream(request, key === request.stream ? key : `f${++this.#names}`);
      if (isStream(request.stream)) this.#followed.set(key, stream);
      else stream.fail(`"${request.stream}" is not the name of a stream.`);
    } else if (stream.state === "error") stream.retry(); // the user may have logged in since
    clearTimeout(stream.lingerTimer);
    stream.setKernel(this.#kernel);
    return stream;
  }

  #removeListener(key: string, stream: FollowedStream, listener: (event: HubEvent) => void): void {
    if (!stream.removeListener(listener) || stream.hasListeners) return;
    clearTimeout(stream.lingerTimer);
    stream.lingerTimer = setTimeout(() => this.#drop(key, stream), timings().LINGER_MS);
  }

  #drop(key: string, stream: FollowedStream): void {
    if (stream.hasListeners) return;
    if (stream.state !== "done" && this.#followed.get(key) === stream) this.#followed.delete(key);
    const idle = [...this.#followed].filter(([, other]) => other.ended && !other.hasListeners);
    for (const [oldest] of idle.slice(0, Math.max(0, idle.length - MAX_ENDED))) this.#followed.delete(oldest);
    this.#transport.streamsChanged();
  }

  #retry(stream: FollowedStream): void {
    stream.retry();
    this.#transport.retryNow(stream);
  }
}

/** The hub of this page: the first module instance creates it, whatever its version. */
export function pageHub(): Hub {
  const realm = globalThis as unknown as { [SLOT]?: Hub };
  realm[SLOT] ??= createHub();
  return realm[SLOT];
}

function createHub(): Hub {
  const page = currentPage();
  return new Hub(
    page,
    (streams) => new WorkerTransport(workerAccess(page), streams, () => new FetchTransport(page, streams)),
  );
}
