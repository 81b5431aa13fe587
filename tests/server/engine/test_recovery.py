"""Recovery after a crash of server or runner."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from support.running import alive, kill_runners, runners
from support.server_side import Server, Start, local_backend
from support.waiting import eventually

from jupyter_logstream.model.protocol import STATES
from jupyter_logstream.model.workload import Status
from jupyter_logstream.store.disk.folder import Folder, boot_id
from jupyter_logstream.store.disk.writer import LogWriter


async def test_running_and_queued_workloads_survive_a_restart(start: Start) -> None:
    server = await start(max_running=1)
    running = await server.start("echo a; read x; echo $x", stdin=True, key="first")
    waiting = [await server.start("echo b") for _ in range(3)]
    await eventually(lambda: server.engine.get(running).status.state == "running")
    server = await start(max_running=1)
    assert server.engine.get(running).status.state == "running"
    assert [server.engine.get(i).status.state for i in waiting] == ["queued"] * 3
    assert await server.start("other", key="first") == running
    await server.engine.send(running, b"c\n")
    ends = [await server.end(i) for i in [running, *waiting]]
    assert [end.state for end in ends] == ["succeeded"] * 4
    times = [(end.started, end.ended) for end in ends]
    assert times == sorted(times)
    assert server.lines(running) == ["a", "c"]


async def test_a_workload_that_ended_while_the_server_was_down_has_its_own_end(start: Start, tmp_path: Path) -> None:
    server = await start()
    gate = tmp_path / "gate"
    ids = [await server.start(f"while [ ! -e {gate} ]; do sleep 0.02; done; echo a; exit {code}") for code in (0, 3)]
    await server.stop()
    gate.touch()
    store = tmp_path / "store" / "streams"
    await eventually(lambda: all((store / i / "end").exists() and not runners(Folder(store / i)) for i in ids))
    again = Server(tmp_path / "store")
    await again.engine.recover()
    assert [(await again.end(i)).exit_code for i in ids] == [0, 3]
    assert [again.lines(i) for i in ids] == [["a"], ["a"]]
    assert again.engine.get(ids[0]).lines == 1
    await again.stop()
    server.store, server.engine = Server(tmp_path / "other").store, again.engine


async def test_a_runner_killed_while_the_server_was_down_makes_its_workload_lost(start: Start, tmp_path: Path) -> None:
    server = await start()
    workload_id = await server.start("echo a; printf b; sleep 600")
    await eventually(lambda: server.lines(workload_id) == ["a"])
    folder = server.folder(workload_id)
    child = folder.read_status()[0].pid or 0
    (runner,) = runners(folder)
    await server.engine.close()
    os.kill(runner, signal.SIGKILL)
    await eventually(lambda: not alive(runner))
    server = await start()
    end = await server.end(workload_id)
    assert (end.state, end.exit_code) == ("lost", None)
    assert server.lines(workload_id) == ["a", "b"]
    await eventually(lambda: not alive(child))
    assert server.engine.running == 0
    server = await start()
    assert server.engine.get(workload_id).status.state == "lost"  # a final state never changes


async def test_a_runner_killed_between_log_end_and_status_makes_its_workload_lost(start: Start) -> None:
    server = await start()
    workload_id = await server.start("echo a")
    await server.end(workload_id)
    folder = server.folder(workload_id)
    status, _ = folder.read_status()
    await eventually(lambda: not folder.is_locked())
    folder.write_status(Status("running", started=status.started, pid=status.pid, boot=status.boot))
    server = await start()
    assert (await server.end(workload_id)).state == "lost"
    assert server.lines(workload_id) == ["a"]


async def test_repair_of_a_long_log_does_not_block_the_event_loop(start: Start) -> None:
    server = await start()
    workload_id = await server.start("read x", stdin=True)
    await eventually(lambda: server.engine.get(workload_id).status.state == "running")
    folder = server.folder(workload_id)
    await server.engine.close()
    kill_runners(server.store.root)
    await eventually(lambda: not folder.is_locked())
    log = LogWriter(folder.path)
    for _ in range(40):
        log.write("stdout", b"a line of some output\n" * 10_000)
    log.release()
    server, turns = await start(), 0
    while not server.engine.status_of(workload_id).status.final:
        await asyncio.sleep(0.001)
        turns += 1
    assert server.engine.get(workload_id).lines == 400_000
    assert turns > 30  # a repair that blocked the loop would leave about five turns, before and after


async def test_a_workload_of_another_boot_is_lost_and_no_process_is_harmed(start: Start) -> None:
    server = await start()
    workload_id = await server.start("echo a")
    await server.end(workload_id)
    folder = server.folder(workload_id)
    await eventually(lambda: not folder.is_locked())
    innocent = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
    (folder.path / "end").unlink()
    for boot in "another-boot", folder.read_status()[0].boot:
        folder.write_status(Status("running", started=time.time() * 1000, pid=innocent.pid, boot=boot))
        server = await start()
        end = await server.end(workload_id)
        assert end.state == "lost"
        assert end.error
        assert innocent.returncode is None
        assert alive(innocent.pid)
        (folder.path / "end").unlink()
    innocent.kill()
    await innocent.wait()


GARBAGE = [b"", b"{", b"[]", b"5", b"null", b"{}", b"\xff\0", b'{"state": "dancing"}', b'{"state": ["running"]}',
           b'{"state": "succeeded", "unknown": 1}', b'{"command": 5}', b'{"lines": "x", "levels": 3}']  # fmt: skip


@pytest.mark.parametrize("name", ["spec.json", "status.json"])
async def test_an_unreadable_entry_affects_no_other_workload(start: Start, name: str) -> None:
    server = await start()
    damaged = [await server.start("true") for _ in GARBAGE]
    good, running = await server.start("echo a"), await server.start("read x", stdin=True)
    for workload_id in [*damaged, good]:
        await server.end(workload_id)
    for workload_id, garbage in zip(damaged, GARBAGE, strict=True):
        (server.folder(workload_id).path / name).write_bytes(garbage)
    (server.store.root / "streams" / "a-file").write_text("")
    (server.store.root / "streams" / "an-empty-folder").mkdir()
    server = await start()
    assert server.engine.get(good).status.state == "succeeded"
    await eventually(lambda: server.engine.get(running).status.state == "running")
    found, _ = server.engine.page(STATES, 1000, None)
    for workload in found:
        json.dumps(workload.to_json())
    assert server.engine.stored_bytes >= 0
    await server.engine.send(running, b"", eof=True)
    await server.end(running)


async def test_a_deleted_folder_affects_no_other_workload(start: Start) -> None:
    server = await start()
    gone, stays = await server.start("read x", stdin=True), await server.start("read x", stdin=True)
    await eventually(lambda: all(server.engine.get(i).status.state == "running" for i in (gone, stays)))
    kill_runners(server.folder(gone).path.parent.parent)
    shutil.rmtree(server.folder(gone).path)
    found, _ = server.engine.page(STATES, 1000, None)
    assert stays in [w.id for w in found]
    assert server.engine.stored_bytes >= 0


async def test_a_damaged_index_of_a_running_workload_affects_no_other(start: Start) -> None:
    server = await start()
    damaged, good = await server.start("seq 1 50; read x", stdin=True), await server.start("echo a; read x", stdin=True)
    await eventually(lambda: len(server.lines(damaged)) == 50 and server.lines(good) == ["a"])
    path = server.folder(damaged).path / "index.000"
    data = bytearray(path.read_bytes())
    data[:16] = bytes(16)
    path.write_bytes(data)
    server.store._readers.clear()
    found, _ = server.engine.page(STATES, 1000, None)
    assert good in [w.id for w in found]
    assert server.engine.stored_bytes >= 0
    assert server.lines(good) == ["a"]


async def test_a_command_whose_runner_died_before_its_first_status_is_not_run_again(start: Start) -> None:
    server = await start()
    workload_id = await server.start("echo a; sleep 600")
    await eventually(lambda: server.lines(workload_id) == ["a"])
    folder = server.folder(workload_id)
    await server.engine.close()
    kill_runners(server.store.root)
    await eventually(lambda: not folder.is_locked())
    (folder.path / "status.json").unlink()  # as on a full disk, where the status is written later
    server = await start()
    assert (await server.end(workload_id)).state == "lost"
    assert server.lines(workload_id) == ["a"]


async def test_launching_a_workload_twice_runs_its_command_once(start: Start, tmp_path: Path) -> None:
    server = await start()
    workload_id = await server.start("echo b; read x; echo $x", stdin=True)
    await eventually(lambda: server.lines(workload_id) == ["b"])
    backend, spec = local_backend(tmp_path / "store"), server.registry.load(workload_id).spec
    await asyncio.gather(*(backend.launch(workload_id, spec) for _ in range(3)))
    assert len(runners(server.folder(workload_id))) == 1
    await server.engine.send(workload_id, b"a\n")
    assert (await server.end(workload_id)).state == "succeeded"
    assert server.lines(workload_id) == ["b", "a"]


async def test_a_handle_is_stored_and_loaded_and_a_store_without_handles_opens(start: Start) -> None:
    server = await start()
    ids = [await server.start("read x; echo $x", stdin=True) for _ in range(2)]
    await eventually(lambda: all(server.engine.get(i).status.state == "running" for i in ids))
    kept, missing = ids
    assert server.registry.load(kept).handle == {"boot": boot_id()}
    (server.folder(missing).path / "handle.json").unlink()  # as an older version leaves it
    status, _ = server.registry.status(missing)
    assert server.registry.load(missing).handle == {"pid": status.pid, "boot": boot_id()}
    server = await start()
    for workload_id in ids:
        await server.engine.send(workload_id, b"a\n")
        assert (await server.end(workload_id)).state == "succeeded"
        assert server.lines(workload_id) == ["a"]


async def test_a_lost_workload_has_the_reason_in_its_json(start: Start) -> None:
    server = await start()
    workload_id = await server.start("sleep 600")
    kill_runners(server.store.root)
    await server.end(workload_id)
    server = await start()
    found = server.engine.get(workload_id).to_json()
    assert (found["state"], found["reason"], found["node"]) == ("lost", "its runner was killed", None)
    assert found["error"] == found["reason"]


async def test_a_workload_whose_launch_a_killed_server_had_begun_is_found_and_can_be_cancelled(start: Start) -> None:
    server = await start()
    ids = [await server.start("sleep 600") for _ in range(2)]
    for workload_id in ids:
        await eventually(lambda i=workload_id: server.engine.get(i).status.pid)
    pids = [server.engine.get(workload_id).status.pid for workload_id in ids]
    await server.engine.close()
    for workload_id in ids:  # killed after it had forked the runner, before the runner's first record
        (server.folder(workload_id).path / "status.json").unlink()
    (server.folder(ids[0]).path / "handle.json").write_text("{}")
    (server.folder(ids[1]).path / "handle.json").unlink()
    server = await start(max_running=1)
    for workload_id in ids:
        await server.engine.cancel(workload_id)
        assert (await server.end(workload_id)).state == "cancelled"
    await eventually(lambda: not any(map(alive, pids)))
