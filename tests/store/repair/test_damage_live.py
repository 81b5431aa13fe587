"""Files that another hand removes, cuts or replaces while they are written: what is lost is local, told and counted."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.damaged_logs import ENTRIES, SEGMENT, WIDE, lines, numbered, system
from support.on_disk import ID, downloaded, folder_of, opened, served, texts

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk.folder import Folder
from jupyter_logstream.store.disk.writer import LogWriter
from jupyter_logstream.store.errors import BadIndex
from jupyter_logstream.store.queries.filters import Filter, behind_unreadable, matches, page
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


HANDS = [remove, empty, shorten, rotate]


def look_again(log: LogWriter) -> None:
    """Half a second later."""
    for file in *log._files.values(), log._index:
        file._open._looked = float("-inf")


def write_in_turn(log: LogWriter) -> None:
    """Ten records to each file."""
    for i in range(1, 11):
        log.write("stdout", lines(i, i + 1)[0])
        log.write("stderr", lines(i, i + 1)[0])
        log.publish([Record(0, 1e12, "info", f"note {i}", source="log")])


@pytest.mark.parametrize("hand", HANDS)
@pytest.mark.parametrize("name", ["stdout", "stderr", "notes"])
def test_bytes_never_go_where_nobody_finds_them(root: Path, hand: Callable[[Path], None], name: str) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    write_in_turn(log)
    log.write("stdout", b"half a")
    hand(folder / f"{name}.000")
    look_again(log)
    writes = {
        "stdout": lambda: log.write("stdout", b" line\n" + lines(11, 12)[0]),
        "stderr": lambda: log.write("stderr", lines(11, 12)[0]),
        "notes": lambda: log.publish([Record(0, 1e12, "info", "note 11", source="log")]),
    }
    for one in sorted(writes, key=lambda it: it != name):  # what was hit first: what comes after it is kept
        writes[one]()
    log.close()
    told = served(root)
    assert [r.seq for r in told] == list(range(1, len(told) + 1))
    # A name that was taken away, or given to something else, costs nothing: the file is still open.
    costs = hand in {empty, shorten}
    gone = {empty: range(1, 11), shorten: range(6, 11)}.get(hand, range(0))
    for source, file in ("stdout", "stdout"), ("stderr", "stderr"), ("log", "notes"):
        kept = [i for i in range(1, 12) if not (file == name and i in gone)]
        found = texts(root, source)
        if file == "notes":
            assert found == [f"note {i}" for i in kept], file
        else:
            assert numbered(found) == kept, file
            if file == "stdout":
                assert ("half a line" in found) is not (costs and file == name)
    lost = [r for r in told if r.fields == {"lost": True}]
    assert len(lost) == len(gone) + (costs and name == "stdout")  # half a line is one, too
    assert {r.source for r in lost} <= {"system"}
    (said,) = [m for m in system(root) if m.startswith(f"{name} was removed, cut or replaced while it was written: ")]
    assert said.endswith(f", of {len(lost)} records" if costs else "nothing of it is lost")
    LogWriter(folder).release()
    assert served(root) == told  # nothing to mend


def asides(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if ".aside" in path.name)


@pytest.mark.parametrize("first", [1, 100])
def test_a_cut_of_the_newest_segment_costs_no_line_of_older_ones_nor_of_other_sources(root: Path, first: int) -> None:
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


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("elsewhere"))
    path.with_name("elsewhere").write_bytes(b"not ours\n")


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_bytes(b"not ours\n")


def another_file(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"not ours\n")


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"not ours\n")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("plant", [a_pipe, a_link, a_directory, another_file, longer])
@pytest.mark.parametrize("name", ["stdout", "notes", "index"])
def test_what_another_hand_puts_in_the_place_of_an_open_file_is_set_aside_and_costs_nothing(
    root: Path, plant: Callable[[Path], None], name: str
) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for round_ in range(2):
        for i in range(10 * round_ + 1, 10 * round_ + 11):
            log.write("stdout", lines(i, i + 1)[0])
        log.publish([Record(0, 1e12, "info", f"note {round_}", source="log")])
        plant(folder / f"{name}.000")
        look_again(log)
    log.close()
    assert numbered(texts(root)) == list(range(1, 21))
    assert texts(root, "log") == ["note 0", "note 1"]
    assert downloaded(folder) == b"".join(lines(1, 21))
    assert [path.name for path in asides(folder)] == [f"{name}.000.aside", f"{name}.000.aside1"]
    for path in asides(folder):
        if plant is not a_pipe:
            content = (path / "inside" if path.is_dir() else path).read_bytes()
            assert content.endswith(b"not ours\n")
    with opened(root) as store:
        store.drop(ID)
    assert not folder.exists()
    assert not any(root.joinpath("streams").iterdir())


@pytest.mark.parametrize("plant", [os.mkfifo, lambda path: path.write_bytes(b"not ours\n"), Path.mkdir])
def test_what_lies_where_the_next_segment_goes_is_set_aside(root: Path, plant: Callable[[Path], None]) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    log.write("stdout", lines(1, 2)[0])
    plant(folder / "stdout.001")
    for i in range(2, 101):
        log.write("stdout", lines(i, i + 1)[0])
    log.close()
    assert numbered(texts(root)) == list(range(1, 101))
    assert [path.name for path in asides(folder)] == ["stdout.001.aside"]


@pytest.mark.parametrize("hand", [remove, rotate])
def test_all_files_at_once_may_lose_their_names(root: Path, hand: Callable[[Path], None]) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    write_in_turn(log)
    for name in "stdout", "stderr", "notes", "index":
        hand(folder / f"{name}.000")
    look_again(log)
    log.write("stdout", lines(11, 12)[0])
    log.close()
    assert numbered(texts(root, "stdout")) == list(range(1, 12))
    assert numbered(texts(root, "stderr")) == list(range(1, 11))
    assert texts(root, "log") == [f"note {i}" for i in range(1, 11)]
    assert len(system(root)) == 3


@pytest.mark.parametrize("hand", HANDS)
@pytest.mark.parametrize("name", ["stdout", "notes", "index"])
def test_a_full_disk_while_it_is_restored_costs_nothing_more(
    root: Path, full_disk: Any, hand: Callable[[Path], None], name: str
) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for i in range(1, 11):
        log.write("stdout", lines(i, i + 1)[0])
        log.publish([Record(0, 1e12, "info", f"note {i}", source="log")])
    hand(folder / f"{name}.000")
    look_again(log)
    written = 10
    for fail_at in [*range(1, 12)] * 2:
        with full_disk(fail_at), contextlib.suppress(OSError):
            log.write("stdout", lines(written + 1, written + 2)[0])
            written += 1
        if fail_at % 4 == 0 and (folder / f"{name}.000").exists():
            hand(folder / f"{name}.000")
            look_again(log)
    for _ in range(3):
        written += 1
        log.write("stdout", lines(written, written + 1)[0])
    log.close()
    told = served(root)
    assert [r.seq for r in told] == list(range(1, len(told) + 1))
    assert numbered(texts(root, "stdout"))[-3:] == list(range(written - 2, written + 1))
    lost = [r for r in told if r.fields == {"lost": True}]
    assert len(numbered(texts(root, "stdout"))) + len(texts(root, "log")) + len(lost) == written + 10
    assert bool(lost) is (hand in {empty, shorten} and name != "index")
    assert not list(folder.glob("*.new"))


def test_what_is_missing_of_a_log_that_is_being_written_hides_nothing_behind_it(root: Path) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for line in lines(1, 201):
        log.write("stdout", line)
    (folder / "stdout.001").unlink()
    (folder / "stdout.003").unlink()
    lock = Folder(folder).lock()  # as its runner has it
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


def test_who_dies_between_marking_and_restoring_leaves_a_log_that_opens(root: Path) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for i in range(1, 31):
        log.write("stdout", lines(i, i + 1)[0])
    os.truncate(folder / "stdout.000", 10 * WIDE)
    mark_lost(log._index, 1, "stdout", 10 * WIDE, 30 * WIDE)
    log.release()
    log = LogWriter(folder)
    log.write("stdout", lines(31, 32)[0])
    log.close()
    assert numbered(texts(root)) == [*range(1, 11), 31]
    assert system(root) == ["20 records were lost: their bytes are not there any more"]


def test_lost_lines_are_found_and_counted_as_such(root: Path) -> None:
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


@pytest.mark.parametrize("hand", HANDS)
def test_an_index_that_goes_while_it_is_written_is_made_anew_and_costs_no_line(
    root: Path, hand: Callable[[Path], None]
) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for i in range(1, 11):
        log.write("stdout", lines(i, i + 1)[0])
    log.write("stdout", b"half a")
    hand(folder / "index.000")
    look_again(log)
    log.write("stdout", b" line\n" + lines(11, 12)[0])
    log.close()
    assert numbered(texts(root)) == list(range(1, 12))
    assert texts(root)[10] == "half a line"
    assert system(root) == []


def test_what_goes_with_the_last_line_is_told_at_the_end(root: Path) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    for i in range(1, 4):
        log.write("stdout", lines(i, i + 1)[0])
    (folder / "stdout.000").unlink()  # and nothing is written any more
    log.close()
    assert numbered(texts(root)) == [1, 2, 3]
    assert system(root) == ["stdout was removed, cut or replaced while it was written: nothing of it is lost"]


@pytest.mark.parametrize("hand", [empty, shorten])
def test_where_bytes_and_index_are_cut_at_once_numbers_go_on_behind_a_gap(
    root: Path, hand: Callable[[Path], None]
) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    log.write("stdout", b"".join(lines(1, 11)))
    for name in "stdout", "index":
        hand(folder / f"{name}.000")
    look_again(log)
    log.write("stdout", lines(11, 12)[0])
    log.close()
    told = served(root)
    assert [r.seq for r in told] == list(range(11, 11 + len(told)))
    assert numbered([r.message for r in told]) == [11]
    (said,) = system(root)
    assert said.endswith("and which of records 1 to 10 they were")
    LogWriter(folder).release()
    assert served(root) == told  # nothing to mend
    with opened(root) as store:
        assert store.read(ID, 0, 100).first == 11  # what readers are told as a gap


def test_lines_being_written_of_a_log_that_is_gone_are_none(root: Path) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    log.write("stdout", b"half a line")
    with opened(root) as store:
        batch = store.read(ID, 0, 100)
        assert [one.message for one in batch.partials()] == ["half a line"]
        shutil.rmtree(folder)
        assert batch.partials() == []
