// What a page and the worker that pages share say to each other over a MessagePort. Types only. Both sides are of the same
// build (the greeting sees to that), so neither validates what the other says.

import type { Credentials } from "./page.js";
import type { Asked } from "./topic.js";
import type { HubEvent } from "./types.js";

/** A stream that a page wants: `name` is what the page calls it, `turn` counts how often it is to begin anew. */
export interface Wanted {
  readonly name: string;
  readonly turn: number;
  readonly request: Asked;
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
