"""A server with a small limit for payloads; this process is its client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.serving import Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDRESS = "JUPYTER_LOGSTREAM_SERVER"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    options = ("--LogStream.max_payload_bytes=2000000", "--LogStream.max_running=4")
    with jupyter(tmp_path_factory.mktemp("server"), options=options) as server:
        yield server


@pytest.fixture(scope="module")
def address(server: Server) -> str:
    with server.kernel() as kernel:
        return kernel.json(f"__import__('os').environ['{ADDRESS}']")


@pytest.fixture(autouse=True)
def here(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process a client of the server; what it defines is pickled by value, as a notebook's."""
    monkeypatch.setenv(ADDRESS, address)
    monkeypatch.chdir(tmp_path)
    return tmp_path
