"""Segments, and what goes when a log is longer than it may be."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from support.on_disk import (
    ID,
    downloaded,
    folder_of,
    joined,
    numbered,
    opened,
    random_chunks,
    served,
    texts,
    write,
    write_to,
)
from traitlets import TraitError

from jupyter_logstream.model.records import Record
from jupyter_logstream.server.extension import LogStream
from jupyter_logstream.store.disk import index, layout, segments
from jupyter_logstream.store.disk.writer import LogWriter


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


def test_a_log_over_its_bound_loses_its_oldest_lines_and_reports_which(root: Path, small_segments: Any) -> None:
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


def test_the_last_segment_is_never_removed(root: Path, small_segments: Any) -> None:
    small_segments(100_000, 1000)
    write(folder_of(root), *numbered(1, 300), end=True, keep=10)
    assert len(texts(root)) == 299


def test_reading_from_a_cursor_before_the_retained_range_begins_at_its_first_record(
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
def test_a_crash_after_retention_loses_no_retained_line(root: Path, small_segments: Any, quiet: str) -> None:
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


def test_a_lost_index_after_retention_is_rebuilt_for_the_retained_lines(root: Path, small_segments: Any) -> None:
    small_segments(1000, 64)
    folder = folder_of(root)
    write(folder, *numbered(1, 1001), end=True, keep=8000)
    kept = [text for text in downloaded(folder).decode().splitlines() if len(text) == len("stdout 00001")]
    for path in folder.glob("index.*"):
        path.unlink()
    assert texts(root)[-len(kept) :] == kept


def test_both_sources_are_downloaded_completely_after_retention(root: Path, small_segments: Any) -> None:
    small_segments(1000, 16)
    chunks = []
    for i in range(1, 601):
        chunks += [("stdout", b"out %05d\n" % i), *([("stderr", b"err %05d\n" % i)] if i % 7 == 0 else [])]
    folder = folder_of(root)
    write(folder, *chunks, end=True, keep=12_000)
    got = downloaded(folder)  # as long as announced
    assert got.endswith(b"out 00600\n")
    for source in "stdout", "stderr":
        lines = list(downloaded(folder, source).splitlines(keepends=True)[1:])
        assert [line for line in got.splitlines(keepends=True) if line in lines] == lines


def test_a_crash_between_storing_the_retained_range_and_removing_segments_loses_and_doubles_nothing(
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


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.mark.parametrize("text", [b"\n", b"a\n", b"a line of a usual length\n", b"x" * 400 + b"\n"])
@pytest.mark.parametrize("sources", [["stdout"], ["stdout", "stderr"], ["stdout", "stderr", "notes"]])
def test_a_log_never_takes_more_than_its_bound_however_short_its_lines_are(
    root: Path, small_segments: Any, text: bytes, sources: list[str]
) -> None:
    """The smallest bound that is accepted: the newest segment of each file, and two of the index."""
    size, entries, chunk = 64_000, 1000, 50
    small_segments(size, entries)
    keep = 3 * size + 2 * entries * 32
    folder = folder_of(root)
    log = LogWriter(folder, keep=keep)
    note = Record(0, 1e12, "info", text.decode().strip(), source="log")
    slack = chunk * (len(text) + 100 + 32) + 2000  # one append, and the small files
    for i in range(400):
        for source in sources:
            log.publish([note] * chunk) if source == "notes" else log.write(source, text * chunk)
        if i % 40 == 0:
            assert on_disk(folder) <= keep + slack
    log.close()
    assert on_disk(folder) <= keep + slack
    records = served(root)
    assert [r.seq for r in records] == list(range(records[0].seq, 400 * chunk * len(sources) + 1))
    assert {r.message for r in records} == {text.decode().strip()}
    before = [(r.seq, r.source, r.message) for r in records]
    (folder / "kept").write_bytes(b"{") if (folder / "kept").exists() else None
    assert [(r.seq, r.source, r.message) for r in served(root)] == before
    LogWriter(folder, keep=keep).release()
    assert [(r.seq, r.source, r.message) for r in served(root)] == before


@pytest.mark.parametrize("size", [0, 1, 1_000_000, (256 << 20) - 1])
def test_a_bound_that_cannot_be_enforced_is_rejected(size: int) -> None:
    with pytest.raises(TraitError, match=r"c\.LogStream\.log_bytes must be at least 268435456 \(256 MiB\), not"):
        LogStream(log_bytes=size)
    assert LogStream(log_bytes=256 << 20).log_bytes == layout.MIN_LOG_BYTES


@pytest.mark.parametrize("source", ["stdout", "stderr", None])
@pytest.mark.parametrize("keep", [8000, 12_000, 20_000])
def test_after_retention_a_download_begins_with_the_first_retained_record(
    root: Path, small_segments: Any, keep: int, source: str | None
) -> None:
    small_segments(1000, 64)
    folder = folder_of(root)
    chunks = [chunk for i in range(1, 601) for chunk in (*numbered(i, i + 1), ("stderr", b"error number %05d\n" % i))]
    write(folder, *chunks, end=True, keep=keep)
    expected = [r.message for r in served(root) if source in (None, r.source)]
    assert len(expected) < 1200
    found = downloaded(folder, source).decode().splitlines()
    assert found == expected if source else sorted(found) == sorted(expected)
