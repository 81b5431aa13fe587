"""For tests of the server side: what the extension leaves in the environment goes with its test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from server.running import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """The extension tells kernels by the environment where it is; no test shall inherit that of another."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("JUPYTER_", "JPY_")) or name == "PYTHONUNBUFFERED"]:
        del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Real workloads through the local backend and a file store, without a server."""
    made = Bench(tmp_path / "store")
    yield made
    made.close()
