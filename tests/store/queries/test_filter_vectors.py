"""Filter semantics; the page passes the same table (tests/vectors/filters.json)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.vectors import vectors

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.writer import LogWriter
from jupyter_logstream.store.memory import MemoryStore
from jupyter_logstream.store.pattern import BadPattern, Pattern
from jupyter_logstream.store.queries.filters import Filter, count

TABLE = vectors("filters")


def filter_of(given: dict[str, Any]) -> Filter:
    levels = given.get("levels")
    named = {"without" if name == "not" else name: value for name, value in given.items()}
    return Filter(**{**named, "levels": None if levels is None else frozenset(levels)})


@pytest.mark.parametrize(("given", "seqs"), TABLE["filters"], ids=repr)
def test_filter_matches_the_records_of_the_table(given: dict[str, Any], seqs: list[int]) -> None:
    store = MemoryStore()
    store.append("s", [Record(0, 0.0, **dict(zip(TABLE["fields"], row, strict=True))) for row in TABLE["records"]])
    batch = store.read("s", 0, 100)
    assert [batch.seqs[i] for i in filter_of(given).compile()(batch)] == seqs


@pytest.mark.parametrize(("q", "message", "marked"), TABLE["searches"], ids=repr)
def test_search_finds_in_texts_and_in_blocks_what_the_page_marks(
    tmp_path: Path, q: str, message: str, marked: list[str]
) -> None:
    memory, store = MemoryStore(), FileStore(tmp_path)
    memory.append("s", [Record(0, 0.0, "info", message, source="log")])
    store.folder("s").path.mkdir()
    writer = LogWriter(store.folder("s").path)
    writer.write("stdout", f"{message}\n".encode() * 3 + b"--\n" + f"{message}\n".encode())  # alone and in a run
    writer.close()
    others = Pattern(q).contains("--")
    assert count(memory, "s", Filter(q=q)) == bool(marked)
    assert count(store, "s", Filter(q=q)) == 4 * bool(marked) + others
    assert count(store, "s", Filter(without=q)) == 4 * (not marked) + (not others)
    store.close()


@pytest.mark.parametrize("q", TABLE["malformed"])
def test_malformed_expression_is_rejected(q: str) -> None:
    with pytest.raises(BadPattern):
        Filter(q=q).compile()
