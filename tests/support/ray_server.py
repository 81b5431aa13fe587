"""A Jupyter server that a Ray cluster in another network reaches, and whose backend is that cluster. Test support."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.ports import free_port
from support.process_table import kill_with_argument
from support.serving import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest
    from support.ray_cluster import RayCluster


@contextmanager
def ray_server(
    folder: Path,
    cluster: RayCluster,
    *,
    public_url: str = "",
    ip: str = "0.0.0.0",
    **entry: Any,
) -> Iterator[Server]:
    """The server for the time of the block. `entry`: further settings of the backend `ray`.

    `ip`: where it listens. `public_url`: as configured, with `{port}`; without it the server finds its address.
    """
    port = free_port()
    there = folder / "there"
    settings = {"type": "ray", "address": cluster.address, "python": cluster.python, "folder": str(there), **entry}
    options = (
        f"--LogStream.backends={ {'local': {'type': 'local'}, 'ray': settings}!r}",
        f"--LogStream.public_url={public_url.format(port=port)}",
        "--LogStream.cancel_grace=1",
        f"--ServerApp.ip={ip}",
    )
    server = Server(folder, base_url="/base/", options=options)
    try:
        server.start(port)
        yield server
    finally:
        server.end_workloads()
        server.stop()
        server.http.close()
        kill_with_argument(str(there))


def use(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process a client of a server."""
    (address,) = server.folder.glob("data/logstream/*/server.json")
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SERVER", str(address))
