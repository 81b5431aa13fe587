// The clients of the shared worker: all pages of the browser that show views of one server share one hub. Shared worker.
// The hub closes its connection when no client with a view is visible. A page that is gone takes its streams along: its
// lock is released, or without Web Locks its heartbeats stop.

import type { HubEvent, StreamRequest, Subscription } from "../../protocol/types.js";
import { Hub } from "../hub.js";
import { type Page, requester } from "../page.js";
import { timings } from "../timings.js";
import { holdLock, onRelease } from "./liveness.js";
import { type ClientHost, WorkerClient } from "./worker-client.js";
import type { Credentials } from "./worker-messages.js";

/** Credentials received within this time are used without requesting them again. */
const FRESH_MS = 2000;
/** A page that does not answer the request by then (frozen) leaves the last known credentials in use. */
const CREDENTIALS_TIMEOUT_MS = 500;
/** Heartbeats missed until a visible page without a lock counts as gone. */
export const MAX_MISSED_HEARTBEATS = 4;
/** Silence until a hidden page without a lock counts as gone: browsers run its timers once a minute. */
export const HIDDEN_SILENCE_MS = 150_000;

export class WorkerHost implements ClientHost {
  readonly lock: Promise<string | undefined>;
  readonly #root: URL;
  readonly #locks: LockManager | undefined;
  readonly #clients = new Set<WorkerClient>();
  readonly #hub: Hub;
  readonly #visibilityListeners: (() => void)[] = [];
  #hidden = true;
  /** Of the client that sent the last message. */
  #credentials: Credentials = { xsrf: undefined, token: "" };
  #credentialsAt = 0;
  #awaitingCredentials: (() => void)[] = [];

  /** `root`: `.../logstream/`. */
  constructor(root: URL, locks: LockManager | undefined) {
    this.#root = root;
    this.#locks = locks;
    this.lock = holdLock(locks, "worker");
    this.#hub = new Hub(this.#page());
    setInterval(() => this.#detachSilent(), timings().HEARTBEAT_MS);
  }

  connect(port: MessagePort): void {
    new WorkerClient(port, this);
  }

  // --- ClientHost ---

  subscribe(request: StreamRequest, listener: (event: HubEvent) => void): Subscription {
    return this.#hub.subscribe(request, listener);
  }

  onMessage(client: WorkerClient): void {
    this.#credentials = client.credentials;
    this.#credentialsAt = client.lastMessageAt;
    for (const resolve of this.#awaitingCredentials.splice(0)) resolve();
  }

  onChange(client: WorkerClient): void {
    if (client.attached) this.#clients.add(client);
    else this.#clients.delete(client);
    const hidden = ![...this.#clients].some((other) => other.visible && other.followsStreams);
    if (hidden === this.#hidden) return;
    this.#hidden = hidden;
    for (const listener of this.#visibilityListeners) listener();
  }

  endOnRelease(client: WorkerClient, lock: string): void {
    onRelease(this.#locks, lock, () => client.end());
  }

  /** The environment of the worker's own hub: visible while a client is, with the credentials of the clients. */
  #page(): Page {
    return {
      root: this.#root,
      ...requester(this.#root, () => this.#freshCredentials()),
      hidden: () => this.#hidden,
      drained: async () => {
        for (const client of this.#clients) await client.drained();
      },
      onVisibility: (listener) => this.#visibilityListeners.push(listener),
    };
  }

  async #freshCredentials(): Promise<Credentials> {
    if (Date.now() - this.#credentialsAt > FRESH_MS && this.#clients.size > 0) {
      await new Promise<void>((resolve) => {
        this.#awaitingCredentials.push(resolve);
        setTimeout(resolve, CREDENTIALS_TIMEOUT_MS);
        for (const client of this.#clients) client.requestCredentials();
      });
    }
    return this.#credentials;
  }

  #detachSilent(): void {
    const visibleSilence = MAX_MISSED_HEARTBEATS * timings().HEARTBEAT_MS;
    for (const client of this.#clients) {
      const silence = Date.now() - client.lastMessageAt;
      if (!client.hasLock && silence > (client.visible ? visibleSilence : HIDDEN_SILENCE_MS)) client.detach();
    }
  }
}
