// Requests of views as messages to the kernel, and its answers as responses. Page.
// Few requests are under way at a time: while the kernel is busy further ones wait here, and are dropped when aborted.

import type { Page } from "../page.js";
import { bytesOf } from "./base64.js";
import type { Channel, FromKernel } from "./comm-messages.js";
import { RecentRecords } from "./recent-records.js";

/** Requests that were posted and have not ended; further ones wait. */
const MAX_POSTED = 6;
/** A request that has no answer by then waits for the kernel, which is busy. */
export const WAITING_MS = 1000;

const GONE = "The kernel does not answer or has ended. Run the cell again.";

interface Pending {
  readonly id: string;
  readonly path: string;
  readonly init: RequestInit;
  readonly resolve: (response: Response) => void;
  readonly reject: (error: Error) => void;
  body?: ReadableStreamDefaultController<Uint8Array>;
}

type Head = Pick<Extract<FromKernel, { type: "response" }>, "status" | "headers">;

export class CommPage implements Page {
  /** Names this connection; it is no address that anything can be loaded from. */
  readonly root: URL;
  readonly isRelayed = true;
  /** Answers ranges without the kernel, which can be busy. */
  readonly recent = new RecentRecords();
  readonly #channel: Channel;
  readonly #onWaiting: () => void;
  readonly #queue: Pending[] = [];
  readonly #posted = new Map<string, Pending>();
  #count = 0;
  #isGone = false;
  /** When each request without an answer was made (ms of `performance.now()`). */
  readonly #since = new Map<string, number>();

  /** `onWaiting` is called when the result of `waiting` can have changed. */
  constructor(channel: Channel, onWaiting: () => void) {
    this.#channel = channel;
    this.root = new URL(`http://kernel.invalid/${channel.page}/logstream/`);
    this.#onWaiting = onWaiting;
  }

  hidden = () => false;
  onVisibility = () => {};

  /** Is there a request that the kernel has not begun to answer within WAITING_MS? */
  get waiting(): boolean {
    const now = performance.now();
    return [...this.#since.values()].some((since) => now - since >= WAITING_MS);
  }

  request(path: string, init: RequestInit = {}): Promise<Response> {
    const known = (init.method ?? "GET") === "GET" ? this.recent.answer(path) : undefined;
    if (known !== undefined) return Promise.resolve(new Response(JSON.stringify(known)));
    return new Promise((resolve, reject) => {
      if (this.isGone) {
        reject(new TypeError(GONE));
        return;
      }
      const pending: Pending = { id: `${this.#channel.page}.${++this.#count}`, path, init, resolve, reject };
      if (init.signal?.aborted) {
        reject(abortError());
        return;
      }
      init.signal?.addEventListener("abort", () => this.#abort(pending), { once: true });
      this.#since.set(pending.id, performance.now());
      setTimeout(this.#onWaiting, WAITING_MS + 1);
      this.#queue.push(pending);
      this.#pump();
    });
  }

  /** Applies a message of the kernel; messages of other pages are ignored. */
  apply(message: FromKernel): void {
    if (message.type !== "response" && message.type !== "chunk" && message.type !== "end") return;
    const pending = this.#posted.get(message.id);
    if (pending === undefined) return;
    if (message.type === "response" && message.text !== undefined) this.#finish(pending, message, message.text);
    else if (message.type === "response") this.#respond(pending, message.status, message.headers);
    else if (message.type === "chunk") pending.body?.enqueue(bytesOf(message.base64));
    else {
      this.#remove(pending);
      if (message.error === undefined) pending.body?.close();
      else pending.body?.error(new Error(message.error));
    }
  }

  /** Fails all requests under way, as a cut connection does: a message was lost, or the kernel has gone. */
  failAll(reason = "A message of the kernel was lost."): void {
    const failed = [...this.#posted.values(), ...this.#queue.splice(0)];
    for (const pending of failed) this.#remove(pending);
    for (const pending of failed) this.#fail(pending, new TypeError(reason));
  }

  /** Has the kernel ended, or does it not answer? Then requests fail at once. */
  get isGone(): boolean {
    return this.#isGone;
  }

  set isGone(isGone: boolean) {
    this.#isGone = isGone;
    if (isGone) this.failAll(GONE);
  }

  #finish(pending: Pending, { status, headers }: Head, text: string): void {
    this.#remove(pending);
    pending.body?.error(new TypeError(`The answer broke off: ${text}`)); // it had begun
    pending.resolve(new Response(text, { status, headers: { ...headers } }));
  }

  #respond(pending: Pending, status: number, headers: { readonly [name: string]: string }): void {
    if (this.#since.delete(pending.id)) this.#onWaiting();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        pending.body = controller;
      },
      cancel: () => this.#cancel(pending),
    });
    // A response of these statuses has no body.
    pending.resolve(new Response(status === 204 || status === 304 ? null : body, { status, headers: { ...headers } }));
  }

  #pump(): void {
    while (this.#posted.size < MAX_POSTED) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      if (next.init.signal?.aborted) continue; // with others of the same signal: its turn comes
      this.#posted.set(next.id, next);
      const { method = "GET", headers, body } = next.init;
      const { page } = this.#channel;
      const sent = { type: "request", page, id: next.id, method, path: next.path } as const;
      this.#channel.post({
        ...sent,
        headers: Object.fromEntries(new Headers(headers)),
        ...(typeof body === "string" ? { body } : {}),
      });
    }
  }

  #abort(pending: Pending): void {
    const at = this.#queue.indexOf(pending);
    if (at >= 0) this.#queue.splice(at, 1);
    this.#cancel(pending);
    this.#fail(pending, abortError());
  }

  #cancel(pending: Pending): void {
    if (this.#posted.has(pending.id)) {
      this.#channel.post({ type: "cancel", page: this.#channel.page, id: pending.id });
    }
    this.#remove(pending);
  }

  #fail(pending: Pending, error: Error): void {
    pending.reject(error);
    try {
      pending.body?.error(error);
    } catch {
      // The body has ended, or was cancelled by its reader.
    }
  }

  #remove(pending: Pending): void {
    this.#posted.delete(pending.id);
    if (this.#since.delete(pending.id)) this.#onWaiting();
    this.#pump();
  }
}

function abortError(): DOMException {
  return new DOMException("The request was aborted.", "AbortError");
}
