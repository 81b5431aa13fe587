// ONE hub per page: all views ask it, and what they want travels together. It knows which streams are wanted, what is
// known of them, and who listens; how they come is the carrier's business. It knows nothing of views or widgets, and
// runs in the page and in the worker that pages share. It outlives the module that made it and serves views of other
// module instances (anywidget imports the module once per model), so what they use - `subscribe` - stays small and only
// ever grows.

import { isStream, keyOf } from "../protocol/stream.js";
import type { HubEvent, StreamRequest, Subscription } from "../protocol/types.js";
import { PROTOCOL } from "../protocol/types.js";
import { FetchTransport } from "./fetch-transport.js";
import { FollowedStream } from "./followed-stream.js";
import { currentPage, type Page } from "./page.js";
import type { Streams, Transport } from "./transport.js";
import { workerAccess } from "./worker/worker-door.js";
import { WorkerTransport } from "./worker/worker-transport.js";

/** A stream without subscribers is kept this long: moving, undoing or re-running a cell closes and opens in no time. */
export const LINGER_MS = 1500;
/** Workloads remembered as done, so that they are never asked for again. */
const MAX_ENDED = 200;

export { GONE } from "./stream-errors.js";

const SLOT = Symbol.for("jupyter-logstream.v1");

export class Hub implements Streams {
  readonly protocol = PROTOCOL;
  readonly #carrier: Transport;
  /** By key: see stream.ts. */
  readonly #topics = new Map<string, FollowedStream>();
  #names = 0;

  constructor(page: Page, carrier: (streams: Streams) => Transport = (streams) => new FetchTransport(page, streams)) {
    this.#carrier = carrier(this);
  }

  /** Follows a stream until the subscription is closed; the listener is never called from within this call. */
  subscribe(request: StreamRequest, listener: (event: HubEvent) => void): Subscription {
    const key = keyOf(request);
    const topic = this.#topicOf(key, request);
    topic.join(listener);
    if (!topic.ended) this.#carrier.changed();
    return {
      close: () => this.#leave(key, topic, listener),
      retryNow: () => this.#retry(topic),
    };
  }

  // --- what the carrier asks (Streams) ---

  wanted(): FollowedStream[] {
    return [...this.#topics.values()].filter((topic) => !topic.ended);
  }

  named(name: string): FollowedStream | undefined {
    // A handful, or some hundred at most, and the first is mostly it.
    for (const topic of this.#topics.values()) if (topic.name === name) return topic;
    return undefined;
  }

  // --- the set of streams ---

  #topicOf(key: string, request: StreamRequest): FollowedStream {
    let topic = this.#topics.get(key);
    if (topic === undefined) {
      topic = new FollowedStream(request, key === request.stream ? key : `f${++this.#names}`);
      if (isStream(request.stream)) this.#topics.set(key, topic);
      else topic.fail(`"${request.stream}" is not the name of a stream.`);
    } else if (topic.state === "error") topic.revive(); // who asks now may have logged in since it was refused
    clearTimeout(topic.linger);
    return topic;
  }

  #leave(key: string, topic: FollowedStream, listener: (event: HubEvent) => void): void {
    if (!topic.leave(listener) || topic.used) return;
    clearTimeout(topic.linger);
    topic.linger = setTimeout(() => this.#drop(key, topic), LINGER_MS);
  }

  #drop(key: string, topic: FollowedStream): void {
    if (topic.used) return;
    // A workload that is done stays known, so that showing it again opens nothing.
    if (topic.state !== "done" && this.#topics.get(key) === topic) this.#topics.delete(key);
    const idle = [...this.#topics].filter(([, other]) => other.ended && !other.used);
    for (const [old] of idle.slice(0, Math.max(0, idle.length - MAX_ENDED))) this.#topics.delete(old);
    this.#carrier.changed();
  }

  #retry(topic: FollowedStream): void {
    topic.revive();
    this.#carrier.retryNow(topic);
  }
}

/** The page's hub: the first module instance that asks makes it, whatever its version. */
export function pageHub(): Hub {
  const page = globalThis as unknown as { [SLOT]?: Hub };
  page[SLOT] ??= openHub();
  return page[SLOT];
}

function openHub(): Hub {
  const here = currentPage();
  return new Hub(
    here,
    (streams) => new WorkerTransport(workerAccess(here), streams, () => new FetchTransport(here, streams)),
  );
}
