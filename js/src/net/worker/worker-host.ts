// All pages of the browser that are views of one server: they share one hub, thus one connection. Runs in the worker.
// The hub lets go when no page with a view is looked at; a page that is gone takes its views with it: its lock becomes
// free, or where there are no locks it falls silent.

import type { HubEvent, StreamRequest, Subscription } from "../../protocol/types.js";
import { Hub } from "../hub.js";
import { type Page, requester } from "../page.js";
import { hold, watch } from "./liveness.js";
import { type ClientHost, WorkerClient } from "./worker-client.js";
import type { Credentials } from "./worker-messages.js";
import { BEAT_MS } from "./worker-transport.js";

/** What a page has said of its credentials lately needs no question. */
const FRESH_MS = 2000;
/** A page that doesn't answer the question by then (frozen) leaves us with what was last known. */
const ANSWER_MS = 500;
/** A page without a lock that is silent for so long is gone; timers of one that is out of sight run once a minute. */
export const SILENT_MS = 4 * BEAT_MS;
export const SILENT_HIDDEN_MS = 150_000;

export class WorkerHost implements ClientHost {
  readonly lock: Promise<string | undefined>;
  readonly #root: URL;
  readonly #locks: LockManager | undefined;
  readonly #guests = new Set<WorkerClient>();
  readonly #hub: Hub;
  readonly #visibility: (() => void)[] = [];
  #hidden = true;
  /** Of the page that was heard last. */
  #credentials: Credentials = { xsrf: undefined, token: "" };
  #heard = 0;
  #answered: (() => void)[] = [];

  /** `root`: `.../logstream/`. */
  constructor(root: URL, locks: LockManager | undefined) {
    this.#root = root;
    this.#locks = locks;
    this.lock = hold(locks, "worker");
    this.#hub = new Hub(this.#page());
    setInterval(() => this.#missTheSilent(), BEAT_MS);
  }

  welcome(port: MessagePort): void {
    new WorkerClient(port, this);
  }

  // --- what a guest asks (ClientHost) ---

  subscribe(request: StreamRequest, listener: (event: HubEvent) => void): Subscription {
    return this.#hub.subscribe(request, listener);
  }

  heard(guest: WorkerClient): void {
    this.#credentials = guest.credentials;
    this.#heard = guest.heard;
    for (const answered of this.#answered.splice(0)) answered();
  }

  changed(guest: WorkerClient): void {
    if (guest.present) this.#guests.add(guest);
    else this.#guests.delete(guest);
    const hidden = ![...this.#guests].some((other) => other.visible && other.wants);
    if (hidden === this.#hidden) return;
    this.#hidden = hidden;
    for (const listener of this.#visibility) listener();
  }

  watch(guest: WorkerClient, lock: string): void {
    watch(this.#locks, lock, () => guest.end());
  }

  // --- what our hub takes for its page ---

  #page(): Page {
    return {
      root: this.#root,
      request: requester(this.#root, () => this.#freshCredentials()),
      hidden: () => this.#hidden,
      room: async () => {
        for (const guest of this.#guests) await guest.catchUp();
      },
      onVisibility: (listener) => this.#visibility.push(listener),
    };
  }

  async #freshCredentials(): Promise<Credentials> {
    if (Date.now() - this.#heard > FRESH_MS && this.#guests.size > 0) {
      await new Promise<void>((resolve) => {
        this.#answered.push(resolve);
        setTimeout(resolve, ANSWER_MS);
        for (const guest of this.#guests) guest.askCredentials();
      });
    }
    return this.#credentials;
  }

  #missTheSilent(): void {
    for (const guest of this.#guests) {
      const silence = Date.now() - guest.heard;
      if (!guest.hasLock && silence > (guest.visible ? SILENT_MS : SILENT_HIDDEN_MS)) guest.leave();
    }
  }
}
