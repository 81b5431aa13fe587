// Carries a hub's streams by ONE `POST v1/events` of its own, with the ladder of connection.ts. Runs in the worker that
// pages share, or in a page that has none. Knows what to ask and what the frames mean; nothing of who listens.

import type { Event } from "../protocol/sse.js";
import type { Cursor, Frame, Status } from "../protocol/types.js";
import { serverMismatch } from "../protocol/version-mismatch.js";
import { Connection, type Link } from "./connection.js";
import type { FollowedStream } from "./followed-stream.js";
import type { Page } from "./page.js";
import { poll } from "./poll.js";
import { askFor, judge, parse } from "./stream-errors.js";
import type { Streams, Transport } from "./transport.js";

/** Changes of the set within this time make one new request. */
export const COLLECT_MS = 50;
/** A page nobody looks at gives its connection back: browsers have six per host, for all tabs together. */
export const HIDDEN_MS = 10_000;
/** What a server takes in one request; views beyond are told so. */
export const MAX_STREAMS = 500;

export class FetchTransport implements Transport, Link {
  readonly #page: Page;
  readonly #streams: Streams;
  readonly #connection = new Connection(this);
  /** The streams of the request that is open, and which of their turns it carries. */
  #open = new Map<FollowedStream, number>();
  #collecting: ReturnType<typeof setTimeout> | undefined;
  #hiding: ReturnType<typeof setTimeout> | undefined;
  #paused = false;
  /** Has this server been asked which protocol it speaks? */
  #compared = false;

  constructor(page: Page, streams: Streams) {
    this.#page = page;
    this.#streams = streams;
    page.onVisibility(() => this.#visibility());
    this.#visibility();
  }

  changed(): void {
    this.#collecting ??= setTimeout(() => {
      this.#collecting = undefined;
      this.#apply();
    }, COLLECT_MS);
  }

  retryNow(): void {
    if (this.#connection.running) this.#connection.retryNow();
    this.changed();
  }

  // --- what the connection asks and tells (Link) ---

  wanted(): boolean {
    return this.#wanted().length > 0;
  }

  complete(): boolean {
    return [...this.#open.keys()].every((topic) => topic.ended);
  }

  open(signal: AbortSignal): Promise<Response> {
    if (!this.#compared) void this.#compare(); // beside the stream, so it costs no time
    const topics = this.#wanted();
    this.#open = new Map(topics.map((topic) => [topic, topic.turn]));
    return askFor(this.#page, topics, signal);
  }

  event(event: Event): void {
    const data = parse(event.data);
    if (data === undefined) return;
    if (event.type === "ping") this.#ping(data);
    const topic = this.#streams.named(data.stream ?? "");
    if (topic === undefined || this.#open.get(topic) !== topic.turn) return;
    topic.alive();
    topic.frame(event.type, data);
  }

  async room(): Promise<void> {
    await this.#page.room?.();
  }

  status(status: Status): void {
    if (status.rung === "reconnecting") this.#compared = false; // the server that comes back may be another
    for (const topic of this.#wanted()) topic.tell(status);
  }

  async refused(response: Response): Promise<"again" | "cut" | "end"> {
    if (response.status === 404 && (await this.#compare())) return "end";
    return await judge(this.#page, this.#wanted(), response);
  }

  async poll(signal: AbortSignal): Promise<void> {
    for (const topic of this.#wanted()) await poll(this.#page, topic, signal);
  }

  /** Ends everything with a sentence where the server speaks another protocol, or none. */
  async #compare(): Promise<boolean> {
    this.#compared = true;
    const mismatch = await serverMismatch((path) => this.#page.request(path)).catch(() => undefined); // unreachable: the ladder's business
    if (mismatch === undefined) return false;
    this.#compared = false;
    for (const topic of this.#wanted()) topic.fail(mismatch);
    this.#connection.close();
    return true;
  }

  #wanted(): FollowedStream[] {
    return this.#streams.wanted();
  }

  #apply(): void {
    if (this.#paused) return;
    for (const topic of this.#wanted().slice(MAX_STREAMS)) {
      topic.fail(`More than ${MAX_STREAMS} logs are shown at once: close some, then retry.`);
    }
    const wanted = this.#wanted();
    if (wanted.length === 0) this.#connection.close();
    else if (!this.#connection.running) this.#connection.start();
    else if (!this.#covers(wanted)) this.#connection.reopen();
  }

  /** Does the open request carry just what is wanted? Streams that are done cost nothing and may stay in it. */
  #covers(wanted: readonly FollowedStream[]): boolean {
    const rest = new Map(this.#open);
    for (const topic of wanted) {
      if (rest.get(topic) !== topic.turn) return false;
      rest.delete(topic);
    }
    return [...rest.keys()].every((topic) => topic.ended);
  }

  // --- the page goes out of sight ---

  #visibility(): void {
    clearTimeout(this.#hiding);
    if (this.#page.hidden()) {
      this.#hiding = setTimeout(() => {
        this.#paused = true;
        this.#connection.close();
      }, HIDDEN_MS);
    } else if (this.#paused) {
      this.#paused = false;
      this.#apply();
    }
  }

  #ping(data: Frame): void {
    const cursors = (data["cursors"] ?? {}) as { [stream: string]: Cursor };
    for (const [topic, turn] of this.#open) {
      if (!topic.ended && topic.turn === turn) topic.ping(data.timestamp, cursors[topic.name]);
    }
  }
}
