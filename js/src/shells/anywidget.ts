// The anywidget shell: shows a log, the table of workloads, or the request log. Page.
// Knows traits and lifetimes, nothing about logs. Its text is sent with every widget, so it imports the views: by URL from
// the server of its page, or, where the page cannot reach that server, from the kernel, once per page. Nothing is awaited
// before render returns: anywidget drops a model that takes 2 s.

import type { Channel, FromKernel, ToKernel } from "../net/comm/comm-messages.js";
import type { CommVia, Via } from "../net/comm/comm-session.js";
import { areOutputsClaimed } from "../protocol/saved-output.js";
import { type Bundle, bundleOf, provideBundle } from "./bundle-loader.js";
import { reachesServer } from "./reach.js";
import { type Load, loadServed, NOT_LOADED } from "./served-views.js";

/** The part of anywidget's model that is used here. */
interface Model {
  get(trait: string): unknown;
  set(trait: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(event: string, listener: (...values: never[]) => void): void;
  off(event: string, listener: (...values: never[]) => void): void;
}

interface RenderProps {
  readonly model: Model;
  readonly el: HTMLElement;
  /** Only newer versions of anywidget pass one; it can be aborted already. */
  readonly signal?: AbortSignal;
}

/** How a page reaches the server, and loads the views. */
export interface Reach {
  /** Does the server answer requests of this page? */
  readonly probe: () => Promise<boolean>;
  readonly load: Load;
}

interface Shell {
  initialize(props: Pick<RenderProps, "model">): () => void;
  render(props: RenderProps): () => void;
}

const TRAITS = ["view", "scope", "upstream", "workload", "height", "state", "limit"]
  .map((trait) => `change:${trait}`)
  .join(" ");

/** Messages of the kernel that are buffered until the views are loaded: some seconds of frames at its limit. */
const MAX_BUFFERED_MESSAGES = 400;

/** The connection of one model through the kernel. */
class Link implements Channel {
  readonly page = Math.random().toString(36).slice(2, 12);
  readonly #model: Model;
  #buffered: FromKernel[] = [];
  #listener: ((message: FromKernel) => void) | undefined;
  #via: Promise<CommVia> | undefined;
  readonly #receive = (message: FromKernel) => this.#onMessage(message);

  constructor(model: Model) {
    this.#model = model;
    model.on("msg:custom", this.#receive);
  }

  post(message: ToKernel): void {
    this.#model.send(message);
  }

  receive(listener: (message: FromKernel) => void): void {
    this.#listener = listener;
    for (const message of this.#buffered.splice(0)) listener(message);
  }

  onGone(listener: () => void): void {
    this.#model.on("comm_live_update", listener);
  }

  /** The bundle of the views and the connection; loaded and opened once. */
  async open(): Promise<{ readonly bundle: Bundle; readonly via: Via }> {
    const bundle = await bundleOf(() => this.post({ type: "hello", page: this.page, transport: "comm", views: true }));
    this.#via ??= Promise.resolve(bundle.openComm(this));
    return { bundle, via: await this.#via };
  }

  close(): void {
    this.#model.off("msg:custom", this.#receive);
    void this.#via?.then((via) => via.close());
  }

  #onMessage(message: FromKernel): void {
    if (message.type === "views") provideBundle(message);
    if (this.#listener !== undefined) this.#listener(message);
    else {
      this.#buffered.push(message.type === "views" ? { type: "heartbeat", n: message.n } : message);
      // A lost message is noticed by its number.
      if (this.#buffered.length > MAX_BUFFERED_MESSAGES) this.#buffered.shift();
    }
  }
}

/** A shell over the views that `load` imports, or over those of the kernel. */
export function shell({ probe, load }: Reach): Shell {
  // By channel: anywidget passes another object for the same model to each view. Of its models, each has a module.
  const links = new Map<unknown, Link>();
  const linkOf = (model: Model): Link => {
    const channel = model.get("channel");
    const link = links.get(channel) ?? new Link(model);
    links.set(channel, link);
    return link;
  };
  /** Loads the views by URL unless the server cannot be reached from here. */
  const loader = async (model: Model): Promise<{ load: Load; via?: Via }> => {
    if (await probe()) return { load };
    const { bundle, via } = await linkOf(model).open();
    return { load: async () => bundle, via };
  };
  return {
    // Called for every model, shown or not: reports to the kernel how the page shows workload outputs.
    initialize({ model }) {
      const link = linkOf(model);
      const report = (page: string) => {
        model.set("page", page);
        model.save_changes();
      };
      if (areOutputsClaimed()) report("labextension");
      else
        void probe().then((reached) => {
          link.post({ type: "hello", page: link.page, transport: reached ? "fetch" : "comm" });
          report(reached ? "anywidget" : "comm");
        });
      return () => {
        links.delete(model.get("channel"));
        link.close();
      };
    },
    render({ model, el, signal }) {
      let view: { dispose(): void } | undefined;
      let turn = 0; // a module loaded for an earlier turn is ignored
      const end = () => {
        turn += 1;
        view?.dispose();
        view = undefined;
      };
      const show = async () => {
        end();
        const started = turn;
        const host = document.createElement("div");
        el.replaceChildren(host);
        const open = await opening(host, model, loader(model)).catch(() => undefined);
        if (started !== turn) return;
        if (open === undefined) {
          host.textContent = NOT_LOADED;
          return;
        }
        view = open();
      };
      const again = () => void show();
      const cleanup = () => {
        model.off(TRAITS, again);
        end();
      };
      if (signal?.aborted) return cleanup;
      signal?.addEventListener("abort", cleanup, { once: true });
      model.on(TRAITS, again);
      again();
      return cleanup;
    },
  };
}

/** Loads the module for the traits; the result shows it. */
async function opening(
  host: HTMLElement,
  model: Model,
  loader: Promise<{ load: Load; via?: Via }>,
): Promise<() => { dispose(): void }> {
  // An older kernel lacks some traits.
  const text = (trait: string) => String(model.get(trait) ?? "");
  const number = (trait: string, otherwise: number) => Number(model.get(trait) ?? otherwise);
  const limit = number("limit", 0);
  const { load, via } = await loader;
  const shown = { height: number("height", 0), protocol: number("protocol", 1), via };
  switch (text("view")) {
    case "workloads": {
      const views = await load("table");
      return () => views.showTable(host, { ...shown, state: text("state"), limit });
    }
    case "requests": {
      const views = await load("requests");
      return () => views.showRequests(host, { ...shown, limit });
    }
    default: {
      const log = { workload: text("workload"), scope: text("scope"), upstream: text("upstream") };
      const views = await load("view");
      return () => views.showLog(host, { ...shown, ...log });
    }
  }
}

export default shell({ probe: () => reachesServer(), load: loadServed });
