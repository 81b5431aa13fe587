"""The journal of positions in followed files: what it restores if the last append happened, in part, or did not."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from jupyter_logstream.runner.followed_positions import Position, PositionJournal, checksums
from jupyter_logstream.store.disk.folder import Folder

START = Position("/x/a.log", "a.log", 1, 2, offset=10, head=3, window=4, base=10, done=0)
OTHER = START._replace(path="/x/b.log", name="b.log", inode=7)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def with_log(folder: Folder, size: int) -> PositionJournal:
    """The journal as a runner restores it that finds `size` bytes in the log."""
    (folder.path / "stdout.000").write_bytes(b"x" * size)
    return PositionJournal(folder)


def begin(folder: Folder, *positions: Position) -> PositionJournal:
    journal = with_log(folder, 100)
    journal.replace(100, positions, None)
    return journal


def test_a_workload_that_begins_has_nothing_to_restore(folder: Folder) -> None:
    assert PositionJournal(folder).restored is None
    assert PositionJournal(folder).restored is None  # killed before the first look at the paths


def test_files_that_do_not_exist_yet_are_no_beginning(folder: Folder) -> None:
    begin(folder)
    assert with_log(folder, 100).restored == []


@pytest.mark.parametrize(
    ("log_bytes", "base", "done"), [(90, 10, 0), (100, 10, 0), (105, 10, 5), (120, 50, 0), (122, 50, 2), (130, 50, 10)]
)
def test_the_size_of_the_log_decides_which_appends_happened(
    folder: Folder, log_bytes: int, base: int, done: int
) -> None:
    journal = begin(folder, START)
    journal.announce(100, 20, 10, 0, START._replace(offset=50, base=50))
    journal.announce(120, 10, 50, 0, START._replace(offset=60, base=50, done=10))
    restored = with_log(folder, log_bytes)
    assert [(one.base, one.done) for one in restored.restored or ()] == [(base, done)]
    assert restored.last == (None if log_bytes <= 100 else (1, 2))


def test_an_announcement_that_was_cut_is_none(folder: Folder) -> None:
    journal = begin(folder, START)
    journal.announce(100, 20, 10, 0, START._replace(offset=50, base=50))
    with folder.positions.open("ab") as file:
        file.write(b'[120,10,50,0,"/x/a.l')
    assert [one.offset for one in with_log(folder, 120).restored or ()] == [50]


def test_the_order_of_files_and_the_last_one_are_restored(folder: Folder) -> None:
    journal = begin(folder, START, OTHER)
    journal.announce(100, 5, 10, 0, START._replace(offset=15, base=15))
    restored = with_log(folder, 105)
    assert [one.name for one in restored.restored or ()] == ["a.log", "b.log"]
    assert restored.last == (1, 2)
    restored.replace(105, [START, OTHER], restored.last)
    assert with_log(folder, 105).last == (1, 2)


def test_the_rest_of_a_log_whose_announcement_is_gone_is_of_its_only_file(folder: Folder) -> None:
    begin(folder, START)
    restored = with_log(folder, 130)
    assert ([one.done for one in restored.restored or ()], restored.unknown_bytes) == ([30], 0)


def test_the_rest_of_a_log_of_several_files_is_counted(folder: Folder) -> None:
    begin(folder, START, OTHER)
    restored = with_log(folder, 130)
    assert ([one.done for one in restored.restored or ()], restored.unknown_bytes) == ([0, 0], 30)


@pytest.mark.parametrize("journal", [b"", b"[100", b"\0\0\0\n"], ids=["empty", "cut", "zeros"])
def test_a_log_without_a_journal_is_of_unknown_files(folder: Folder, journal: bytes) -> None:
    folder.positions.write_bytes(journal)
    restored = with_log(folder, 130)
    assert (restored.restored, restored.unknown_bytes) == (None, 130)


def test_the_end_of_a_log_that_is_gone_is_counted(folder: Folder) -> None:
    begin(folder, START)
    assert (with_log(folder, 100).lost_bytes, with_log(folder, 70).lost_bytes) == (0, 30)


def test_a_full_disk_leaves_the_journal_as_it_was(folder: Folder) -> None:
    journal = begin(folder, START)
    before = folder.positions.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.announce(100, 20, 10, 0, START)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert folder.positions.read_bytes() == before


def test_a_position_is_continued_by_the_same_content_only(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"first\n" + b"x" * 5000)
    with path.open("rb") as file:
        head, window = checksums(file.fileno(), 4000)
        position = START._replace(offset=4000, head=head, window=window)
        assert position.is_continued_by(file.fileno())
        for data in b"fIrst\n" + b"x" * 5000, b"first\n" + b"x" * 3990 + b"y" * 100, b"first\n" + b"x" * 3900, b"":
            path.write_bytes(data)
            assert not position.is_continued_by(file.fileno())
