// Access to the shared worker of this server: how a page opens it, and what the page reports to it. Runs in the page.

import { BUILD } from "../build.js";
import { type Page, readConfig, xsrf } from "../page.js";
import type { WorkerAccess } from "./worker-messages.js";

/** The way to the worker that all pages of this server share in this browser. */
export function workerAccess(page: Page, doc: Document = document, location: Location = doc.location): WorkerAccess {
  const { token } = readConfig(doc, location);
  return {
    open: () => {
      // Its build is part of its name, so that pages of different versions have workers of their own.
      const url = new URL(`../static/jupyter_logstream/hub-worker.js?build=${BUILD}`, page.root);
      return new SharedWorker(url, { name: "jupyter-logstream" });
    },
    locks: globalThis.navigator?.locks,
    credentials: () => ({ xsrf: xsrf(doc), token }),
    hidden: page.hidden,
    onVisibility: page.onVisibility,
    onEnd: (listener) => globalThis.addEventListener("pagehide", listener),
  };
}
