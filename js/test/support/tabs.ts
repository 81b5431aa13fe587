// Tabs of one browser and their shared worker, with real message ports and a real server. Test support.
import { FetchTransport } from "../../src/net/fetch-transport.js";
import { Hub } from "../../src/net/hub.js";
import type { Page } from "../../src/net/page.js";
import { WorkerHost } from "../../src/net/worker/worker-host.js";
import type { Credentials, Worker, WorkerAccess } from "../../src/net/worker/worker-messages.js";
import { WorkerTransport } from "../../src/net/worker/worker-transport.js";
import type { StreamRequest } from "../../src/protocol/types.js";
import { View } from "./listening.js";

type Granted = () => unknown;

interface Waiting {
  readonly granted: Granted;
  readonly signal: AbortSignal | undefined;
}

/** Web Locks: held until the holder's promise settles, or the holder closes. */
export class Locks {
  readonly #queues = new Map<string, Waiting[]>();

  async request(name: string, how: { signal?: AbortSignal } | Granted, then?: Granted): Promise<void> {
    const [granted, signal] = typeof how === "function" ? [how, undefined] : [then ?? (() => {}), how.signal];
    const queue = this.#queues.get(name) ?? [];
    this.#queues.set(name, queue);
    queue.push({ granted, signal });
    if (queue.length === 1) await this.#grant(name);
  }
  get names(): string[] {
    return [...this.#queues.keys()];
  }
  /** Releases the locks of a closed holder. */
  free(name: string): void {
    this.#queues.get(name)?.shift();
    void this.#grant(name);
  }

  async #grant(name: string): Promise<void> {
    const queue = this.#queues.get(name);
    for (let next = queue?.[0]; next !== undefined; next = queue?.[0]) {
      if (!next.signal?.aborted) await next.granted();
      queue?.shift();
    }
  }
}

const lockManager = (locks: Locks | undefined) => locks as unknown as LockManager | undefined;

/** A message port of a page that can freeze, or whose other end can die. */
class Line {
  onmessage: ((event: MessageEvent) => void) | null = null;
  /** Number of received messages. */
  heard = 0;
  #dead = false;
  #frozen = false;
  #waiting: MessageEvent[] = [];

  constructor(readonly port: MessagePort) {
    port.onmessage = (event) => {
      if (this.#dead) return;
      this.heard += 1;
      if (this.#frozen) this.#waiting.push(event);
      else this.onmessage?.(event);
    };
  }
  postMessage(message: unknown): void {
    if (!this.#dead) this.port.postMessage(message);
  }
  close(): void {
    this.port.close();
  }
  die(): void {
    this.#dead = true;
  }
  freeze(): void {
    this.#frozen = true;
  }
  get waiting(): number {
    return this.#waiting.length;
  }
  /** The next `count` messages. */
  take(count: number): void {
    for (const event of this.#waiting.splice(0, count)) this.onmessage?.(event);
  }
  thaw(): void {
    this.#frozen = false;
    for (const event of this.#waiting.splice(0)) this.onmessage?.(event);
  }
}

/** Result of a page's attempt to open the worker. */
export type Attempt = "there" | "silent" | "forbidden" | "not found" | "other build";

/** The browser: its worker, its tabs, and whether it supports locks. */
export class BrowserOfTabs {
  readonly locks: Locks | undefined;
  readonly page: Page;
  worker: Attempt = "there";
  readonly #tabs: Tab[] = [];
  #guests: WorkerHost;

  constructor(page: Page, hasLocks = true) {
    this.page = page;
    this.locks = hasLocks ? new Locks() : undefined;
    this.#guests = new WorkerHost(page.root, lockManager(this.locks));
  }

  tab(): Tab {
    const tab = new Tab(this);
    this.#tabs.push(tab);
    return tab;
  }

  open(): Worker {
    if (this.worker === "forbidden") throw new Error("SecurityError");
    const { port1, port2 } = new MessageChannel();
    const worker: Worker = { port: port1 as unknown as MessagePort, onerror: null };
    const far = port2 as unknown as MessagePort;
    if (this.worker === "there") this.#guests.connect(far);
    if (this.worker === "not found") queueMicrotask(() => worker.onerror?.({} as ErrorEvent));
    if (this.worker === "other build") far.onmessage = () => far.postMessage({ type: "hello", build: "another" });
    return worker;
  }

  /** The worker dies silently; the next attempt starts another one. */
  crash(): void {
    for (const { line } of this.#tabs) line?.die();
    const held = this.locks?.names.filter((name) => name.includes(".worker.")) ?? [];
    this.#guests = new WorkerHost(this.page.root, lockManager(this.locks));
    for (const name of held) this.locks?.free(name);
  }

  close(): void {
    for (const tab of this.#tabs) tab.close();
  }
}

/** A page with its hub. */
export class Tab {
  readonly hub: Hub;
  readonly views: View[] = [];
  /** Number of fallbacks from the worker. */
  alone = 0;
  credentials: Credentials = { xsrf: "cookie", token: "" };
  line: Line | undefined;
  lock: string | undefined;
  #hidden = false;
  #ended = false;
  readonly #browser: BrowserOfTabs;
  readonly #looks: (() => void)[] = [];
  readonly #leaving: (() => void)[] = [];

  constructor(browser: BrowserOfTabs) {
    this.#browser = browser;
    const own: Page = {
      ...browser.page,
      hidden: () => this.#hidden,
      onVisibility: (listener) => this.#looks.push(listener),
    };
    this.hub = new Hub(own, (streams) => {
      return new WorkerTransport(this.#door(own), streams, () => {
        if (this.#ended) return { streamsChanged: () => {}, retryNow: () => {} }; // a closed page runs nothing
        this.alone += 1;
        return new FetchTransport(own, streams);
      });
    });
  }

  view(stream: string, from: Omit<StreamRequest, "stream"> = {}): View {
    const made = new View(this.hub, stream, from);
    this.views.push(made);
    return made;
  }

  show(visible: boolean): void {
    this.#hidden = !visible;
    for (const listener of this.#looks) listener();
  }

  /** The user closes the page, or navigates away. */
  leave(): void {
    this.dispatch("pagehide");
    this.end();
  }

  dispatch(_: "pagehide"): void {
    for (const listener of this.#leaving) listener();
  }

  /** The page ends silently. */
  end(): void {
    this.#ended = true;
    this.line?.die();
    if (this.lock !== undefined) this.#browser.locks?.free(this.lock);
  }

  close(): void {
    for (const { subscription } of this.views) subscription.close();
    this.leave();
    this.line?.close();
  }

  #door(own: Page): WorkerAccess {
    const { locks } = this.#browser;
    const ours = {
      request: (name: string, how: { signal?: AbortSignal } | Granted, then?: Granted) => {
        if (typeof how === "function") this.lock = name;
        return locks?.request(name, how, then);
      },
    };
    return {
      open: () => {
        const worker = this.#browser.open();
        this.line = new Line(worker.port);
        if (this.#ended) this.line.die();
        return Object.assign(worker, { port: this.line as unknown as MessagePort });
      },
      locks: locks && (ours as unknown as LockManager),
      credentials: () => this.credentials,
      hidden: own.hidden,
      onVisibility: own.onVisibility,
      onEnd: (listener) => this.#leaving.push(listener),
    };
  }
}
