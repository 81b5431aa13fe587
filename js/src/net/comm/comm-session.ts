// Everything one widget needs to reach the server through its kernel: a page, a hub, and the state of the kernel. Page.

import { Hub } from "../hub.js";
import type { Page } from "../page.js";
import { timings } from "../timings.js";
import type { Channel, FromKernel } from "./comm-messages.js";
import { CommPage } from "./comm-page.js";
import { CommTransport } from "./comm-transport.js";

/** A page that reports to the kernel that it is there; at most one such message waits for the kernel. */
const ALIVE_MS = 20_000;
/** A kernel that has sent something and then is silent for this long has ended: heartbeats come every 5 s. */
const SILENT_MS = 15_000;

/** A connection of views to the server: through the page's own origin, or through the kernel. */
export interface Via {
  readonly page: Page;
  readonly hub: Hub;
}

/** A connection through the kernel; it lives as long as the widget's model, and ends with `close`. */
export interface CommVia extends Via {
  close(): void;
}

export function openComm(channel: Channel): CommVia {
  const session = new CommSession(channel);
  return { page: session.page, hub: session.hub, close: () => session.close() };
}

class CommSession {
  readonly page: CommPage;
  readonly hub: Hub;
  readonly #channel: Channel;
  #transport: CommTransport | undefined;
  #last = 0;
  #heardAt: number | undefined;
  #aliveSent = false;
  #timers: ReturnType<typeof setInterval>[] = [];

  constructor(channel: Channel) {
    this.#channel = channel;
    this.page = new CommPage(channel, () => this.#report());
    this.hub = new Hub(this.page, (streams) => {
      this.#transport = new CommTransport(channel, this.page, streams, () => this.#start());
      return this.#transport;
    });
  }

  #start(): void {
    this.#channel.receive((message) => this.#onMessage(message));
    this.#channel.onGone(() => this.#onLive(false));
    this.#timers = [
      setInterval(() => this.#tick(), timings().HEARTBEAT_MS),
      setInterval(() => this.#sendAlive(), ALIVE_MS),
    ];
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#onLive(false);
  }

  #onMessage(message: FromKernel): void {
    const isLost = this.#last > 0 && message.n !== this.#last + 1;
    this.#last = message.n;
    this.#heardAt = performance.now();
    this.#onLive(true);
    if (isLost) {
      this.page.failAll();
      this.#transport?.follow();
    }
    if (message.type === "alive" && message.page === this.#channel.page) {
      this.#aliveSent = false;
      // The kernel drops a page that was silent for long, as one on a sleeping machine.
      if (!message.known) this.#transport?.follow();
    }
    this.page.apply(message);
    this.#transport?.apply(message);
  }

  #onLive(live: boolean): void {
    if (this.page.isGone !== live) return;
    this.page.isGone = !live;
    this.#report();
  }

  #tick(): void {
    if (this.#heardAt !== undefined && performance.now() - this.#heardAt > SILENT_MS) this.#onLive(false);
    this.#report();
  }

  #sendAlive(): void {
    if (this.#aliveSent) return;
    this.#aliveSent = true;
    this.#channel.post({ type: "alive", page: this.#channel.page, feed: this.#transport?.feed ?? "" });
  }

  #report(): void {
    this.hub.setKernel(this.page.isGone ? "gone" : this.page.waiting ? "waiting" : undefined);
  }
}
