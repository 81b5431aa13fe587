// Messages between a page and the relay in the kernel, over the custom messages of one widget. Page. Types only.
// The contract is docs/protocol.md, "Over a comm". Python: kernel/relay/.

import type { Frame } from "../../protocol/types.js";
import type { StreamQuery } from "../worker/worker-messages.js";

export type ToKernel =
  | { readonly type: "hello"; readonly page: string; readonly transport: "comm" | "fetch"; readonly views?: boolean }
  | { readonly type: "alive"; readonly page: string; readonly feed: string }
  | {
      readonly type: "follow";
      readonly page: string;
      readonly feed: string;
      readonly streams: readonly StreamQuery[];
    }
  | {
      readonly type: "request";
      readonly page: string;
      readonly id: string;
      readonly method: string;
      readonly path: string;
      readonly headers: { readonly [name: string]: string };
      readonly body?: string;
    }
  | { readonly type: "cancel"; readonly page: string; readonly id: string };

/** Numbered 1, 2, 3 ... by `n`, so that the page notices a lost one. */
export type FromKernel = { readonly n: number } & (
  | { readonly type: "alive"; readonly page: string; readonly known: boolean }
  | { readonly type: "heartbeat" }
  | { readonly type: "status"; readonly feed: string; readonly state: "live" | "reconnecting" }
  | { readonly type: "frames"; readonly feed: string; readonly frames: readonly (readonly [string, Frame])[] }
  | { readonly type: "rejected"; readonly feed: string; readonly status: number; readonly body: string }
  | {
      readonly type: "response";
      readonly id: string;
      readonly status: number;
      readonly headers: { readonly [name: string]: string };
      /** The whole body, if it is short; then neither parts nor an end follow. */
      readonly text?: string;
    }
  | { readonly type: "chunk"; readonly id: string; readonly base64: string }
  | { readonly type: "end"; readonly id: string; readonly error?: string }
  | ({ readonly type: "views" } & BundlePart)
);

/** A part of the bundle of the views: gzip, then base64. */
export interface BundlePart {
  readonly part: number;
  readonly parts: number;
  readonly base64: string;
}

/** The feed that the kernel sends before a page has requested one. */
export const PUSHED = "pushed";

/** The two directions of one widget's custom messages, as the shell offers them to the bundle. */
export interface Channel {
  /** Identifies this page and widget in the messages. */
  readonly page: string;
  post(message: ToKernel): void;
  /** Delivers the messages received so far that are buffered, then each one. One receiver. */
  receive(listener: (message: FromKernel) => void): void;
  /** Calls the listener when the front end reports a restart or the end of the kernel; a later message disproves it. */
  onGone(listener: () => void): void;
}
