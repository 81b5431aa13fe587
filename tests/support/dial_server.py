"""The route for runners that dial out, without a Jupyter server: for backends that are tested alone. Test support."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tornado.httpserver import HTTPServer
from tornado.web import Application

from jupyter_logstream.server.http.runner_socket import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_logstream.backends.dial_in import Admission, DialIn
    from jupyter_logstream.backends.pipe import Pipe


class _Engine:
    """The part of the engine that the route uses."""

    def __init__(self, dial_in: Callable[[], DialIn]) -> None:
        self._dial_in = dial_in

    def admission(self, workload_id: str, token: str) -> Admission:
        return self._dial_in().admits(workload_id, token)

    async def connected(self, workload_id: str, pipe: Pipe) -> None:
        await self._dial_in().connected(workload_id, pipe)


@contextmanager
def dial_server(host: str, dial_in: Callable[[], DialIn]) -> Iterator[str]:
    """Serve the route at an address of this machine, on the running loop; its URL."""
    services: Any = SimpleNamespace(engine=_Engine(dial_in))
    app = Application(
        [(f"/logstream/{path}", handler) for path, handler in ROUTES], logstream=services, base_url="/", headers={}
    )
    listener = socket.create_server((host, 0))
    listener.setblocking(False)
    server = HTTPServer(app)
    server.add_socket(listener)
    yield f"http://{host}:{listener.getsockname()[1]}/"
    server.stop()
