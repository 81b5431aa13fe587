"""Jupyter servers without this project's server extension: their kernels start a private server. Test support."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.private_home import stop_private_server
from support.serving import Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def without_extension(folder: Path, **options: Any) -> Iterator[Server]:
    """Such a server for the time of the block; then the private server is stopped."""
    env: dict[str, str] = {}
    try:
        with jupyter(folder, ours=False, **options) as server:
            env = server._env()
            yield server
    finally:  # not before its kernels have ended, which would start another
        stop_private_server(folder, env)
