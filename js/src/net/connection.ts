// One fetch stream and its ladder: connected -> retry after 1, 2, 4, 8, 16 s -> poll, while the stream is still tried.
// Knows bytes, time and rungs; what is asked for, what a frame means and who listens is the link's business (the hub).

import { Decoder, type Event } from "../protocol/sse.js";
import type { Status } from "../protocol/types.js";

export interface Link {
  /** Once connected, so many ms of silence are no cut; absent: STALL_MS, as our own servers ping. */
  readonly patienceMs?: number;
  /** Is there anything left to follow? Asked before each attempt; `false` ends the connection. */
  wanted(): boolean;
  /** Has the server told everything that it was last asked for? Then its end is no cut. */
  complete(): boolean;
  /** Sends the request, with the cursors of now. */
  open(signal: AbortSignal): Promise<Response>;
  event(event: Event): void;
  /** Waits until those who are told have room for more. */
  room(): Promise<void>;
  /** One round of polling; throws if the server can't be reached. */
  poll(signal: AbortSignal): Promise<void>;
  /** A status other than 200 and 204: `again` at once, on the next rung, or `end` for good (the link told why). */
  refused(response: Response): Promise<"again" | "cut" | "end">;
  status(status: Status): void;
}

export const BACKOFF_MS = [1000, 2000, 4000, 8000, 16000] as const;
export const STALL_MS = 15_000;
export const POLL_MS = 3000;
/** Longest stretch of work on one stream before the page gets a turn to paint and to take input. */
const SLICE_MS = 12;

type Ending = "again" | "cut" | "end";

export function backoffDelay(failures: number, random: () => number = Math.random): number {
  const step = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length) - 1] ?? BACKOFF_MS[0];
  return Math.round(step * (0.8 + 0.4 * random()));
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export class Connection {
  readonly #link: Link;
  #running = false;
  #live = false;
  #failures = 0;
  #attempt: AbortController | undefined;
  #poller: AbortController | undefined;
  #wake: (() => void) | undefined;
  #reopening = false;

  constructor(link: Link) {
    this.#link = link;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Begins if it isn't running; a connection that waits for its next rung goes on waiting. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#failures = 0;
    this.#live = false;
    this.#link.status({ rung: "connecting" });
    void this.#run();
  }

  /** The set of streams has changed: the same connection with another request, no rung lost. */
  reopen(): void {
    if (!this.#running) {
      this.start();
      return;
    }
    this.#reopening = true;
    this.#attempt?.abort();
  }

  /** The user doesn't want to wait for the next rung. */
  retryNow(): void {
    if (!this.#running) this.start();
    else if (this.#wake !== undefined) this.#wake();
    // In the middle of an attempt that hangs: another one.
    else if (!this.#live) this.reopen();
  }

  close(): void {
    this.#running = false;
    this.#stopPolling();
    this.#attempt?.abort();
    this.#attempt = undefined;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (this.#running && this.#link.wanted()) {
      const mine = new AbortController();
      this.#attempt = mine;
      const ending = await this.#stream(mine);
      // Closed, or closed and started anew, while we were reading: this loop is not the one that counts.
      if (this.#attempt !== mine) return;
      if (ending === "end") break;
      if (ending !== "cut") continue;
      await this.#climb();
      if (this.#attempt !== mine) return;
      if (this.#poller === undefined) this.#link.status({ rung: "reconnecting" });
    }
    this.#running = false;
    this.#stopPolling();
  }

  async #stream(attempt: AbortController): Promise<Ending> {
    this.#reopening = false;
    let stall = setTimeout(() => attempt.abort(), STALL_MS);
    const patience = this.#link.patienceMs ?? STALL_MS;
    try {
      const response = await this.#link.open(attempt.signal);
      if (response.status === 204) return "end";
      if (!response.ok) return await this.#link.refused(response);
      const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
      if (!isStream || response.body === null) {
        await response.body?.cancel();
        return "cut";
      }
      const rest = () => {
        clearTimeout(stall);
        stall = setTimeout(() => attempt.abort(), patience);
      };
      rest();
      await this.#read(response.body.getReader(), attempt.signal, rest);
      if (!this.#link.wanted()) return "end";
      return this.#link.complete() ? "again" : "cut";
    } catch {
      return this.#reopening ? "again" : "cut";
    } finally {
      clearTimeout(stall);
      attempt.abort();
    }
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>, signal: AbortSignal, alive: () => void): Promise<void> {
    const decoder = new Decoder();
    // The fetch has the signal, too; but who has collected its request as garbage may have forgotten that (undici does).
    signal.addEventListener("abort", () => void reader.cancel().catch(() => {}), { once: true });
    let slice = performance.now();
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted) throw new Error("aborted");
      if (done) return;
      alive();
      this.#connected();
      for (const event of decoder.feed(value)) {
        if (signal.aborted) throw new Error("aborted");
        // Only a frame leads back to the foot of the ladder: some proxies answer 200 and then cut.
        if (this.#failures > 0) this.#recovered();
        this.#link.event(event);
      }
      // Chunks that are already here resolve as microtasks, and would keep the page from painting in a flood.
      if (performance.now() - slice > SLICE_MS) {
        await sleep(0);
        await this.#link.room();
        slice = performance.now();
      }
    }
  }

  #connected(): void {
    if (this.#live) return;
    this.#live = true;
    this.#link.status({ rung: "live" });
  }

  #recovered(): void {
    this.#failures = 0;
    this.#stopPolling();
    this.#link.status({ rung: "live" });
  }

  /** Waits for the next rung; from the one after the last on, polling goes on meanwhile. */
  async #climb(): Promise<void> {
    this.#live = false;
    this.#failures += 1;
    const delay = backoffDelay(this.#failures);
    const retryAt = Date.now() + delay;
    if (this.#failures > BACKOFF_MS.length) this.#startPolling();
    if (this.#poller === undefined) this.#link.status({ rung: "reconnecting", retryAt });
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, delay);
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }

  #startPolling(): void {
    if (this.#poller !== undefined) return;
    const poller = new AbortController();
    this.#poller = poller;
    void this.#poll(poller.signal);
  }

  #stopPolling(): void {
    this.#poller?.abort();
    this.#poller = undefined;
  }

  async #poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const timeout = AbortSignal.any([signal, AbortSignal.timeout(STALL_MS)]);
      const rung = await this.#link.poll(timeout).then(
        () => "polling" as const,
        () => "reconnecting" as const,
      );
      if (signal.aborted) return;
      this.#link.status({ rung });
      await sleep(POLL_MS);
    }
  }
}
