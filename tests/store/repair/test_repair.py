"""After a crash, and after worse: what is served is right, and appending goes on."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from support.on_disk import (
    downloaded,
    folder_of,
    served,
    texts,
    write,
)

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk.writer import LogWriter

OUTPUT = [
    ("stdout", b"".join(b"INFO line %d of the output\n" % i for i in range(1, 61))),
    ("stderr", b"one\r\ntwo\nhalf"),
]


def expected_texts() -> tuple[list[str], list[str]]:
    return [f"INFO line {i} of the output" for i in range(1, 61)], ["one", "two", "half"]


def go_on(folder: Path) -> None:
    """Open it as the next writer would, append, and end it."""
    log = LogWriter(folder)
    for i in range(10):
        log.write("stdout", b"after %d\n" % i)
    log.close()


def assert_whole(root: Path, *, lost_tail: bool = False) -> None:
    stdout, stderr = expected_texts()
    got = texts(root, "stdout")
    after = [f"after {i}" for i in range(10)]
    if lost_tail:  # the last line was cut: what is left of it is a line, or the beginning of the next
        assert got[-9:] == after[1:]
        assert got[: len(got) - 11] == stdout[: len(got) - 11]
        assert got[-10].endswith(after[0])
    else:
        assert got == stdout + after
    assert texts(root, "stderr") == stderr
    assert [r.seq for r in served(root)] == list(range(1, len(served(root)) + 1))


@pytest.mark.parametrize("cut", range(1, 41))
def test_an_index_that_lost_its_last_bytes_is_completed_from_the_log(root: Path, cut: int) -> None:
    folder = folder_of(root)
    write(folder, *OUTPUT)
    path = folder / "index.000"
    os.truncate(path, path.stat().st_size - cut)
    go_on(folder)
    assert_whole(root)


@pytest.mark.parametrize("cut", [*range(1, 41, 3), 400])
def test_a_log_that_lost_its_last_bytes_loses_no_other_line(root: Path, cut: int) -> None:
    folder = folder_of(root)
    write(folder, *OUTPUT)
    path = folder / "stdout.000"
    os.truncate(path, path.stat().st_size - cut)
    left = path.read_bytes()
    go_on(folder)
    assert downloaded(folder, "stdout") == left + b"".join(b"after %d\n" % i for i in range(10))
    assert_whole(root, lost_tail=True)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("ended", [False, True])
def test_random_bytes_in_the_index_never_make_a_wrong_record(root: Path, seed: int, ended: bool) -> None:
    rng = random.Random(seed)
    folder = folder_of(root)
    write(folder, *OUTPUT, end=ended)
    path = folder / "index.000"
    data = bytearray(path.read_bytes())
    at = rng.randrange(len(data) - 64)
    data[at : at + 64] = rng.randbytes(64)
    path.write_bytes(data)
    stdout, stderr = expected_texts()
    # Read before a writer repairs the log: all records are served, and they are right.
    assert texts(root, "stdout") == stdout
    assert texts(root, "stderr") == (stderr if ended else stderr[:2])


@pytest.mark.parametrize("word", ["offset", "length", "tail"])
@pytest.mark.parametrize("by", [1, 5, 24, 28, -1 & 0xFFFF])
def test_a_wrong_place_in_the_index_is_never_served(root: Path, word: str, by: int) -> None:
    folder = folder_of(root)
    chunks = [chunk for i in range(30) for chunk in (("stdout", b"out %d\r\n" % i), ("stderr", b"err %d\n" % i))]
    write(folder, *chunks, end=True)
    path = folder / "index.000"
    data = bytearray(path.read_bytes())
    at = 32 * 21 + {"offset": 0, "length": 16, "tail": 20}[word]
    value = int.from_bytes(data[at : at + 4], "little") ^ by
    data[at : at + 4] = value.to_bytes(4, "little")
    path.write_bytes(data)
    for source, prefix in ("stdout", "out"), ("stderr", "err"):
        assert texts(root, source) == [f"{prefix} {i}" for i in range(30)]


def lose(folder: Path) -> None:
    (folder / "index.000").unlink()


def empty(folder: Path) -> None:
    (folder / "index.000").write_bytes(b"")


def cut_to_header(folder: Path) -> None:
    os.truncate(folder / "index.000", 32)


def cut_inside_header(folder: Path) -> None:
    os.truncate(folder / "index.000", 17)


def fill_with_nuls(folder: Path) -> None:
    (folder / "index.000").write_bytes(bytes((folder / "index.000").stat().st_size))


def replace_by_a_foreign_one(folder: Path) -> None:
    other = folder.with_name("01JD0000000000000000000001")
    other.mkdir()
    write(other, ("stdout", b"".join(b"another log %d\n" % i for i in range(80))))
    (folder / "index.000").write_bytes((other / "index.000").read_bytes())


def replace_by_an_older_one(folder: Path) -> None:
    now = (folder / "index.000").read_bytes()
    (folder / "index.000").write_bytes(now[: 32 * 21])


LOSSES = [
    lose,
    empty,
    cut_to_header,
    cut_inside_header,
    fill_with_nuls,
    replace_by_a_foreign_one,
    replace_by_an_older_one,
]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_index_is_rebuilt_by_the_next_writer(root: Path, loss: Callable[[Path], None]) -> None:
    folder = folder_of(root)
    write(folder, *OUTPUT)
    loss(folder)
    go_on(folder)
    assert_whole(root)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_index_of_an_ended_log_is_rebuilt_by_the_reader(root: Path, loss: Callable[[Path], None]) -> None:
    folder = folder_of(root)
    write(folder, *OUTPUT, end=True)
    loss(folder)
    stdout, stderr = expected_texts()
    assert texts(root, "stdout") == stdout
    assert texts(root, "stderr") == stderr


@pytest.mark.parametrize("cut", [1, 31, 32, 33, 320])
def test_a_shortened_index_of_an_ended_log_is_completed_by_the_reader(root: Path, cut: int) -> None:
    folder = folder_of(root)
    write(folder, *OUTPUT, end=True)
    path = folder / "index.000"
    os.truncate(path, path.stat().st_size - cut)
    stdout, stderr = expected_texts()
    assert texts(root, "stdout") == stdout
    assert texts(root, "stderr") == stderr


def test_times_assigned_after_a_crash_are_flagged_as_estimates(root: Path) -> None:
    folder = folder_of(root)
    write(folder, *OUTPUT)
    os.truncate(folder / "index.000", 32 * 31)
    go_on(folder)
    records = [r.fields for r in served(root)]
    assert records[:30] == [None] * 30
    assert records[30:60] == [{"ts_estimated": True}] * 30
    assert served(root)[-1].fields is None


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_published_records_survive_a_torn_tail(root: Path, cut: int) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    some = [Record(0, 1e12 + i, "warn", f"m{i}", step=f"step {i % 3}", source="log", fields={"i": i}) for i in range(9)]
    log.publish(some)
    log.release()
    for name, size in ("index.000", cut), ("notes.000", cut):
        os.truncate(folder / name, (folder / name).stat().st_size - size)
    log = LogWriter(folder)
    log.publish([Record(0, 2e12, "info", "after", source="log")])
    log.close()
    records = served(root)
    assert [r.message for r in records] == [f"m{i}" for i in range(8)] + ["after"]
    assert [(r.step, r.fields) for r in records[:8]] == [(f"step {i % 3}", {"i": i}) for i in range(8)]


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_a_torn_step_name_loses_no_record(root: Path, cut: int) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    log.publish([Record(0, 1e12, "info", f"m{i}", step=f"step {i}", source="log") for i in range(3)])
    log.release()
    os.truncate(folder / "steps", (folder / "steps").stat().st_size - cut)
    log = LogWriter(folder)
    log.publish([Record(0, 1e12, "info", "after", step="new", source="log")])
    log.close()
    records = served(root)
    assert [r.message for r in records] == ["m0", "m1", "m2", "after"]
    assert [r.step for r in records[:2]] == ["step 0", "step 1"]
    assert records[3].step == "new"
