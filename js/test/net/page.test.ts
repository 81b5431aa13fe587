// @vitest-environment happy-dom
// Base URL and credentials of requests; none go to another origin.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { currentPage, readConfig } from "../../src/net/page.js";

const at = (href: string) => new URL(href) as unknown as Location;

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
    ["http://h/hub/notebooks/n.ipynb", "/hub/"],
    ["http://h/some/page.html", "/some/"],
    ["http://h/", "/"],
  ])("without that is derived from the address %s", (href, baseUrl) => {
    expect(readConfig(document, at(href))).toEqual({ baseUrl, token: "" });
  });

  it("survives an invalid configuration", () => {
    configure("{oops");
    expect(readConfig(document, at("http://h/x/lab"))).toEqual({ baseUrl: "/x/", token: "" });
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
