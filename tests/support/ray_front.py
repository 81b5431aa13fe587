"""A proxy in front of Ray's dashboard: login by header, TLS, redirections, answers that never come. Test support."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class RayFront(ThreadingHTTPServer):
    """`login`: the header that each request needs. `certificate`: a file with key and certificate, for https.

    `is_silent`: submissions are passed on, and their answers kept back. `redirect`: where all requests are sent.
    """

    daemon_threads = True

    def __init__(self, target: str, login: tuple[str, str] | None, certificate: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.login = target, login
        self.is_silent, self.redirect = False, ""
        self.submitted, self.closed = threading.Event(), threading.Event()
        self.seen: list[dict[str, str]] = []
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: RayFront

    def _pass_on(self) -> None:
        front, body = self.server, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._chunks()
        front.seen.append(dict(self.headers))
        if front.redirect:
            self._answer(302, b"", {"Location": front.redirect})
            return
        if front.login is not None and self.headers.get(front.login[0]) != front.login[1]:
            self._answer(401, b"<html>who are you?</html>", {"Content-Type": "text/html"})
            return
        headers = {"Content-Type": self.headers.get("Content-Type") or "application/octet-stream"}
        answer = httpx.request(
            self.command, f"{front.target}{self.path}", content=body, headers=headers, trust_env=False, timeout=60
        )
        if self.command == "POST" and self.path == "/api/jobs/":
            front.submitted.set()
            if front.is_silent:
                front.closed.wait()
                return
        self._answer(answer.status_code, answer.content, {"Content-Type": answer.headers.get("Content-Type", "")})

    do_GET = do_POST = do_PUT = do_DELETE = _pass_on  # noqa: N815 - their names are given

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: tests read `seen`."""


@contextmanager
def ray_front(
    target: str, *, login: tuple[str, str] | None = None, certificate: Path | None = None
) -> Iterator[RayFront]:
    """A proxy before `target` for the time of the block."""
    front = RayFront(target, login, certificate)
    thread = threading.Thread(target=front.serve_forever, name="ray-front", daemon=True)
    thread.start()
    try:
        yield front
    finally:
        front.closed.set()
        front.shutdown()
        front.server_close()
        thread.join()
