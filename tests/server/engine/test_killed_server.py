"""A server killed before each of its writes: its successor has every operation that was completed."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.mortal import OLD
from support.paths import ROOT
from support.running import kill_runners
from support.server_side import Server
from support.waiting import eventually

from jupyter_logstream.model.protocol import STATES
from jupyter_logstream.model.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[list[Path]]:
    """The store that each killed run left; the last run was not killed."""
    try:
        env = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
        subprocess.run([sys.executable, "-m", "support.mortal", str(tmp_path)], env=env, check=True)
        yield sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    finally:
        kill_runners(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_server_killed_at_any_write_leaves_no_workload_half_created_or_half_deleted(
    lives: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    assert len(lives) > 50
    for life in lives:
        server = Server(life / "store")
        await server.engine.recover()
        await assert_complete(server, life)
        await server.stop()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def assert_complete(server: Server, life: Path) -> None:
    """Every completed operation is there; one that was not completed is there or not, never half."""
    known = {workload.id: workload for workload in server.engine.page(STATES, 1000, None)[0]}
    assert sorted(known) == server.store.streams()
    journal = [json.loads(line) for line in (life / "journal").read_text().splitlines()]
    done = {name: {i for what, i in journal if what == name} for name in ("created", "deleting", "deleted")}
    assert done["created"] - done["deleting"] <= set(known)
    assert not done["deleted"] & set(known)
    for workload_id, workload in known.items():
        if workload.spec.backend == "external":
            ended = ["succeeded", workload_id] in journal
            assert workload.status.state == "succeeded" if ended else workload.status.state in {"running", "succeeded"}
            expected = [[], ["m0", "m1", "m2"]]
            assert server.lines(workload_id) in (expected[1:] if ["published", workload_id] in journal else expected)
            if not workload.status.final:
                if not (server.folder(workload_id).path / "end").exists():  # else its end had begun and is repeated
                    server.store.append(workload_id, [Record(0, 1e12, "info", "afterwards", source="log")])
                await server.engine.end(workload_id, "succeeded")
                assert (await server.end(workload_id)).state == "succeeded"
        elif workload_id != OLD:
            if not workload.status.final and workload.spec.stdin:  # it waits for input; launched (again) by `recover`
                await eventually(lambda i=workload_id: server.engine.get(i).status.state != "queued")  # type: ignore[misc]
                await server.engine.cancel(workload_id)
            await eventually(lambda i=workload_id: server.engine.get(i).status.final)  # type: ignore[misc]
            assert server.engine.get(workload_id).status.state != "failed"
            assert server.lines(workload_id) in ([], ["a"], ["b"])
    if len(known) > 1:  # alone, its age could be an error of the clock, and nothing expires in the first hour
        await eventually(lambda: OLD not in server.store.streams())
    await eventually(lambda: not list((server.store.root / "streams").glob(".*")))
