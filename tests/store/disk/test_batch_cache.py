"""Readers of one stream share reads and encodings, and always get the current records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk.batch_cache import MAX_BATCHES
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.layout import ENTRY, segment_path
from jupyter_logstream.store.errors import BadIndex

if TYPE_CHECKING:
    from pathlib import Path


def record(text: str) -> Record:
    return Record(0, 1000.0, "info", text, source="log")


def test_readers_at_one_cursor_get_one_encoding(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.append("a", [record(f"line {i}") for i in range(500)])
    one, other = store.read("a", 0, 2000), store.read("a", 0, 2000)
    assert one.encode() is other.encode()
    assert store.read("a", 0, 100).encode() is store.read("a", 0, 100).encode()
    store.close()


def test_a_later_reader_gets_records_appended_meanwhile(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for i in range(1, 20):
        store.append("a", [record(f"line {i}")])
        batch = store.read("a", 0, 2000)
        assert (batch.messages[-1], len(batch), batch.end) == (f"line {i}", i, i)
    store.close()


def test_readers_that_began_at_different_cursors_converge(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.append("a", [record("x") for _ in range(25_000)])
    stops = []
    for after in (0, 77, 4321):
        at, seen = after, set()
        while len(batch := store.read("a", at, 2000)):
            at = batch.last
            seen.add(at)
        assert at == 25_000
        stops.append(seen)
    assert {10_000, 20_000} <= set.intersection(*stops)
    store.close()


def test_a_stream_that_was_dropped_and_created_again_has_only_its_own_records(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.append("a", [record("old")])
    store.read("a", 0, 2000)
    store.drop("a")
    store.append("a", [record("new")])
    assert store.read("a", 0, 2000).messages == ["new"]
    store.close()


def test_the_cache_is_bounded(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for i in range(3 * MAX_BATCHES):
        store.append(f"s{i}", [record("x")])
        store.read(f"s{i}", 0, 2000)
    assert len(store._cache._batches) == MAX_BATCHES
    store.close()


def test_an_unreadable_batch_is_not_cached(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.append("a", [record(f"line {i}") for i in range(3)])
    index = segment_path(store.folder("a").path, "index", 0)
    sound = index.read_bytes()
    index.write_bytes(sound[: 2 * ENTRY] + b"\x05" + sound[2 * ENTRY + 1 :])
    with pytest.raises(BadIndex):  # it is being written, so it is not repaired
        store.read("a", 0, 2000)
    index.write_bytes(sound)
    assert store.read("a", 0, 2000).messages == ["line 0", "line 1", "line 2"]
    store.close()
