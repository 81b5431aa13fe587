// The page this code runs in: where the server is, who we are to it, is the page looked at.
// The only file of core/ that touches document or location; credentials never leave the page's origin.

export interface Page {
  /** `.../logstream/`, always of the page's own origin. */
  readonly root: URL;
  /** fetch of a path below `root`, with the credentials of the page. */
  request(path: string, init?: RequestInit): Promise<Response>;
  hidden(): boolean;
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
function xsrf(doc: Document): string | undefined {
  return /(?:^|;\s*)_xsrf=([^;]*)/.exec(doc.cookie)?.[1];
}

export function currentPage(doc: Document = document, location: Location = doc.location): Page {
  const { baseUrl, token } = readConfig(doc, location);
  const root = new URL(`${baseUrl.replace(/\/?$/, "/")}logstream/`, location.origin);
  return {
    root,
    async request(path, init = {}) {
      const url = new URL(path, root);
      if (url.origin !== location.origin) throw new Error(`Refused: ${url.origin} is not the origin of this page.`);
      const headers = new Headers(init.headers);
      const cookie = xsrf(doc);
      if (cookie !== undefined) headers.set("X-XSRFToken", cookie);
      if (token !== "") headers.set("Authorization", `token ${token}`);
      // redirect: a login page is an answer to people, not to us, and may lie on another origin.
      return fetch(url, { ...init, headers, credentials: "same-origin", cache: "no-store", redirect: "error" });
    },
    hidden: () => doc.visibilityState === "hidden",
    onVisibility: (listener) => doc.addEventListener("visibilitychange", listener),
  };
}
