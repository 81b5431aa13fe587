"""What a follower must not do or be harmed by: the file unchanged, links, pipes, full disks, kills."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.followed_files import append, follow, shows, waits
from support.waiting import eventually

from jupyter_logstream.backends.follow_roots import resolve_follow

if TYPE_CHECKING:
    from support.running import Bench


def open_flags(pid: int, path: Path) -> str:
    """What Linux reports of a process's descriptor of a file."""
    folder = Path(f"/proc/{pid}/fd")
    (number,) = [fd.name for fd in folder.iterdir() if os.path.realpath(fd) == str(path)]
    return Path(f"/proc/{pid}/fdinfo/{number}").read_text()


def bytes_read(pid: int) -> int:
    """How many bytes a process has read so far (Linux)."""
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


async def test_the_file_is_never_changed(bench: Bench, logs: Path) -> None:
    path = logs / "a.log"
    append(path, b"one\n")
    path.chmod(0o440)
    before = path.stat()
    job = await follow(bench, logs, "a.log")
    await shows(job, "one")
    flags = open_flags(job.runner, path)
    assert int(flags.split("flags:")[1].split()[0], 8) & os.O_ACCMODE == os.O_RDONLY
    assert "lock:" not in flags
    await job.cancel(1)
    await job.end()
    after = path.stat()
    assert [getattr(before, f"st_{k}") for k in ("ino", "mode", "size", "mtime_ns", "ctime_ns", "nlink")] == [
        getattr(after, f"st_{k}") for k in ("ino", "mode", "size", "mtime_ns", "ctime_ns", "nlink")
    ]
    assert os.listdir(logs) == ["a.log"]


async def test_a_link_that_leaves_the_roots_later_is_not_followed(bench: Bench, logs: Path, tmp_path: Path) -> None:
    append(tmp_path / "secret", b"not for the log\n")
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "one")
    (logs / "link").symlink_to(tmp_path / "secret")
    (logs / "link").rename(logs / "a.log")
    await waits(job, "a.log leads outside the folders that may be followed")
    (logs / "a.log").unlink()
    append(logs / "a.log", b"two\n")
    await shows(job, "one", "two")


async def test_what_is_no_file_is_waited_for_without_being_opened(bench: Bench, logs: Path) -> None:
    job = await follow(bench, logs, "a.log")
    (logs / "a.log").mkdir()
    await waits(job, "a.log is a directory")
    (logs / "a.log").rmdir()
    os.mkfifo(logs / "a.log")
    await waits(job, "a.log is not a regular file")
    with pytest.raises(OSError, match="No such device"):  # no reader has it open
        os.open(logs / "a.log", os.O_WRONLY | os.O_NONBLOCK)
    (logs / "a.log").unlink()
    append(logs / "a.log", b"one\n")
    await shows(job, "one")


async def test_a_full_disk_loses_and_doubles_nothing(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "one")
    before = resource.prlimit(job.runner, resource.RLIMIT_FSIZE)
    resource.prlimit(job.runner, resource.RLIMIT_FSIZE, (2000, before[1]))
    read, data = bytes_read(job.runner), b"".join(b"%d\n" % n for n in range(2000))
    append(logs / "a.log", data)
    await eventually(lambda: bytes_read(job.runner) >= read + len(data))
    assert (job.status.state, len(job.lines())) == ("running", 1)
    resource.prlimit(job.runner, resource.RLIMIT_FSIZE, before)
    await shows(job, "one", *map(str, range(2000)))


async def test_a_timeout_ends_it(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    job = await bench.start(
        "follow", cwd=str(logs), timeout=0.5, follow=resolve_follow({"paths": ["a.log"]}, str(logs), [str(logs)])
    )
    status = await job.end()
    assert (status.state, status.error) == ("timed_out", "followed for its timeout of 0.5 s")
    assert job.lines() == ["one"]
