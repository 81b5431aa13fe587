"""Files that other programs write become a log: rotation, truncation, globs, binary bytes, nothing lost or doubled."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.followed_files import append, busy_writer, follow, shows, waits
from support.waiting import eventually

from jupyter_logstream.backends.follow_roots import resolve_follow

if TYPE_CHECKING:
    from support.running import Bench

LOGROTATE = "/usr/sbin/logrotate"


@pytest.mark.parametrize("poll", [False, True])
async def test_lines_are_shown_as_they_are_written_until_it_is_cancelled(bench: Bench, logs: Path, poll: bool) -> None:
    append(logs / "a.log", b"INFO old\n")
    job = await follow(bench, logs, "a.log", poll=poll)
    await shows(job, "INFO old")
    append(logs / "a.log", b"ERROR new\nhalf")
    await shows(job, "INFO old", "ERROR new")
    assert job.status.state == "running"
    await job.cancel(1)
    status = await job.end()
    assert (status.state, status.exit_code, status.error) == ("cancelled", None, None)
    assert job.lines() == ["INFO old", "ERROR new", "half"]
    assert [record.level for record in job.records()] == ["info", "error", "unknown"]
    assert job.bytes("stdout") == b"INFO old\nERROR new\nhalf"


async def test_a_file_that_does_not_exist_yet_is_waited_for(bench: Bench, logs: Path) -> None:
    job = await follow(bench, logs, "later/a.log")
    await waits(job, "waiting for later/a.log")
    (logs / "later").mkdir()
    append(logs / "later" / "a.log", b"here\n")
    await shows(job, "here")
    await waits(job, "")


async def test_a_removed_file_is_waited_for_and_read_again_from_its_beginning(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "one")
    (logs / "a.log").unlink()
    await waits(job, "waiting for a.log")
    append(logs / "a.log", b"two\n")
    await shows(job, "one", "two")


async def test_a_renamed_file_is_read_to_its_end_before_the_new_one(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "one")
    with (logs / "a.log").open("ab", buffering=0) as file:
        (logs / "a.log").rename(logs / "a.log.1")
        file.write(b"two\nthr")
        append(logs / "a.log", b"four\n")
        file.write(b"ee\n")
        await shows(job, "one", "two", "three", "four")
        file.write(b"late\n")  # its writer has not opened the new file yet
        await shows(job, "one", "two", "three", "four", "late")


@pytest.mark.parametrize("poll", [False, True])
async def test_renames_under_a_busy_writer_lose_and_double_no_line(bench: Bench, logs: Path, poll: bool) -> None:
    job = await follow(bench, logs, "a.log", poll=poll)
    finish = await busy_writer(logs, "anew")
    await eventually(job.bytes)
    for number in range(12):
        (logs / "a.log").rename(logs / f"a.log.{number}")
        first = await eventually(
            lambda: (logs / "a.log").exists() and (logs / "a.log").read_bytes().partition(b"\n")[0]
        )
        await eventually(lambda first=first: first + b"\n" in job.bytes()[-1_000_000:])
    count = await finish()
    await eventually(lambda: job.bytes().count(b"\n") >= count)
    assert sorted(job.bytes().splitlines()) == sorted(b"line %d" % n for n in range(count))
    assert job.lines("system") == []


async def test_a_truncated_file_is_read_from_its_beginning_and_reported(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\ntwo\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "one", "two")
    os.truncate(logs / "a.log", 0)
    append(logs / "a.log", b"three\n")
    await shows(job, "one", "two", "three")
    (report,) = job.lines("system")
    assert report.startswith("a.log was truncated after 8 bytes of it were read")
    assert "0 bytes that had been seen in it were not read" in report


async def test_a_truncation_ends_the_line_that_was_being_written(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"half")
    job = await follow(bench, logs, "a.log")
    await eventually(lambda: job.bytes() == b"half")
    (logs / "a.log").write_bytes(b"new\n")
    await shows(job, "half", "new")


async def test_other_content_of_the_same_size_is_read_from_its_beginning(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "a.log")
    await shows(job, "one")
    with (logs / "a.log").open("r+b") as file:  # as copytruncate looks when the log has grown again meanwhile
        file.write(b"two\nthree\n")
    await shows(job, "one", "two", "three")
    assert job.lines("system")[0].startswith("a.log was overwritten")


async def test_copytruncate_under_a_busy_writer_doubles_no_line_and_cuts_none(bench: Bench, logs: Path) -> None:
    job = await follow(bench, logs, "a.log")
    finish = await busy_writer(logs, "once")
    await eventually(job.bytes)
    for _ in range(5):
        before = len(job.lines("system"))
        shutil.copy(logs / "a.log", logs / "a.log.1")
        os.truncate(logs / "a.log", 0)
        await eventually(lambda before=before: len(job.lines("system")) > before)
        size = len(job.bytes())
        await eventually(lambda size=size: len(job.bytes()) > size)  # else there is nothing to notice
    count = await finish()
    await eventually(lambda: job.bytes().endswith(b"line %d\n" % (count - 1)))
    lines = job.bytes().splitlines()
    assert len(lines) == len(set(lines))
    assert set(lines) <= {b"line %d" % n for n in range(count)}


async def test_zeros_that_a_writer_leaves_after_a_truncation_are_no_line(bench: Bench, logs: Path) -> None:
    with (logs / "a.log").open("wb", buffering=0) as file:  # without O_APPEND it writes on where it was
        file.write(b"x" * 99_999 + b"\n")
        job = await follow(bench, logs, "a.log")
        await shows(job, "x" * 65_536, "x" * 34_463)
        os.truncate(logs / "a.log", 0)
        await eventually(lambda: job.lines("system"))
        file.write(b"next\n")
        await shows(job, "x" * 65_536, "x" * 34_463, "next")


async def test_several_files_in_one_log_keep_whole_lines_and_name_their_file(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"a1\na2 half")
    job = await follow(bench, logs, "*.log")
    await shows(job, "a1")
    append(logs / "b.log", b"b1\n")  # a new match
    await shows(job, "a1", "b1")
    append(logs / "a.log", b" whole\n")
    await shows(job, "a1", "b1", "a2 half whole")
    (logs / "b.log").unlink()
    append(logs / "a.log", b"a3\n")
    append(logs / "notes.txt", b"not followed\n")
    await shows(job, "a1", "b1", "a2 half whole", "a3")
    assert [(r.step, r.message) for r in job.records() if r.source == "stdout"] == [
        ("a.log", "a1"), ("b.log", "b1"), ("a.log", "a2 half whole"), ("a.log", "a3"),
    ]  # fmt: skip
    assert job.lines("log") == ["==> a.log <==", "==> b.log <==", "==> a.log <=="]
    assert job.bytes("stdout") == b"a1\nb1\na2 half whole\na3\n"


async def test_a_rotated_file_that_matches_the_glob_is_not_read_twice(bench: Bench, logs: Path) -> None:
    append(logs / "a.log", b"one\n")
    job = await follow(bench, logs, "*.log*")
    await shows(job, "one")
    (logs / "a.log").rename(logs / "a.log.1")
    append(logs / "a.log", b"two\n")
    await shows(job, "one", "two")
    append(logs / "b.log", b"three\n")  # found by a search that saw a.log.1, too
    await shows(job, "one", "two", "three")


async def test_a_link_to_a_followed_file_is_not_read_twice_and_its_new_target_is(bench: Bench, logs: Path) -> None:
    append(logs / "run1.log", b"one\n")
    (logs / "latest").symlink_to("run1.log")
    job = await follow(bench, logs, "latest")
    await shows(job, "one")
    append(logs / "run2.log", b"two\n")
    (logs / "new").symlink_to("run2.log")
    (logs / "new").rename(logs / "latest")
    await shows(job, "one", "two")


async def test_a_progress_bar_moves_while_it_is_written(bench: Bench, logs: Path) -> None:
    job = await follow(bench, logs, "a.log")
    append(logs / "a.log", b" 10%\r 20%")
    await eventually(lambda: job.bytes() == b" 10%\r 20%")
    append(logs / "a.log", b"\r100%\n")
    await shows(job, "100%")


async def test_any_bytes_are_stored_exactly(bench: Bench, logs: Path) -> None:
    data = bytes(range(256)) * 5000 + b"\xff\xfe end \x00\n"
    job = await follow(bench, logs, "a.log")
    (logs / "a.log").write_bytes(data)
    await eventually(lambda: job.bytes() == data)


async def test_secrets_are_masked(bench: Bench, logs: Path) -> None:
    resolved = resolve_follow({"paths": ["a.log"]}, str(logs), [str(logs)])
    job = await bench.start("follow", cwd=str(logs), tty=False, follow=resolved, env={"MY_TOKEN": "topsecret123"})
    append(logs / "a.log", b"with topsecret123 in it\n")
    await shows(job, "with *** in it")


@pytest.mark.parametrize(
    ("given", "first"), [({"tail": 2}, 8), ({"tail": 0}, 10), ({"tail": 99}, 0), ({"from_start": True}, 0), ({}, 0)]
)
async def test_an_existing_file_begins_where_the_caller_wants(
    bench: Bench, logs: Path, given: dict[str, Any], first: int
) -> None:
    append(logs / "a.log", b"".join(b"%d\n" % n for n in range(10)))
    job = await follow(bench, logs, "a.log", "absent", **given)
    await waits(job, "waiting for absent")  # reported after the first look, which finds where a.log begins
    append(logs / "a.log", b"10\n")
    await shows(job, *map(str, range(first, 11)))


async def test_a_large_file_begins_at_its_last_16_mib_and_says_so(bench: Bench, logs: Path) -> None:
    with (logs / "a.log").open("wb") as file:
        file.truncate(1 << 30)  # sparse
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + (b" " * 65_535 + b"\n") * 256 + b"last\n")
    job = await follow(bench, logs, "a.log")
    await eventually(lambda: job.bytes("stdout").endswith(b"\nlast\n"))
    assert len(job.bytes("stdout")) <= 16 * 1024 * 1024 + 6
    assert "from_start=True reads all of it" in job.lines("system")[0]
    short = await follow(bench, logs, "a.log", tail=1)
    await shows(short, "last")


@pytest.mark.skipif(shutil.which(LOGROTATE) is None, reason="logrotate is missing")
@pytest.mark.parametrize("how", ["create", "copytruncate"])
async def test_logrotate_loses_and_doubles_no_line(bench: Bench, logs: Path, tmp_path: Path, how: str) -> None:
    config, state = tmp_path / "logrotate.conf", tmp_path / "state"
    config.write_text(f"{logs}/a.log {{\n  rotate 3\n  {how}\n}}\n")
    config.chmod(0o600)
    job = await follow(bench, logs, "a.log")
    written: list[str] = []
    for number in range(4):
        lines = [f"{how} {number}.{line}" for line in range(200)]
        append(logs / "a.log", "".join(f"{line}\n" for line in lines).encode())
        written += lines
        await shows(job, *written)  # so that copytruncate leaves nothing unread
        rotate = await asyncio.create_subprocess_exec(LOGROTATE, "--force", "--state", state, config)
        assert await rotate.wait() == 0
        assert (logs / "a.log.1").read_text().splitlines() == lines
    append(logs / "a.log", b"end\n")
    await shows(job, *written, "end")
