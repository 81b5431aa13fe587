// The contract between a hub and what brings its streams: a connection of its own (direct.ts), or the worker that all
// pages of the browser share (shared.ts).

import type { FollowedStream } from "./followed-stream.js";

/** What a carrier sees of its hub. */
export interface Streams {
  /** What is to be followed now: streams that have not ended. */
  wanted(): FollowedStream[];
  /** By the name that its frames carry. */
  named(name: string): FollowedStream | undefined;
}

/** Tells the topics their frames and where they stand. */
export interface Transport {
  /** The set of streams may have changed. */
  changed(): void;
  /** Somebody doesn't want to wait for this one. */
  retryNow(topic: FollowedStream): void;
}
