"""Fixtures of the server: a store with real runners, a served extension. Test support."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_server.serverapp import ServerApp
from support.running import Bench, kill_runners
from support.web import Site
from tornado.httpserver import HTTPServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Real workloads with the local backend and a file store, without a server."""
    made = Bench(tmp_path / "store")
    yield made
    made.close()


TOKEN = "a-token-of-the-tests"


@pytest.fixture
def serve(
    jp_configurable_serverapp: Any, jp_asyncio_loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> Iterator[Callable[..., Awaitable[Site]]]:
    """Serve the extension in this process: `await serve(max_running=1, ...)`, options of `c.LogStream`."""
    stops: list[Callable[[], Awaitable[None]]] = []

    async def start(config: dict[str, Any] | None = None, base_url: str = "/a%40b/", **options: Any) -> Site:
        ServerApp.clear_instance()
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        port = listener.getsockname()[1]
        options = {"cancel_grace": 0.5, "store_dir": str(tmp_path / "store"), "mcp": True, **options}
        whole: dict[str, Any] = {
            "ServerApp": {"jpserver_extensions": {"jupyter_logstream": True}, "ip": "127.0.0.1"},
            "IdentityProvider": {"token": TOKEN},
            "LogStream": options,
        }
        for section, values in (config or {}).items():
            whole[section] = {**whole.get(section, {}), **values}
        app = jp_configurable_serverapp(config=whole, base_url=base_url, http_port=port)
        http = HTTPServer(app.web_app)
        http.add_socket(listener)
        await app.extension_manager.start_all_extensions()
        (extension,) = app.extension_manager.extension_apps["jupyter_logstream"]
        headers = {"Authorization": f"token {TOKEN}"}
        site = Site(port, base_url, headers, app=app, extension=extension, services=extension.services)

        async def stop() -> None:
            if stop not in stops:
                return
            stops.remove(stop)
            site.close()
            http.stop()
            await app.cleanup_extensions()
            await http.close_all_connections()

        site.stop = stop
        stops.append(stop)
        return site

    yield start
    for stop in stops:
        jp_asyncio_loop.run_until_complete(stop())
    kill_runners(tmp_path)
    ServerApp.clear_instance()


@pytest.fixture
def site(serve: Callable[..., Awaitable[Site]], jp_asyncio_loop: asyncio.AbstractEventLoop) -> Site:
    """The extension with default options, and a client authenticated by token."""
    return jp_asyncio_loop.run_until_complete(serve())  # type: ignore[arg-type]
