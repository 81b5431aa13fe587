// One page as the worker sees it: what it wants, and what it has been told and not yet taken. Runs in the worker.
// A frame goes to a visible page at once, to others after those. A page that is looked at and takes what it is told, but
// slowly, is waited for. One that takes nothing (frozen, gone), or is out of sight and far behind, is told nothing more;
// when it has caught up it is asked to say again what it wants, and goes on by cursor.

import type { HubEvent, StreamRequest, Subscription } from "../../protocol/types.js";
import { BUILD } from "../build.js";
import type { Credentials, FromPage, FromWorker, Wanted } from "./worker-messages.js";

/** Characters, about, that a page may owe us: twice the longest list of workloads, since that comes at once. */
export const MAX_OWED = 16_000_000;
/** A page that owes half of that and takes nothing for so long isn't waited for. */
const PATIENCE_MS = 1000;
/** What a record or a frame weighs besides its text. */
const OVERHEAD = 200;

/** Who takes pages in. */
export interface ClientHost {
  subscribe(request: StreamRequest, listener: (event: HubEvent) => void): Subscription;
  /** This guest has said something, and thereby its credentials. */
  heard(guest: WorkerClient): void;
  /** Whether it is there, looks, or wants anything may have changed. */
  changed(guest: WorkerClient): void;
  /** It holds this lock for life. */
  watch(guest: WorkerClient, lock: string): void;
  /** A lock that the house holds for life. */
  readonly lock: Promise<string | undefined>;
}

interface Followed extends Subscription {
  readonly turn: number;
}

type Told = readonly [name: string, event: HubEvent];

export class WorkerClient {
  credentials: Credentials = { xsrf: undefined, token: "" };
  visible = false;
  /** Is it told anything? Not while it owes too much, nor after it has said good-bye or fallen silent. */
  present = false;
  /** When it last said something. */
  heard = Date.now();
  hasLock = false;
  readonly #port: MessagePort;
  readonly #house: ClientHost;
  readonly #followed = new Map<string, Followed>();
  /** The weights of messages not yet taken, in order; all of them together. */
  #owed: number[] = [];
  #owing = 0;
  #taken = 0;
  /** Ends a wait for it to take something. */
  #took: (() => void) | undefined;
  /** For a page that nobody looks at: told after the others. */
  #later: Told[] = [];
  #flushing: ReturnType<typeof setTimeout> | undefined;

  constructor(port: MessagePort, house: ClientHost) {
    this.#port = port;
    this.#house = house;
    port.onmessage = ({ data }: MessageEvent<FromPage>) => this.#hear(data);
  }

  get wants(): boolean {
    return this.#followed.size > 0;
  }

  /** Its streams are let go of; it comes back by itself if it is still there. */
  leave(): void {
    this.present = false;
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    this.#later = [];
    for (const { close } of this.#followed.values()) close();
    this.#followed.clear();
    this.#house.changed(this);
  }

  /** The page is no more. */
  end(): void {
    this.#port.onmessage = null;
    this.#port.close();
    this.leave();
  }

  /** Waits while it is far behind, but comes nearer. */
  async catchUp(): Promise<void> {
    while (this.present && this.visible && this.#owing > MAX_OWED / 2) {
      const taken = this.#taken;
      await new Promise<void>((resolve) => {
        const patience = setTimeout(resolve, PATIENCE_MS);
        this.#took = () => {
          clearTimeout(patience);
          resolve();
        };
      });
      if (this.#taken === taken) this.leave();
    }
  }

  askCredentials(): void {
    this.#say({ type: "credentials" });
  }

  #hear(message: FromPage): void {
    this.heard = Date.now();
    this.credentials = message.credentials;
    this.#house.heard(this);
    if (message.type === "bye") {
      this.leave();
      return;
    }
    if (message.type === "hello") this.#enter(message.visible, message.lock);
    else this.#obey(message);
    // A page that goes says at last that it is hidden.
    const goes = message.type === "visible" && !message.visible;
    if (!this.present && !goes && this.#owing === 0) this.#return();
    this.#house.changed(this);
  }

  #obey(message: FromPage): void {
    switch (message.type) {
      case "taken":
        this.#take(message.count);
        break;
      case "visible":
        this.visible = message.visible;
        if (this.visible) this.#flush();
        break;
      case "beat":
        this.#say({ type: "beat" });
        break;
      case "want":
        if (this.present) this.#follow(message.streams, message.retry);
    }
  }

  #enter(visible: boolean, lock: string | undefined): void {
    this.present = true;
    this.visible = visible;
    this.hasLock = lock !== undefined;
    if (lock !== undefined) this.#house.watch(this, lock);
    void this.#house.lock.then((ours) => {
      this.#say({ type: "hello", build: BUILD, ...(ours === undefined ? {} : { lock: ours }) });
    });
  }

  #return(): void {
    this.present = true;
    this.#say({ type: "again" });
  }

  #follow(streams: readonly Wanted[], retry: string | undefined): void {
    const wanted = new Map(streams.map((stream) => [stream.name, stream]));
    for (const [name, followed] of this.#followed) {
      if (wanted.get(name)?.turn === followed.turn) continue;
      followed.close();
      this.#followed.delete(name);
    }
    for (const { name, turn, request } of streams) {
      const followed = this.#followed.get(name);
      if (followed === undefined) this.#subscribe(name, turn, request);
      else if (name === retry) followed.retryNow();
    }
  }

  #subscribe(name: string, turn: number, { id: _, ...request }: Wanted["request"]): void {
    const subscription = this.#house.subscribe(request, (event) => this.#tell([name, event]));
    this.#followed.set(name, { turn, ...subscription });
  }

  // --- what it is told, and what it has taken of it ---

  #tell(told: Told): void {
    if (!this.present) return;
    if (this.visible) {
      this.#send([told]);
      return;
    }
    this.#later.push(told);
    this.#flushing ??= setTimeout(() => this.#flush(), 0);
  }

  #flush(): void {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    const later = this.#later;
    this.#later = [];
    if (later.length > 0 && this.present) this.#send(later);
  }

  #send(events: readonly Told[]): void {
    const weight = events.reduce((sum, [, event]) => sum + weigh(event), 0);
    this.#owed.push(weight);
    this.#owing += weight;
    this.#say({ type: "events", events });
    if (this.#owing > MAX_OWED) this.leave();
  }

  #take(count: number): void {
    const taken = this.#owed.splice(0, count - this.#taken);
    this.#taken = count;
    for (const weight of taken) this.#owing -= weight;
    this.#took?.();
  }

  #say(message: FromWorker): void {
    this.#port.postMessage(message);
  }
}

function weigh(event: HubEvent): number {
  if (event.kind !== "frame") return OVERHEAD;
  const logs = event.data.logs ?? [];
  if (logs.length > 0) return logs.reduce((sum, { message }) => sum + message.length + OVERHEAD, 0);
  return event.type === "workload" ? 4 * OVERHEAD : OVERHEAD + (event.data.message?.length ?? 0);
}
