"""Responses through the proxy are data: the browser runs no script and sets no cookie for the notebook's origin."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from support.bare_page import BarePage
from support.serving import TOKEN, Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><title>unchanged</title><script>
document.title = "owned"; document.cookie = "owned=1; path=/"; parent.postMessage("owned", "*");
</script><img src="x" onerror="document.title='owned'"><form id="f" action="/api" method="post"></form>"""
SCRIPT = "globalThis.owned = true; globalThis.postMessage?.('owned');"


class HostileUpstream(BaseHTTPRequestHandler):
    """An upstream that tries to run code and to set cookies."""

    def do_GET(self) -> None:
        kind, text = {
            "app.js": ("text/javascript", SCRIPT),
            "app.css": ("text/css", "body { color: rgb(1, 2, 3) }"),
        }.get(self.path.rpartition("/")[2], ("text/html", PAGE))
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Set-Cookie", "owned=1; Path=/")
        self.send_header("Clear-Site-Data", '"cookies"')
        self.send_header("Service-Worker-Allowed", "/")
        self.send_header("Content-Security-Policy", "script-src * 'unsafe-inline'")
        self.send_header("Link", f"<{self.path}/app.css>; rel=stylesheet")
        self.send_header("Location", "http://evil.example/")
        self.send_header("Refresh", "0; url=http://evil.example/")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    evil = ThreadingHTTPServer(("127.0.0.1", 0), HostileUpstream)
    evil.daemon_threads = True
    threading.Thread(target=evil.serve_forever, daemon=True).start()
    upstreams = {"evil": f"http://127.0.0.1:{evil.server_port}"}
    options = (f"--LogStream.upstreams={upstreams!r}",)
    with jupyter(tmp_path_factory.mktemp("server"), kind="server", base_url="/user/x/", options=options) as made:
        yield made
    evil.shutdown()
    evil.server_close()


@pytest.fixture
def bare(page: Page, server: Server) -> BarePage:
    """A page of the notebook's origin, logged in by its cookie."""
    page.goto(f"{server.url}api/status?token={TOKEN}")
    made = BarePage(page, server)
    made.open()
    return made


def test_scripts_and_workers_from_the_proxy_are_refused(bare: BarePage):
    tried = bare.page.evaluate(
        """async (proxy) => {
          const loaded = (tag, set) => new Promise((resolve) => {
            const it = Object.assign(document.createElement(tag), set);
            it.onload = () => resolve("loaded");
            it.onerror = () => resolve("refused");
            document.head.append(it);
          });
          const worker = (make) => new Promise((resolve) => {
            const it = make();
            (it.port ?? it).onmessage = () => resolve("ran");
            it.onerror = () => resolve("refused");
          });
          const refused = () => "refused";
          const js = `${proxy}app.js`;
          return {
            script: await loaded("script", { src: js }),
            module: await import(js).then(() => "ran", refused),
            style: await loaded("link", { rel: "stylesheet", href: `${proxy}app.css` }),
            worker: await worker(() => new Worker(js)),
            shared: await worker(() => new SharedWorker(js)),
            service: await navigator.serviceWorker.register(js).then(() => "registered", refused),
            owned: String(globalThis.owned),
            asData: (await (await fetch(js)).text()).includes("owned"),
          };
        }""",
        f"{bare.server.url}logstream/proxy/evil/",
    )
    ran = dict.fromkeys(["script", "module", "style", "worker", "shared", "service"], "refused")
    assert tried == {**ran, "owned": "undefined", "asData": True}


def test_response_shown_as_a_page_or_in_a_frame_is_inert(bare: BarePage):
    page, url = bare.page, f"{bare.server.url}logstream/proxy/evil/page"
    before = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    assert before
    page.evaluate(
        """(url) => new Promise((resolve) => {
          addEventListener("message", () => { document.title = "owned"; });
          const frame = Object.assign(document.createElement("iframe"), { src: url, onload: resolve });
          document.body.append(frame);
        })""",
        url,
    )
    assert page.title() == "A log"
    page.goto(url)
    page.wait_for_timeout(500)
    assert page.title() == "unchanged"
    assert page.evaluate("self.origin") == "null"
    assert page.url == url  # no Refresh, no Location
    page.goto(f"{bare.server.url}logstream/proxy/evil/away")
    page.wait_for_timeout(300)
    assert "evil.example" not in page.url
    after = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    assert "owned" not in after
    assert set(after) == set(before)
