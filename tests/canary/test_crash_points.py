"""The runner is killed at each of its writes, one after the other: every log it leaves opens by itself and is right."""

from __future__ import annotations

import asyncio
import shutil
import sys
from itertools import count
from typing import TYPE_CHECKING

import pytest
from support.canary.crash_points import (
    HERE,
    INDEX_SEGMENT,
    KEEP,
    OUTPUT,
    SEGMENT,
    assert_right,
    read,
    run_killed,
    run_traced,
)
from support.on_disk import served
from support.segments import shrink
from support.server_side import Server

from jupyter_logstream.model.ids import IdSource
from jupyter_logstream.model.protocol import FINAL
from jupyter_logstream.store.disk.folder import Folder
from jupyter_logstream.store.disk.layout import extent
from jupyter_logstream.store.disk.writer import LogWriter

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_logstream.model.workload import Status

pytestmark = pytest.mark.slow


TRACED = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace, which kills a process at its nth call")
POINTS = {"write": 40, "fsync": 5, "rename": 5, "unlink": 5, "ftruncate": 3}
"""Minimum number of calls of each kind in a run; with fewer the test would not cover them."""
STRIDES = [7, pytest.param(1, marks=pytest.mark.soak)]
"""Every 7th call is tested; `make soak` tests each."""


@TRACED
@pytest.mark.timeout(900)
@pytest.mark.parametrize("call", POINTS)
@pytest.mark.parametrize("stride", STRIDES)
def test_a_runner_killed_at_any_write_leaves_a_log_that_opens_and_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, stride: int
) -> None:
    shrink(monkeypatch, SEGMENT, INDEX_SEGMENT)
    killed, survived = crash_at_each(tmp_path, call, stride)
    assert len(killed) >= POINTS[call] // stride
    for folder in killed:
        assert_goes_on(folder, tmp_path / "again")
    asyncio.run(assert_recovered(tmp_path / "store", killed, survived))


@TRACED
@pytest.mark.timeout(300)
def test_a_runner_whose_fsync_fails_continues_or_is_lost_with_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch, SEGMENT, INDEX_SEGMENT)
    streams, ids = tmp_path / "store" / "streams", IdSource()
    streams.mkdir(parents=True)
    for number in count(1):
        folder = Folder(streams / ids.new())
        program = [sys.executable, "-S", str(HERE / "piecemeal.py"), str(folder.path)]
        if "INJECTED" not in run_traced(folder, program, f"fsync:error=EIO:when={number}"):
            break
    assert number > POINTS["fsync"]
    states = asyncio.run(recovered(tmp_path / "store"))
    assert [status.error is not None for status in states] == [status.state == "lost" for status in states]
    assert all("Input/output error" in (status.error or "Input/output error") for status in states)
    assert [status.state for status in states].count("lost") >= 3
    for name in sorted(path.name for path in streams.iterdir()):
        assert_right(Folder(streams / name), served(tmp_path / "store", name))


async def recovered(root: Path) -> list[Status]:
    """The states that a server finds."""
    server = Server(root)
    try:
        await server.engine.recover()
        return [await server.end(stream) for stream in server.store.streams()]
    finally:
        await server.stop()


def crash_at_each(root: Path, call: str, stride: int) -> tuple[list[Folder], Folder]:
    """Runs of one program, each killed `stride` calls later than the one before; and the first run that survived.

    A run that was killed before its child started is left out: the next server starts it.
    """
    streams, ids, killed = root / "store" / "streams", IdSource(), []
    streams.mkdir(parents=True)
    for number in count(1, stride):
        folder = Folder(streams / ids.new())
        program = [sys.executable, "-S", str(HERE / "piecemeal.py"), str(folder.path)]
        if not run_killed(folder, program, call, number):
            return killed, folder
        if folder.control.exists():
            killed.append(folder)
        else:
            assert not read(folder, "sent.stdout")
            shutil.rmtree(folder.path)
    raise AssertionError


async def assert_recovered(root: Path, killed: list[Folder], survived: Folder) -> None:
    """A server recovers all of them: each is lost (or had ended) with all its lines; none runs again."""
    server = Server(root)
    try:
        await server.engine.recover()
        for folder in [*killed, survived]:
            status = await server.end(folder.id)
            assert status.state in ({"lost", "succeeded"} if folder in killed else {"succeeded"}), folder.runner_log
            assert status.error == ("its runner was killed" if status.state == "lost" else None)
            assert server.engine.get(folder.id).lines == server.store.read(folder.id, 0, 0).end
    finally:
        await server.stop()
    for folder in [*killed, survived]:
        assert_right(folder, served(root, folder.id))
        assert folder.read_status()[0].state in FINAL


def assert_goes_on(folder: Folder, root: Path) -> None:
    """The next writer opens a copy, appends lines and ends it.

    It appends nothing behind an unfinished line of a program that has ended: that can be a record already.
    """
    copy = Folder(root / "streams" / folder.id)
    shutil.copytree(folder.path, copy.path, ignore=shutil.ignore_patterns("control"))
    log, ended = LogWriter(copy.path, keep=KEEP), (folder.path / "sent.all").exists()
    for source in OUTPUT:
        end = extent(copy.path, source)[1]
        added = b"" if ended else b"".join(b"%s afterwards %d\n" % (source.encode(), i) for i in range(10))
        (copy.path / f"sent.{source}").write_bytes(read(folder, f"sent.{source}")[:end] + added)
        log.write(source, added)
    log.close()
    assert_right(copy, served(root, copy.id))
