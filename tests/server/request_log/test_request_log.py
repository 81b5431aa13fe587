"""The request log: rows, changes by cursor, what a restart and a bad disk leave of it."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_logstream.server.request_log.journal import Journal
from jupyter_logstream.server.request_log.log import RequestLog, RowEnded, UnknownRow

Open = Callable[..., RequestLog]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    logs = []

    def open_log(segment: int = 1 << 20, most_bytes: int = 1 << 30, **given: Any) -> RequestLog:
        journal = Journal(tmp_path / "requests", segment=segment, most=most_bytes)
        logs.append(RequestLog(journal, logging.getLogger("test"), **given))
        return logs[-1]

    yield open_log
    for log in logs:
        log._journal.close()


def ids(log: RequestLog) -> list[str]:
    return [row.id for row in log.newest()]


def test_a_reader_at_any_cursor_ends_up_with_the_same_rows(opened: Open) -> None:
    log = opened()
    seen: list[tuple[int, dict[str, Any]]] = [(0, {})]
    made = []
    for number in range(20):
        made.append(log.create(model=f"m{number}")[0].id)
        log.update(made[number // 2], error=str(number))
        if number % 3 == 0:
            log.update(made[number // 2], response_bytes=number)
        seen.append((log.seq, {row.id: row.to_json() for row in log.newest()}))
    final = seen[-1][1]
    for cursor, rows in seen:
        for most in 1, 3, 100:
            known, at = {row_id: dict(row) for row_id, row in rows.items()}, cursor
            while changes := log.changes(at, most):
                for change in changes:
                    assert change.is_new == (change.fields["id"] not in known)
                    known.setdefault(change.fields["id"], {}).update(change.fields)
                at = changes[-1].seq
            assert known == final


def test_a_change_tells_what_changed_and_nothing_else(opened: Open) -> None:
    log = opened()
    row = log.create()[0]
    at = log.seq
    log.update(row.id, model="m", error=None)
    log.update(row.id, stream=True)
    log.update(row.id, model="m")  # nothing new
    assert [change.fields for change in log.changes(at, 9)] == [{"id": row.id, "model": "m", "stream": True}]


def test_a_final_row_never_changes_and_an_unknown_one_is_not_found(opened: Open) -> None:
    log = opened()
    row = log.create()[0]
    log.update(row.id, status="completed")
    with pytest.raises(RowEnded):
        log.update(row.id, status="error")
    for call in log.get, log.detail, log.update:
        with pytest.raises(UnknownRow):
            call("none")


def test_the_same_key_makes_one_row(opened: Open) -> None:
    log = opened()
    first, is_new = log.create(key="k")
    assert is_new
    assert log.create(key="k") == (first, False)
    assert len(log) == 1


def test_rows_survive_a_restart_and_open_ones_are_interrupted(opened: Open) -> None:
    log = opened()
    done = log.create(model="m", detail={"request_headers": [["a", "b"]]})[0]
    log.update(done.id, status="completed", duration_ms=5.0, cost_usd=0.25, detail={"response_headers": [["c", "d"]]})
    pending, streaming = log.create(detail={"query": "x=1"})[0], log.create()[0]
    log.update(streaming.id, status="streaming", http_status=200)
    again = opened()  # without a close: as after kill -9
    assert again.get(done.id) == log.get(done.id)
    assert again.detail(done.id) == {"response_headers": [["c", "d"]]}
    assert [again.get(row.id).status for row in (pending, streaming)] == ["interrupted"] * 2
    assert again.detail(pending.id) == {"query": "x=1"}
    assert again.epoch != log.epoch or again.seq >= log.seq
    assert ids(again) == ids(log)
    assert ids(opened()) == ids(log)


def test_ten_thousand_calls_are_each_there_once_after_a_kill(opened: Open) -> None:
    log = opened()
    for number in range(2000):
        row = log.create(path=f"/{number}")[0]
        if number % 10:
            log.update(row.id, status="completed")
    again = opened()
    rows = list(again.newest())
    assert sorted(int((row.path or "")[1:]) for row in rows) == list(range(2000))
    assert sum(row.status == "interrupted" for row in rows) == 200
    assert sum(row.status == "completed" for row in rows) == 1800


@pytest.mark.parametrize("cut", range(2, 60, 7))
def test_a_torn_end_costs_the_last_line_only(opened: Open, tmp_path: Path, cut: int) -> None:
    log = opened()
    first, last = log.create()[0], log.create()[0]
    (path,) = (tmp_path / "requests").iterdir()
    os.truncate(path, path.stat().st_size - cut)
    again = opened()
    assert ids(again) == [first.id]
    third = again.create()[0]
    assert set(ids(opened())) == {third.id, first.id}
    assert last.id not in ids(again)


def test_rubbish_in_the_file_is_passed_over(opened: Open, tmp_path: Path) -> None:
    log = opened()
    row = log.create()[0]
    (path,) = (tmp_path / "requests").iterdir()
    with path.open("ab") as file:
        file.write(
            b'\0\0\0\n[]\n{"row": 5}\n{"row": {"id": "x", "status": "odd"}}\n\xff\xfe\n' + b"[" * 100_000 + b"\n"
        )
    assert ids(opened()) == [row.id]


def test_the_newest_rows_are_kept_and_calls_that_run(opened: Open) -> None:
    log = opened(most=10)
    running = log.create()[0]
    for _ in range(30):
        log.update(log.create()[0].id, status="completed")
    assert len(log) == 10
    assert running.id in ids(log)
    assert len(opened(most=10)) == 10


def test_old_rows_go(opened: Open) -> None:
    now = 1_000_000.0
    log = opened(max_age=100, now=lambda: now)
    log.update(log.create()[0].id, status="completed")
    now += 101
    log.create()
    assert len(log) == 1


def test_the_files_stay_below_their_bound_and_rows_in_what_is_gone_go_too(opened: Open, tmp_path: Path) -> None:
    log = opened(segment=10_000, most_bytes=50_000)
    for _ in range(500):
        row = log.create(path="x" * 200, detail={"query": "y" * 200})[0]
        log.update(row.id, status="completed")
    assert sum(path.stat().st_size for path in (tmp_path / "requests").iterdir()) < 61_000
    assert 10 < len(log) < 60
    assert all(log.detail(row.id) for row in log.newest())
    assert ids(opened(segment=10_000, most_bytes=50_000))[:20] == ids(log)[:20]


def test_clearing_forgets_everything_for_good_and_begins_a_new_epoch(opened: Open) -> None:
    log = opened()
    woken = []
    log.watch(lambda: woken.append(1))
    running = log.create()[0]
    former = log.epoch
    log.clear()
    assert (len(log), log.seq, len(woken)) == (0, 0, 2)
    assert log.epoch != former
    with pytest.raises(UnknownRow):
        log.update(running.id, status="completed")
    log.clear()
    assert len(opened()) == 0


def test_only_the_user_may_read_it(opened: Open, tmp_path: Path) -> None:
    opened().create()
    assert stat.S_IMODE((tmp_path / "requests").stat().st_mode) == 0o700
    (path,) = (tmp_path / "requests").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_disk_is_told_once_and_rows_go_on_in_memory(
    opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = opened()
    kept = log.create()[0]

    def full(fd: int, data: bytes) -> int:
        if len(data) > 50:
            return real(fd, data[:50])  # a short write first, as disks do
        raise OSError(28, "No space left on device")

    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        lost = [log.create()[0] for _ in range(3)]
    assert len(log) == 4
    assert caplog.text.count("No space left on device") == 1
    after = log.create()[0]
    assert ids(opened()) == [after.id, kept.id]
    assert lost[0].id in ids(log)


def test_figures_count_tokens_cost_errors_and_percentiles(opened: Open) -> None:
    log = opened()
    for number in range(1, 101):
        row = log.create(provider="p" if number % 2 else "q", model="m", session=f"s{number}")[0]
        if number > 90:
            continue
        log.update(row.id, status="error" if number % 10 == 0 else "completed", duration_ms=float(number),
            input_tokens=2,
                   output_tokens=3, cost_usd=0.01, time_to_first_chunk_ms=1.0)  # fmt: skip
    found = log.figures.to_json()
    totals = found["totals"]
    assert (totals["requests"], totals["errors"], totals["active"]) == (100, 9, 10)
    assert (totals["input_tokens"], totals["output_tokens"], totals["cost_usd"]) == (180, 270, pytest.approx(0.9))
    assert totals["duration_ms"] == {"p50": 45.0, "p95": 86.0}
    assert totals["time_to_first_chunk_ms"] == {"p50": 1.0, "p95": 1.0}
    assert {name: one["requests"] for name, one in found["by_provider"].items()} == {"p": 50, "q": 50}
    assert (found["by_model"]["m"]["requests"], found["active_sessions"]) == (100, 10)
    log.clear()
    assert log.figures.totals["duration_ms"] == {"p50": None, "p95": None}
