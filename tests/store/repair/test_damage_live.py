"""Files that another process removes, truncates or replaces while they are written: losses are local and reported."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.damaged_logs import ENTRIES, SEGMENT, WIDE, check_paths_again, lines, numbered, system
from support.on_disk import ID, folder_of, opened, served, texts

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk.folder import Folder
from jupyter_logstream.store.disk.writer import LogWriter
from jupyter_logstream.store.errors import BadIndex
from jupyter_logstream.store.queries.filters import Filter, behind_unreadable, matches
from jupyter_logstream.store.queries.pages import page
from jupyter_logstream.store.repair.damage import mark_lost


@pytest.fixture(autouse=True)
def small(small_segments: Any) -> None:
    small_segments(SEGMENT, ENTRIES)


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    os.truncate(path, 0)


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def rotate(path: Path) -> None:
    path.rename(path.with_name(f"old-{path.name}"))
    path.touch()


CHANGES = [remove, empty, shorten, rotate]


def reports(root: Path) -> list[str]:
    """What the log reports of damage while it was written."""
    return [text for text in system(root) if "while it was written" in text]


def write_in_turn(log: LogWriter) -> None:
    """Ten records to each file."""
    for i in range(1, 11):
        log.write("stdout", lines(i, i + 1)[0])
        log.write("stderr", lines(i, i + 1)[0])
        log.publish([Record(0, 1e12, "info", f"note {i}", source="log")])


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["stdout", "stderr", "notes"])
def test_a_writer_fails_over_and_reports_what_a_changed_file_lost(
    root: Path, change: Callable[[Path], None], name: str
) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    write_in_turn(log)
    log.write("stdout", b"half a")
    change(folder / f"{name}.000")
    check_paths_again(log)
    writes = {
        "stdout": lambda: log.write("stdout", b" line\n" + lines(11, 12)[0]),
        "stderr": lambda: log.write("stderr", lines(11, 12)[0]),
        "notes": lambda: log.publish([Record(0, 1e12, "info", "note 11", source="log")]),
    }
    for one in sorted(
        writes, key=lambda it: it != name
    ):  # the damaged file first: what follows the fail-over is retained
        writes[one]()
    log.close()
    records = served(root)
    assert [r.seq for r in records] == list(range(1, len(records) + 1))
    gone = range(6, 11) if change is shorten else range(1, 11)
    for source, file in ("stdout", "stdout"), ("stderr", "stderr"), ("log", "notes"):
        kept = [i for i in range(1, 12) if not (file == name and i in gone)]
        found = texts(root, source)
        if file == "notes":
            assert found == [f"note {i}" for i in kept], file
        else:
            assert numbered(found) == kept, file
            if file == "stdout":
                assert ("half a line" in found) is not (file == name)
    lost = [r for r in records if r.fields == {"lost": True}]
    assert len(lost) == len(gone) + (name == "stdout")  # the unfinished line too
    assert {r.source for r in lost} == {"system"}
    (report,) = [m for m in system(root) if m.startswith(f"{name} was removed, truncated or replaced while it was ")]
    assert report.endswith(f" bytes of {len(lost)} records are lost")
    LogWriter(folder).release()
    assert served(root) == records  # nothing to repair


@pytest.mark.parametrize("name", ["stdout", "stderr", "notes"])
def test_deleted_bytes_are_never_written_back(root: Path, name: str) -> None:
    """Users delete logs to free a full disk: the successor of a deleted segment is a hole that takes no disk space."""
    folder = folder_of(root)
    log = LogWriter(folder)
    write_in_turn(log)
    path = folder / f"{name}.000"
    size = path.stat().st_size
    path.unlink()
    write_in_turn(log)
    log.close()
    assert path.read_bytes()[:size] == bytes(size)


def test_output_after_a_deletion_is_detected_with_the_next_write(root: Path) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    log.write("stdout", lines(1, 2)[0])
    (folder / "stdout.000").unlink()
    for i in range(2, 11):  # without waiting for the next check of the path
        log.write("stdout", lines(i, i + 1)[0])
    log.close()
    assert numbered(texts(root, "stdout")) == list(range(2, 11))


@pytest.mark.parametrize("first", [1, 100])
def test_truncating_the_newest_segment_loses_no_line_of_older_segments_or_other_sources(root: Path, first: int) -> None:
    folder = folder_of(root)
    log = LogWriter(folder, keep=1 << 30 if first == 1 else 6000)
    for i in range(1, 181):
        log.write("stdout", lines(i, i + 1)[0])
        if i % 10 == 0:
            log.write("stderr", b"error: %d\n" % i)
            log.publish([Record(0, 1e12, "info", f"note {i}", source="log")])
    before = served(root)
    cut = folder / f"stdout.{180 * WIDE // SEGMENT:03d}"
    os.truncate(cut, 300)
    for i in range(181, 191):
        log.write("stdout", lines(i, i + 1)[0])
    log.close()
    after = served(root)
    start = after[0].seq
    assert (start > 1) is (first > 1)
    gone = set(range(1 + (180 * WIDE // SEGMENT * SEGMENT + 300) // WIDE, 181))
    assert 0 < len(gone) < SEGMENT // WIDE
    for was, now in zip([r for r in before if r.seq >= start], after, strict=False):
        line = numbered([was.message])
        if line and line[0] in gone:
            assert (now.seq, now.ts, now.level, now.fields) == (was.seq, was.ts, was.level, {"lost": True})
        else:
            assert now == was
    assert set(range(181, 191)) <= set(numbered(texts(root, "stdout")))
    with opened(root) as store:
        tally = store.read(ID, 0, 0).tally()
    assert sum(tally.levels.values()) == tally.lines == after[-1].seq


@pytest.mark.parametrize("name", ["stdout", "notes", "index"])
def test_bytes_that_another_process_appends_are_dropped(root: Path, name: str) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    write_in_turn(log)
    before = served(root)
    with (folder / f"{name}.000").open("ab") as file:
        file.write(b"not ours\n")
    log.write("stdout", lines(11, 12)[0])
    log.publish([Record(0, 1e12, "info", "note 11", source="log")])
    log.close()
    after = [record for record in served(root) if "no bytes are lost" not in record.message]
    assert [(r.source, r.message) for r in after[: len(before)]] == [(r.source, r.message) for r in before]
    assert [r.message for r in after[len(before) :]][-1] == "note 11"
    assert numbered(texts(root, "stdout")) == list(range(1, 12))


@pytest.mark.parametrize("change", [remove, rotate])
def test_all_files_can_be_removed_at_once(root: Path, change: Callable[[Path], None]) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    write_in_turn(log)
    for name in "stdout", "stderr", "notes", "index":
        change(folder / f"{name}.000")
    check_paths_again(log)
    log.write("stdout", lines(11, 12)[0])
    log.close()
    assert numbered(texts(root, "stdout")) == [11]
    records = served(root)
    assert [r.seq for r in records] == list(range(1, 35))
    assert [r.fields for r in records[:30]] == [{"lost": True}] * 30
    assert len(reports(root)) == 3


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["stdout", "notes", "index"])
def test_a_full_disk_during_the_fail_over_loses_nothing_more(
    root: Path, full_disk: Any, change: Callable[[Path], None], name: str
) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for i in range(1, 11):
        log.write("stdout", lines(i, i + 1)[0])
        log.publish([Record(0, 1e12, "info", f"note {i}", source="log")])
    change(folder / f"{name}.000")
    check_paths_again(log)
    written = 10
    for fail_at in [*range(1, 12)] * 2:
        with full_disk(fail_at), contextlib.suppress(OSError):
            log.write("stdout", lines(written + 1, written + 2)[0])
            written += 1
        if fail_at % 4 == 0 and (folder / f"{name}.000").exists():
            change(folder / f"{name}.000")
            check_paths_again(log)
    for _ in range(3):
        written += 1
        log.write("stdout", lines(written, written + 1)[0])
    log.close()
    records = served(root)
    assert [r.seq for r in records] == list(range(1, len(records) + 1))
    assert numbered(texts(root, "stdout"))[-3:] == list(range(written - 2, written + 1))
    lost = [r for r in records if r.fields == {"lost": True}]
    assert len(numbered(texts(root, "stdout"))) + len(texts(root, "log")) + len(lost) == written + 10
    assert bool(lost) is (name != "index")
    assert not list(folder.glob("*.new"))


def test_missing_segments_of_a_log_in_use_hide_no_record_behind_them(root: Path) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for line in lines(1, 201):
        log.write("stdout", line)
    (folder / "stdout.001").unlink()
    (folder / "stdout.003").unlink()
    lock = Folder(folder).lock()  # as its runner does
    assert lock is not None
    with opened(root) as store:
        found: list[str] = []
        after, gaps = 0, 0
        while after < 200:
            try:
                batch = store.read(ID, after, 1)
                found += [record.message for record in batch.records()]
                after = batch.last
            except BadIndex:
                after, gaps = behind_unreadable(store, ID, after), gaps + 1
    os.close(lock)
    gone = {*range(1 + 1000 // WIDE, 2 + 1999 // WIDE), *range(1 + 3000 // WIDE, 2 + 3999 // WIDE)}
    assert (numbered(found), gaps) == ([i for i in range(1, 201) if i not in gone], 2)
    log.close()
    LogWriter(folder).release()
    assert numbered(texts(root, "stdout")) == numbered(found)
    assert len([r for r in served(root) if r.fields == {"lost": True}]) == len(gone)


def test_a_kill_in_the_middle_of_the_fail_over_leaves_a_log_that_opens(root: Path) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for i in range(1, 31):
        log.write("stdout", lines(i, i + 1)[0])
    os.truncate(folder / "stdout.000", 10 * WIDE)
    mark_lost(log._indexer.index, 1, "stdout", 10 * WIDE, 30 * WIDE)
    log.release()
    log = LogWriter(folder)
    log.write("stdout", lines(31, 32)[0])
    log.close()
    assert numbered(texts(root)) == [*range(1, 11), 31]
    assert system(root) == ["20 records were lost: their bytes are not there any more"]


def test_filters_find_and_count_lost_lines(root: Path) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for i in range(1, 31):
        log.write("stdout", b"ERROR of line %d\n" % i)
    os.truncate(folder / "stdout.000", 100)
    log.write("stdout", b"ERROR of line 31\n")
    log.close()
    with opened(root) as store:
        for q, wanted in ("lost: a line", range(7, 31)), ("/^lost: a/", range(7, 31)), ("error", [*range(1, 7), 32]):
            found = [seq for batch in matches(store, ID, Filter(q=q)) for seq in batch.seqs]
            assert found == list(wanted), q
        errors = page(store, ID, Filter(level="error", source="stdout"), after=0, offset=0, limit=100)
        assert errors.total == 7
        (found,) = page(store, ID, Filter(levels=frozenset({"error"})), after=5, offset=2, limit=1).records()
        assert found.seq == 8


@pytest.mark.parametrize("change", CHANGES)
def test_an_index_that_is_changed_while_it_is_written_is_rebuilt_without_loss(
    root: Path, change: Callable[[Path], None]
) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for i in range(1, 11):
        log.write("stdout", lines(i, i + 1)[0])
    log.write("stdout", b"half a")
    change(folder / "index.000")
    check_paths_again(log)
    log.write("stdout", b" line\n" + lines(11, 12)[0])
    log.close()
    assert numbered(texts(root)) == list(range(1, 12))
    assert texts(root)[10] == "half a line"
    assert system(root) == []


def test_damage_after_the_last_line_is_reported_at_the_end(root: Path) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for i in range(1, 4):
        log.write("stdout", lines(i, i + 1)[0])
    (folder / "stdout.000").unlink()  # and nothing is written after that
    log.close()
    assert numbered(texts(root)) == []
    (report,) = reports(root)
    assert report.endswith(f"{3 * WIDE} bytes of 3 records are lost")


@pytest.mark.parametrize("change", [empty, shorten])
def test_when_bytes_and_index_are_truncated_together_numbers_continue_behind_a_gap(
    root: Path, change: Callable[[Path], None]
) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    log.write("stdout", b"".join(lines(1, 11)))
    for name in "stdout", "index":
        change(folder / f"{name}.000")
    check_paths_again(log)
    log.write("stdout", lines(11, 12)[0])
    log.close()
    records = served(root)
    assert [r.seq for r in records] == list(range(11, 11 + len(records)))
    assert numbered([r.message for r in records]) == [11]
    (report,) = system(root)
    assert report.endswith("of some of records 1 to 10 are lost")
    LogWriter(folder).release()
    assert served(root) == records  # nothing to repair
    with opened(root) as store:
        assert store.read(ID, 0, 100).first == 11  # readers get a gap


def test_a_deleted_log_has_no_unfinished_lines(root: Path) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    log.write("stdout", b"half a line")
    with opened(root) as store:
        batch = store.read(ID, 0, 100)
        assert [one.message for one in batch.partials()] == ["half a line"]
        shutil.rmtree(folder)
        assert batch.partials() == []
