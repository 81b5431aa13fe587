"""Scripted HTTP server, for faults that a real server rarely shows. Test support."""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Scripted(ThreadingHTTPServer):
    """Answers the n-th request with the n-th act of its script; records the requests."""

    daemon_threads = True

    def __init__(self, acts: list[Callable[[BaseHTTPRequestHandler], None]], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.acts = deque(acts)
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/base/"


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def _act(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_json = bool(body) and self.headers.get("Content-Type") == "application/json"
        self.server.requests.append(
            (self.command, self.path, dict(self.headers), json.loads(body) if is_json else body)
        )
        self.server.acts.popleft()(self)

    do_GET = do_POST = _act  # noqa: N815 - http.server looks for these names

    def log_message(self, *_: object) -> None:
        pass  # the tests' own output


def answer(status: int, body: object) -> Callable[[BaseHTTPRequestHandler], None]:
    """An act: one JSON answer (bytes go as they are)."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return act


def events(*frames: tuple[str, dict[str, Any]], hold: threading.Event | None = None) -> Callable[..., None]:
    """An act: these frames, then (when `hold` is set, if given) the end of the connection."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for kind, data in frames:
            handler.wfile.write(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())
        handler.wfile.flush()
        if hold is not None:
            hold.wait(30)

    return act


def drop(handler: BaseHTTPRequestHandler) -> None:
    """An act: close the connection without an answer."""
    handler.connection.close()


@contextmanager
def serving(*acts: Callable[..., None], port: int = 0) -> Iterator[Scripted]:
    """Serve these acts for the time of the block."""
    server = Scripted(list(acts), port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
