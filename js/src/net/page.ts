import type { Credentials } from "./worker/worker-messages.js";

export interface Page {
  /** `.../logstream/`, always of the page's own origin. */
  readonly root: URL;
  /** fetch of a path below `root`, with the credentials of the page. */
  request(path: string, init?: RequestInit): Promise<Response>;
  hidden(): boolean;
  /** Waits for those who are told; absent where they are told by a call. */
  room?(): Promise<void>;
  onVisibility(listener: () => void): void;
}

interface Config {
  readonly baseUrl: string;
  readonly token: string;
}

/** The pages of a Jupyter server, as they follow its base URL. Only for hosts that embed no configuration. */
const PAGES = /\/(?:lab|doc|tree|notebooks|consoles|edit|terminals|files|voila)(?:\/.*)?$/;

export function readConfig(doc: Document, location: Location): Config {
  try {
    const found: unknown = JSON.parse(doc.getElementById("jupyter-config-data")?.textContent ?? "");
    const { baseUrl, token } = found as Partial<Config>;
    if (typeof baseUrl === "string") return { baseUrl, token: typeof token === "string" ? token : "" };
  } catch {
    // No or foreign configuration: the address says enough.
  }
  const path = location.pathname.replace(PAGES, "/");
  return { baseUrl: path.endsWith("/") ? path : `${path.slice(0, path.lastIndexOf("/"))}/`, token: "" };
}

/** Read anew for each request: cookies are shared between the ports of a host and change under us. */
export function xsrf(doc: Document): string | undefined {
  return /(?:^|;\s*)_xsrf=([^;]*)/.exec(doc.cookie)?.[1];
}

/** Requests below `root`, and never to another origin than that. */
export function requester(root: URL, credentials: () => Credentials | Promise<Credentials>): Page["request"] {
  return async (path, init = {}) => {
    const url = new URL(path, root);
    if (url.origin !== root.origin) throw new Error(`Refused: ${url.origin} is not the origin of this page.`);
    const { xsrf: cookie, token } = await credentials();
    const headers = new Headers(init.headers);
    if (cookie !== undefined) headers.set("X-XSRFToken", cookie);
    if (token !== "") headers.set("Authorization", `token ${token}`);
    // redirect: a login page is an answer to people, not to us, and may lie on another origin.
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
