// A transport over the kernel: it follows the streams at the server and pushes their frames. Page.
// The kernel resumes after disconnects by itself; the page requests its set of streams, from its own cursors, when the set
// changes or a message was lost. Until the kernel has taken a request, frames of the previous one keep coming.

import type { Cursor, Frame } from "../../protocol/types.js";
import type { FollowedStream } from "../followed-stream.js";
import { handleRejection } from "../stream-errors.js";
import { timings } from "../timings.js";
import type { StreamSet, Transport } from "../transport.js";
import { type Channel, type FromKernel, PUSHED } from "./comm-messages.js";
import type { CommPage } from "./comm-page.js";
import { completeLogOf } from "./recent-records.js";

/** Delay before a rejected request is repeated. */
const RETRY_MS = 2000;
/** There is no proxy between kernel and server: each rejection is the server's. */
const JSON_TYPE = { "content-type": "application/json" };

type Streams = ReadonlyMap<FollowedStream, number>;

export class CommTransport implements Transport {
  readonly #channel: Channel;
  readonly #page: CommPage;
  readonly #streams: StreamSet;
  /** The streams and their generations by feed: of the current one, and of the one that it replaces. */
  readonly #feeds = new Map<string, Streams>();
  #feed = "";
  #count = 0;
  #started = false;
  #collecting: ReturnType<typeof setTimeout> | undefined;
  #onStarted: () => void;

  /** `onStarted` is called once the first stream is followed: only then frames have a receiver. */
  constructor(channel: Channel, page: CommPage, streams: StreamSet, onStarted: () => void) {
    this.#channel = channel;
    this.#page = page;
    this.#streams = streams;
    this.#onStarted = onStarted;
  }

  streamsChanged(): void {
    const wait = this.#started ? timings().COLLECT_MS : 0;
    this.#collecting ??= setTimeout(() => {
      this.#collecting = undefined;
      if (!this.#started) {
        this.#started = true;
        this.#onStarted();
      }
      if (!this.#covers()) this.follow();
    }, wait);
  }

  retryNow(): void {
    this.follow();
  }

  /** Requests the active streams from their cursors. */
  follow(): void {
    if (!this.#started) return;
    const active = this.#streams.active();
    this.#feed = `${this.#channel.page}.${++this.#count}`;
    this.#feeds.set(this.#feed, new Map(active.map((stream) => [stream, stream.generation])));
    const streams = active.map((stream) => stream.query());
    this.#channel.post({ type: "follow", page: this.#channel.page, feed: this.#feed, streams });
  }

  /** The feed that was requested last. */
  get feed(): string {
    return this.#feed;
  }

  apply(message: FromKernel): void {
    if (message.type === "rejected" && message.feed === this.#feed) {
      void this.#onRejected(new Response(message.body, { status: message.status, headers: JSON_TYPE }));
    }
    if (message.type !== "frames" && message.type !== "status") return;
    const streams = this.#accept(message.feed);
    if (streams === undefined) return;
    if (message.type === "frames") for (const [type, data] of message.frames) this.#applyFrame(streams, type, data);
    else for (const stream of streams.keys()) if (!stream.ended) stream.setStatus({ rung: message.state });
  }

  /** The streams of a feed; undefined if it has been replaced. The first message of a feed replaces the earlier ones. */
  #accept(feed: string): Streams | undefined {
    if (feed === PUSHED && [...this.#feeds.keys()].every((id) => id === this.#feed) && !this.#confirmed) {
      return new Map(this.#streams.active().map((stream) => [stream, stream.generation]));
    }
    const streams = this.#feeds.get(feed);
    if (streams === undefined) return undefined;
    this.#confirmed = true;
    for (const id of this.#feeds.keys()) {
      if (id === feed) break;
      this.#feeds.delete(id);
    }
    return streams;
  }

  /** Has a feed of this page begun? Then the pushed one has ended. */
  #confirmed = false;

  #covers(): boolean {
    const feed = this.#feeds.get(this.#feed);
    const active = this.#streams.active();
    if (feed === undefined) return active.length === 0;
    if (!active.every((stream) => feed.get(stream) === stream.generation)) return false;
    const isActive = new Set(active);
    return [...feed.keys()].every((stream) => isActive.has(stream) || stream.ended);
  }

  #applyFrame(streams: Streams, type: string, data: Frame): void {
    if (type === "ping") {
      const cursors = (data["cursors"] ?? {}) as { readonly [stream: string]: Cursor };
      for (const [stream, generation] of streams) {
        if (!stream.ended && stream.generation === generation) stream.applyPing(data.timestamp, cursors[stream.name]);
      }
      return;
    }
    const stream = [...streams.keys()].find((one) => one.name === data.stream) ?? pushedStream(streams, data.stream);
    if (stream === undefined || streams.get(stream) !== stream.generation || stream.ended) return;
    stream.markLive();
    const log = completeLogOf(stream);
    if (log !== undefined) this.#page.recent.add(log, type, data);
    // Records up to the cursor were skipped: they are history, fetched by range when they are shown.
    if (type === "skip" && data.cursor !== undefined) stream.applyRemote({ kind: "snapshot", cursor: data.cursor });
    else stream.applyFrame(type, data);
  }

  async #onRejected(response: Response): Promise<void> {
    const feed = this.#feed;
    const ending = await handleRejection(this.#page, this.#streams.active(), response);
    if (feed !== this.#feed || ending === "end") return;
    setTimeout(() => feed === this.#feed && this.follow(), ending === "again" ? 0 : RETRY_MS);
  }
}

/** The kernel pushes an endless stream by its name, before it knows the name that the page follows it by. */
function pushedStream(streams: Streams, name: string | undefined): FollowedStream | undefined {
  return [...streams.keys()].find((one) => one.stream === name && Object.keys(one.filter).length === 0);
}
