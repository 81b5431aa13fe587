"""The spool: appended records are complete and unique after any crash; the file stays small."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.waiting import until

from jupyter_logstream.kernel.publish import spool as spools
from jupyter_logstream.kernel.publish.spool import Spool, SpoolClosed, adopt


@pytest.fixture
def spool(tmp_path: Path):
    made = Spool.create(tmp_path / "spool", "k", {"name": "x"})
    yield made
    made.release()


def drain(spool: Spool, max_lines: int | None = None) -> list[bytes]:
    found: list[bytes] = []
    while (batch := spool.read(max_lines)) is not None:
        assert batch.lines == batch.data.count(b"\n")
        found += batch.data.splitlines()
        spool.acknowledge(batch.end, len(found))
    return found


def test_lines_come_out_as_they_went_in(spool):
    lines = [b"line %d" % i for i in range(1000)]
    for line in lines:
        assert spool.append(line + b"\n")
    assert drain(spool, max_lines=7) == lines
    assert spool.unsent == 0
    assert spool.read() is None


def test_only_its_user_may_read_it(tmp_path, spool):
    assert stat.S_IMODE(spool.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.path.parent.stat().st_mode) == 0o700


def test_what_was_sent_takes_no_room(spool):
    line = b"x" * 999 + b"\n"
    for _ in range(5000):
        assert spool.append(line)
        batch = spool.read()
        spool.acknowledge(batch.end, 1)
        assert spool.path.stat().st_size < 3 << 20


def test_a_spool_that_is_never_quite_empty_stays_small_all_the_same(spool):
    for i in range(5000):
        assert spool.append(b"%09d" % i + b"x" * 990 + b"\n")
        if i:
            batch = spool.read(max_lines=1)
            assert batch.data.startswith(b"%09d" % (i - 1))
            spool.acknowledge(batch.end, i)
        assert spool.path.stat().st_size < 3 << 20
    assert drain(spool) == [b"%09d" % 4999 + b"x" * 990]


def test_at_its_bound_it_takes_nothing_until_there_is_room_again(spool, monkeypatch):
    monkeypatch.setattr(spools, "MAX_SPOOL_BYTES", 3 << 20)
    line = b"x" * 999 + b"\n"
    taken = 0
    while spool.append(line):
        taken += 1
    assert 3000 < taken < 3200
    assert spool.path.stat().st_size <= 3 << 20
    for _ in range(4):
        batch = spool.read(max_lines=500)
        spool.acknowledge(batch.end, 1)
    assert spool.append(line)
    assert len(drain(spool)) == taken - 2000 + 1


def test_the_last_line_finds_room_always_and_nothing_follows_it(spool, monkeypatch):
    monkeypatch.setattr(spools, "MAX_SPOOL_BYTES", 0)
    assert not spool.append(b"no\n")
    assert spool.append(b"last\n", last=True)
    with pytest.raises(SpoolClosed):
        spool.append(b"late\n")
    assert drain(spool) == [b"last"]


def test_a_full_disk_leaves_whole_lines(spool, monkeypatch):
    assert spool.append(b"one\n")
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:2]))
    assert not spool.append(b"two\n")
    monkeypatch.undo()
    assert spool.append(b"three\n")
    assert drain(spool) == [b"one", b"three"]


def test_spool_of_a_live_process_is_not_adopted(tmp_path, spool):
    spool.append(b"x\n")
    assert list(adopt(tmp_path / "spool")) == []
    code = (
        "import sys; from pathlib import Path; from jupyter_logstream.kernel.publish.spool import adopt\n"
        "print(len(list(adopt(Path(sys.argv[1])))))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "spool")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == "0\n"
    assert spool.append(b"y\n")
    assert drain(spool) == [b"x", b"y"]


WRITER = """
import sys
from pathlib import Path
from jupyter_logstream.kernel.publish.spool import Spool
spool = Spool.create(Path(sys.argv[1]), "k", {"name": "x"})
spool.note("w1")
batch = 0
for i in range(10**9):
    spool.append(b"%d" % i + b"." * 500 + b"\\n")
    if i % 100 == 99:
        found = spool.read(max_lines=int(sys.argv[2]))
        spool.acknowledge(found.end, int(found.data.splitlines()[-1].split(b".")[0]) + 1)
    print(i, flush=True)
"""


@pytest.mark.parametrize("sent_of_100", [50, 99, 100])
def test_what_a_killed_process_has_appended_is_taken_in_from_where_it_had_sent_to(sent_of_100, tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(sent_of_100)]
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        # Several times as much as is closed up at once, so that some are killed while they do it.
        for line in process.stdout:
            if int(line) > 5000:
                break
        time.sleep(0.003 * (_ + 1))
        process.kill()
        appended = max([int(line) for line in process.stdout.read().split("\n")[:-1]] + [5001])
        process.wait()
        (spool,) = adopt(tmp_path)
        assert (spool.purpose, spool.sent_to) == ({"name": "x"}, "w1")
        last = spool.last
        numbers = [int(line.split(b".")[0]) for line in drain(spool)]
        assert numbers == list(range(last, last + len(numbers)))
        assert last + len(numbers) in {appended + 1, appended + 2}  # the last one may not have been reported
        spool.remove()
        assert list(tmp_path.glob("*")) == []


class Killed(BaseException):
    pass


@pytest.mark.parametrize("writes", [1, 2, 3, 4])
def test_a_crash_while_it_closes_up_loses_and_doubles_nothing(writes, tmp_path, monkeypatch):
    """After each of its writes: the acknowledgement, the lines moved, the head, the end cut off."""
    monkeypatch.setattr(spools, "COMPACT_BYTES", 1 << 40)
    spool = Spool.create(tmp_path, "k", {})
    for i in range(3000):
        spool.append(b"%04d" % i + b"x" * 995 + b"\n")
    sent = 0
    while sent < 2000:
        batch = spool.read(max_lines=500)
        sent += batch.lines
        if sent < 2000:
            spool.acknowledge(batch.end, sent)
    left = [writes]

    def dies(write):
        def written(*args):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return write(*args)

        return written

    monkeypatch.setattr(spools, "COMPACT_BYTES", 0)
    for name in ("pwrite", "ftruncate"):
        monkeypatch.setattr(os, name, dies(getattr(os, name)))
    with pytest.raises(Killed):
        spool.acknowledge(batch.end, sent)
    monkeypatch.undo()
    spool.release()  # as the system does for the dead
    (found,) = adopt(tmp_path)
    assert found.last == sent
    assert [int(line[:4]) for line in drain(found)] == list(range(sent, 3000))
    found.remove()


def test_half_a_line_of_a_killed_process_is_left_out(tmp_path):
    spool = Spool.create(tmp_path, "k", {})
    spool.append(b"whole\n")
    os.write(spool._log, b"hal")
    spool.release()
    (found,) = adopt(tmp_path)
    assert drain(found) == [b"whole"]
    found.remove()


def test_old_unsent_spool_is_deleted(tmp_path):
    spool = Spool.create(tmp_path, "k", {})
    spool.append(b"x\n")
    spool.release()
    old = time.time() - spools.MAX_AGE_S - 1
    os.utime(spool.path, (old, old))
    assert list(adopt(tmp_path)) == []
    assert not spool.path.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b'{"spool": 99}'])
def test_files_of_others_are_left_alone(content, tmp_path):
    (tmp_path / "a.spool").write_bytes(content)
    assert list(adopt(tmp_path)) == []
    assert (tmp_path / "a.spool").read_bytes() == content


def test_forked_children_write_into_the_same_spool_between_whole_lines(spool):
    pids = []
    for child in range(4):
        pid = os.fork()
        if pid == 0:
            for i in range(500):
                spool.append(b"%d:%d" % (child, i) + b"." * 300 + b"\n")
            os._exit(0)
        pids.append(pid)
    mine = [b"p:%d" % i for i in range(500)]
    found = []
    for line in mine:
        spool.append(line + b"\n")
        found += drain(spool)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    found = [line.rstrip(b".") for line in found + drain(spool)]
    for writer in (b"0", b"1", b"2", b"3", b"p"):
        theirs = [line for line in found if line.startswith(writer + b":")]
        assert theirs == [b"%s:%d" % (writer, i) for i in range(500)]
    assert len(found) == 2500


def test_an_adopted_spool_stays_until_the_last_child_of_its_dead_process_has_ended(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from jupyter_logstream.kernel.publish.spool import Spool\n"
        "spool = Spool.create(Path(sys.argv[1]), 'k', {})\n"
        "spool.append(b'parent\\n')\n"
        "if os.fork(): os._exit(0)\n"
        "for line in sys.stdin: spool.append(line.encode()); print(line, end='', flush=True)"
    )
    pipe = subprocess.PIPE
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=pipe, stdout=pipe, text=True)
    parent.wait(60)
    (spool,) = adopt(tmp_path)
    assert not spool.remove_unless_written()
    assert drain(spool) == [b"parent"]
    for line in ("one\n", "two\n"):
        assert not spool.remove_unless_written()  # nothing waits, but the child lives
        print(line, end="", file=parent.stdin, flush=True)
        assert parent.stdout.readline() == line
        assert drain(spool) == [line.strip().encode()]
    parent.stdin.close()
    assert parent.stdout.read() == ""  # the child has ended
    until(spool.remove_unless_written)
    assert list(tmp_path.glob("*")) == []
    assert spool.remove_unless_written()


def test_child_detects_the_end_of_its_parent(spool):
    for end in (lambda: spool.append(b"end\n", last=True), spool.remove):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.read(read, 1)
            try:
                spool.append(b"late\n")
            except SpoolClosed:
                os._exit(7)
            os._exit(0)
        end()
        os.write(write, b"x")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_a_fork_while_others_append_leaves_no_lock_behind(spool):
    busy = True

    def append():
        while busy:
            spool.append(b"x\n")

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)  # a lock that is never released must fail the test, not hang it
            os._exit(0 if spool.append(b"y\n") else 1)
        assert os.waitpid(pid, 0)[1] == 0
    busy = False
    for thread in threads:
        thread.join()
    assert sum(line == b"y" for line in drain(spool)) == 20
