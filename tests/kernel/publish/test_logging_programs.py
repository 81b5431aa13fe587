"""Programs that log, in real processes: after any kill every record arrives once and in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from support.published import PLACE, completed, logs_until, messages, named, place_of, program, records, spools, until
from support.serving import Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("server"), base_url="/user/x%40y/") as server:
        yield server


@pytest.fixture(scope="module")
def place(server: Server) -> Path:
    return place_of(server)


@pytest.fixture
def own_server(tmp_path) -> Iterator[Server]:
    """One to be killed."""
    with jupyter(tmp_path) as server:
        yield server


# --- processes that end ----------------------------------------------------------------------------------------------

LOGS = """
import logging, os, signal, sys, time
from jupyter_logstream import LogHandler
log = logging.getLogger("app")
log.setLevel(1)
log.addHandler(LogHandler({name!r}))
"""
NEXT = LOGS.format(name="next") + "log.info('x')"


@pytest.mark.parametrize(
    ("ending", "state"),
    [("", "succeeded"), ("1 / 0", "failed"), ("raise KeyboardInterrupt", "cancelled"), ("sys.exit(0)", "succeeded")],
)
def test_a_scripts_last_records_are_sent_when_it_ends(ending, state, server, place, request):
    code = LOGS.format(name=request.node.name) + "for i in range(2000): log.info('%d', i)\n" + ending
    completed(code, place)
    assert messages(server, request.node.name) == [str(i) for i in range(2000)]
    assert named(server, request.node.name)["state"] == state


def test_the_workload_is_named_after_the_script(server, place):
    completed("import logging\nfrom jupyter_logstream import LogHandler\n"
              "logging.getLogger().addHandler(LogHandler())\nlogging.warning('from a script')", place)  # fmt: skip
    found = [w for w in server.get("workloads", limit=1000)["workloads"] if w["name"].startswith("script-")]
    assert [record["message"] for record in records(server, found[0]["id"])] == ["from a script"]


def test_a_scripts_end_is_sent_to_a_server_with_a_name(server, place, request):
    """Hosts are looked up by threads, which cannot be started any more then."""
    secret = json.loads(place.read_text())["secret"]
    url = server.url.replace("127.0.0.1", "localhost")
    own = {PLACE: "", "JUPYTER_LOGSTREAM_URL": url, "JUPYTER_LOGSTREAM_SECRET": secret}
    folder = {"JUPYTER_DATA_DIR": str(server.folder / "elsewhere")}
    code, _, err = completed(LOGS.format(name=request.node.name) + "log.info('x')", place, **own, **folder)
    assert (code, err) == (0, "")
    assert messages(server, request.node.name) == ["x"]
    assert [path for path in (server.folder / "elsewhere").rglob("*") if path.is_file()] == []


def test_in_a_workload_records_go_to_a_workload_of_their_own(server, place, request, monkeypatch):
    monkeypatch.setenv(PLACE, str(place))
    from jupyter_logstream import run  # noqa: PLC0415

    code = LOGS.format(name=request.node.name) + "print('printed'); log.warning('logged')"
    job = run([sys.executable, "-c", code]).wait(60)
    assert [record.message for record in job.logs()] == ["printed"]
    assert messages(server, request.node.name) == ["logged"]


def test_a_process_killed_with_records_unsent_has_them_sent_by_the_next_one(own_server, request):
    place, name = place_of(own_server), request.node.name
    own_server.process.send_signal(signal.SIGSTOP)
    code = "for i in range(5000): log.info('%d', i)\nos.kill(os.getpid(), signal.SIGKILL)"
    assert completed(LOGS.format(name=name) + code, place)[0] == -signal.SIGKILL
    own_server.process.send_signal(signal.SIGCONT)
    (left,) = spools(place)
    logs_until(lambda: not left.exists(), NEXT, place)
    assert messages(own_server, name) == [str(i) for i in range(5000)]
    assert named(own_server, name)["state"] == "running"  # its end is unknown


def test_a_process_killed_at_any_time_has_lost_and_doubled_nothing(own_server, request):
    place, last = place_of(own_server), {}
    for n in range(6):
        name = f"killed-{n}"
        code = "for i in range(10**9): log.info('%d', i); print(i, flush=True); time.sleep(0.0002)"
        process = program(LOGS.format(name=name) + code, place)
        assert process.stdout is not None
        while int(process.stdout.readline()) < 300 * n:
            pass
        process.kill()
        last[name] = max([int(line) for line in process.stdout.read().split("\n")[:-1]] + [300 * n])
        process.communicate()
    left = spools(place)
    logs_until(lambda: not any(path.exists() for path in left), NEXT, place)
    assert spools(place) == []
    for name, reported in last.items():
        found = messages(own_server, name)
        assert found == [str(i) for i in range(len(found))]
        assert len(found) in {reported + 1, reported + 2}  # one may have been logged but not reported


def test_a_process_that_ends_while_the_server_is_away_leaves_its_records_to_the_next(own_server, request):
    place, name = place_of(own_server), request.node.name
    own_server.stop(signal.SIGKILL)
    began = time.monotonic()
    code, _, err = completed(LOGS.format(name=name) + "for i in range(300): log.info('%d', i)", place)
    assert (code, err) == (0, "")
    assert time.monotonic() - began < 30
    (left,) = spools(place)
    own_server.start()
    logs_until(lambda: not left.exists(), NEXT, place)
    assert messages(own_server, name) == [str(i) for i in range(300)]
    assert named(own_server, name)["state"] == "succeeded"
    assert spools(place) == []


def test_a_server_that_hangs_does_not_keep_a_process_from_ending(own_server, request):
    place = place_of(own_server)
    own_server.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert completed(LOGS.format(name=request.node.name) + "log.info('x')", place)[0] == 0
    assert time.monotonic() - began < 30
    own_server.process.send_signal(signal.SIGCONT)
    assert len(spools(place)) == 1


# --- servers that end ------------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)  # servers start again and again, on a busy machine slowly
def test_servers_killed_again_and_again_cost_no_record_and_double_none(own_server, request):
    place, name = place_of(own_server), request.node.name
    code = """
for i in range(10_000):
    log.info('%d', i)
    if i % 10 == 0: time.sleep(0.008)
print('done', flush=True)
sys.stdin.readline()
"""
    process = program(LOGS.format(name=name) + code, place)
    for pause in (0.7, 0.05, 0.4):
        time.sleep(pause)
        own_server.stop(signal.SIGKILL)
        own_server.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"
    until(lambda: named(own_server, name)["lines"] == 10_000, 60)
    process.communicate(timeout=60)
    assert messages(own_server, name) == [str(i) for i in range(10_000)]
    assert spools(place) == []


# --- children ----------------------------------------------------------------------------------------------


def test_forked_workers_log_into_the_same_workload(server, place, request):
    code = (
        LOGS.format(name=request.node.name)
        + """
import multiprocessing


def work(n):
    for i in range(100): log.info('%d:%d', n, i)
if __name__ == "__main__":
    log.info('parent')
    with multiprocessing.get_context("fork").Pool(3) as pool:
        pool.map(work, range(6))
    log.info('parent again')
"""
    )
    out = completed(code, place)
    assert out == (0, "", "")
    found = messages(server, request.node.name)
    assert (found[0], found[-1], len(found)) == ("parent", "parent again", 602)
    for n in range(6):
        assert [m for m in found if m.startswith(f"{n}:")] == [f"{n}:{i}" for i in range(100)]
    assert named(server, request.node.name)["state"] == "succeeded"


def test_children_that_outlive_their_killed_parent_lose_no_record_while_another_process_sends(own_server, request):
    place = place_of(own_server)
    code = """
for n in range(3):
    if os.fork() == 0:
        for i in range(400):
            log.info('%d:%d', n, i)
            time.sleep(0.004)
        os._exit(0)
log.info('parent')
time.sleep(0.2)
os.kill(os.getpid(), signal.SIGKILL)
"""
    parent = program(LOGS.format(name=request.node.name) + code, place)
    parent.wait(60)
    (left,) = spools(place)
    logs_until(lambda: not left.exists(), NEXT, place)  # sends what waits, again and again, while they go on
    out, errors = parent.communicate(timeout=60)  # the children have the same output
    assert (out, errors) == ("", "")
    found = messages(own_server, request.node.name)
    for n in range(3):
        assert [m for m in found if m.startswith(f"{n}:")] == [f"{n}:{i}" for i in range(400)]
    assert len(found) == 1201


def test_a_childs_record_does_not_wait_for_its_parents_next_and_its_end_is_not_the_parents(server, place, request):
    code = (
        LOGS.format(name=request.node.name)
        + """
log.info('parent')
pid = os.fork()
if pid == 0:
    log.info('child')
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
print('waited', flush=True)
sys.stdin.readline()
log.info('parent again')
"""
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, PLACE: str(place)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "waited\n"
    until(lambda: named(server, request.node.name)["lines"] == 2)
    assert named(server, request.node.name)["state"] == "running"
    process.communicate("\n", timeout=30)
    assert messages(server, request.node.name) == ["parent", "child", "parent again"]
    assert named(server, request.node.name)["state"] == "succeeded"


def test_a_kernel_that_is_restarted_has_ended_its_log(server):
    with server.kernel() as kernel:
        kernel.run(LOGS.format(name="of a kernel") + "log.info('x')\nhandler = log.handlers[0]")
        kernel.run("handler.workload")
        assert kernel.shown["application/vnd.jupyter-logstream.v1+json"]["workload"]
        kernel.client.shutdown()
        until(lambda: named(server, "of a kernel")["state"] == "succeeded")
    assert messages(server, "of a kernel") == ["x"]
