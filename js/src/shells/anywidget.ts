// The anywidget shell: shows a log, the table of workloads, or the request log of the server of its page. Page.
// Knows traits and lifetimes, nothing about logs. Its text is sent with every widget, so it imports the views by URL, once
// per page. Nothing is awaited before render returns: anywidget drops a model that takes 2 s.

import { readConfig } from "../net/page.js";
import { areOutputsClaimed } from "../protocol/saved-output.js";
import type { showRequests } from "./requests.js";
import type { showTable } from "./table.js";
import type { showLog } from "./view.js";

/** The part of anywidget's model that is used here. */
interface Model {
  get(trait: string): unknown;
  set(trait: string, value: unknown): void;
  save_changes(): void;
  on(event: string, listener: () => void): void;
  off(event: string, listener: () => void): void;
}

interface RenderProps {
  readonly model: Model;
  readonly el: HTMLElement;
  /** Only newer versions of anywidget pass one; it can be aborted already. */
  readonly signal?: AbortSignal;
}

/** The modules of the views; the table also contains the log. */
interface Views {
  readonly view: { readonly showLog: typeof showLog };
  readonly table: { readonly showTable: typeof showTable };
  readonly requests: { readonly showRequests: typeof showRequests };
}
type Load = <K extends keyof Views>(name: K) => Promise<Views[K]>;

interface Shell {
  initialize(props: Pick<RenderProps, "model">): void;
  render(props: RenderProps): () => void;
}

const TRAITS = ["view", "scope", "upstream", "workload", "height", "state", "limit"]
  .map((trait) => `change:${trait}`)
  .join(" ");

export function viewsUrl(name: string, doc: Document = document, location: Location = doc.location): string {
  const base = readConfig(doc, location).baseUrl.replace(/\/?$/, "/");
  return new URL(`${base}static/jupyter_logstream/${name}.js`, location.origin).href;
}

/** A shell over the views that `load` imports. */
export function shell(load: Load): Shell {
  return {
    // Called for every model, shown or not: reports to the kernel whether widgets are needed to show workload outputs.
    initialize({ model }) {
      model.set("page", areOutputsClaimed() ? "labextension" : "anywidget");
      model.save_changes();
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
        // An older kernel lacks some traits.
        const text = (trait: string) => String(model.get(trait) ?? "");
        const number = (trait: string, otherwise: number) => Number(model.get(trait) ?? otherwise);
        const shown = { height: number("height", 0), protocol: number("protocol", 1) };
        const kind = text("view");
        const limit = number("limit", 0);
        const log = { workload: text("workload"), scope: text("scope"), upstream: text("upstream") };
        const opening: Promise<() => { dispose(): void }> =
          kind === "workloads"
            ? load("table").then((views) => () => views.showTable(host, { ...shown, state: text("state"), limit }))
            : kind === "requests"
              ? load("requests").then((views) => () => views.showRequests(host, { ...shown, limit }))
              : load("view").then((views) => () => views.showLog(host, { ...shown, ...log }));
        const open = await opening.catch(() => undefined);
        if (started !== turn) return;
        if (open === undefined) {
          host.textContent =
            "The log view could not be loaded. Check that jupyter-logstream is installed in this Jupyter server.";
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

export default shell((name) => import(viewsUrl(name)));
