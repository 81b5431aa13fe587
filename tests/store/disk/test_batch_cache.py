"""Readers of one stream share what is read and encoded for them; nobody is given less or other than the log has."""

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


def test_who_reads_later_gets_what_came_meanwhile(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for i in range(1, 20):
        store.append("a", [record(f"line {i}")])
        batch = store.read("a", 0, 2000)
        assert (batch.messages[-1], len(batch), batch.end) == (f"line {i}", i, i)
    store.close()


def test_readers_that_began_elsewhere_meet(tmp_path: Path) -> None:
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


def test_a_stream_that_was_dropped_and_made_again_tells_its_own_records(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.append("a", [record("old")])
    store.read("a", 0, 2000)
    store.drop("a")
    store.append("a", [record("new")])
    assert store.read("a", 0, 2000).messages == ["new"]
    store.close()


def test_it_keeps_few(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for i in range(3 * MAX_BATCHES):
        store.append(f"s{i}", [record("x")])
        store.read(f"s{i}", 0, 2000)
    assert len(store._cache._batches) == MAX_BATCHES
    store.close()


def test_what_could_not_be_read_is_not_remembered(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.append("a", [record(f"line {i}") for i in range(3)])
    index = segment_path(store.folder("a").path, "index", 0)
    sound = index.read_bytes()
    index.write_bytes(sound[: 2 * ENTRY] + b"\x05" + sound[2 * ENTRY + 1 :])
    with pytest.raises(BadIndex):  # it is being written, so nobody else may mend it
        store.read("a", 0, 2000)
    index.write_bytes(sound)
    assert store.read("a", 0, 2000).messages == ["line 0", "line 1", "line 2"]
    store.close()
