"""Machines that ssh cannot reach, or that cannot run a runner: what users see, and when it is tried again."""

from __future__ import annotations

import pytest
from support.waiting import eventually

from jupyter_logstream.backends.protocol import CannotReach


async def test_missing_python_is_a_clear_error(over_ssh):
    server = over_ssh(python="no-python")
    status = await server.end(await server.start("true"))
    assert status.state == "failed"
    assert "gpu1 has no no-python" in status.error


async def test_old_python_is_a_clear_error(over_ssh, tmp_path):
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\nshift 2\nexec python3 -c "import sys; sys.version_info = (3, 6, 8); $@" \n')
    old.chmod(0o755)
    server = over_ssh(python=str(old))
    status = await server.end(await server.start("true"))
    assert status.state == "failed"
    assert "is Python 3.6.8; the runner needs 3.9 or newer" in status.error


@pytest.fixture
def reachable(gpu1):
    """Restores the client's configuration and the server after the test."""
    yield gpu1
    gpu1.connect_to(gpu1.port)
    gpu1.ensure_running()


async def test_unknown_host_key_fails_at_once_with_the_text_of_ssh(over_ssh, reachable):
    reachable.connect_to(reachable.port, known=False)
    server = over_ssh(ssh_options=[*reachable.options, "-o", "ConnectTimeout=11"])
    status = await server.end(await server.start("true"))
    assert status.state == "failed"
    assert "Host key verification failed" in status.error


async def test_key_that_is_not_accepted_fails_at_once_instead_of_a_password_prompt(over_ssh, reachable):
    reachable.connect_to(reachable.port, key="host_key")
    server = over_ssh(ssh_options=[*reachable.options, "-o", "ConnectTimeout=12"])
    status = await server.end(await server.start("true"))
    assert status.state == "failed"
    assert "Permission denied" in status.error


async def test_machine_that_was_never_reached_fails_with_the_text_of_ssh(over_ssh, reachable):
    reachable.stop()
    server = over_ssh(ssh_options=[*reachable.options, "-o", "ConnectTimeout=13"])
    status = await server.end(await server.start("true"))
    assert status.state == "failed"
    assert "Connection refused" in status.error


async def test_machine_that_was_reached_before_keeps_the_workload_queued_until_it_is_back(over_ssh, reachable):
    server = over_ssh()
    await server.run("true")
    reachable.stop()
    workload = await server.start("echo back")
    await eventually(lambda: "Connection refused" in server.engine.get(workload).status.reason)
    assert server.engine.get(workload).status.state == "queued"
    reachable.start()
    assert (await server.end(workload)).state == "succeeded"
    assert server.lines(workload) == ["back"]


async def test_cancel_of_a_workload_that_waits_for_its_machine_ends_it(over_ssh, reachable):
    server = over_ssh()
    await server.run("true")
    reachable.stop()
    workload = await server.start("echo never")
    await eventually(lambda: server.engine.get(workload).status.reason)
    await server.engine.cancel(workload)
    assert (await server.end(workload)).state == "cancelled"


async def test_cancel_while_the_connection_is_lost_is_done_when_it_is_back(over_ssh, reachable):
    server = over_ssh()
    workload = await server.start("echo up; sleep 600")
    await eventually(lambda: server.lines(workload) == ["up"])
    reachable.stop()
    await eventually(lambda: server.engine.get(workload).link)
    await server.engine.cancel(workload)
    assert server.engine.get(workload).status.state == "running"
    reachable.start()
    assert (await server.end(workload)).state == "cancelled"


async def test_input_while_the_connection_is_lost_is_refused(over_ssh, reachable):
    server = over_ssh()
    workload = await server.start("echo up; read x; echo $x", stdin=True)
    await eventually(lambda: server.lines(workload) == ["up"])
    reachable.stop()
    await eventually(lambda: server.engine.get(workload).link)
    with pytest.raises(CannotReach, match="gpu1 is lost"):
        await server.engine.send(workload, b"x\n")
    reachable.start()
    await eventually(lambda: server.engine.get(workload).link is None)
    await server.engine.send(workload, b"y\n")
    await server.end(workload)
    assert server.lines(workload) == ["up", "y"]
