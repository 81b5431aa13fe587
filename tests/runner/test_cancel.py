"""Cancel and timeout end the whole process tree and no other process."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from support.programs import PYTHON
from support.running import Bench, alive, runners
from support.waiting import eventually, until

if TYPE_CHECKING:
    import pytest


async def test_cancel_ends_a_workload_by_term(bench: Bench) -> None:
    job = await bench.start("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    await job.says("ready")
    await job.cancel(30)
    assert (await job.end()).state == "cancelled"
    assert job.lines()[-1] == "bye"  # some shells report their killed `sleep` before


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
        await job.says("ready")
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
    await job.says("ready")
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
    await job.says("ready")
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
