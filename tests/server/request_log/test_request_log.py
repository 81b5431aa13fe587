"""The request log: rows, changes by cursor, filters, figures, retention."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_logstream.server.request_log.log import RequestLog, RowEnded, UnknownRow
from jupyter_logstream.server.request_log.queries import RowFilter

Open = Callable[..., RequestLog]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    logs: list[RequestLog] = []

    def open_log(**options: Any) -> RequestLog:
        logs.append(RequestLog(tmp_path / f"requests{len(logs)}", logging.getLogger("test"), **options))
        return logs[-1]

    yield open_log
    for log in logs:
        log.close()


def ids(log: RequestLog) -> list[str]:
    return [row.id for row in log.page(100_000)]


def test_a_reader_at_any_cursor_ends_with_the_same_rows(opened: Open) -> None:
    log = opened()
    seen: list[tuple[int, dict[str, Any]]] = [(0, {})]
    made = []
    for number in range(20):
        made.append(log.create(model=f"m{number}")[0].id)
        log.update(made[number // 2], error=str(number))
        if number % 3 == 0:
            log.update(made[number // 2], response_bytes=number)
        seen.append((log.seq, {row.id: row.to_json() for row in log.page(100)}))
    final = seen[-1][1]
    for cursor, rows in seen:
        for limit in 1, 3, 100:
            known, at = {row_id: dict(row) for row_id, row in rows.items()}, cursor
            while changes := log.changes(at, limit):
                for change in changes:
                    assert change.is_new == (change.fields["id"] not in known)
                    known.setdefault(change.fields["id"], {}).update(change.fields)
                at = changes[-1].seq
            assert known == final


def test_a_change_contains_the_changed_fields_only(opened: Open) -> None:
    log = opened()
    row = log.create()[0]
    at = log.seq
    log.update(row.id, model="m", error=None)
    log.update(row.id, stream=True)
    log.update(row.id, model="m")  # no change
    assert [change.fields for change in log.changes(at, 9)] == [{"id": row.id, "model": "m", "stream": True}]


def test_a_row_that_is_younger_than_the_reader_comes_as_it_was_created_then_its_changes(opened: Open) -> None:
    log = opened()
    row = log.create(model="m")[0]
    log.update(row.id, model="n")
    log.update(row.id, model="o", status="completed")
    created, updated = log.changes(0, 9)
    assert (created.is_new, created.fields) == (True, row.to_json())
    assert (updated.is_new, updated.fields) == (False, {"id": row.id, "model": "o", "status": "completed"})
    (snapshot,) = log.changes(0, 9, log.seq)
    assert snapshot.fields == log.get(row.id).to_json()


def test_a_final_row_never_changes_and_an_unknown_one_is_not_found(opened: Open) -> None:
    log = opened()
    row = log.create()[0]
    log.update(row.id, status="completed")
    with pytest.raises(RowEnded):
        log.update(row.id, status="error")
    for call in log.get, log.detail, log.update:
        with pytest.raises(UnknownRow):
            call("none")


def test_the_same_key_creates_one_row(opened: Open) -> None:
    log = opened()
    first, is_new = log.create(key="k")
    assert is_new
    assert log.create(key="k") == (first, False)
    assert len(log) == 1


def test_numbers_keep_their_type_and_text_that_is_no_unicode_is_replaced(opened: Open) -> None:
    log = opened()
    row = log.create(initial_time=5, cost_usd=7, model="a\ud800b")[0]
    stored = log.get(row.id)
    assert [type(value) for value in (stored.initial_time, stored.cost_usd, stored.stream)] == [int, int, bool]
    assert stored.model == "a?b"
    log.update(row.id, duration_ms=0.5)
    assert type(log.get(row.id).duration_ms) is float


def test_a_page_is_filtered_by_status_provider_model_and_text(opened: Open) -> None:
    log = opened()
    first = log.create(provider="openai", model="gpt", response_model="gpt-2024", status="completed")[0].id
    second = log.create(provider="openai", status="error", error="Gräßlich")[0].id
    third = log.create(path="/a%b_c")[0].id
    for chosen, expected in [
        (RowFilter(), [third, second, first]),
        (RowFilter(statuses=frozenset({"error", "completed"})), [second, first]),
        (RowFilter(provider="openai"), [second, first]),
        (RowFilter(model="gpt-2024"), [first]),
        (RowFilter(text="GRÄSSLICH"), [second]),  # casefolded, as Unicode has it
        (RowFilter(text="a%b_"), [third]),  # no pattern characters
        (RowFilter(text="%"), [third]),
        (RowFilter(provider="openai", text="error"), [second]),
    ]:
        assert [row.id for row in log.page(9, chosen=chosen)] == expected
    assert [row.id for row in log.page(1, before=third)] == [second]


def test_the_newest_rows_and_running_calls_are_retained(opened: Open) -> None:
    log = opened(max_rows=10)
    running = log.create()[0]
    for _ in range(30):
        log.update(log.create()[0].id, status="completed")
    assert len(log) == 10
    assert running.id in ids(log)


def test_rows_beyond_the_maximum_age_are_deleted(opened: Open) -> None:
    now = 1_000_000.0
    log = opened(max_age_s=100, now=lambda: now)
    log.update(log.create()[0].id, status="completed")
    now += 101
    log.create()
    assert len(log) == 1


def test_the_file_stays_below_its_bound_and_rows_go_with_their_details(opened: Open, tmp_path: Path) -> None:
    log = opened(max_bytes=200_000)
    for number in range(1000):
        row = log.create(path="x" * 200, detail={"query": f"{number}" + "y" * 800})[0]
        log.update(row.id, status="completed")
    assert (tmp_path / "requests0" / "requests.sqlite3").stat().st_size < 300_000
    assert 50 < len(log) < 300
    assert all(log.detail(row.id) for row in log.page(1000))
    assert log.detail(ids(log)[0])["query"].startswith("999y")


def test_clearing_deletes_everything_and_begins_a_new_epoch(opened: Open, tmp_path: Path) -> None:
    log = opened()
    woken = []
    log.watch(lambda: woken.append(1))
    running = log.create(path="/a-path-to-forget")[0]
    former = log.epoch
    log.clear()
    assert (len(log), log.seq, len(woken)) == (0, 0, 2)
    assert log.epoch != former
    with pytest.raises(UnknownRow):
        log.update(running.id, status="completed")
    assert all(b"a-path-to-forget" not in path.read_bytes() for path in (tmp_path / "requests0").iterdir())
    log.clear()
    log.create()
    assert len(log) == 1


def test_figures_count_tokens_cost_errors_and_percentiles(opened: Open) -> None:
    log = opened(now=lambda: 1.0)
    for number in range(1, 101):
        provider = "p" if number % 2 else "q"
        row = log.create(provider=provider, model="m", session=f"s{number}", initial_time=number)[0]
        if number > 90:
            continue
        status = "error" if number % 10 == 0 else "completed"
        log.update(row.id, status=status, duration_ms=float(number), time_to_first_chunk_ms=1.0, input_tokens=2,
                   output_tokens=3, cost_usd=0.01)  # fmt: skip
    found = log.figures().to_json()
    totals = found["totals"]
    assert (totals["requests"], totals["errors"], totals["active"]) == (100, 9, 10)
    assert (totals["input_tokens"], totals["output_tokens"], totals["cost_usd"]) == (180, 270, pytest.approx(0.9))
    assert totals["duration_ms"] == {"p50": 45.0, "p95": 86.0}
    assert totals["time_to_first_chunk_ms"] == {"p50": 1.0, "p95": 1.0}
    assert {name: one["requests"] for name, one in found["by_provider"].items()} == {"p": 50, "q": 50}
    assert (found["by_model"]["m"]["requests"], found["active_sessions"]) == (100, 10)
    assert log.figures_since(51).totals["requests"] == 50
    log.clear()
    assert log.figures().totals["duration_ms"] == {"p50": None, "p95": None}


def test_figures_that_follow_changes_equal_those_read_from_the_rows(opened: Open) -> None:
    """Rows change, fail, name a model that is no Unicode, and the oldest are deleted."""
    choose = random.Random(1)
    log = opened(max_rows=40)
    log.figures()  # from now on they follow
    running: list[str] = []
    for number in range(300):
        if running and choose.random() < 0.6:
            row_id = running.pop(choose.randrange(len(running)))
            status = choose.choice(["completed", "error", "timeout", "cancelled", "streaming"])
            log.update(row_id, status=status, duration_ms=choose.choice([None, 5.0, choose.random()]),
                       time_to_first_chunk_ms=choose.choice([None, 3, choose.random()]), input_tokens=number,
                       cost_usd=round(choose.random(), 6), model=choose.choice(["m", "a\ud800b", None]))  # fmt: skip
        else:
            session = choose.choice([None, "s1", "s2"])
            running.append(log.create(provider=choose.choice(["p", "q", None]), session=session)[0].id)
        if len(running) > 30:
            running.clear()
        if number % 7 == 0:
            assert log.figures().to_json() == log.figures_since(0.0).to_json()
    log.clear()
    assert log.figures().to_json() == log.figures_since(0.0).to_json()


def test_figures_of_the_same_change_are_computed_once_and_older_ones_only_on_request(opened: Open) -> None:
    log = opened()
    first = log.figures()
    assert log.figures() is first
    log.create()
    assert log.figures(max_age_s=3600) is first
    assert (log.figures().totals["requests"], log.figures().seq) == (1, log.seq)
