// A transport over one `POST v1/events` of its own, with backoff. Page without a shared worker, and shared worker.
// Knows the request and the frames; knows no listener.

import type { Event } from "../protocol/sse.js";
import type { Cursor, Frame, Status } from "../protocol/types.js";
import { serverMismatch } from "../protocol/version-mismatch.js";
import { Connection, type ConnectionHandler, type Ending } from "./connection.js";
import type { FollowedStream } from "./followed-stream.js";
import { parseFrame, UNREADABLE } from "./frame.js";
import type { Page } from "./page.js";
import { poll } from "./poll.js";
import { handleRejection, requestStreams } from "./stream-errors.js";
import { timings } from "./timings.js";
import type { StreamSet, Transport } from "./transport.js";

/** Streams that the server accepts in one request; those beyond end with an error. */
const MAX_STREAMS = 500;

export class FetchTransport implements Transport, ConnectionHandler {
  readonly #page: Page;
  readonly #streams: StreamSet;
  readonly #connection = new Connection(this);
  /** The streams of the open request, and the generation of each that it carries. */
  #open = new Map<FollowedStream, number>();
  #collecting: ReturnType<typeof setTimeout> | undefined;
  #appliedAt = Number.NEGATIVE_INFINITY;
  #hiding: ReturnType<typeof setTimeout> | undefined;
  #paused = false;
  /** Has the protocol version of this server been checked? */
  #versionChecked = false;

  constructor(page: Page, streams: StreamSet) {
    this.#page = page;
    this.#streams = streams;
    page.onVisibility(() => this.#onVisibility());
    this.#onVisibility();
  }

  /** Applies a change at once, and further ones that come within COLLECT_MS together: the first line should not wait. */
  streamsChanged(): void {
    const { COLLECT_MS } = timings();
    const isFirst = performance.now() - this.#appliedAt > COLLECT_MS;
    this.#collecting ??= setTimeout(
      () => {
        this.#collecting = undefined;
        this.#appliedAt = performance.now();
        this.#apply();
      },
      isFirst ? 0 : COLLECT_MS,
    );
  }

  retryNow(): void {
    if (this.#connection.running) this.#connection.retryNow();
    this.streamsChanged();
  }

  // --- ConnectionHandler ---

  isNeeded(): boolean {
    return this.#active().length > 0;
  }

  isComplete(): boolean {
    return [...this.#open.keys()].every((stream) => stream.ended);
  }

  open(signal: AbortSignal): Promise<Response> {
    if (!this.#versionChecked) void this.#checkVersion(); // beside the stream, so it costs no time
    const streams = this.#active();
    this.#open = new Map(streams.map((stream) => [stream, stream.generation]));
    return requestStreams(this.#page, streams, signal);
  }

  onEvent(event: Event): void {
    const data = parseFrame(event.data);
    if (data === undefined) {
      this.#failUnreadable(event.data);
      return;
    }
    if (event.type === "ping") this.#applyPing(data);
    const stream = this.#streams.byName(data.stream ?? "");
    if (stream === undefined || this.#open.get(stream) !== stream.generation) return;
    stream.markLive();
    stream.applyFrame(event.type, data);
  }

  /** Lines that would be missing without a word end their stream instead; all streams, if the frame names none. */
  #failUnreadable(text: string): void {
    const name = /"stream":\s?"([^"\\]*)"/.exec(text)?.[1];
    const stream = name === undefined ? undefined : this.#streams.byName(name);
    for (const each of stream === undefined ? [...this.#open.keys()] : [stream]) each.fail(UNREADABLE);
  }

  onUnreadable(message: string): void {
    for (const stream of this.#open.keys()) stream.fail(message);
  }

  async drained(): Promise<void> {
    await this.#page.drained?.();
  }

  onStatus(status: Status): void {
    if (status.rung === "reconnecting") this.#versionChecked = false; // the server can be another one after it restarts
    for (const stream of this.#active()) stream.setStatus(status);
  }

  async onRejected(response: Response): Promise<Ending> {
    if (response.status === 404 && (await this.#checkVersion())) return "end";
    return await handleRejection(this.#page, this.#active(), response);
  }

  async poll(signal: AbortSignal): Promise<void> {
    for (const stream of this.#active()) await poll(this.#page, stream, signal);
  }

  /** Ends all streams with a message if the server speaks another protocol, or lacks the extension. */
  async #checkVersion(): Promise<boolean> {
    this.#versionChecked = true;
    // A server that is unreachable is left to the backoff.
    const mismatch = await serverMismatch((path) => this.#page.request(path)).catch(() => undefined);
    if (mismatch === undefined) return false;
    this.#versionChecked = false;
    for (const stream of this.#active()) stream.fail(mismatch);
    this.#connection.close();
    return true;
  }

  #active(): FollowedStream[] {
    return this.#streams.active();
  }

  #apply(): void {
    if (this.#paused) return;
    for (const stream of this.#active().slice(MAX_STREAMS)) {
      stream.fail(`More than ${MAX_STREAMS} logs are open: close some of them, then retry.`);
    }
    const active = this.#active();
    if (active.length === 0) this.#connection.close();
    else if (!this.#connection.running) this.#connection.start();
    else if (!this.#covers(active)) this.#connection.reopen();
  }

  /** Does the open request carry exactly these streams? It may also carry ended ones, which cost nothing. */
  #covers(active: readonly FollowedStream[]): boolean {
    const rest = new Map(this.#open);
    for (const stream of active) {
      if (rest.get(stream) !== stream.generation) return false;
      rest.delete(stream);
    }
    return [...rest.keys()].every((stream) => stream.ended);
  }

  #onVisibility(): void {
    clearTimeout(this.#hiding);
    if (this.#page.hidden()) {
      this.#hiding = setTimeout(() => {
        this.#paused = true;
        this.#connection.close();
      }, timings().HIDDEN_MS);
    } else if (this.#paused) {
      this.#paused = false;
      this.#apply();
    }
  }

  #applyPing(data: Frame): void {
    const cursors = (data["cursors"] ?? {}) as { [stream: string]: Cursor };
    for (const [stream, generation] of this.#open) {
      if (!stream.ended && stream.generation === generation) stream.applyPing(data.timestamp, cursors[stream.name]);
    }
  }
}
