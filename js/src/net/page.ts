// The environment of a connection: the server's root URL, requests with credentials, and visibility. Page; the shared worker
// makes its own (worker-host.ts). Knows where JupyterLab and Notebook 7 put their configuration.

import type { Credentials } from "./worker/worker-messages.js";

export interface Page {
  /** `.../logstream/`, always on the origin of the page. */
  readonly root: URL;
  /** Fetches a path below `root` with the credentials of the page. */
  request(path: string, init?: RequestInit): Promise<Response>;
  hidden(): boolean;
  /** Waits until all receivers have capacity (back-pressure); absent if they are called directly. */
  drained?(): Promise<void>;
  onVisibility(listener: () => void): void;
}

interface Config {
  readonly baseUrl: string;
  readonly token: string;
}

/** Paths of Jupyter's pages below its base URL: only for hosts that embed no configuration. */
const PAGE_PATHS = /\/(?:lab|doc|tree|notebooks|consoles|edit|terminals|files|voila)(?:\/.*)?$/;

export function readConfig(doc: Document, location: Location): Config {
  try {
    const found: unknown = JSON.parse(doc.getElementById("jupyter-config-data")?.textContent ?? "");
    const { baseUrl, token } = found as Partial<Config>;
    if (typeof baseUrl === "string") return { baseUrl, token: typeof token === "string" ? token : "" };
  } catch {
    // No configuration, or a foreign one: derive the base URL from the address.
  }
  const path = location.pathname.replace(PAGE_PATHS, "/");
  return { baseUrl: path.endsWith("/") ? path : `${path.slice(0, path.lastIndexOf("/"))}/`, token: "" };
}

/** The XSRF cookie. Read for each request: the ports of a host share cookies, so another server can change it. */
export function xsrf(doc: Document): string | undefined {
  return /(?:^|;\s*)_xsrf=([^;]*)/.exec(doc.cookie)?.[1];
}

/** A `Page.request` for paths below `root`; rejects any other origin. */
export function requester(root: URL, credentials: () => Credentials | Promise<Credentials>): Page["request"] {
  return async (path, init = {}) => {
    const url = new URL(path, root);
    if (url.origin !== root.origin) throw new Error(`Refused: ${url.origin} is not the origin of this page.`);
    const { xsrf: cookie, token } = await credentials();
    const headers = new Headers(init.headers);
    if (cookie !== undefined) headers.set("X-XSRFToken", cookie);
    if (token !== "") headers.set("Authorization", `token ${token}`);
    // redirect: a login page is no answer to a request, and can lie on another origin.
    return fetch(url, { ...init, headers, credentials: "same-origin", cache: "no-store", redirect: "error" });
  };
}

export function currentPage(doc: Document = document, location: Location = doc.location): Page {
  const { baseUrl, token } = readConfig(doc, location);
  const root = new URL(`${baseUrl.replace(/\/?$/, "/")}logstream/`, location.origin);
  const request = requester(root, () => ({ xsrf: xsrf(doc), token }));
  return {
    root,
    request: async (path, init) => {
      if (root.origin !== location.origin) throw new Error(`Refused: ${root.origin} is not the origin of this page.`);
      return request(path, init);
    },
    hidden: () => doc.visibilityState === "hidden",
    onVisibility: (listener) => doc.addEventListener("visibilitychange", listener),
  };
}
