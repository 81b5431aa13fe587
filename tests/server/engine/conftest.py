"""Fixture: an engine that can be restarted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.running import kill_runners
from support.server_side import Server, Start


@pytest.fixture
def start(tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Start]:
    """Start a server, after stopping the previous one."""
    servers: list[Server] = []

    async def make(backend: Any = None, **limits: Any) -> Server:
        while servers:
            await servers.pop().stop()
        servers.append(Server(tmp_path / "store", backend, **limits))
        await servers[0].engine.recover()
        return servers[0]

    yield make
    kill_runners(tmp_path)
    for server in servers:
        jp_asyncio_loop.run_until_complete(server.stop())
