// One SSE connection over fetch, with reconnect backoff and polling as the last resort. Page and shared worker.
// Connected -> reconnect after 1, 2, 4, 8, 16 s -> also poll, while reconnecting goes on. Knows bytes, time and the connection
// state; what is requested and what a frame means is the business of its handler.

import { Decoder, type Event, EventTooLarge } from "../protocol/sse.js";
import type { Status } from "../protocol/types.js";
import { timings } from "./timings.js";

/** What becomes of a connection after an attempt: `again` at once, `cut` after a delay, `end` not any more. */
export type Ending = "again" | "cut" | "end";

/** What a connection needs to know, and whom it reports to. */
export interface ConnectionHandler {
  /** Milliseconds without a byte after which an open stream counts as broken; absent: STALL_MS, as our server pings. */
  readonly idleTimeoutMs?: number;
  /** Is there anything to follow? Checked before each attempt; `false` ends the connection. */
  isNeeded(): boolean;
  /** Has every requested stream ended? Then the end of the response is no failure. */
  isComplete(): boolean;
  /** Sends the request, with the current cursors. */
  open(signal: AbortSignal): Promise<Response>;
  onEvent(event: Event): void;
  /** Waits until the receivers have capacity for more (back-pressure). */
  drained(): Promise<void>;
  /** One round of polling; throws if the server is unreachable. */
  poll(signal: AbortSignal): Promise<void>;
  /** A status other than 200 and 204; the handler reports the reason if the result is `end`. */
  onRejected(response: Response): Promise<Ending>;
  /** What the server sends cannot be read; the connection ends, since another attempt would bring the same. */
  onUnreadable(message: string): void;
  onStatus(status: Status): void;
}

/** Longest time for work on one stream before the page can paint and take input. */
const MAX_SLICE_MS = 12;
/** Each delay varies by up to this share, so that a thousand pages do not reconnect at once. */
const JITTER = 0.2;

/** Milliseconds before the next attempt after this many failures (1 or more). */
export function backoffDelay(failures: number, random: () => number = Math.random): number {
  const delays = timings().BACKOFF_MS;
  const delay = delays[Math.min(failures, delays.length) - 1] ?? 0;
  return Math.round(delay * (1 - JITTER + 2 * JITTER * random()));
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export class Connection {
  readonly #handler: ConnectionHandler;
  #running = false;
  #live = false;
  #failures = 0;
  #attempt: AbortController | undefined;
  #poller: AbortController | undefined;
  #wake: (() => void) | undefined;
  #reopening = false;

  constructor(handler: ConnectionHandler) {
    this.#handler = handler;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Starts unless it runs; a connection that waits for its next attempt keeps waiting. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#failures = 0;
    this.#live = false;
    this.#handler.onStatus({ rung: "connecting" });
    void this.#run();
  }

  /** The set of streams has changed: requests again, without a delay and without counting a failure. */
  reopen(): void {
    if (!this.#running) {
      this.start();
      return;
    }
    this.#reopening = true;
    this.#attempt?.abort();
  }

  /** The user does not want to wait for the next attempt. */
  retryNow(): void {
    if (!this.#running) this.start();
    else if (this.#wake !== undefined) this.#wake();
    // An attempt that hangs is replaced by another one.
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
    while (this.#running && this.#handler.isNeeded()) {
      const attempt = new AbortController();
      this.#attempt = attempt;
      const ending = await this.#stream(attempt);
      // Closed, or closed and started again, while reading: another loop is in charge.
      if (this.#attempt !== attempt) return;
      if (ending === "end") break;
      if (ending !== "cut") continue;
      await this.#backOff();
      if (this.#attempt !== attempt) return;
      if (this.#poller === undefined) this.#handler.onStatus({ rung: "reconnecting" });
    }
    this.#running = false;
    this.#stopPolling();
  }

  async #stream(attempt: AbortController): Promise<Ending> {
    this.#reopening = false;
    const { STALL_MS } = timings();
    let stall = setTimeout(() => attempt.abort(), STALL_MS);
    const idleTimeout = this.#handler.idleTimeoutMs ?? STALL_MS;
    try {
      const response = await this.#handler.open(attempt.signal);
      if (response.status === 204) return "end";
      if (!response.ok) return await this.#handler.onRejected(response);
      const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
      if (!isStream || response.body === null) {
        await response.body?.cancel();
        return "cut";
      }
      const onBytes = () => {
        clearTimeout(stall);
        stall = setTimeout(() => attempt.abort(), idleTimeout);
      };
      onBytes();
      await this.#read(response.body.getReader(), attempt.signal, onBytes);
      if (!this.#handler.isNeeded()) return "end";
      return this.#handler.isComplete() ? "again" : "cut";
    } catch (error) {
      if (error instanceof EventTooLarge) {
        this.#handler.onUnreadable(error.message);
        return "end";
      }
      return this.#reopening ? "again" : "cut";
    } finally {
      clearTimeout(stall);
      attempt.abort();
    }
  }

  async #read(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    signal: AbortSignal,
    onBytes: () => void,
  ): Promise<void> {
    const decoder = new Decoder();
    // fetch has the signal, too, but undici forgets it once the request is garbage-collected.
    signal.addEventListener("abort", () => void reader.cancel().catch(() => {}), { once: true });
    let sliceStart = performance.now();
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted) throw new Error("aborted");
      if (done) return;
      onBytes();
      this.#connected();
      for (const event of decoder.feed(value)) {
        if (signal.aborted) throw new Error("aborted");
        // Only a frame resets the backoff: some proxies answer 200 and then disconnect.
        if (this.#failures > 0) this.#recovered();
        this.#handler.onEvent(event);
      }
      // Chunks that are already here resolve as microtasks and would keep the page from painting.
      if (performance.now() - sliceStart > MAX_SLICE_MS) {
        await sleep(0);
        await this.#handler.drained();
        sliceStart = performance.now();
      }
    }
  }

  #connected(): void {
    if (this.#live) return;
    this.#live = true;
    this.#handler.onStatus({ rung: "live" });
  }

  #recovered(): void {
    this.#failures = 0;
    this.#stopPolling();
    this.#handler.onStatus({ rung: "live" });
  }

  /** Waits for the next attempt; after the last delay of the backoff, polling runs meanwhile. */
  async #backOff(): Promise<void> {
    this.#live = false;
    this.#failures += 1;
    const delay = backoffDelay(this.#failures);
    const retryAt = Date.now() + delay;
    if (this.#failures > timings().BACKOFF_MS.length) this.#startPolling();
    if (this.#poller === undefined) this.#handler.onStatus({ rung: "reconnecting", retryAt });
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
      const timeout = AbortSignal.any([signal, AbortSignal.timeout(timings().STALL_MS)]);
      const rung = await this.#handler.poll(timeout).then(
        () => "polling" as const,
        () => "reconnecting" as const,
      );
      if (signal.aborted) return;
      this.#handler.onStatus({ rung });
      await sleep(timings().POLL_MS);
    }
  }
}
