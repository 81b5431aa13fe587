"""Records that a workload's processes publish over the runner's socket: stored as sent, in order, or refused whole."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.programs import PYTHON
from support.running import Job, memory

from jupyter_logstream.wire.runner_socket import MAX_PUBLISH_BYTES, MAX_PUBLISH_RECORDS, request, socket_path

if TYPE_CHECKING:
    from support.running import Bench

SECRET = "tk-live-0123456789abcdef"


class Sender:
    """A process of the workload that publishes."""

    def __init__(self, job: Job) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        with socket_path(job.folder.control) as path:
            self._socket.connect(path)

    def publish(self, *records: Any) -> dict[str, Any]:
        return self.send(b"".join(json.dumps(record).encode() + b"\n" for record in records))

    def send(self, data: bytes) -> dict[str, Any]:
        self._socket.sendall(request("publish", size=len(data)) + data)
        return self.answer()

    def answer(self) -> dict[str, Any]:
        found = b""
        while not found.endswith(b"\n"):
            more = self._socket.recv(4096)
            assert more, "the runner closed the connection"
            found += more
        return json.loads(found)

    def close(self) -> None:
        self._socket.close()


async def begin(bench: Bench) -> tuple[Job, Sender]:
    """A workload that prints `ready`, then a line that it is sent; and a process that publishes."""
    job = await bench.start("echo ready; read x; echo $x", stdin=True, env={"MY_API_KEY": SECRET})
    await job.waits_for_output("ready")
    return job, Sender(job)


async def test_published_records_are_stored_once_answered_with_all_that_they_name(bench: Bench) -> None:
    job, sender = await begin(bench)
    record = {"message": "loss is 0.3", "level": "warning", "ts": 1e12, "step": "fit", "fields": {"epoch": 3}}
    assert sender.publish(record, {"message": "ERROR: by its text"}) == {"ok": True}
    _, first, second = job.records()
    assert (first.message, first.level, first.ts) == ("loss is 0.3", "warn", 1e12)
    assert (first.step, first.fields, first.source) == ("fit", {"epoch": 3}, "log")
    assert (second.level, second.step, second.fields, second.source) == ("error", None, None, "log")
    await job.send(b"end\n")
    assert (await job.end()).state == "succeeded"
    assert job.lines() == ["ready", "loss is 0.3", "ERROR: by its text", "end"]
    assert job.folder.read_status()[1]["lines"] == 4


@pytest.mark.parametrize("tty", [True, False])
async def test_a_record_follows_the_output_that_was_written_before_it(bench: Bench, tty: bool) -> None:
    code = """
import json, os, socket
runner = socket.socket(socket.AF_UNIX)
os.chdir(os.path.dirname(os.environ["JUPYTER_LOGSTREAM_RUNNER"]))  # its path can be too long for a socket
runner.connect("control")
for i in range(100):
    os.write(1 + i % 2, b"printed %d\\n" % i)
    data = json.dumps({"message": f"published {i}"}).encode()
    runner.sendall(json.dumps({"do": "publish", "size": len(data)}).encode() + b"\\n" + data)
    assert json.loads(runner.recv(100)) == {"ok": True}
"""
    job = await bench.run([PYTHON, "-c", code], tty=tty, elsewhere=True)
    assert job.status.state == "succeeded", job.lines()
    assert job.lines() == [f"{how} {i}" for i in range(100) for how in ("printed", "published")]


async def test_records_begin_and_end_no_step_of_the_output(bench: Bench) -> None:
    job = await bench.start("echo '::step:: load'; read x; echo '::endstep::'; read x; echo end", stdin=True)
    await job.waits_for_output("::step::")
    sender = Sender(job)
    sender.publish({"message": "in load", "step": "load"}, {"message": "of a thread"})
    await job.send(b"\n")
    await job.waits_for_output("::endstep::")
    sender.publish({"message": "late", "step": "load"})
    await job.send(b"\n")
    await job.end()
    steps = job.folder.read_status()[1]["steps"]
    assert [(step.name, step.state) for step in steps] == [("load", "succeeded")]
    found = {record.message: record.step for record in job.records()}
    assert (found["in load"], found["of a thread"], found["late"], found["end"]) == ("load", None, "load", None)


async def test_secrets_in_records_do_not_reach_the_disk(bench: Bench) -> None:
    job, sender = await begin(bench)
    sender.publish({"message": f"key={SECRET}", "step": f"with {SECRET}", "fields": {"of": [SECRET], SECRET: 1}})
    record = job.records()[-1]
    assert (record.message, record.step, record.fields) == ("key=***", "with ***", {"of": ["***"], "***": 1})
    written = [path for path in job.folder.path.iterdir() if path.is_file() and path.name != "spec.json"]
    assert not [path.name for path in written if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"garbage\n", "invalid_json"),
        (b'{"message": "a"}\n{"message"\n', "invalid_json"),
        (b'{"message": "x", "fields": {"a": NaN}}\n', "invalid_json"),
        (b'{"message": "half \\ud800"}\n', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"5\n", "[0]: must be an object"),
        (b'{"message": "a"}\n{"message": 5}\n', "[1].message: must be a string"),
        (b'{"message": "a", "seq": 1}\n', "[0]: 'seq' is not a field of a record"),
        (b'{"state": "succeeded"}\n', "not_external"),
        (b'{"message": "a"}\n' * (MAX_PUBLISH_RECORDS + 1), "too_large"),
        (b'{"message": "%s"}\n' % (b"x" * MAX_PUBLISH_BYTES), "too_large"),
    ],
)
async def test_a_batch_that_is_wrong_is_refused_whole_and_the_next_is_stored(
    data: bytes, error: str, bench: Bench
) -> None:
    job, sender = await begin(bench)
    assert sender.send(data) == {"error": error}
    assert sender.publish({"message": "good"}) == {"ok": True}
    assert job.lines() == ["ready", "good"]


async def test_a_message_longer_than_a_line_is_stored_in_parts(bench: Bench) -> None:
    job, sender = await begin(bench)
    assert sender.publish({"message": "ü" * 50_000, "fields": {"a": 1}}) == {"ok": True}
    _, *parts, last = job.records()
    assert "".join(part.message for part in [*parts, last]) == "ü" * 50_000
    assert ([part.part for part in parts], last.part, last.fields) == ([True] * len(parts), False, {"a": 1})


async def test_lines_of_a_traceback_that_are_published_one_by_one_have_its_level(bench: Bench) -> None:
    job, sender = await begin(bench)
    for line in "Traceback (most recent call last):", '  File "a.py", line 1, in <module>', "ValueError: no", "on":
        sender.publish({"message": line})
    assert [record.level for record in job.records()[1:]] == ["error", "error", "error", "unknown"]


async def test_many_senders_publish_at_once_and_nothing_is_lost(bench: Bench) -> None:
    job, _ = await begin(bench)

    def send(number: int) -> None:
        sender = Sender(job)
        for i in range(20):
            assert sender.publish(*({"message": f"{number}:{i}:{k}"} for k in range(50))) == {"ok": True}
        sender.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = job.lines("log")
    for number in range(8):
        mine = [line for line in found if line.startswith(f"{number}:")]
        assert mine == [f"{number}:{i}:{k}" for i in range(20) for k in range(50)]
    assert memory(job.runner) < 35 * 1024 * 1024


async def test_a_descendant_that_outlives_the_workload_publishes_until_the_runner_ends(bench: Bench) -> None:
    job = await bench.start("sh -c 'read x < /dev/null; sleep 600' & echo ready; read x", stdin=True, tty=False)
    await job.waits_for_output("ready")
    sender = Sender(job)
    sender.publish({"message": "before"})
    await job.send(b"\n")
    assert (await job.end()).state == "succeeded"
    assert sender.publish({"message": "after"}) == {"ok": True}
    assert [line for line in job.lines("log") if not line.startswith("the workload")] == ["before", "after"]
    sender.close()


async def test_a_full_disk_makes_the_sender_wait_and_loses_nothing(bench: Bench) -> None:
    job, sender = await begin(bench)
    import resource  # noqa: PLC0415

    runner = job.runner
    sender.publish({"message": "before"})
    before = resource.prlimit(runner, resource.RLIMIT_FSIZE)
    resource.prlimit(runner, resource.RLIMIT_FSIZE, (100, before[1]))
    data = json.dumps({"message": "x" * 1000}).encode()
    sender._socket.sendall(request("publish", size=len(data)) + data)
    sender._socket.settimeout(1)
    with pytest.raises(TimeoutError):
        sender.answer()
    resource.prlimit(runner, resource.RLIMIT_FSIZE, before)
    sender._socket.settimeout(30)
    assert sender.answer() == {"ok": True}
    assert job.lines("log") == ["before", "x" * 1000]
