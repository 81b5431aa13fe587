"""Keys, listeners, retention."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.running import alive, runners
from support.waiting import eventually

from jupyter_logstream.model.protocol import STATES
from jupyter_logstream.model.spec import check_spec
from jupyter_logstream.model.workload import Status
from jupyter_logstream.server import retention
from jupyter_logstream.server.engine import UnknownWorkload

if TYPE_CHECKING:
    from support.server_side import Server, Start


async def test_concurrent_starts_with_one_key_create_one_workload(start: Start) -> None:
    server = await start()
    got = await asyncio.gather(*(server.engine.submit(check_spec({"command": "true", "key": "k"})) for _ in range(20)))
    assert len({workload.id for workload, _ in got}) == 1
    assert [new for _, new in got].count(True) == 1


async def test_a_listener_is_called_for_every_change_and_for_the_deletion(start: Start) -> None:
    server = await start()
    workload_id = await server.start("read x", stdin=True)
    changed = asyncio.Event()
    unwatch = server.engine.watch(workload_id, changed.set)
    await server.engine.send(workload_id, b"", eof=True)
    await server.end(workload_id)
    await asyncio.wait_for(changed.wait(), 10)
    changed.clear()
    await server.engine.forget(workload_id)
    await asyncio.wait_for(changed.wait(), 10)
    unwatch()
    unwatch()


async def age(server: Server, workload_id: str, days: float) -> None:
    folder = server.folder(workload_id)
    status, summary = folder.read_status()
    folder.write_status(Status(**{**{k: getattr(status, k) for k in Status.__dataclass_fields__},
                                  "ended": time.time() * 1000 - days * 86_400_000}), **summary)  # fmt: skip


async def test_retention_deletes_old_ended_workloads_only(start: Start) -> None:
    server = await start()
    old, new, running = [await server.start(c, stdin=True) for c in ("true", "true", "read x")]
    for workload_id in old, new:
        await server.end(workload_id)
    await age(server, old, 31)
    server = await start()
    await eventually(lambda: old not in server.store.streams())
    with pytest.raises(UnknownWorkload):
        server.engine.get(old)
    assert server.store.streams() == [new, running]


async def test_retention_deletes_the_oldest_ended_workloads_while_logs_are_too_large(start: Start) -> None:
    server = await start()
    ids = []
    for _ in range(4):
        ids.append(await server.start("seq 1 2000"))
        await server.end(ids[-1])
    each = server.store.size(ids[0])
    server = await start(total_bytes=int(each * 2.5))
    await eventually(lambda: len(server.store.streams()) == 2)
    assert server.store.streams() == ids[2:]


async def test_closing_the_engine_leaves_runners_alone(start: Start) -> None:
    server = await start()
    workload_id = await server.start("echo a; read x", stdin=True)
    await eventually(lambda: server.lines(workload_id) == ["a"])
    (runner,) = runners(server.folder(workload_id))
    await server.engine.close()
    assert alive(runner)


async def test_a_clock_jump_expires_no_workload(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps: list[float] = []
    expired = retention.expired

    def counted(*given: Any) -> list[str]:
        sweeps.append(given[-1])
        return expired(*given)

    monkeypatch.setattr(retention, "SWEEP_INTERVAL_S", 0.02)
    monkeypatch.setattr(retention, "expired", counted)
    server = await start()
    workload_id = await server.start("echo a")
    await server.end(workload_id)
    real = time.time
    for jump in 10 * 365 * 86400, -3600, 0:
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        sweeps.clear()
        await eventually(lambda: len(sweeps) >= 3)
        assert server.engine.get(workload_id).status.state == "succeeded"
        other = await server.start("echo b")
        assert (await server.end(other)).state == "succeeded"
        assert server.lines(other) == ["b"]


async def test_a_server_started_with_a_clock_that_is_ahead_expires_nothing_until_it_can_be_set_right(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SWEEP_INTERVAL_S", 0.02)
    now: list[float] = []
    expired = retention.expired
    monkeypatch.setattr(retention, "expired", lambda *given: now.append(given[-1]) or expired(*given))
    server = await start()
    workload_id = await server.start("echo a")
    await server.end(workload_id)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 60 * 86400)
    server = await start()
    now.clear()
    await eventually(lambda: len(now) >= 3)
    assert server.engine.get(workload_id).status.state == "succeeded"
    monkeypatch.setattr(retention, "CLOCK_WAIT_S", 0.0)
    server = await start()  # as after the wait: the clock counts, unless it was set right meanwhile
    await eventually(lambda: workload_id not in server.store.streams())


async def test_new_workloads_are_the_newest_after_the_clock_was_set_back(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start()
    earlier = [await server.start("true") for _ in range(2)]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86400)
    server = await start()
    new = await server.start("true")
    found, _ = server.engine.page(STATES, 10, None)
    assert [workload.id for workload in found] == [new, *reversed(earlier)]
