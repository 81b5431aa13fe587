// The contract between a hub and what brings its frames. Types only.
// Implementations: FetchTransport (one fetch of the page itself) and WorkerTransport (the shared worker of all pages).
// A transport over another channel, such as a kernel comm, implements the same two methods.

import type { FollowedStream } from "./followed-stream.js";

/** The streams of a hub, as its transport sees them. */
export interface StreamSet {
  /** The streams to follow: all that have not ended. */
  active(): FollowedStream[];
  /** The stream whose frames carry this name. */
  byName(name: string): FollowedStream | undefined;
}

/** Brings the frames and the connection state of the active streams, by `applyFrame`, `applyRemote` and `setStatus`. */
export interface Transport {
  /** The set of active streams may have changed. */
  streamsChanged(): void;
  /** Reconnects this stream now instead of after the current delay. */
  retryNow(stream: FollowedStream): void;
}
