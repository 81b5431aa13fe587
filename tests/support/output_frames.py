"""A host page for outputs as in VS Code and Colab: frames of another origin, connected with a kernel. Test support.

The host talks to the kernel through a Jupyter server without this project's extension, and passes comm messages on to
its frames, in which Jupyter's html-manager shows the widgets. VS Code has one frame for all outputs of a notebook,
Colab one frame per output, each with a widget manager of its own.
"""

from __future__ import annotations

import json
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
from support.paths import ROOT
from support.serving import TOKEN, Server

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page, Route

_SOURCES = ROOT / "tests/ui/front_ends/host"

CSP = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' https: http: data:; font-src 'self' https:; connect-src https:; child-src https: data:"
)
"""VS Code's policy for outputs (`notebook.experimental.enableCsp`), and `blob:`, which anywidget itself needs."""

_HOST = """<!doctype html><html lang="en"><title>Host</title>
<style>iframe { width: 100%; height: 480px; border: 0 }</style><body><script>
const socket = new WebSocket(location.origin.replace("http", "ws") + CHANNELS);
const frames = [];
window.displayed = [];  // ids of models
const idle = new Map();  // by id of an execute request
const post = (frame, message) => {
  if (frame.ready) frame.element.contentWindow.postMessage(message, "*");
  else frame.waiting.push(message);
};
const send = (type, content) => {
  const header = { msg_id: crypto.randomUUID(), msg_type: type, username: "", session: "host", version: "5.3",
                   date: new Date().toISOString() };
  const parts = { parent_header: {}, metadata: {}, content, buffers: [] };
  socket.send(JSON.stringify({ channel: "shell", header, ...parts }));
  return header.msg_id;
};
function addFrame() {
  const element = document.createElement("iframe");
  const frame = { element, ready: false, waiting: [] };
  element.src = `https://output-${frames.length}.example/`;
  frames.push(frame);
  document.body.append(element);
}
window.addEventListener("message", ({ source, data }) => {
  const frame = frames.find(({ element }) => element.contentWindow === source);
  if (frame === undefined) return;
  if (data.type !== "ready") send(data.type, data.content);
  else {
    frame.ready = true;
    for (const message of frame.waiting.splice(0)) post(frame, message);
  }
});
socket.onmessage = ({ data }) => {
  const { channel, header, parent_header, content, metadata } = JSON.parse(data);
  if (channel !== "iopub") return;
  const type = header.msg_type;
  const widget = content.data?.["application/vnd.jupyter.widget-view+json"];
  if (type === "comm_open") post(frames.at(-1), { type, content, metadata });
  else if (type === "comm_msg" || type === "comm_close") for (const frame of frames) post(frame, { type, content });
  else if (widget !== undefined) {
    displayed.push(widget.model_id);
    post(frames.at(-1), { type: "display", id: widget.model_id });
  }
  else if (type === "status" && content.execution_state === "idle") idle.get(parent_header.msg_id)?.();
  else if (type === "error") window.failed = content.traceback.join("\\n");
};
window.execute = (code) => {
  if (ONE_FRAME_PER_CELL || frames.length === 0) addFrame();
  const id = send("execute_request", { code, silent: false, store_history: true, allow_stdin: true });
  return new Promise((resolve) => idle.set(id, resolve));
};
window.toFrame = (n, message) => post(frames[n], message);
window.opened = new Promise((resolve) => { socket.onopen = resolve; });
</script>"""

_FRAME = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Output</title>
<style>{style}</style><body{theme}>
<script>window.ANYWIDGET = {anywidget};</script><script src="/frame.js"></script>"""


@lru_cache(maxsize=1)
def _frame_script() -> str:
    assert (_SOURCES / "node_modules").exists(), "`make test` installs the widget manager of the host page"
    options = ["--bundle", "--minify", "--format=iife", "--loader:.css=empty", "--loader:.svg=empty"]
    options += ["--banner:js=var __webpack_public_path__;"]  # its packages are written for another bundler
    command = [ROOT / "js/node_modules/.bin/esbuild", _SOURCES / "frame.js", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class OutputFrames:
    """A host page with a kernel of `server`. `per_cell`: a frame for each cell, as in Colab; else one, with the CSP."""

    def __init__(self, page: Page, server: Server, *, per_cell: bool, style: str = "", theme: str = "") -> None:
        self.page = page
        self._style, self._theme, self._csp, self._http = style, theme, "" if per_cell else CSP, server.http
        kernel = self._http.post(f"{server.url}api/kernels", json={"name": "python3"}).json()["id"]
        self._kernel_url = f"{server.url}api/kernels/{kernel}"
        channels = f"{server.base_url}api/kernels/{kernel}/channels?token={TOKEN}"
        host = _HOST.replace("CHANNELS", json.dumps(channels)).replace("ONE_FRAME_PER_CELL", json.dumps(per_cell))
        page.route("https://output-*.example/**", self._serve)
        page.goto(f"{server.url}host")  # not found, but of the server: a page that a test supplies opens no WebSocket
        page.set_content(host)
        page.evaluate("() => window.opened")

    def _serve(self, route: Route) -> None:
        if route.request.url.endswith("/frame.js"):
            route.fulfill(body=_frame_script(), content_type="text/javascript")
            return
        code = json.dumps((Path(anywidget.__file__).parent / "nbextension/index.js").read_text()).replace("</", "<\\/")
        body = _FRAME.format(style=self._style, theme=self._theme, anywidget=code)
        headers = {"Content-Security-Policy": self._csp} if self._csp else {}
        route.fulfill(body=body, content_type="text/html", headers=headers)

    def run(self, code: str) -> FrameLocator:
        """Run a cell, wait for its end, and return the frame of its output."""
        self.page.evaluate("(code) => execute(code)", code)
        failed = self.page.evaluate("window.failed ?? ''")
        assert not failed, failed
        return self._last_frame()

    def start(self, code: str) -> FrameLocator:
        """Run a cell without waiting for its end."""
        self.page.evaluate("(code) => { execute(code); }", code)
        return self._last_frame()

    def _last_frame(self) -> FrameLocator:
        return self.page.frame_locator("iframe").nth(self.page.locator("iframe").count() - 1)

    def interrupt(self) -> None:
        """Interrupt the running cell."""
        assert self._http.post(f"{self._kernel_url}/interrupt").is_success

    def restart_kernel(self) -> None:
        """Restart the kernel; the frames' models have no comm any more, as hosts report it."""
        assert self._http.post(f"{self._kernel_url}/restart").is_success
        for n in range(self.page.locator("iframe").count()):
            self.send(n, type="disconnect")

    def send(self, frame: int, **message: str) -> None:
        """Send a message to a frame: `type` is `hide` or `display` with the `id` of a model, or `disconnect`."""
        self.page.evaluate("([frame, message]) => toFrame(frame, message)", [frame, message])
