"""Files that another process damaged: nothing hangs, nothing wrong is served, losses are reported and counted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.damaged_logs import ENTRIES, SEGMENT, WIDE, lines, numbered, system
from support.on_disk import ID, downloaded, folder_of, opened, served, texts, write

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk.writer import LogWriter
from jupyter_logstream.store.errors import BadIndex


@pytest.fixture(autouse=True)
def small(small_segments: Any) -> None:
    small_segments(SEGMENT, ENTRIES)


# --- logs without a writer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("keeps", [None, 0, 1, 500, 999])
def test_a_damaged_segment_in_the_middle_loses_only_its_own_lines_and_is_reported(
    root: Path, keeps: int | None, ended: bool
) -> None:
    folder = folder_of(root)
    write(folder, *[("stdout", line) for line in lines(1, 201)], ("stderr", b"err\n"), end=ended)
    path = folder / "stdout.002"
    if keeps is None:
        path.unlink()
    else:
        os.truncate(path, keeps)
    if not ended:
        LogWriter(folder).release()
    found = numbered(texts(root, "stdout"))
    gone = range(1 + (2000 + (keeps or 0)) // WIDE, 2 + 2999 // WIDE)  # the lines that have bytes there
    records = served(root)
    assert found == [i for i in range(1, 201) if i not in gone]
    assert texts(root, "stderr") == ["err"]
    assert [r.seq for r in records] == list(range(1, 203))  # no number has changed
    assert [(r.seq, r.message, r.source) for r in records if r.fields] == [
        (seq, f"lost: a line of stdout ({WIDE} bytes)", "system") for seq in gone
    ]
    size = SEGMENT - (keeps or 0)
    assert records[-1].message == (
        f"{size} bytes of stdout were lost, of {len(gone)} records; zeros stand in their place"
    )
    assert len(downloaded(folder, "stdout")) == 200 * WIDE
    LogWriter(folder).release()
    assert served(root) == records  # reported once, and nothing more to repair


@pytest.mark.parametrize("name", ["stdout", "notes"])
def test_records_behind_damage_are_retained_and_appending_continues(root: Path, name: str) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for i in range(60):
        log.write("stdout", lines(i, i + 1)[0])
        log.publish([Record(0, 1e12, "info", f"note {i}", source="log")])
    log.release()
    os.truncate(folder / f"{name}.000", 300)
    log = LogWriter(folder)
    log.write("stdout", lines(60, 61)[0])
    log.close()
    assert numbered(texts(root, "stdout"))[-20:] == list(range(41, 61))
    assert texts(root, "log")[-20:] == [f"note {i}" for i in range(40, 60)]
    assert any(f"bytes of {name} were lost" in text for text in system(root))


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("cut", [1, 13, 26, 27, 300])
def test_lines_that_a_power_cut_took_from_the_tail_are_counted(root: Path, cut: int, ended: bool) -> None:
    folder = folder_of(root)
    write(folder, *[("stdout", line) for line in lines(1, 31)], end=ended)
    os.truncate(folder / "stdout.000", 30 * WIDE - cut)
    LogWriter(folder).release()
    whole = (30 * WIDE - cut) // WIDE
    unended = ended and cut % WIDE == 1  # it lacks nothing but its end
    assert numbered(texts(root, "stdout")) == list(range(1, whole + 1 + unended))
    records = 30 - whole - (1 if ended and cut % WIDE else 0)  # what is left of a line is a line once the log has ended
    assert system(root) == ([f"{records} records were lost: their bytes are not there any more"] if records else [])
    LogWriter(folder).release()
    assert len(system(root)) == bool(records)  # reported once


@pytest.mark.parametrize("name", ["index.000", "stdout.000", "notes.000", "steps", "masked"])
@pytest.mark.parametrize("cut", [1, 40, 200])
def test_zeros_in_the_place_of_a_torn_tail_never_make_a_log_unreadable(
    root: Path, small_segments: Any, name: str, cut: int
) -> None:
    small_segments(1 << 20, 1 << 10)
    folder = folder_of(root)
    log = LogWriter(folder)
    for i in range(1, 21):
        log.write("stdout", lines(i, i + 1)[0], masked=1)
        log.publish([Record(0, 1e12, "info", f"note {i}", step=f"s{i % 4}", source="log")])
    log.release()
    path = folder / name
    size = path.stat().st_size
    os.truncate(path, max(size - cut, 0))
    os.truncate(path, -(-size // 512) * 512)  # to the edge of a block, as file systems leave it
    log = LogWriter(folder)
    log.write("stdout", b"\n" + lines(21, 22)[0])
    log.close()
    found = numbered(texts(root, "stdout"))
    assert found[-1] == 21
    assert found[:12] == list(range(1, 13))
    assert texts(root, "log")[:12] == [f"note {i}" for i in range(1, 13)]
    assert downloaded(folder, "stdout").endswith(b"\n" + lines(21, 22)[0])


WRONG_KEPT = [b"", b"{", b"[]", b"null", b"{}", b"\xff\0", b'{"first": "x", "ends": {}}', b'{"first": 0, "ends": {}}',
              b'{"first": 3, "ends": 5}', b'{"first": 3, "ends": {"stdout": -1}}', bytes(40)]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_KEPT)
@pytest.mark.parametrize("ended", [False, True])
def test_a_damaged_retained_range_is_derived_from_index_and_files(root: Path, wrong: bytes, ended: bool) -> None:
    folder = folder_of(root)
    write(folder, *[("stdout", line) for line in lines(1, 301)], end=ended, keep=4000)
    before = served(root)
    assert before[0].seq > 1
    (folder / "kept").write_bytes(wrong)
    after = served(root)
    assert [r.message for r in after] == [r.message for r in before]
    assert [r.seq for r in after] == [r.seq for r in before]


@pytest.mark.parametrize("at", range(4, 32, 4))
def test_an_entry_that_is_half_zeros_is_not_trusted(root: Path, at: int) -> None:
    folder = folder_of(root)
    write(folder, *[("stdout", line) for line in lines(1, 21)], end=True)
    data = bytearray((folder / "index.000").read_bytes())
    data[32 * 12 + at : 32 * 13] = bytes(32 - at)
    (folder / "index.000").write_bytes(data)
    assert numbered(texts(root)) == list(range(1, 21))


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.timeout(20)  # waiting for the other end of a pipe is the bug
@pytest.mark.parametrize("plant", [pipe, link, a_folder])
@pytest.mark.parametrize("name", ["stdout.000", "stdout.002", "index.000", "notes.000", "kept", "steps", "masked"])
def test_links_and_pipes_in_the_place_of_files_are_neither_followed_nor_waited_for(
    root: Path, plant: Callable[[Path], None], name: str
) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for line in lines(1, 101):
        log.write("stdout", line, masked=1)
    log.publish([Record(0, 1e12, "info", "note", step="fit", source="log")])
    log.close()
    shutil.rmtree(folder / name, ignore_errors=True)
    (folder / name).unlink(missing_ok=True)
    plant(folder / name)
    with opened(root) as store:
        try:
            for after in range(0, 101, 20):
                assert b"root:" not in store.read(ID, after, 20).encode()
        except BadIndex:  # 503: the log cannot be read
            assert name not in {"steps", "masked"}
        assert store.size(ID) >= 0


@pytest.mark.timeout(20)
@pytest.mark.parametrize("plant", [pipe, link, a_folder])
@pytest.mark.parametrize("name", ["stdout.002", "notes.000", "stderr.000", "end", "masked", "steps"])
def test_a_writer_quarantines_links_and_pipes_in_the_place_of_its_files_and_ends_its_log(
    root: Path, plant: Callable[[Path], None], name: str
) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for line in lines(1, 101):
        log.write("stdout", line, masked=1)
    log.release()
    (folder / name).unlink(missing_ok=True)
    plant(folder / name)
    log = LogWriter(folder)
    log.write("stdout", lines(101, 102)[0], masked=1)
    log.write("stderr", b"err\n")
    log.publish([Record(0, 1e12, "info", "note", step="fit", source="log")])
    log.close()
    found = numbered(texts(root, "stdout"))
    assert found == [i for i in range(1, 102) if name != "stdout.002" or not 2000 < i * WIDE <= 3000 + WIDE]
    assert texts(root, "stderr") == ["err"]
    assert texts(root, "log") == ["note"]


def test_files_with_other_names_are_not_segments(root: Path) -> None:
    folder = folder_of(root)
    write(folder, *[("stdout", line) for line in lines(1, 101)], end=True)
    for name in "stdout.0001", "stdout.9", "index.0001", "index.\N{SUPERSCRIPT TWO}", "notes.00", "stdout.000.bak":
        (folder / name).write_bytes(b"x" * 50)
    assert numbered(texts(root)) == list(range(1, 101))
    assert downloaded(folder) == b"".join(lines(1, 101))


# --- time -------------------------------------------------------------------------------------------------------------


def test_records_are_in_the_order_they_came_whatever_the_clock_does(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time  # noqa: PLC0415

    now = 1_800_000_000
    jumps = [0, 1, -3600, 2, 3, 3, 3, 10 * 365 * 86400, 4, -(10**9), 5]
    folder = folder_of(root)
    log = LogWriter(folder)
    for i, jump in enumerate(jumps, 1):
        monkeypatch.setattr(time, "time_ns", lambda jump=jump: (now + jump) * 10**9)
        log.write("stdout", lines(i, i + 1)[0])
    log.close()
    assert numbered(texts(root)) == list(range(1, len(jumps) + 1))
    assert [r.ts for r in served(root)] == [(now + jump) * 1000 for jump in jumps]


@pytest.mark.parametrize("ended", [False, True])
def test_an_unknown_level_is_never_served(root: Path, ended: bool) -> None:
    folder = folder_of(root)
    write(folder, *[("stdout", line) for line in lines(1, 21)], end=ended)
    data = bytearray((folder / "index.000").read_bytes())
    data[32 * 12 + 27] = 200
    (folder / "index.000").write_bytes(data)
    assert numbered(texts(root)) == list(range(1, 21))
    with opened(root) as store:
        assert store.read(ID, 0, 0).tally().levels == {"unknown": 20}
