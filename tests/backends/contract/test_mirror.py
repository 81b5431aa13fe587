"""A mirrored runner keeps the contract of all backends: the archive in another folder, over a command's pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.backend_contract import BackendContract
from support.loopback import LoopbackBackend
from support.workbench import Workbench

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator
    from pathlib import Path


class TestMirroredBackend(BackendContract):
    """Workloads whose folder is copied to the server."""

    @pytest.fixture
    def bench(self, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Workbench]:
        made = Workbench(tmp_path, lambda context: LoopbackBackend("loopback", context, tmp_path / "there"))
        yield made
        jp_asyncio_loop.run_until_complete(made.close())

    async def test_the_remote_folder_is_deleted_after_the_verified_end(self, bench: Workbench) -> None:
        run = await bench.run("seq 1000")
        await run.complete()
        assert not bench.backend.there(run.id).path.exists()
        assert run.lines() == list(map(str, range(1, 1001)))
