// The messages between a page and the shared worker, over a MessagePort. Types only.
// Both sides are of the same build (the hello messages check that), so neither validates the other's messages.

import type { HubEvent, StreamRequest } from "../../protocol/types.js";
import type { Timings } from "../timings.js";

/** A stream that a page follows: the page's name for it, and its generation (see FollowedStream). */
export interface PageStream {
  readonly name: string;
  readonly generation: number;
  readonly request: StreamQuery;
}

/** Every message of a page carries its credentials, so that the worker has the latest. */
export type FromPage = { readonly credentials: Credentials } & (
  | {
      readonly type: "hello";
      readonly build: string;
      readonly visible: boolean;
      /** Name of a lock that the page holds for its lifetime; absent without Web Locks. */
      readonly lock?: string;
      /** Time constants that a test has replaced; absent in production. */
      readonly timings?: Partial<Timings>;
    }
  /** All streams that the page follows from now on. `retry`: the name of one to reconnect now. */
  | { readonly type: "follow"; readonly streams: readonly PageStream[]; readonly retry?: string }
  | { readonly type: "visible"; readonly visible: boolean }
  /** Number of `events` messages processed so far. */
  | { readonly type: "ack"; readonly count: number }
  | { readonly type: "heartbeat" }
  /** Carries nothing but the credentials. */
  | { readonly type: "credentials" }
  | { readonly type: "bye" }
);

export type FromWorker =
  | { readonly type: "hello"; readonly build: string; readonly lock?: string }
  | { readonly type: "events"; readonly events: readonly (readonly [name: string, event: HubEvent])[] }
  /** The page received nothing for a while: it is to send `follow` again, with its current cursors. */
  | { readonly type: "resume" }
  | { readonly type: "heartbeat" }
  /** Requests the current credentials. */
  | { readonly type: "credentials" };

/** The part of SharedWorker that a page uses. */
export interface Worker {
  readonly port: MessagePort;
  onerror: ((event: ErrorEvent) => unknown) | null;
}

/** How a page opens the worker, and what the page reports to it. */
export interface WorkerAccess {
  /** Throws if this browser has no shared workers or the page's policy forbids them. */
  open(): Worker;
  /** Absent on plain http from another machine. */
  readonly locks: LockManager | undefined;
  credentials(): Credentials;
  hidden(): boolean;
  onVisibility(listener: () => void): void;
  /** The user leaves the page. */
  onEnd(listener: () => void): void;
}

/** What a request must carry besides the login cookie; the worker has no document to read it from. */
export interface Credentials {
  /** Value of the XSRF cookie, sent back as a header. */
  readonly xsrf: string | undefined;
  /** "" if Jupyter gave the page none. */
  readonly token: string;
}

/** A stream as it is requested: `id` is the name for its frames where it differs from the stream's. */
export interface StreamQuery extends StreamRequest {
  readonly id?: string;
}
