"""The local backend keeps the contract of all backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.backend_contract import BackendContract
from support.workbench import Workbench

from jupyter_logstream.backends.configured import local_backend

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator
    from pathlib import Path


class TestLocalBackend(BackendContract):
    """Workloads in processes of this machine."""

    @pytest.fixture
    def bench(self, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Workbench]:
        made = Workbench(tmp_path, lambda context: local_backend("local", context))
        yield made
        jp_asyncio_loop.run_until_complete(made.close())
