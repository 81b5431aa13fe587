"""The request log's file: a killed server, damage, a full disk, versions, import of the log of earlier versions."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jupyter_logstream.server.request_log import checkpoint
from jupyter_logstream.server.request_log.database import RETRY_DISK_S, Database
from jupyter_logstream.server.request_log.log import RequestLog
from jupyter_logstream.server.request_log.schema import SCHEMA_VERSION

Open = Callable[..., RequestLog]
LOGGER = logging.getLogger("test")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    logs: list[RequestLog] = []

    def open_log(folder: Path = tmp_path / "requests", **options: Any) -> RequestLog:
        logs.append(RequestLog(folder, LOGGER, **options))
        return logs[-1]

    yield open_log
    for log in logs:
        log.close()


@pytest.fixture
def killed(tmp_path: Path) -> Callable[[], Path]:
    """A copy of the log's folder as a server that is killed now would leave it."""

    def copy() -> Path:
        folder = tmp_path / f"killed{len(list(tmp_path.iterdir()))}"
        shutil.copytree(tmp_path / "requests", folder)
        return folder

    return copy


def ids(log: RequestLog) -> list[str]:
    return [row.id for row in log.page(100_000)]


def test_rows_survive_a_killed_server_and_running_calls_are_interrupted(
    opened: Open, killed: Callable[[], Path]
) -> None:
    log = opened()
    done = log.create(model="m", detail={"request_headers": [["a", "b"]]}, key="k")[0]
    log.update(done.id, status="completed", duration_ms=5.0, cost_usd=0.25, detail={"response_headers": [["c", "d"]]})
    pending, streaming = log.create(detail={"query": "x=1"})[0], log.create()[0]
    log.update(streaming.id, status="streaming", http_status=200)
    again = opened(killed())
    assert again.get(done.id) == log.get(done.id)
    assert again.detail(done.id) == {"response_headers": [["c", "d"]]}
    assert again.create(key="k") == (log.get(done.id), False)
    assert [again.get(row.id).status for row in (pending, streaming)] == ["interrupted"] * 2
    assert again.get(streaming.id).http_status == 200
    assert again.detail(pending.id) == {"query": "x=1"}
    assert again.epoch != log.epoch
    assert ids(again) == ids(log)


def test_each_acknowledged_row_is_there_once_after_kill_9(opened: Open, tmp_path: Path) -> None:
    program = (
        "import logging, pathlib, sys\n"
        "from jupyter_logstream.server.request_log.log import RequestLog\n"
        "log = RequestLog(pathlib.Path(sys.argv[1]), logging.getLogger())\n"
        "for number in range(100_000):\n"
        "    row = log.create(path=f'/{number}')[0]\n"
        "    if number % 10: log.update(row.id, status='completed')\n"
        "    print(number, flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "requests")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(300)][-1]
        process.kill()
    rows = {int((row.path or "")[1:]): row.status for row in opened().page(100_000)}
    assert set(range(acknowledged + 1)) <= set(rows)
    assert all(status == ("completed" if number % 10 else "interrupted")
               for number, status in rows.items() if number <= acknowledged)  # fmt: skip


def test_write_ahead_log_is_copied_by_a_thread_and_stays_bounded(
    opened: Open, killed: Callable[[], Path], tmp_path: Path
) -> None:
    log = opened()
    wal = tmp_path / "requests" / "requests.sqlite3-wal"
    starts = 0
    for number in range(1500):
        row = log.create(detail={"query": "x" * 30_000})[0]
        log.update(row.id, status="completed")
        thread = log._database._checkpoints._thread
        starts += thread is not None and thread.is_alive()
        assert wal.stat().st_size <= 25 * 1024 * 1024
        if number == 700:
            assert ids(opened(killed())) == ids(log)
    assert starts
    assert ids(opened(killed())) == ids(log)


def test_checkpoint_waits_for_a_pause_between_writes(opened: Open, tmp_path: Path) -> None:
    log = opened()
    database = tmp_path / "requests" / "requests.sqlite3"
    row = log.create()[0]
    before = database.stat().st_size
    for number in range(400):
        log.update(row.id, response_bytes=number)
        log.create(path="x" * 500)
    thread = log._database._checkpoints._thread
    assert thread is not None
    thread.join(30)
    assert database.stat().st_size > before + 400 * 500


def test_write_waits_for_the_disk_when_no_checkpoint_succeeds(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint.Checkpoints, "_run", lambda _: None)
    log = opened()
    wal = tmp_path / "requests" / "requests.sqlite3-wal"
    for _ in range(1500):
        log.create(detail={"query": "x" * 30_000})
        assert wal.stat().st_size <= 27 * 1024 * 1024
    assert len(ids(log)) == 1500


def test_a_closed_log_is_one_file_that_only_the_user_can_read(opened: Open, tmp_path: Path) -> None:
    log = opened()
    log.create()
    folder = tmp_path / "requests"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    log.close()
    assert [path.name for path in folder.iterdir()] == ["requests.sqlite3"]


@pytest.mark.parametrize("damage", [b"rubbish" * 5000, b"SQLite format 3\0" + b"\xff" * 20_000])
def test_a_damaged_file_is_set_aside_and_the_log_begins_empty(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    folder = tmp_path / "requests"
    folder.mkdir()
    (folder / "requests.sqlite3").write_bytes(damage)
    log = opened()
    row = log.create()[0]
    assert ids(log) == [row.id]
    assert (folder / "requests.sqlite3.damaged").read_bytes() == damage
    assert "is damaged" in caplog.text
    assert "requests.sqlite3.damaged" in caplog.text


def test_damage_that_is_found_later_costs_the_rows_but_not_the_server(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = opened()
    for _ in range(2000):
        log.create(path="x" * 100)
    log.close()
    path = tmp_path / "requests" / "requests.sqlite3"
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * (path.stat().st_size - 4096 * 4))
    again = opened()
    again.page(2000)
    again.figures()
    row = again.create()[0]
    again.update(row.id, status="completed")
    assert row.id in ids(again)
    assert caplog.text.count("is damaged") == 1


def test_a_full_disk_is_reported_once_and_rows_are_held_in_memory_until_it_has_space(
    opened: Open, killed: Callable[[], Path], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened()
    before = log.create(detail={"query": "a=1"})[0]
    database = log._database
    database._connection.execute("PRAGMA max_page_count=1")  # the number of pages now, at least
    during = [log.create(path="x" * 2000, detail={"query": "y" * 9000})[0] for _ in range(3)]
    log.update(during[0].id, status="completed")
    assert ids(log) == [row.id for row in reversed([before, *during])]
    assert log.detail(before.id) == {"query": "a=1"}
    assert caplog.text.count("cannot be written") == 1
    assert "full" in caplog.text
    assert ids(opened(killed())) == [before.id]
    monkeypatch.setattr(database, "_clock", lambda: database._next_retry + RETRY_DISK_S)
    after = log.create()[0]
    assert ids(opened(killed())) == [row.id for row in reversed([before, *during, after])]
    assert "can be written again" in caplog.text


def test_a_folder_that_cannot_be_written_leaves_the_log_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "requests").write_text("a file where the folder should be")
    log = RequestLog(tmp_path / "requests" / "below", LOGGER)
    row = log.create()[0]
    assert ids(log) == [row.id]
    assert "cannot be written" in caplog.text


def test_a_file_of_a_newer_version_is_left_as_it_is(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened().close()
    path = tmp_path / "requests" / "requests.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    log = opened()
    log.create()
    assert len(log) == 1
    log.close()
    assert path.read_bytes() == before
    assert "newer version" in caplog.text


def test_the_log_of_an_earlier_version_is_imported_once(opened: Open, tmp_path: Path) -> None:
    folder = tmp_path / "requests"
    folder.mkdir()
    row = {"id": "01A", "status": "pending", "initial_time": 1.5, "model": "m", "stream": False, "later": 1}
    ended = {**row, "status": "completed", "stream": True}
    running = {**row, "id": "01B"}
    first = [{"row": row, "detail": {"query": "a=1"}}, {"row": running, "detail": {"query": "b=1"}}]
    rubbish = b'\0\0\0\n[]\n{"row": 5}\n{"row": {"id": "x", "status": "odd"}}\n\xff\xfe\n' + b"[" * 100_000 + b"\n"
    (folder / "00000001.jsonl").write_bytes(b"\n".join(json.dumps(line).encode() for line in first) + b"\n" + rubbish)
    (folder / "00000002.jsonl").write_bytes(json.dumps({"row": ended}).encode() + b'\n{"row": {"id": "01C", "stat')
    log = opened(now=lambda: 100.0)
    assert [(found.id, found.status) for found in log.page(9)] == [("01B", "interrupted"), ("01A", "completed")]
    assert log.get("01A").stream is True
    assert (log.detail("01A"), log.detail("01B")) == ({"query": "a=1"}, {"query": "b=1"})
    log.close()
    names = {path.name for path in folder.iterdir()}
    assert names == {"requests.sqlite3", "00000001.jsonl.imported", "00000002.jsonl.imported"}
    again = opened(now=lambda: 100.0)
    assert len(again) == 2
    again.clear()
    again.close()
    assert [path.name for path in folder.iterdir()] == ["requests.sqlite3"]
    assert len(opened()) == 0


def test_a_transaction_that_fails_changes_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path, LOGGER)

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO detail VALUES (1, 'x')")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write(work)
    assert database.read("SELECT * FROM detail") == []
    database.close()


def test_file_of_the_first_version_gets_the_new_columns_and_retains_its_rows(tmp_path: Path) -> None:
    new = ("finish_reason", "cache_creation_tokens", "reasoning_tokens")
    old = RequestLog(tmp_path, LOGGER)
    row, _ = old.create(model="m", status="completed")
    old.close()
    with closing(sqlite3.connect(tmp_path / "requests.sqlite3")) as connection:
        for name in new:
            connection.execute(f"ALTER TABLE request DROP COLUMN {name}")
        connection.execute("PRAGMA user_version=1")
    log = RequestLog(tmp_path, LOGGER)
    assert log.get(row.id).model == "m"
    other, _ = log.create(finish_reason="length", reasoning_tokens=3)
    assert (log.get(other.id).finish_reason, log.get(other.id).reasoning_tokens) == ("length", 3)
    log.close()
