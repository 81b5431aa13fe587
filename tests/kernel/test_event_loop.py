"""The background event loop of kernels."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import anyio

from jupyter_logstream.kernel.event_loop import background_loop, run_sync

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_read_that_is_cancelled_as_bytes_arrive_prints_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def cancel_as_bytes_arrive() -> None:
        accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
        server = await asyncio.start_unix_server(lambda _, writer: accepted.set_result(writer), tmp_path / "socket")
        client = await anyio.connect_unix(tmp_path / "socket")
        reading = asyncio.create_task(client.receive())
        writer = await accepted
        await asyncio.sleep(0.05)  # the read waits; without it the test passes without showing anything
        writer.write(b"x")
        asyncio.get_running_loop().call_soon(reading.cancel)
        await asyncio.wait([reading])
        writer.close()
        server.close()

    with caplog.at_level(logging.ERROR, "asyncio"):
        run_sync(cancel_as_bytes_arrive(), timeout=30)
    assert caplog.records == []


def test_other_errors_of_callbacks_are_printed(caplog: pytest.LogCaptureFixture) -> None:
    async def fail_in_callback() -> None:
        asyncio.get_running_loop().call_soon(lambda: {}["missing"])
        await asyncio.sleep(0)

    with caplog.at_level(logging.ERROR, "asyncio"):
        run_sync(fail_in_callback(), timeout=30)
    assert "KeyError" in caplog.text
    assert background_loop().is_running()
