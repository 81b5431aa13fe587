"""The file store: exact bytes, mending after a crash, segments, retention, a full disk, and who may have it."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from server.segments import shrink

from jupyter_logstream.records import Record
from jupyter_logstream.store import index, segments, writer
from jupyter_logstream.store.download import Download
from jupyter_logstream.store.file import FileStore, StoreInUse, WrongLayout
from jupyter_logstream.store.query import Filter, matches
from jupyter_logstream.store.writer import LogWriter

ID = "01JD0000000000000000000000"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@contextlib.contextmanager
def opened(root: Path, **options: Any) -> Iterator[FileStore]:
    store = FileStore(root, **options)
    try:
        yield store
    finally:
        store.close()


def folder_of(root: Path, stream: str = ID) -> Path:
    folder = root / "streams" / stream
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write(folder: Path, *chunks: tuple[str, bytes], end: bool = False, keep: int = 1 << 30) -> LogWriter:
    """A log with these chunks; `end`: whole and closed, else as a crash leaves it."""
    log = LogWriter(folder, keep=keep)
    for source, chunk in chunks:
        log.write(source, chunk)
    log.close() if end else log.release()
    return log


def write_to(log: LogWriter, chunks: list[tuple[str, bytes]]) -> None:
    for source, chunk in chunks:
        log.write(source, chunk)


def served(root: Path, stream: str = ID) -> list[Record]:
    with opened(root) as store:
        found: list[Record] = []
        while len(batch := store.read(stream, found[-1].seq if found else 0, 1000)):
            found += batch.records()
        return found


def texts(root: Path, source: str | None = None) -> list[str]:
    return [r.message for r in served(root) if source in (None, r.source)]


def downloaded(folder: Path, source: str | None = None) -> bytes:
    with contextlib.closing(Download(folder, source)) as download:
        got = b"".join(download.chunks(0, download.size))
        assert len(got) == download.size
        return got


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Make segments of so many bytes and entries, in every module that knows their size."""

    return partial(shrink, monkeypatch)


def random_chunks(rng: random.Random, count: int, parts: list[bytes]) -> list[tuple[str, bytes]]:
    return [
        (rng.choice(["stdout", "stdout", "stderr"]), b"".join(rng.choice(parts) for _ in range(rng.randint(0, 12))))
        for _ in range(count)
    ]


def joined(chunks: list[tuple[str, bytes]], source: str) -> bytes:
    return b"".join(chunk for name, chunk in chunks if name == source)


PARTS = [b"\n", b"\n", b"line of output\n", b"word ", b"\r", b"\r\n", b"\xff\x00", "ü€".encode(), bytes(range(256))]


# --- exact bytes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_what_was_written_is_on_disk_byte_for_byte(root: Path, seed: int) -> None:
    rng = random.Random(seed)
    chunks = random_chunks(rng, 40, PARTS)
    folder = folder_of(root)
    write(folder, *chunks, end=seed % 2 == 0)
    for source in "stdout", "stderr":
        assert downloaded(folder, source) == joined(chunks, source)
    assert sorted(downloaded(folder)) == sorted(joined(chunks, "stdout") + joined(chunks, "stderr"))


def test_bytes_are_on_disk_before_their_line_ends(root: Path) -> None:
    log = LogWriter(folder_of(root))
    log.write("stdout", b"abc")
    assert downloaded(folder_of(root)) == b"abc"
    log.release()


def test_a_line_is_one_record_whatever_the_chunks_were(root: Path) -> None:
    write(folder_of(root), ("stdout", b"a"), ("stderr", b"x\ny"), ("stdout", b"b\n"), ("stderr", b"z"), end=True)
    assert [(r.seq, r.source, r.message) for r in served(root)] == [
        (1, "stderr", "x"),
        (2, "stdout", "ab"),
        (3, "stderr", "yz"),
    ]


def test_bytes_that_are_no_utf8_become_replacement_characters_in_the_record_only(root: Path) -> None:
    write(folder_of(root), ("stdout", b"a\xff\x00b\n"), end=True)
    assert texts(root) == ["a�\x00b"]
    assert downloaded(folder_of(root)) == b"a\xff\x00b\n"


def test_records_of_an_over_long_line_are_its_text_in_parts(root: Path) -> None:
    text = "ä" * 200_000
    write(folder_of(root), ("stdout", text.encode() + b"\nnext\n"), end=True)
    *long, following = served(root)
    assert "".join(r.message for r in long) == text
    assert [r.part for r in long] == [True] * (len(long) - 1) + [False]
    assert (following.message, following.part) == ("next", False)


def test_the_line_being_written_is_told_as_it_would_be_seen(root: Path) -> None:
    log = LogWriter(folder_of(root))
    with opened(root) as store:
        log.write("stdout", b"done\n10%\r20%")
        log.write("stderr", b"wait ")
        shown = store.read(ID, 0, 0).partials()
        assert [(p.source, p.message, p.rewritten) for p in shown] == [
            ("stdout", "20%", True),
            ("stderr", "wait ", False),
        ]
        log.write("stdout", b"\r30%\n")
        assert [p.source for p in store.read(ID, 0, 0).partials()] == ["stderr"]
    log.release()


# --- after a crash ----------------------------------------------------------------------------------------------------

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
    # Read before anything is mended by a writer: what is served is right, and all of it is.
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
    for source, said in ("stdout", "out"), ("stderr", "err"):
        assert texts(root, source) == [f"{said} {i}" for i in range(30)]


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
def test_a_lost_index_is_made_anew_by_the_next_writer(root: Path, loss: Callable[[Path], None]) -> None:
    folder = folder_of(root)
    write(folder, *OUTPUT)
    loss(folder)
    go_on(folder)
    assert_whole(root)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_index_of_an_ended_log_is_made_anew_by_the_reader(root: Path, loss: Callable[[Path], None]) -> None:
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


def test_times_found_after_a_crash_say_that_they_are_estimates(root: Path) -> None:
    folder = folder_of(root)
    write(folder, *OUTPUT)
    os.truncate(folder / "index.000", 32 * 31)
    go_on(folder)
    told = [r.fields for r in served(root)]
    assert told[:30] == [None] * 30
    assert told[30:60] == [{"ts_estimated": True}] * 30
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
    told = served(root)
    assert [r.message for r in told] == [f"m{i}" for i in range(8)] + ["after"]
    assert [(r.step, r.fields) for r in told[:8]] == [(f"step {i % 3}", {"i": i}) for i in range(8)]


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_a_torn_name_of_a_step_costs_no_record(root: Path, cut: int) -> None:
    folder = folder_of(root)
    log = LogWriter(folder)
    log.publish([Record(0, 1e12, "info", f"m{i}", step=f"step {i}", source="log") for i in range(3)])
    log.release()
    os.truncate(folder / "steps", (folder / "steps").stat().st_size - cut)
    log = LogWriter(folder)
    log.publish([Record(0, 1e12, "info", "after", step="new", source="log")])
    log.close()
    told = served(root)
    assert [r.message for r in told] == ["m0", "m1", "m2", "after"]
    assert [r.step for r in told[:2]] == ["step 0", "step 1"]
    assert told[3].step == "new"


# --- segments and retention -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_lines_go_on_across_the_edges_of_segments(root: Path, small_segments: Any, seed: int) -> None:
    rng = random.Random(seed)
    chunks = random_chunks(rng, 60, [b"line of output\n", b"word ", b"\r", b"end\n", "ü€".encode()])
    folder = folder_of(root)
    write(folder, *chunks, end=True)
    whole = [(r.source, r.message) for r in served(root)]
    small_segments(rng.choice([16, 50, 100]), rng.choice([1, 4, 7]))
    other = folder_of(root, "01JD0000000000000000000009")
    log = LogWriter(other)
    for i, (source, chunk) in enumerate(chunks):
        log.write(source, chunk)
        if i == 30:  # a crash, and another writer
            log.release()
            log = LogWriter(other)
    log.close()
    assert len(list(other.glob("stdout.*"))) > 2
    assert [(r.source, r.message) for r in served(root, other.name)] == whole
    for source in "stdout", "stderr":
        assert downloaded(other, source) == joined(chunks, source)
    assert downloaded(other) == downloaded_like(other, chunks)


def downloaded_like(folder: Path, chunks: list[tuple[str, bytes]]) -> bytes:
    """The lines of both sources in the order of the index, read the naive way."""
    rest = {source: joined(chunks, source) for source in ("stdout", "stderr")}
    words = index.Index(folder).read(0, 1 << 20)
    found = []
    for i in range(0, len(words), 4):
        source, length = ("stdout", "stderr")[words[i + 3] >> 16 & 0xFF], words[i + 2] & 0xFFFFFFFF
        found.append(rest[source][:length])
        rest[source] = rest[source][length:]
    return b"".join(found) + rest["stdout"] + rest["stderr"]


def numbered(first: int, last: int, source: str = "stdout") -> list[tuple[str, bytes]]:
    return [(source, b"%s %05d\n" % (source.encode(), i)) for i in range(first, last)]


def test_a_log_over_its_bound_loses_its_oldest_lines_and_says_which(root: Path, small_segments: Any) -> None:
    small_segments(1000, 16)
    folder = folder_of(root)
    write(folder, *numbered(1, 1001), end=True, keep=8000)
    with opened(root) as store:
        batch = store.read(ID, 0, 2000)
        assert batch.first > 1
        assert batch.end == 1000
    assert texts(root) == [f"stdout {i:05}" for i in range(batch.first, 1001)]
    assert sum(path.stat().st_size for path in folder.glob("*.[0-9]*")) < 12_000
    assert downloaded(folder).endswith(b"stdout 00999\nstdout 01000\n")


def test_the_last_segment_is_never_taken(root: Path, small_segments: Any) -> None:
    small_segments(100_000, 1000)
    write(folder_of(root), *numbered(1, 300), end=True, keep=10)
    assert len(texts(root)) == 299


def test_reading_from_a_cursor_that_retention_has_passed_begins_at_the_oldest_kept(
    root: Path, small_segments: Any
) -> None:
    small_segments(1000, 16)
    write(folder_of(root), *numbered(1, 1001), end=True, keep=8000)
    with opened(root) as store:
        first = store.read(ID, 0, 0).first
        for after in 0, 1, first - 2, first - 1, first:
            batch = store.read(ID, after, 5)
            expected = max(after + 1, first)
            assert list(batch.seqs) == list(range(expected, expected + 5))
            assert batch.messages == [f"stdout {i:05}" for i in batch.seqs]


@pytest.mark.parametrize("quiet", ["stderr", "stdout"])
def test_after_retention_a_crash_costs_no_line_that_was_kept(root: Path, small_segments: Any, quiet: str) -> None:
    small_segments(1000, 64)
    loud = "stdout" if quiet == "stderr" else "stderr"
    chunks = []
    for i in range(1, 601):
        chunks += [(loud, b"loud %05d\n" % i), *([(quiet, b"quiet %05d\n" % i)] if i % 20 == 0 else [])]
    folder = folder_of(root)
    write(folder, *chunks, keep=20_000)
    before = [(r.seq, r.source, r.message) for r in served(root)]
    assert before[0][0] > 1
    LogWriter(folder, keep=20_000).release()
    assert [(r.seq, r.source, r.message) for r in served(root)] == before


def test_after_retention_a_lost_index_is_made_anew_for_what_was_kept(root: Path, small_segments: Any) -> None:
    small_segments(1000, 64)
    folder = folder_of(root)
    write(folder, *numbered(1, 1001), end=True, keep=8000)
    kept = [text for text in downloaded(folder).decode().splitlines() if len(text) == len("stdout 00001")]
    for path in folder.glob("index.*"):
        path.unlink()
    assert texts(root)[-len(kept) :] == kept


def test_both_sources_are_downloaded_whole_after_retention(root: Path, small_segments: Any) -> None:
    small_segments(1000, 16)
    chunks = []
    for i in range(1, 601):
        chunks += [("stdout", b"out %05d\n" % i), *([("stderr", b"err %05d\n" % i)] if i % 7 == 0 else [])]
    folder = folder_of(root)
    write(folder, *chunks, end=True, keep=12_000)
    got = downloaded(folder)  # as long as it says
    assert got.endswith(b"out 00600\n")
    for source in "stdout", "stderr":
        lines = list(downloaded(folder, source).splitlines(keepends=True)[1:])
        assert [line for line in got.splitlines(keepends=True) if line in lines] == lines


def test_a_crash_between_noting_what_goes_and_its_going_loses_and_doubles_nothing(
    root: Path, small_segments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(1000, 64)
    folder = folder_of(root)
    with monkeypatch.context() as crash:

        def die(*_: Any) -> None:
            raise KeyboardInterrupt

        crash.setattr(segments.SegmentedFile, "drop_before", die)
        log = LogWriter(folder, keep=8000)
        with pytest.raises(KeyboardInterrupt):
            write_to(log, numbered(1, 1001))
        log.release()
    before = [(r.seq, r.message) for r in served(root)]
    assert before[0][0] > 1
    LogWriter(folder, keep=8000).release()
    assert [(r.seq, r.message) for r in served(root)] == before


# --- a full disk ------------------------------------------------------------------------------------------------------


class Disk:
    """An `os` whose writes fail from the n-th on: first short, then not at all."""

    def __init__(self, fail_at: int, code: int = errno.ENOSPC) -> None:
        self.calls, self.fail_at, self.code = 0, fail_at, code

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, fd: int, data: Any) -> int:
        self.calls += 1
        if self.calls == self.fail_at and len(data) > 1:
            return os.write(fd, data[: len(data) // 2])
        if self.calls >= self.fail_at:
            raise OSError(self.code, os.strerror(self.code))
        return os.write(fd, data)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Any]]:
    @contextlib.contextmanager
    def fill(fail_at: int) -> Iterator[Disk]:
        import jupyter_logstream.folder as folder_module  # noqa: PLC0415

        disk = Disk(fail_at)
        with monkeypatch.context() as patch:
            for module in (segments, index, writer, folder_module):
                patch.setattr(module, "os", disk)
            yield disk

    return fill


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("fail_at", range(1, 6))
def test_a_full_disk_leaves_the_log_as_it_was_and_the_same_can_be_tried_again(
    root: Path, full_disk: Any, small_segments: Any, fail_at: int, fresh: bool
) -> None:
    small_segments(64, 4)
    folder = folder_of(root)
    log = LogWriter(folder)
    chunk = b"".join(b"line %d of some output\n" % i for i in range(6)) + b"rest"
    before = b""
    if not fresh:
        log.write("stdout", before := b"before\nhalf a ")
    lines_before = log.lines
    with full_disk(fail_at), pytest.raises(OSError, match="No space"):
        log.write("stdout", chunk)
    assert downloaded(folder, "stdout") == before
    assert log.lines == lines_before
    with opened(root) as store:
        assert store.read(ID, 0, 1000).end == lines_before
    log.write("stdout", chunk)
    log.close()
    assert downloaded(folder, "stdout") == before + chunk
    assert texts(root) == (before + chunk).decode().split("\n")


def test_a_full_disk_at_the_end_of_the_log_loses_no_line(root: Path, full_disk: Any) -> None:
    for fail_at in range(1, 4):
        folder = folder_of(root, f"s{fail_at}")
        log = LogWriter(folder)
        log.write("stdout", b"a\nout without end")
        log.write("stderr", b"err without end")
        with full_disk(fail_at), contextlib.suppress(OSError):
            log.close()
            continue
        log.close()
        assert sorted(r.message for r in served(root, folder.name)) == ["a", "err without end", "out without end"]


def test_a_full_disk_while_retention_works_doubles_nothing(
    root: Path, small_segments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(1000, 64)
    folder = folder_of(root)
    log = LogWriter(folder, keep=8000)
    whole, failures = b"", 0

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for source, chunk in numbered(1, 1001):
        with monkeypatch.context() as patch:
            patch.setattr(writer, "write_json", full)
            try:
                log.write(source, chunk)
            except OSError:
                failures += 1
                patch.undo()
                log.write(source, chunk)  # as the runner does
        whole += chunk
    log.close()
    left = downloaded(folder)
    assert whole.endswith(left)
    seqs = [(r.seq, r.message) for r in served(root)]
    assert seqs == [(seq, f"stdout {seq:05}") for seq, _ in seqs]


def test_a_full_disk_leaves_published_records_as_they_were(root: Path, full_disk: Any) -> None:
    for fail_at in range(1, 5):
        folder = folder_of(root, f"s{fail_at}")
        log = LogWriter(folder)
        some = [Record(0, 1e12, "info", f"m{i}", step="fit", source="log") for i in range(3)]
        with full_disk(fail_at), contextlib.suppress(OSError):
            log.publish(some)
            some = []
        log.publish(some)
        log.close()
        assert [r.message for r in served(root, folder.name)] == ["m0", "m1", "m2"]


# --- who may have it --------------------------------------------------------------------------------------------------


def test_a_second_server_is_refused_the_store_until_the_first_has_let_go(root: Path) -> None:
    with opened(root), pytest.raises(StoreInUse):
        FileStore(root)
    with opened(root):
        pass


def test_a_store_of_another_layout_is_refused_and_left_alone(root: Path) -> None:
    with opened(root) as store:
        store.append(ID, [Record(0, 1e12, "info", "a", source="log")])
    (root / "layout").write_text("2\n")
    with pytest.raises(WrongLayout, match=r"2.*1"):
        FileStore(root)
    assert (root / "layout").read_text() == "2\n"
    (root / "layout").write_text("1\n")
    assert texts(root) == ["a"]


def test_nobody_else_may_look_into_the_store(root: Path) -> None:
    with opened(root) as store:
        store.append(ID, [Record(0, 1e12, "info", "a", step="s", source="log")], end=True)
    for path in [root, *root.rglob("*")]:
        others = path.stat().st_mode & 0o077
        assert not others or path.parent.stat().st_mode & 0o077 == 0, path


def test_what_a_crash_left_half_made_or_half_dropped_is_cleared_away(root: Path) -> None:
    with opened(root) as store:
        store.append(ID, [Record(0, 1e12, "info", "a", source="log")])
        for name in (".half-made", f".{ID}.gone"):
            (root / "streams" / name).mkdir()
            (root / "streams" / name / "spec.json").write_text("{}")
    with opened(root) as store:
        assert store.streams() == [ID]
        assert sorted(path.name for path in (root / "streams").iterdir()) == [ID]


def test_a_stream_that_a_runner_writes_takes_nothing_from_the_server(root: Path) -> None:
    from jupyter_logstream.store import NotWriter  # noqa: PLC0415

    with opened(root) as store:
        folder_of(root)
        lock = store.folder(ID).hold()
        assert lock is not None
        with pytest.raises(NotWriter):
            store.append(ID, [Record(0, 1e12, "info", "a", source="log")])
        os.close(lock)
        store.append(ID, [Record(0, 1e12, "info", "a", source="log")])


def test_files_are_let_go_of(root: Path) -> None:
    def files() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = files()
    with opened(root) as store:
        for i in range(50):
            store.append(f"s{i}", [Record(0, 1e12, "info", "a", source="log")], end=True)
            store.read(f"s{i}", 0, 10)
        during = files()
    assert during - before < 20
    assert files() == before


def test_what_a_log_comes_to_is_right_whoever_asks_at_once(root: Path) -> None:
    with opened(root) as store:
        folder_of(root)
        lock = store.folder(ID).hold()
        assert lock is not None
        log = LogWriter(folder_of(root))
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                tally = store.read(ID, 0, 0).tally()
                assert sum(tally.levels.values()) == tally.lines

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for _ in range(4)]
            for _ in range(300):
                log.write("stdout", b"INFO a\nERROR b\nplain\n" * 20)
            stop.set()
            for one in asking:
                one.result()
        tally = store.read(ID, 0, 0).tally()
        assert (tally.lines, dict(tally.levels)) == (18_000, {"info": 6_000, "error": 6_000, "unknown": 6_000})
        log.release()
        os.close(lock)


def test_reading_beside_a_writer_never_gives_a_torn_or_wrong_record(root: Path) -> None:
    folder = folder_of(root)
    with opened(root) as store:
        lock = store.folder(ID).hold()
        assert lock is not None
        log = LogWriter(folder)
        done = threading.Event()

        def write_on() -> None:
            rng = random.Random(4)
            for i in range(1500):
                count = rng.randint(1, 30)
                log.write("stdout", b"".join(b"%d:%d\r\n" % (i, k) for k in range(count)))
                log.write("stderr", b"e%d\n" % i)
            done.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write_on)
            found: list[Record] = []
            while not done.is_set() or len(store.read(ID, len(found), 1)):
                found += store.read(ID, len(found), 500).records()
            writing.result()
        assert [r.seq for r in found] == list(range(1, len(found) + 1))
        said = [r.message.encode() + b"\r\n" for r in found if r.source == "stdout"]
        assert b"".join(said) == downloaded(folder, "stdout")
        assert [r.message for r in found if r.source == "stderr"] == [f"e{i}" for i in range(1500)]
        log.release()
        os.close(lock)


def test_retention_beside_a_reader_is_a_gap_and_never_an_unknown_stream(root: Path, small_segments: Any) -> None:
    small_segments(2000, 32)
    folder = folder_of(root)
    with opened(root, keep=8000) as store:
        lock = store.folder(ID).hold()  # as the runner does: nobody mends what is being written
        assert lock is not None
        log = LogWriter(folder, keep=8000)
        log.write("stdout", b"line 000000\n")
        done = threading.Event()

        def write_on() -> None:
            for i in range(1, 6000):
                log.write("stdout", b"line %06d\n" % i)
            done.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write_on)
            while not done.is_set():
                after = max(store.read(ID, 0, 0).first - 1, 0)
                scanned = matches(store, ID, Filter(source="stdout"), after)  # its texts are read later
                for batch in (store.read(ID, after, 50), *scanned):
                    assert batch.messages == [f"line {seq - 1:06}" for seq in batch.seqs]
            writing.result()
        log.release()
        os.close(lock)
