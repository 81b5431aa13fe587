// The environment of a connection: the server's root URL, requests with credentials, and visibility. Page; the shared worker
// makes its own (worker-host.ts). Knows where each of Jupyter's pages puts its configuration.

import type { Credentials } from "./worker/worker-messages.js";

export interface Page {
  /** `.../logstream/`, always on the origin of the page. */
  readonly root: URL;
  /** Fetches a path below `root` with the credentials of the page. */
  request(path: string, init?: RequestInit): Promise<Response>;
  /** Does the page have what requests other than GET need, the token or the XSRF cookie? Absent: it does. */
  canPost?(): Promise<boolean>;
  /** Do requests pass the kernel, so that the browser cannot load addresses below `root`? */
  readonly isRelayed?: boolean;
  hidden(): boolean;
  /** Waits until all receivers have capacity (back-pressure); absent if they are called directly. */
  drained?(): Promise<void>;
  onVisibility(listener: () => void): void;
}

interface Config {
  readonly baseUrl: string;
  readonly token: string;
}

const PAGES = "lab|doc|nbclassic|voila|tree|notebooks|consoles|edit|terminals|files";
/** Paths of Jupyter's pages below its base URL: only for pages without a configuration. */
const PAGE_PATH = new RegExp(`/(?:${PAGES})(?:/.*)?$`);
/** What JupyterHub puts before the paths of a user's server. A user can have the name of a page, a folder that of "user". */
const HUB_PREFIX = new RegExp(`^(?:/(?!(?:${PAGES})/)[^/]+)*?/user/[^/]+(?=/)`);

/** The base URL of Jupyter and the token that it gave the page ("" if none). Never throws. */
export function readConfig(doc: Document, location: Location): Config {
  return configOfLab(doc) ?? configOfClassic(doc) ?? { baseUrl: baseUrlOf(location.pathname), token: "" };
}

/** JupyterLab, Notebook 7, Voila. */
function configOfLab(doc: Document): Config | undefined {
  try {
    const found: unknown = JSON.parse(doc.getElementById("jupyter-config-data")?.textContent ?? "");
    const { baseUrl, token } = found as Partial<Config>;
    return typeof baseUrl === "string" ? { baseUrl, token: typeof token === "string" ? token : "" } : undefined;
  } catch {
    return undefined; // no configuration, or a foreign one
  }
}

/** nbclassic and Notebook 6: attributes of the body, URL-quoted. Voila's body has the address of its own pages instead. */
function configOfClassic(doc: Document): Config | undefined {
  const { baseUrl, jupyterApiToken = "", voila } = doc.body?.dataset ?? {};
  if (baseUrl === undefined || voila !== undefined) return undefined;
  try {
    return { baseUrl: decodeURIComponent(baseUrl), token: decodeURIComponent(jupyterApiToken) };
  } catch {
    return undefined;
  }
}

function baseUrlOf(path: string): string {
  const prefix = HUB_PREFIX.exec(path)?.[0] ?? "";
  const rest = path.slice(prefix.length);
  const base = prefix + rest.replace(PAGE_PATH, "/");
  return base.endsWith("/") ? base : `${base.slice(0, base.lastIndexOf("/"))}/`;
}

/** The XSRF cookie. Read for each request: the ports of a host share cookies, so another server can change it. */
export function xsrf(doc: Document): string | undefined {
  return /(?:^|;\s*)_xsrf=([^;]*)/.exec(doc.cookie)?.[1];
}

type GetCredentials = () => Credentials | Promise<Credentials>;

const canPost = ({ xsrf, token }: Credentials) => xsrf !== undefined || token !== "";

/** `request` and `canPost` of a Page for paths below `root`; rejects any other origin. */
export function requester(root: URL, credentials: GetCredentials): Required<Pick<Page, "request" | "canPost">> {
  const send = async (path: string, init: RequestInit, { xsrf: cookie, token }: Credentials) => {
    const headers = new Headers(init.headers);
    if (cookie !== undefined) headers.set("X-XSRFToken", cookie);
    if (token !== "") headers.set("Authorization", `token ${token}`);
    // redirect: a login page is no answer to a request, and can lie on another origin.
    return fetch(new URL(path, root), {
      ...init,
      headers,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
    });
  };
  return {
    canPost: async () => canPost(await credentials()),
    request: async (path, init = {}) => {
      const { origin } = new URL(path, root);
      if (origin !== root.origin) throw new Error(`Refused: ${origin} is not the origin of this page.`);
      let found = await credentials();
      if ((init.method ?? "GET") !== "GET" && !canPost(found)) {
        // Voila's pages come without an XSRF cookie; this response sets it.
        await (await send("v1/info", {}, found)).body?.cancel();
        found = await credentials();
      }
      return send(path, init, found);
    },
  };
}

export function currentPage(doc: Document = document, location: Location = doc.location): Page {
  const { baseUrl, token } = readConfig(doc, location);
  const root = new URL(`${baseUrl.replace(/\/?$/, "/")}logstream/`, location.origin);
  const { request, canPost } = requester(root, () => ({ xsrf: xsrf(doc), token }));
  return {
    root,
    request: async (path, init) => {
      if (root.origin !== location.origin) throw new Error(`Refused: ${root.origin} is not the origin of this page.`);
      return request(path, init);
    },
    canPost,
    hidden: () => doc.visibilityState === "hidden",
    onVisibility: (listener) => doc.addEventListener("visibilitychange", listener),
  };
}
