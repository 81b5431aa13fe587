// How a page reaches the shared worker of its server, and what it reports to it. Page.

import { BUILD } from "../build.js";
import { type Page, readConfig, xsrf } from "../page.js";
import type { WorkerAccess } from "./worker-messages.js";

export function workerAccess(page: Page, doc: Document = document, location: Location = doc.location): WorkerAccess {
  const { token } = readConfig(doc, location);
  return {
    open: () => {
      // The build is part of the address, so pages of different versions use different workers.
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
