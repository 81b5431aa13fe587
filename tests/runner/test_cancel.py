"""Cancel and timeout end the whole process tree and no other process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from support.programs import PYTHON
from support.running import Bench, alive, runners
from support.waiting import eventually, until
from traitlets import TraitError

from jupyter_logstream.server.extension import LogStream
from jupyter_logstream.wire.runner_socket import socket_path


async def test_cancel_ends_a_workload_by_term(bench: Bench) -> None:
    job = await bench.start("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    await job.waits_for_output("ready")
    await job.cancel(30)
    assert (await job.end()).state == "cancelled"
    assert job.lines()[-1] == "bye"  # some shells report their killed `sleep` before


async def test_a_second_cancel_can_shorten_the_grace_time_but_not_extend_it(bench: Bench) -> None:
    job = await bench.start("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    await job.waits_for_output("ready")
    for grace_s in 600, 0.2, 600:
        await job.cancel(grace_s)
    status = await job.end()
    assert (status.state, status.signal) == ("cancelled", 9)


async def test_cancel_kills_what_ignores_term_with_its_whole_tree(bench: Bench, tmp_path: Path) -> None:
    far = tmp_path / "far"
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        f"    open({str(far)!r} + '.new', 'w').write(str(os.getpid()))\n"
        f"    os.rename({str(far)!r} + '.new', {str(far)!r})\n"
        "    time.sleep(600)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    for closes in "", "os.close(1); os.close(2)\n":
        far.unlink(missing_ok=True)
        closing = (
            code.replace("    time.sleep(600)\nprint", f"    {closes}    time.sleep(600)\nprint") if closes else code
        )
        job = await bench.start([PYTHON, "-c", closing])
        await job.waits_for_output("ready")
        until(far.exists)
        pids = [int(far.read_text()), job.status.pid or 0]
        assert all(map(alive, pids))
        await job.cancel(0.3)
        status = await job.end()
        assert (status.state, status.signal) == ("cancelled", 9)
        await eventually(lambda pids=pids: not any(map(alive, pids)))
        await eventually(lambda job=job: not runners(job.folder))


async def test_what_outlives_a_polite_child_is_killed_after_the_grace_time(bench: Bench, tmp_path: Path) -> None:
    far = tmp_path / "far"
    stubborn = f"trap '' TERM HUP; echo $$ > {far}; exec >/dev/null 2>&1; while :; do sleep 0.1; done"
    job = await bench.start(f'(sh -c "{stubborn.replace("$", chr(92) + "$")}") & wait')
    until(lambda: far.exists() and far.read_text().strip())
    pid = int(far.read_text())
    await job.cancel(0.3)
    assert (await job.end()).state == "cancelled"
    await eventually(lambda: not alive(pid))


async def test_a_stopped_process_is_cancelled_too(bench: Bench) -> None:
    job = await bench.start("echo ready; kill -STOP $$; echo never")
    await job.waits_for_output("ready")
    await job.cancel(1)
    assert (await job.end()).state == "cancelled"
    assert job.lines() == ["ready"]


async def test_repeated_cancels_act_once(bench: Bench) -> None:
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('term', flush=True))\n"
        "print('ready', flush=True)\n"
        "end = time.monotonic() + 0.5\n"
        "while time.monotonic() < end: time.sleep(0.01)\n"
    )
    job = await bench.start([PYTHON, "-c", code])
    await job.waits_for_output("ready")
    await asyncio.gather(*(job.cancel(20) for _ in range(20)))
    assert (await job.end()).state == "cancelled"
    assert job.lines() == ["ready", "term"]
    await job.cancel(20)  # it has ended: nothing happens


def test_a_process_gets_each_signal_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_logstream.runner import process_tree  # noqa: PLC0415

    sent: list[tuple[int, int]] = []
    groups = {1001: [1001, 1002]}
    monkeypatch.setattr(process_tree, "descendants", lambda _: [1001, 1002, 1003])
    monkeypatch.setattr(os, "getpgid", lambda pid: 1001 if pid in groups[1001] else pid)
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    monkeypatch.setattr(os, "killpg", lambda group, number: sent.extend((pid, number) for pid in groups[group]))
    process_tree.signal_all(1000, 1001, signal.SIGTERM)
    assert sorted(pid for pid, number in sent if number == signal.SIGTERM) == [1001, 1002, 1003]


async def test_a_timeout_ends_a_workload_as_timed_out(bench: Bench) -> None:
    job = await bench.start("echo ready; sleep 600", timeout=0.5)
    status = await job.end()
    assert status.state == "timed_out"
    assert "0.5 s" in (status.error or "")
    assert job.lines() == ["ready"]
    job = await bench.start("trap '' TERM; echo ready; while :; do sleep 0.05; done", timeout=0.5)
    assert ((await job.end()).state, job.status.signal) == ("timed_out", 9)


async def test_a_timeout_that_is_not_reached_changes_nothing(bench: Bench) -> None:
    assert (await bench.run("exit 0", timeout=600)).status.state == "succeeded"


SAVES = (
    "import signal, sys, time\n"
    "def bye(*_):\n"
    "    print('saving'); time.sleep(1); print('saved'); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, bye)\n"
    "print('up')\n"
    "while True: time.sleep(0.1)\n"
)


@pytest.mark.parametrize("form", ["{}", "sh -c '{}; true'", "({}); true", "({} &) ; sleep 600"])
@pytest.mark.parametrize("stop", ["cancel", "timeout"])
async def test_a_stopped_workload_runs_until_its_tree_is_gone_and_retains_every_line(
    bench: Bench, tmp_path: Path, form: str, stop: str
) -> None:
    (tmp_path / "w.py").write_text(SAVES)
    command = form.format(f"{PYTHON} -u {tmp_path / 'w.py'}")
    bench.backend._run = replace(bench.backend._run, grace_s=20)
    job = await bench.start(command, timeout=4 if stop == "timeout" else None)
    await job.waits_for_output("up")
    if stop == "cancel":
        await job.cancel(20)
    await job.waits_for_output("saving")
    assert (job.status.state, job.status.reason) == ("running", "stopping")
    states = [sighting.state async for sighting in bench.backend.watch(job.folder.id, {})]
    assert states[-2:] == ["running", "cancelled" if stop == "cancel" else "timed_out"]
    assert [line for line in job.lines() if line in {"up", "saving", "saved"}] == ["up", "saving", "saved"]
    assert job.status.reason == ""
    await eventually(lambda: not runners(job.folder))


async def test_a_watcher_sees_that_a_workload_is_stopping(bench: Bench) -> None:
    job = await bench.start("trap 'read x; exit 0' TERM; echo ready; while :; do sleep 0.05; done", stdin=True)
    await job.waits_for_output("ready")
    seen = []
    async for sighting in bench.backend.watch(job.folder.id, {}):
        seen.append((sighting.state, sighting.reason))
        if seen[-1] == ("running", ""):
            await job.cancel(30)
        elif seen[-1] == ("running", "stopping"):
            await job.send(b"go\n")
    assert seen[-3:] == [("running", ""), ("running", "stopping"), ("cancelled", "")]


@pytest.mark.parametrize("grace", ["1e999", "NaN", "-1", "null", '"x"'])
async def test_a_grace_time_that_is_no_number_of_seconds_is_refused(bench: Bench, grace: str) -> None:
    job = await bench.start("read x", stdin=True)
    with socket_path(job.folder.control) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    writer.write(f'{{"do": "cancel", "grace": {grace}}}\n'.encode())
    assert "error" in json.loads(await reader.readline())
    writer.close()
    await job.send(b"x\n")
    assert (await job.end()).state == "succeeded"


@pytest.mark.parametrize("grace", ["1e999", "-1", "NaN", "Infinity", "null", '"1"', "1e300"])
async def test_a_grace_time_that_is_no_number_of_seconds_is_refused_and_the_runner_continues(
    bench: Bench, grace: str
) -> None:
    job = await bench.start("echo ready; read x; exit 3", stdin=True)
    await job.waits_for_output("ready")
    with socket_path(job.folder.control) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"do": "cancel", "grace": %s}\n' % grace.encode())
    assert b"unknown_request" in await reader.readline()
    writer.close()
    await job.send(b"", eof=True)
    assert (await job.end()).exit_code == 3


@pytest.mark.parametrize("name", ["cancel_grace", "linger"])
@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0])
def test_a_configured_grace_time_must_be_finite(name: str, seconds: float) -> None:
    with pytest.raises(TraitError, match=f"c.LogStream.{name} must be"):
        LogStream(**{name: seconds})
