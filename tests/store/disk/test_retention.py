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

from jupyter_logstream.store.disk import index, segments
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
