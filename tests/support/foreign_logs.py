"""A third-party log server for tests of remote logs: it serves the simple form and nothing else of our protocol."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Foreign(BaseHTTPRequestHandler):
    """A third-party log server. `steady` has no ids; `cut` breaks off twice; `quiet` goes on in silence, `slow`
    ends after a while."""

    tries = 0

    def do_GET(self) -> None:
        path, _, rest = self.path.removeprefix("/prefix/v1/workloads/").partition("/")
        if rest != "logs" or path in {"none", "broken"}:
            self.send_error(500 if path == "broken" else 404, "It is not here" if path == "none" else None)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        begin = int(self.headers.get("Last-Event-ID", 0)) if path == "cut" else 0
        for number in range(begin, 9):
            name = f"id: {number + 1}\n" if path == "cut" else ""
            self.wfile.write(f"{name}data: line {number}\ndata: and more\n\n: comment\n\n".encode())
            if path in {"cut", "steady"} and number in {3, 6} and Foreign.tries < 2:
                Foreign.tries += 1
                return
        if path == "quiet":
            time.sleep(4)
            return
        if path == "slow":
            self.wfile.flush()
            time.sleep(2)
        self.wfile.write(b'event: done\ndata: {"state": "failed", "exit_code": 3}\n\n')

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def foreign_logs() -> Iterator[str]:
    """Run one; the address that its logs are below."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/prefix"
    server.shutdown()
    server.server_close()
