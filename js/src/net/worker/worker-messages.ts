// What a page and the worker that pages share say to each other over a MessagePort. Types only. Both sides are of the same
// build (the greeting sees to that), so neither validates what the other says.

import type { HubEvent, StreamRequest } from "../../protocol/types.js";

/** A stream that a page wants: `name` is what the page calls it, `turn` counts how often it is to begin anew. */
export interface Wanted {
  readonly name: string;
  readonly turn: number;
  readonly request: StreamQuery;
}

/** Every message of a page bears its credentials, so that the worker's are as fresh as can be. */
export type FromPage = { readonly credentials: Credentials } & (
  | {
      readonly type: "hello";
      readonly build: string;
      readonly visible: boolean;
      /** Name of a lock that the sender holds as long as it is there; absent where there are no locks. */
      readonly lock?: string;
    }
  /** All that the page wants from now on. `retry`: one of them that shall not wait. */
  | { readonly type: "want"; readonly streams: readonly Wanted[]; readonly retry?: string }
  | { readonly type: "visible"; readonly visible: boolean }
  /** So many messages with events have been taken, in all. */
  | { readonly type: "taken"; readonly count: number }
  /** Still there? */
  | { readonly type: "beat" }
  /** Only its credentials. */
  | { readonly type: "credentials" }
  | { readonly type: "bye" }
);

export type FromWorker =
  | { readonly type: "hello"; readonly build: string; readonly lock?: string }
  | { readonly type: "events"; readonly events: readonly (readonly [name: string, event: HubEvent])[] }
  /** The page was told nothing for a while: it is to say again what it wants, with its cursors of now. */
  | { readonly type: "again" }
  | { readonly type: "beat" }
  /** The page's credentials of now, please. */
  | { readonly type: "credentials" };

/** What the page has of a SharedWorker. */
export interface Worker {
  readonly port: MessagePort;
  onerror: ((event: ErrorEvent) => unknown) | null;
}

/** Where the worker is, and what the page can tell it of itself. */
export interface WorkerAccess {
  /** Throws where this browser has no such workers, or allows none here. */
  open(): Worker;
  /** Absent on plain http from another machine. */
  readonly locks: LockManager | undefined;
  credentials(): Credentials;
  hidden(): boolean;
  onVisibility(listener: () => void): void;
  /** The page is left. */
  onEnd(listener: () => void): void;
}

/** What a request must carry besides the login cookie; the worker has no document to read it from. */
export interface Credentials {
  /** Of the cookie: it is to be sent back, with everything but GET. */
  readonly xsrf: string | undefined;
  /** "" where Jupyter gave the page none. */
  readonly token: string;
}

/** A stream as it is asked for: `id` where its name isn't the name that its frames are to carry. */
export interface StreamQuery extends StreamRequest {
  readonly id?: string;
}
