"""Frames of the request log: when figures are sent, and what a reader gets in which turn. Time is passed in."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_logstream.server.request_log import log as request_log
from jupyter_logstream.server.request_log.log import RequestLog
from jupyter_logstream.server.subscriptions.protocol import Start
from jupyter_logstream.server.subscriptions.requests import (
    MAX_ROWS_PER_TURN,
    STATS_DELAY_S,
    STATS_INTERVAL_S,
    RequestsSubscription,
)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RequestLog]:
    monkeypatch.setattr(request_log.time, "monotonic", lambda: 0.0)  # the figures' age; tests advance it
    made = RequestLog(tmp_path, logging.getLogger("test"))
    yield made
    made.close()


def events(reader: RequestsSubscription, now: float) -> list[str]:
    return [frame.event for frame in reader.frames(now)]


def calls_in_stats(reader: RequestsSubscription, now: float) -> list[int]:
    frames: list[Any] = [frame for frame in reader.frames(now) if frame.event == "log:stats"]
    return [json.loads(b"{" + frame.members + b"}")["data"]["totals"]["requests"] for frame in frames]


def test_figures_are_sent_at_once_then_soon_after_a_change_then_at_intervals(
    log: RequestLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = RequestsSubscription(log, Start(), "requests")
    assert calls_in_stats(reader, 100.0) == [0]
    assert reader.due == 100.0 + STATS_INTERVAL_S
    log.create()
    assert events(reader, 101.0) == ["log:created"]
    assert reader.due == 101.0 + STATS_DELAY_S
    log.create()
    assert events(reader, 101.5) == ["log:created"]
    assert reader.due == 101.0 + STATS_DELAY_S  # the first change counts, so that steady traffic cannot postpone it
    monkeypatch.setattr(request_log.time, "monotonic", lambda: 2.0)
    assert calls_in_stats(reader, 102.0) == [2]
    assert reader.due == 102.0 + STATS_INTERVAL_S
    assert calls_in_stats(reader, 107.0) == [2]


def test_figures_that_another_reader_has_just_caused_are_shared_and_followed_by_newer_ones(
    log: RequestLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = RequestsSubscription(log, Start(), "requests")
    reader.frames(100.0)
    log.create()
    reader.frames(101.0)
    assert calls_in_stats(reader, 102.0) == [0]  # computed less than FIGURES_INTERVAL_S ago
    assert reader.due == 102.0 + STATS_DELAY_S
    monkeypatch.setattr(request_log.time, "monotonic", lambda: 5.0)
    assert calls_in_stats(reader, 103.0) == [1]


def test_a_long_history_comes_in_turns_with_the_figures_at_its_end(log: RequestLog) -> None:
    for _ in range(MAX_ROWS_PER_TURN + 1):
        log.create()
    reader = RequestsSubscription(log, Start(), "requests")
    first = events(reader, 1.0)
    assert first.count("log:created") == MAX_ROWS_PER_TURN
    assert events(reader, 1.0).count("log:created") == 1
    assert reader.cursor == f"{log.epoch}.{log.seq}"


def test_heartbeats_are_sent_only_if_requested(log: RequestLog) -> None:
    for heartbeats in True, False:
        reader = RequestsSubscription(log, Start(), "requests", heartbeats=heartbeats)
        reader.frames(0.0)
        assert ("heartbeat" in events(reader, 31.0)) is heartbeats
