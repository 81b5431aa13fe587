"""Formats of exported logs: what is written is what can be read back, whatever a program printed."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from support.exported import FIELDS, START_MS, attributes_of, exported, parsed, records, store_of, value_of
from support.hostile_text import Read

from jupyter_logstream.model.records import Record
from jupyter_logstream.server.export import export as module
from jupyter_logstream.server.export import html_page, parquet
from jupyter_logstream.store.memory import MemoryStore
from jupyter_logstream.store.queries.filters import Filter
from jupyter_logstream.text.terminal import plain_text, searched_text

KINDS = ("parquet", "jsonl", "html", "txt")


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    return store_of(records())


@pytest.fixture(scope="module")
def stored(store: MemoryStore) -> list[Record]:
    return store.read("W1", 0, 10_000).records()


def without_first(store: MemoryStore, retained: int) -> MemoryStore:
    """The same after retention."""
    store._streams["W1"].retain(retained)
    return store


def lines_of(page: bytes) -> list[str]:
    return re.findall(r'<p id="L\d+"[^>]*><i>[^<]*</i>(.*?)</p>', page.decode(), re.DOTALL)


def test_parquet_reads_back_equal_with_typed_columns(store: MemoryStore, stored: list[Record]) -> None:
    table = pq.read_table(io.BytesIO(exported(store, "parquet")))
    types = {field.name: str(field.type).split("<")[0] for field in table.schema}
    assert list(types) == ["seq", "ts", "level", "message", "step", "source", "part", "fields"]
    assert [types[name] for name in ("seq", "level", "message", "part")] == ["int64", "dictionary", "string", "bool"]
    assert str(table.schema.field("ts").type) == "timestamp[us, tz=UTC]"
    for record, row in zip(stored, table.to_pylist(), strict=True):
        text = record.message.encode("utf-8", "replace").decode()
        assert (row["seq"], row["level"], row["message"]) == (record.seq, record.level, text)
        assert (row["step"], row["source"], row["part"]) == (record.step, record.source, record.part)
        assert pd.Timestamp(row["ts"]).value == round(record.ts * 1000) * 1000
        assert (row["fields"] is None) == (record.fields is None)
        assert record.fields in (None, FIELDS) or json.loads(row["fields"]) == record.fields
    (fields,) = [row["fields"] for row in table.to_pylist() if row["source"] == "log"]
    assert json.loads(fields) == {**FIELDS, "deep": {"a": [1, {"b": "?"}], "c": []}}


def test_parquet_names_the_workload_in_its_metadata(store: MemoryStore) -> None:
    found = pq.ParquetFile(io.BytesIO(exported(store, "parquet"))).metadata.metadata[b"logstream"]
    about = json.loads(found)
    assert (about["workload"]["id"], about["workload"]["state"], about["gaps"]) == ("W1", "failed", [])


def test_parquet_writes_rows_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_RECORDS", 100)
    monkeypatch.setattr(module, "PIECE_RECORDS", 50)
    store = store_of([Record(0, START_MS, "info", str(i), step=f"s{i % 7}") for i in range(250)])
    file = pq.ParquetFile(io.BytesIO(exported(store, "parquet")))
    assert [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)] == [100, 100, 50]
    assert file.read()["message"].to_pylist() == [str(i) for i in range(250)]
    assert file.read()["step"].to_pylist() == [f"s{i % 7}" for i in range(250)]


def test_json_lines_parse_with_the_schema_of_opentelemetry(store: MemoryStore, stored: list[Record]) -> None:
    lines = exported(store, "jsonl").decode().splitlines()
    numbers = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21, "unknown": 0}
    assert len(lines) == exported(store, "jsonl").count(b"\n") == len(stored)  # one record per line
    for line, record in zip(lines, stored, strict=True):
        (resource,) = parsed(line).resource_logs
        ((found,),) = [scope.log_records for scope in resource.scope_logs]
        assert attributes_of(resource.resource)["logstream.workload.id"] == "W1"
        assert attributes_of(resource.resource)["service.name"] == "jupyter-logstream"
        assert found.severity_number == numbers[record.level]
        assert found.severity_text == ("" if record.level == "unknown" else record.level.upper())
        assert found.time_unix_nano == found.observed_time_unix_nano == round(record.ts * 1000) * 1000
        assert value_of(found.body) == searched_text(record.message).encode("utf-8", "replace").decode()
        assert "\x1b" not in value_of(found.body)
        known = attributes_of(found)
        assert (known["log.record.uid"], known["logstream.seq"]) == (f"W1:{record.seq}", record.seq)
        assert known.get("log.iostream", known.get("logstream.source")) == record.source
        assert (known.get("logstream.step"), known.get("logstream.part", False)) == (record.step, record.part)


def test_fields_of_a_record_become_attributes(store: MemoryStore) -> None:
    (line,) = [line for line in exported(store, "jsonl").splitlines() if b'"train"' in line]
    found = attributes_of(parsed(line).resource_logs[0].scope_logs[0].log_records[0])
    assert (found["logger"], found["small"], found["ratio"], found["on"]) == ("train", -3, 0.1, True)
    assert (found["code.file.path"], found["code.line.number"]) == ("/src/train.py", 17)
    assert found["big"] == str(1 << 70)
    assert found["deep"] == {"a": [1, {"b": "?"}], "c": []}


def test_deeply_nested_fields_parse_with_the_schema() -> None:
    deep: Any = "bottom"
    for _ in range(90):
        deep = {"in": [deep]}
    line = exported(store_of([Record(0, START_MS, "info", "m", source="log", fields={"deep": deep})]), "jsonl")
    assert "bottom" in str(parsed(line))


def test_text_has_no_control_sequences_and_whole_lines(store: MemoryStore, stored: list[Record]) -> None:
    text = exported(store, "txt").decode()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "\n" + "x" * 65536 + "the rest\n" in text
    expected = "".join(plain_text(r.message) + ("" if r.part else "\n") for r in stored)
    assert text == expected.encode("utf-8", "replace").decode()


def test_text_ends_a_line_whose_rest_another_source_interrupts() -> None:
    parts = [Record(0, START_MS, "info", "a", part=True), Record(0, START_MS, "info", "b", source="stderr")]
    assert exported(store_of([*parts, Record(0, START_MS, "info", "c", part=True)]), "txt") == b"a\nb\nc\n"


def test_page_shows_all_text_and_no_markup_of_others(store: MemoryStore, stored: list[Record]) -> None:
    page = exported(store, "html")
    lines = lines_of(page)
    assert [Read(line).text for line in lines] == [
        plain_text(r.message).encode("utf-8", "replace").decode() for r in stored
    ]
    read = Read(page.decode())
    assert {element[0] for element in read.elements} <= {
        *("html", "head", "meta", "title", "style", "body", "header", "h1", "dl", "dt", "dd", "main", "section", "h2"),
        *("p", "i", "span", "footer"),
    }
    names = {name for element in read.elements for name, _ in element[1:]}
    assert names <= {"lang", "charset", "http-equiv", "content", "name", "id", "class"}
    assert "<img src=x onerror=alert(1)>" in read.text
    assert "python '<script>alert(1)</script>' train.py" in read.text
    assert "Failed (exit code 3)" in read.text


def test_page_colours_by_classes_and_marks_levels(store: MemoryStore) -> None:
    page = exported(store, "html").decode()
    assert '<span class="b f1">red</span> and <span class="g4">on blue</span>' in page
    assert re.search(r'<p id="L6" class="e"><i> 6  00:53:20.005  </i>a line of error</p>', page.replace("\u00a0", " "))
    assert "<h2>fit &lt;b&gt;2&lt;/b&gt;</h2>" in page


def test_page_allows_itself_nothing_but_its_style(store: MemoryStore) -> None:
    page = exported(store, "html").decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert re.fullmatch(r"default-src &#x27;none&#x27;; style-src &#x27;sha256-[\w+/=]{44}&#x27;", policy)
    assert not re.search(r"url\(|@import|https?:", page.partition("<body>")[0])


def test_page_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.KINDS, "html", module.Kind(".html", "text/html", html_page.HtmlFormat, None, 10))
    store = store_of([Record(0, START_MS, "info", f"line {i}") for i in range(30)])
    assert lines_of(exported(store, "html"))[0] == "line 20"
    assert b"Only the last" in exported(store, "html")
    assert b"Only the last" not in exported(store, "html", after=25)
    assert lines_of(exported(store, "html", after=25))[0] == "line 25"


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_selects_by_filter_cursor_and_tail(kind: str) -> None:
    store = store_of([Record(0, START_MS, ("info", "error")[i % 2], f"line {i}") for i in range(100)])

    def numbers(**given: Any) -> list[int]:
        data = exported(store, kind, **given)
        if kind == "parquet":
            return [seq - 1 for seq in pq.read_table(io.BytesIO(data))["seq"].to_pylist()]
        return [int(n) for n in re.findall(r"line (\d+)", data.decode())]

    assert numbers() == list(range(100))
    assert numbers(after=95) == [95, 96, 97, 98, 99]
    assert numbers(tail=3) == [97, 98, 99]
    assert numbers(tail=0) == []
    assert numbers(chosen=Filter(level="error"), tail=2) == [97, 99]
    assert numbers(chosen=Filter(q="/ 9[0-3]$/")) == [90, 91, 92, 93]
    assert numbers(chosen=Filter(q="none such")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_reports_lines_that_retention_removed(kind: str) -> None:
    store = without_first(store_of([Record(0, START_MS, "info", f"line {i}") for i in range(100)]), 40)
    data = exported(store, kind, after=10)
    if kind == "parquet":
        about = json.loads(pq.ParquetFile(io.BytesIO(data)).metadata.metadata[b"logstream"])
        assert about["gaps"] == [{"from": 11, "to": 60, "reason": "retention"}]
    elif kind == "jsonl":
        first = parsed(data.splitlines()[0]).resource_logs[0].scope_logs[0].log_records[0]
        assert first.event_name == "logstream.gap"
        found = attributes_of(first)
        assert (found["logstream.gap.from"], found["logstream.gap.to"]) == (11, 60)
    else:
        assert data.decode().count("lines 11 to 60 are missing (retention)") == 1
    assert b"missing" not in exported(store, kind, after=60)
    assert b"missing" not in exported(store, kind, tail=5)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_log_is_a_valid_file(kind: str) -> None:
    data = exported(store_of([]), kind)
    if kind == "parquet":
        assert pq.read_table(io.BytesIO(data)).num_rows == 0
    assert kind != "html" or b"No lines." in data
    assert kind not in {"txt", "jsonl"} or data == b""
