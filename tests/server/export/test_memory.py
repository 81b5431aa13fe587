"""Exports of long logs: memory does not grow with the log, and work ends when nobody waits for it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.exported import START_MS, workload

from jupyter_logstream.server.export import parquet
from jupyter_logstream.server.export.export import KINDS, Selection, export
from jupyter_logstream.server.export.format import Exported
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.writer import LogWriter
from jupyter_logstream.store.queries.budget import Budget, SearchCancelled
from jupyter_logstream.store.queries.filters import Filter

SHORT, TIMES = 10_000, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a short and a long log."""
    root = tmp_path_factory.mktemp("long") / "store"
    store = FileStore(root)
    for name, lines in ("short", SHORT), ("long", SHORT * TIMES):
        store.folder(name).path.mkdir()
        writer = LogWriter(store.folder(name).path)
        for start in range(0, lines, 1000):
            writer.write("stdout", b"".join(b"INFO line %d of the log\n" % i for i in range(start, start + 1000)))
        writer.close()
    store.close()
    return root


@pytest.fixture
def store(folder: Path) -> Iterator[FileStore]:
    made = FileStore(folder)
    yield made
    made.close()


def pieces(
    store: FileStore, stream: str, kind: str, budget: Budget | None = None, q: str | None = None
) -> Iterator[bytes]:
    about = Exported(replace(workload(1), id=stream), {}, START_MS, "this-host")
    return export(store, about, Selection(Filter(q=q)), KINDS[kind], budget)


@pytest.mark.parametrize("kind", KINDS)
def test_memory_does_not_grow_with_the_log(kind: str, store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_RECORDS", 5000)
    peaks, sizes = [], []
    for stream in "short", "short", "long":  # the first fills caches and imports
        tracemalloc.start()
        sizes.append(sum(map(len, pieces(store, stream, kind))))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert sizes[2] > sizes[1] * TIMES / 2
    assert peaks[2] < peaks[1] * 2


def test_cancelled_export_stops_before_its_next_read(store: FileStore) -> None:
    budget = Budget()
    found = pieces(store, "long", "txt", budget)
    next(found)
    budget.cancel()
    with pytest.raises(SearchCancelled):
        sum(map(len, found))


def test_search_without_matches_returns_between_its_reads(store: FileStore) -> None:
    """So that one export that finds nothing does not hold up the others."""
    found = list(pieces(store, "long", "txt", q="none such"))
    assert set(found) == {b""}
    assert len(found) > SHORT * TIMES / 10_000
