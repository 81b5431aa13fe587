// Carries a page's streams by the worker that all pages of the browser share: one connection, whatever their number.
// Runs in the page. It asks and is told over a port; where nobody answers there - no such worker in this browser,
// forbidden by the page's policy, crashed - the page's own connection takes over, and nobody notices.

import { BUILD } from "../build.js";
import type { FollowedStream } from "../followed-stream.js";
import type { Streams, Transport } from "../transport.js";
import { hold, watch } from "./liveness.js";
import type { FromPage, FromWorker, Worker, WorkerAccess } from "./worker-messages.js";

/** A worker that has not answered by then is taken for none. */
export const GREETING_MS = 2000;
/** How often both sides make sure of each other where no lock tells; a worker that misses three has died. */
export const BEAT_MS = 5000;
const MISSED = 3;

type Message = FromPage extends infer M ? (M extends unknown ? Omit<M, "credentials"> : never) : never;

export class WorkerTransport implements Transport {
  readonly #door: WorkerAccess;
  readonly #streams: Streams;
  readonly #alone: () => Transport;
  /** What carries the streams where no worker does. */
  #instead: Transport | undefined;
  #worker: Worker | undefined;
  /** Has it answered? */
  #greeted = false;
  #greeting: ReturnType<typeof setTimeout> | undefined;
  #beating: ReturnType<typeof setInterval> | undefined;
  #missed = 0;
  #taken = 0;
  #lock: Promise<string | undefined> | undefined;
  /** Ends the wait for the worker's end. */
  #parting = new AbortController();
  #collecting = false;

  constructor(door: WorkerAccess, streams: Streams, alone: () => Transport) {
    this.#door = door;
    this.#streams = streams;
    this.#alone = alone;
    door.onVisibility(() => this.#say({ type: "visible", visible: !door.hidden() }));
    door.onEnd(() => this.#say({ type: "bye" }));
  }

  changed(): void {
    if (this.#instead !== undefined) this.#instead.changed();
    else if (this.#worker === undefined) this.#greet();
    else if (this.#greeted && !this.#collecting) {
      this.#collecting = true;
      // Views that appear together ask together; the worker waits for other pages', we don't.
      queueMicrotask(() => {
        this.#collecting = false;
        this.#want();
      });
    }
  }

  retryNow(topic: FollowedStream): void {
    if (this.#instead !== undefined) this.#instead.retryNow(topic);
    else this.#want(topic.name);
  }

  // --- the worker: is it there? ---

  #greet(): void {
    this.#greeted = false;
    this.#missed = 0;
    this.#taken = 0;
    try {
      const worker = this.#door.open();
      this.#worker = worker;
      // It could not be loaded; what goes wrong in it later is told to all pages, and no reason to leave.
      worker.onerror = () => {
        if (!this.#greeted) this.#fallBack(worker);
      };
      this.#greeting = setTimeout(() => this.#fallBack(worker), GREETING_MS);
      worker.port.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#hear(worker, data);
      void this.#introduce();
    } catch {
      this.#fallBack(this.#worker); // whatever it is that this browser or this page's policy has against it
    }
  }

  async #introduce(): Promise<void> {
    this.#lock ??= hold(this.#door.locks, "page");
    const lock = await this.#lock;
    this.#say({
      type: "hello",
      build: BUILD,
      visible: !this.#door.hidden(),
      ...(lock === undefined ? {} : { lock }),
    });
  }

  #fallBack(worker: Worker | undefined): void {
    if (worker !== this.#worker || this.#instead !== undefined) return;
    this.#leave();
    this.#instead = this.#alone();
    this.#instead.changed();
  }

  #leave(): void {
    clearTimeout(this.#greeting);
    clearInterval(this.#beating);
    this.#parting.abort();
    this.#say({ type: "bye" });
    this.#worker?.port.close();
    this.#worker = undefined;
  }

  #beat(): void {
    if (++this.#missed > MISSED) this.#replace();
    else this.#say({ type: "beat" });
  }

  /** A worker that has died takes its pages' streams with it: another one goes on from their cursors. */
  #replace(): void {
    this.#leave();
    for (const topic of this.#streams.wanted()) topic.tell({ rung: "reconnecting" });
    this.#greet();
  }

  // --- what is said ---

  #say(message: Message): void {
    this.#worker?.port.postMessage({ ...message, credentials: this.#door.credentials() });
  }

  #want(retry?: string): void {
    if (!this.#greeted) return;
    const streams = this.#streams.wanted().map((topic) => {
      return { name: topic.name, turn: topic.turn, request: topic.request() };
    });
    this.#say({ type: "want", streams, ...(retry === undefined ? {} : { retry }) });
  }

  #hear(worker: Worker, message: FromWorker): void {
    if (worker !== this.#worker) return;
    this.#missed = 0;
    switch (message.type) {
      case "hello":
        if (message.build === BUILD) this.#welcome(message.lock);
        else this.#fallBack(worker); // the server has another version than this page
        break;
      case "events":
        for (const [name, event] of message.events) this.#streams.named(name)?.hear(event);
        this.#say({ type: "taken", count: ++this.#taken });
        break;
      case "again":
        this.#want();
        break;
      case "credentials":
        this.#say({ type: "credentials" });
    }
  }

  #welcome(lock: string | undefined): void {
    clearTimeout(this.#greeting);
    this.#greeted = true;
    this.#parting = new AbortController();
    if (lock !== undefined) watch(this.#door.locks, lock, () => this.#replace(), this.#parting.signal);
    this.#beating = setInterval(() => this.#beat(), BEAT_MS);
    this.#want();
  }
}
