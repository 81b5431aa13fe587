// The portable shell: an anywidget module that shows a log, the table of workloads, or the request log, of the server that
// it is a page of. Knows traits and lifetimes, nothing of logs. Its text travels with every widget, so the views come by URL: one load and one evaluation
// per page, whatever its widgets. Nothing is awaited before render returns: a model that takes 2 s to come up is dropped.

import { readConfig } from "../net/page.js";
import { areOutputsClaimed } from "../protocol/saved-output.js";
import type { showRequests } from "./requests.js";
import type { showTable } from "./table.js";
import type { showLog } from "./view.js";

/** What we use of anywidget's model. */
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
  /** Only newer anywidgets pass one; it may be aborted already. */
  readonly signal?: AbortSignal;
}

/** The modules of views; the table's brings the log, too. */
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

/** A shell over views that `load` brings. */
export function shell(load: Load): Shell {
  return {
    // Comes for every model, shown or not: so the kernel learns whether its widgets are needed for outputs of workloads.
    initialize({ model }) {
      model.set("page", areOutputsClaimed() ? "labextension" : "anywidget");
      model.save_changes();
    },
    render({ model, el, signal }) {
      let view: { dispose(): void } | undefined;
      let turn = 0; // what is loaded for an earlier one comes too late
      const end = () => {
        turn += 1;
        view?.dispose();
        view = undefined;
      };
      const show = async () => {
        end();
        const mine = turn;
        const host = document.createElement("div");
        el.replaceChildren(host);
        // A kernel may be older than this page, and know fewer traits.
        const text = (trait: string) => String(model.get(trait) ?? "");
        const number = (trait: string, otherwise: number) => Number(model.get(trait) ?? otherwise);
        const shown = { height: number("height", 0), protocol: number("protocol", 1) };
        const kind = text("view");
        const limit = number("limit", 0);
        const asked = { workload: text("workload"), scope: text("scope"), upstream: text("upstream") };
        const opening: Promise<() => { dispose(): void }> =
          kind === "workloads"
            ? load("table").then((views) => () => views.showTable(host, { ...shown, state: text("state"), limit }))
            : kind === "requests"
              ? load("requests").then((views) => () => views.showRequests(host, { ...shown, limit }))
              : load("view").then((views) => () => views.showLog(host, { ...shown, ...asked }));
        const open = await opening.catch(() => undefined);
        if (mine !== turn) return;
        if (open === undefined) {
          host.textContent = "The log view could not be loaded: does jupyter-logstream run in this Jupyter server?";
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
