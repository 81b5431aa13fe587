// The views as modules of the server, imported when the first one is shown. Page.
// The labextension uses them instead of a copy of its own, which would make the package and JupyterLab's start heavier.

import { readConfig } from "../net/page.js";
import type { Table } from "../views/workloads/workload-table.js";
import type { TableOptions } from "./table.js";
import type { LogOptions } from "./view.js";

/** The modules that the server serves; the table also contains the log. */
export interface Views {
  readonly view: Pick<typeof import("./view.js"), "showLog">;
  readonly table: Pick<typeof import("./table.js"), "showTable">;
  readonly requests: Pick<typeof import("./requests.js"), "showRequests">;
}
export type Load = <K extends keyof Views>(name: K) => Promise<Views[K]>;

export const NOT_LOADED =
  "The log view could not be loaded. Check that jupyter-logstream is installed in this Jupyter server.";

/** The URL of a module of the views on the server of this page. */
export function viewsUrl(name: string, doc: Document = document, location: Location = doc.location): string {
  const base = readConfig(doc, location).baseUrl.replace(/\/?$/, "/");
  return new URL(`${base}static/jupyter_logstream/${name}.js`, location.origin).href;
}

export const loadServed: Load = (name) => import(/* webpackIgnore: true */ viewsUrl(name));

/** Shows a log until `dispose`; without the views its saved lines, with the reason. */
export function showLog(host: HTMLElement, options: LogOptions, load: Load = loadServed): { dispose(): void } {
  return mountedLater(
    load("view").then((views) => () => views.showLog(host, options)),
    () => showSaved(host, options.saved?.lines ?? []),
  );
}

/** Shows the table of workloads until `dispose`. */
export function showTable(host: HTMLElement, options: TableOptions, load: Load = loadServed): Table {
  let isSuspended = false;
  const mounted = mountedLater(
    load("table").then((views) => () => {
      const table = views.showTable(host, options);
      if (isSuspended) table.suspend();
      return table;
    }),
    () => showSaved(host, []),
  );
  return {
    suspend: () => {
      isSuspended = true;
      mounted.view?.suspend();
    },
    resume: () => {
      isSuspended = false;
      mounted.view?.resume();
    },
    dispose: () => mounted.dispose(),
  };
}

interface Mounted<V> {
  readonly view?: V | undefined;
  dispose(): void;
}

/** A view that is mounted when its module is there, unless it was disposed before. */
function mountedLater<V extends { dispose(): void }>(opening: Promise<() => V>, onFailure: () => void): Mounted<V> {
  let isDisposed = false;
  const mounted = {
    view: undefined as V | undefined,
    dispose: () => {
      isDisposed = true;
      mounted.view?.dispose();
      mounted.view = undefined;
    },
  };
  opening.then(
    (open) => {
      if (!isDisposed) mounted.view = open();
    },
    () => {
      if (!isDisposed) onFailure();
    },
  );
  return mounted;
}

function showSaved(host: HTMLElement, lines: readonly string[]): void {
  const notice = document.createElement("p");
  notice.textContent = NOT_LOADED;
  const saved = document.createElement("pre");
  saved.textContent = lines.join("\n");
  saved.hidden = lines.length === 0;
  host.replaceChildren(notice, saved);
}
