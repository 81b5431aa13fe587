"""What every store promises: one suite, run against the one in memory and the one in files."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import PATIENCE, eventually

from jupyter_logstream.model.records import LEVELS, Record
from jupyter_logstream.store.disk import file_store as file
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.watch import Poller
from jupyter_logstream.store.errors import StreamEnded, UnknownStream
from jupyter_logstream.store.memory import MemoryStore
from jupyter_logstream.store.protocol import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["memory", "file", "file, polled"])
def store(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "file, polled":  # as where there is no inotify
        monkeypatch.setattr(file, "watcher", lambda _: Poller())
    made = FileStore(tmp_path / "store")
    yield made
    made.close()


def record(message: str, **known: Any) -> Record:
    return Record(
        **{"seq": 0, "ts": 1_763_600_000_123.25, "level": "info", "source": "log", "message": message, **known}
    )


def lines(*messages: str) -> list[Record]:
    return [record(message) for message in messages]


def read_all(store: Store, stream: str, after: int = 0, limit: int = 2000) -> list[Record]:
    found: list[Record] = []
    while len(batch := store.read(stream, after, limit)):
        found += batch.records()
        after = batch.last
    return found


# --- append and read --------------------------------------------------------------------------------------------------


def test_records_are_numbered_from_one_without_holes(store: Store) -> None:
    assert store.append("s", lines("a", "b")) == 2
    assert store.append("s", []) == 2
    assert store.append("s", lines("c")) == 3
    assert [(r.seq, r.message) for r in read_all(store, "s")] == [(1, "a"), (2, "b"), (3, "c")]


@pytest.mark.parametrize(
    "known",
    [
        {"level": level} for level in LEVELS
    ]
    + [
        {"step": "fit"},
        {"step": 'a "step" ü'},
        {"source": "system"},
        {"source": "stdout"},
        {"source": "stderr"},
        {"part": True},
        {"fields": {"loss": 0.5, "n": [1, None], "text": "ü\n"}},
        {"message": "two\nlines\r\nand\ttab"},
        {"message": ""},
        {"message": "\0\x1b[31m\u2028\U0001f600"},
        {"ts": 0.0},
    ],
    ids=str,
)  # fmt: skip
def test_a_record_comes_back_as_it_was_appended(store: Store, known: dict[str, Any]) -> None:
    appended = record(**{"message": "message", "seq": 1, **known})
    store.append("s", [appended])
    assert read_all(store, "s") == [appended]


def test_times_come_back_to_the_microsecond(store: Store) -> None:
    rng = random.Random(1)
    times = [(1_763_600_000_000_000 + rng.randrange(10**12)) / 1000 for _ in range(500)]
    store.append("s", [record("x", ts=ts) for ts in times])
    assert [r.ts for r in read_all(store, "s")] == times


def test_json_of_a_batch_is_that_of_its_records(store: Store) -> None:
    import json  # noqa: PLC0415

    some = [record(f"m{i}", level=LEVELS[i % 7], step="s" if i % 3 else None, ts=1e12 + i // 5) for i in range(50)]
    store.append("s", some)
    store.append("t", [*some, record("f", fields={"a": 1})])
    for stream in "s", "t":
        batch = store.read(stream, 0, 2000)
        assert json.loads(b"[" + batch.encode() + b"]") == [r.to_json() for r in batch.records()]


def test_reading_begins_after_the_cursor_and_stops_at_the_limit(store: Store) -> None:
    store.append("s", lines(*map(str, range(1, 101))))
    for after, limit, expected in [(0, 3, [1, 2, 3]), (97, 10, [98, 99, 100]), (100, 5, []), (200, 5, []), (5, 0, [])]:
        batch = store.read("s", after, limit)
        assert [int(r.message) for r in batch.records()] == expected == list(batch.seqs)
        assert (batch.first, batch.end, batch.closed) == (1, 100, False)


def test_a_batch_has_the_totals_of_the_whole_log(store: Store) -> None:
    store.append("s", [record("a", level="warn"), record("b"), record("c")])
    tally = store.read("s", 0, 0).tally()
    assert (tally.lines, dict(tally.levels)) == (3, {"warn": 1, "info": 2})
    store.append("s", [record("d", level="error")])
    assert dict(store.read("s", 0, 0).tally().levels) == {"warn": 1, "info": 2, "error": 1}


def test_steps_begin_and_end_where_records_name_another_one(store: Store) -> None:
    named = [("a", 1.0), ("a", 2.0), (None, 3.0), ("b", 4.0), ("a", 5.0)]
    store.append("s", [record("m", step=step, ts=ts) for step, ts in named])
    steps = store.read("s", 0, 0).tally().steps
    assert [(s.name, s.state, s.started, s.ended) for s in steps] == [
        ("a", "running", 5.0, None),
        ("b", "succeeded", 4.0, 5.0),
    ]
    assert [r.step for r in read_all(store, "s")] == [step for step, _ in named]
    assert [store.read("s", after, 1).changes_steps for after in range(5)] == [True, False, True, True, True]


def test_records_beyond_the_maximum_number_of_steps_have_none(store: Store) -> None:
    store.append("s", [record("m", step=f"step {i}") for i in range(1002)])
    records = read_all(store, "s")
    assert [r.step for r in records[998:]] == ["step 998", "step 999", None, None]
    steps = store.read("s", 0, 0).tally().steps
    assert (len(steps), steps[-1].state) == (1000, "succeeded")


def test_a_batch_is_of_one_moment(store: Store) -> None:
    store.append("s", lines("a"))
    batch = store.read("s", 0, 10)
    store.append("s", lines("b"), end=True)
    assert ([r.message for r in batch.records()], batch.end, batch.closed) == (["a"], 1, False)


def test_streams_are_independent(store: Store) -> None:
    store.append("s", lines("a"))
    store.append("t", lines("b", "c"))
    assert [len(read_all(store, stream)) for stream in "st"] == [1, 2]


def test_an_unknown_stream_cannot_be_read(store: Store) -> None:
    with pytest.raises(UnknownStream):
        store.read("none", 0, 1)


def test_an_ended_stream_can_be_read_but_not_appended_to(store: Store) -> None:
    store.append("s", lines("a"), end=True)
    assert store.read("s", 0, 10).closed
    for end in False, True:
        with pytest.raises(StreamEnded):
            store.append("s", lines("b"), end=end)
    assert [r.message for r in read_all(store, "s")] == ["a"]


def test_a_dropped_stream_is_unknown_and_its_id_can_be_used_again(store: Store) -> None:
    store.append("s", lines("a", "b"), end=True)
    store.read("s", 0, 10)
    store.drop("s")
    with pytest.raises(UnknownStream):
        store.read("s", 0, 1)
    store.drop("s")
    assert store.append("s", lines("c")) == 1
    assert [r.message for r in read_all(store, "s")] == ["c"]


# --- watch and follow -------------------------------------------------------------------------------------------------


async def test_a_watcher_is_woken_by_every_change_until_it_leaves(store: Store) -> None:
    store.append("s", [])
    woken = asyncio.Event()
    unwatch = store.watch("s", woken.set)
    for change in (
        lambda: store.append("s", lines("a")),
        lambda: store.append("s", [], end=True),
        lambda: store.drop("s"),
    ):
        await asyncio.sleep(0)
        woken.clear()
        change()
        await asyncio.wait_for(woken.wait(), PATIENCE)
    unwatch()
    unwatch()


async def test_unsubscribing_ends_one_watch_only(store: Store) -> None:
    store.append("s", [])
    first, second = asyncio.Event(), asyncio.Event()
    leave = store.watch("s", first.set)
    store.watch("s", second.set)
    leave()
    store.append("s", lines("a"))
    await asyncio.wait_for(second.wait(), PATIENCE)
    assert not first.is_set()


async def collect(store: Store, stream: str, after: int = 0, limit: int = 2000) -> list[int]:
    """Follow a stream to its end as every reader does: watch, read, wait for a change."""
    found: list[int] = []
    changed = asyncio.Event()
    unwatch = store.watch(stream, changed.set)
    while True:
        changed.clear()  # before the read, so that a record appended after it wakes this reader again
        try:
            batch = store.read(stream, after, limit)
        except UnknownStream:
            break
        if len(batch):
            after = batch.last
            found += [int(record.message) for record in batch.records()]
        elif batch.closed:
            break
        else:
            await changed.wait()
    unwatch()
    return found


async def test_following_returns_old_and_new_records_once_and_in_order(store: Store) -> None:
    store.append("s", lines("1", "2"))
    readers = [asyncio.ensure_future(collect(store, "s", after, limit)) for after, limit in [(0, 1), (0, 2000), (2, 7)]]
    at = 3
    rng = random.Random(3)
    while at <= 2000:
        count = rng.randint(1, 60)
        store.append("s", lines(*map(str, range(at, at + count))))
        at += count
        if rng.random() < 0.5:
            await asyncio.sleep(0)
    store.append("s", [], end=True)
    got = await asyncio.wait_for(asyncio.gather(*readers), PATIENCE)
    assert got == [list(range(1, at)), list(range(1, at)), list(range(3, at))]


async def test_following_ends_with_the_stream_also_when_it_had_ended_before(store: Store) -> None:
    store.append("s", lines("1"), end=True)
    assert await asyncio.wait_for(collect(store, "s"), PATIENCE) == [1]


async def test_following_ends_when_the_stream_is_dropped(store: Store) -> None:
    store.append("s", lines("1"))
    reader = asyncio.ensure_future(collect(store, "s"))
    await asyncio.sleep(0.05)
    store.drop("s")
    assert await asyncio.wait_for(reader, PATIENCE) == [1]


async def test_an_unsubscribed_watcher_leaves_nothing_behind(store: Store) -> None:
    store.append("s", lines("a"))
    unwatch = store.watch("s", lambda: None)
    unwatch()
    await eventually(lambda: not watched(store))


def watched(store: Store) -> int:
    if isinstance(store, FileStore) and isinstance(store._watcher, Poller):
        return len(store._watcher._tasks)
    wakes = store._wakes if isinstance(store, MemoryStore) else store._watcher._wakes  # type: ignore[union-attr]
    return sum(map(len, wakes.values()))
