// @vitest-environment happy-dom
// Base URL and credentials of requests; none go to another origin.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { FollowedStream } from "../../src/net/followed-stream.js";
import { currentPage, readConfig } from "../../src/net/page.js";
import { requestStreams } from "../../src/net/stream-errors.js";

const at = (href: string) => new URL(href) as unknown as Location;

/** What the pages of real servers hold, shortened. */
const PAGES = [
  {
    front: "JupyterLab 4.6, in a workspace",
    href: "http://h/user/ann/lab/workspaces/w/tree/app.ipynb",
    html: `<html><head><script id="jupyter-config-data" type="application/json">{"appName": "JupyterLab", "appUrl": "/lab",
      "baseUrl": "/user/ann/", "token": "tok", "wsUrl": ""}</script></head><body></body></html>`,
    baseUrl: "/user/ann/",
    token: "tok",
  },
  {
    front: "Notebook 7.6",
    href: "http://h/user/ann/notebooks/app.ipynb",
    html: `<html><head></head><body data-notebook="notebooks"><script id="jupyter-config-data" type="application/json">
      {"appUrl": "/lab", "baseUrl": "/user/ann/", "token": "", "frontendUrl": "/"}</script></body></html>`,
    baseUrl: "/user/ann/",
    token: "",
  },
  {
    front: "nbclassic 1.3",
    href: "http://h/user/a%20b/nbclassic/notebooks/app.ipynb",
    html: `<html><body class="notebook_app " data-jupyter-api-token="to%2Fk" data-base-url="/user/a%2520b/" data-ws-url=""
      data-notebook-name="app.ipynb" data-notebook-path="app.ipynb"></body></html>`,
    baseUrl: "/user/a%20b/",
    token: "to/k",
  },
  {
    front: "Notebook 6, with a password",
    href: "http://h/notebooks/app.ipynb",
    html: `<html><body class="notebook_app " data-base-url="/" data-notebook-path="app.ipynb"></body></html>`,
    baseUrl: "/",
    token: "",
  },
  {
    front: "Voila 0.5 in a Jupyter server",
    href: "http://h/user/ann/voila/render/app.ipynb",
    html: `<html><body class="jp-Notebook theme-light" data-base-url="/user/ann/voila/" data-jp-theme-light="true"
      data-voila="voila"><script id="jupyter-config-data" type="application/json">{"appUrl": "voila/",
      "appVersion": "0.5.13", "baseUrl": "/user/ann/", "kernelId": "1"}</script></body></html>`,
    baseUrl: "/user/ann/",
    token: "",
  },
  {
    front: "Voila of an own template, without the configuration",
    href: "http://h/user/ann/voila/render/app.ipynb",
    html: `<html><body data-base-url="/user/ann/voila/" data-voila="voila"></body></html>`,
    baseUrl: "/user/ann/",
    token: "",
  },
  {
    front: "Voila on its own, with a prefix",
    href: "http://h/apps/one/",
    html: `<html><body data-base-url="/apps/one/voila/" data-voila="voila"><script id="jupyter-config-data"
      type="application/json">{"appUrl": "voila/", "baseUrl": "/apps/one/"}</script></body></html>`,
    baseUrl: "/apps/one/",
    token: "",
  },
];

function configure(text: string): void {
  document.body.replaceChildren();
  const script = document.createElement("script");
  script.id = "jupyter-config-data";
  script.type = "application/json";
  script.textContent = text;
  document.body.append(script);
}

describe("the base URL", () => {
  beforeEach(() => document.body.replaceChildren());

  it("is the one Jupyter writes into its page", () => {
    configure('{"baseUrl": "/user/x/", "token": "abc"}');
    expect(readConfig(document, at("http://h/elsewhere"))).toEqual({ baseUrl: "/user/x/", token: "abc" });
  });

  it.each([
    ["http://h/user/x/lab/tree/a/lab.ipynb", "/user/x/"],
    ["http://h/lab", "/"],
    ["http://h/lab/tree/voila/a.ipynb", "/"],
    ["http://h/lab/workspaces/w/tree/a.ipynb", "/"],
    ["http://h/doc/workspaces/auto-k/tree/a.ipynb", "/"],
    ["http://h/tree/a/b", "/"],
    ["http://h/lab/tree/user/ann/files/a.ipynb", "/"],
    ["http://h/base/nbclassic/notebooks/a.ipynb", "/base/"],
    ["http://h/base/voila/render/a.ipynb", "/base/"],
    ["http://h/hub/notebooks/n.ipynb", "/hub/"],
    ["http://h/user/lab/voila/render/a.ipynb", "/user/lab/"],
    ["http://h/jupyter/user/tree/gpu/lab/tree/a.ipynb", "/jupyter/user/tree/gpu/"],
    ["http://h/some/page.html", "/some/"],
    ["http://h/", "/"],
  ])("without that is derived from the address %s", (href, baseUrl) => {
    expect(readConfig(document, at(href))).toEqual({ baseUrl, token: "" });
  });

  it.each(PAGES)("is found in a page of $front", ({ html, href, baseUrl, token }) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    expect(readConfig(page, at(href))).toEqual({ baseUrl, token });
  });

  it("survives an invalid configuration", () => {
    configure("{oops");
    expect(readConfig(document, at("http://h/x/lab"))).toEqual({ baseUrl: "/x/", token: "" });
  });
});

describe("a page without an XSRF cookie and without a token, as Voila's", () => {
  const stream = { query: () => ({ stream: "workload/a", after: 17, q: "x&y" }) } as unknown as FollowedStream;
  let cookie: string;
  const sent = vi.fn(async (url: URL, _init: RequestInit) => {
    if (url.pathname.endsWith("v1/info")) cookie = "_xsrf=new";
    return new Response("{}");
  });
  const urls = () => sent.mock.calls.map(([url, init]) => `${init.method ?? "GET"} ${url.pathname}`);

  beforeEach(() => {
    configure('{"baseUrl": "/", "appUrl": "voila/"}');
    cookie = "";
    vi.spyOn(document, "cookie", "get").mockImplementation(() => cookie);
    sent.mockClear();
    vi.stubGlobal("fetch", sent);
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });

  it("opens streams by GET, with all options", async () => {
    await requestStreams(currentPage(document, at("http://h/voila/render/a.ipynb")), [stream]);
    expect(urls()).toEqual(["GET /logstream/v1/events"]);
    expect(JSON.parse(sent.mock.lastCall?.[0].searchParams.get("stream") ?? "")).toEqual(stream.query());
  });

  it("opens more streams than an address can hold by POST", async () => {
    await requestStreams(
      currentPage(document, at("http://h/voila/render/a.ipynb")),
      Array.from({ length: 100 }, () => stream),
    );
    expect(urls()).toEqual(["GET /logstream/v1/info", "POST /logstream/v1/events"]);
  });

  it("obtains the cookie before its first action, once", async () => {
    const page = currentPage(document, at("http://h/voila/render/a.ipynb"));
    await page.request("v1/workloads/a/cancel", { method: "POST" });
    await page.request("v1/workloads/b/cancel", { method: "POST" });
    expect(urls()).toEqual([
      "GET /logstream/v1/info",
      "POST /logstream/v1/workloads/a/cancel",
      "POST /logstream/v1/workloads/b/cancel",
    ]);
    const headers = sent.mock.lastCall?.[1].headers as Headers | undefined;
    expect(headers?.get("X-XSRFToken")).toBe("new");
  });
});

describe("a request", () => {
  const sent = vi.fn(async (_url: URL, _init: RequestInit) => new Response("{}"));
  const headers = () => sent.mock.lastCall?.[1].headers as Headers;

  beforeEach(() => {
    sent.mockClear();
    vi.stubGlobal("fetch", sent);
  });
  afterEach(() => vi.unstubAllGlobals());

  it("goes below logstream/ with the page's own credentials and no cache", async () => {
    configure('{"baseUrl": "/user/x/", "token": ""}');
    await currentPage(document, at("http://h:1/user/x/lab")).request("v1/events", { method: "POST" });
    expect(sent.mock.lastCall?.[0].href).toBe("http://h:1/user/x/logstream/v1/events");
    expect(sent.mock.lastCall?.[1]).toMatchObject({
      method: "POST",
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
    });
    expect(headers().has("Authorization")).toBe(false);
  });

  it("carries the token only if there is one", async () => {
    configure('{"baseUrl": "/", "token": "abc"}');
    await currentPage(document, at("http://h/lab")).request("v1/info");
    expect(headers().get("Authorization")).toBe("token abc");
  });

  it("reads the XSRF cookie for each request", async () => {
    configure('{"baseUrl": "/", "token": ""}');
    const cookie = vi.spyOn(document, "cookie", "get");
    const page = currentPage(document, at("http://h/lab"));
    cookie.mockReturnValue("a=1; _xsrf=first; b=2");
    await page.request("v1/info");
    expect(headers().get("X-XSRFToken")).toBe("first");
    cookie.mockReturnValue("_xsrf=second");
    await page.request("v1/info");
    expect(headers().get("X-XSRFToken")).toBe("second");
  });

  it.each(["https://evil.example/", "//evil.example/x"])("to %s is refused before anything is sent", async (path) => {
    configure('{"baseUrl": "/", "token": "abc"}');
    await expect(currentPage(document, at("http://h/lab")).request(path)).rejects.toThrow("Refused");
    expect(sent).not.toHaveBeenCalled();
  });

  it("is refused when the configuration names a server elsewhere", async () => {
    configure('{"baseUrl": "https://evil.example/", "token": "abc"}');
    await expect(currentPage(document, at("http://h/lab")).request("v1/info")).rejects.toThrow("Refused");
    expect(sent).not.toHaveBeenCalled();
  });
});
