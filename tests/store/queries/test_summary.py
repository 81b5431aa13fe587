"""A log at a glance, against counting by hand."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jupyter_logstream.model.records import LEVELS, Record
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.memory import MemoryStore
from jupyter_logstream.store.protocol import Store
from jupyter_logstream.store.queries import summary
from jupyter_logstream.store.queries.filters import Filter
from jupyter_logstream.store.queries.summary import Places, places, spread, summarize

FILTERS = {
    "all": Filter(),
    "by level": Filter(level="warn"),
    "with words": Filter(q="a"),
    "without words, by levels": Filter(without="a", levels=frozenset({"unknown", "error"})),
}


@pytest.fixture(params=["memory", "file"])
def store(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(summary, "_SCAN_RECORDS", 7)  # so that buckets and batches cut each other
    if request.param == "memory":
        yield MemoryStore()
        return
    made = FileStore(tmp_path / "store")
    yield made
    made.close()


def fill(store: Store, length: int, seed: int = 1) -> list[Record]:
    rng = random.Random(seed)
    now = 1e12
    records = []
    for seq in range(1, length + 1):
        now += rng.choice([0, 0, 1, 50])
        records.append(
            Record(seq, now, rng.choice(LEVELS), rng.choice(["a", "b"]), source=rng.choice(["log", "system"]))
        )
    store.append("s", records)
    return records


def fits(chosen: Filter, record: Record) -> bool:
    level = LEVELS.index(record.level)
    return (
        (chosen.level is None or level >= LEVELS.index(chosen.level))
        and (chosen.levels is None or record.level in chosen.levels)
        and (chosen.q is None or chosen.q in record.message)
        and (chosen.without is None or chosen.without not in record.message)
    )


@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("buckets", [1, 3, 100])
def test_every_match_is_counted_in_the_bucket_of_its_time(store: Store, chosen: Filter, buckets: int) -> None:
    kept = [r for r in fill(store, 100) if fits(chosen, r)]
    made = summarize(store, "s", chosen, buckets)
    assert made.levels == Counter(r.level for r in kept)
    assert made.sources == Counter(r.source for r in kept)
    assert sum((b.counts for b in made.buckets), Counter()) == made.levels
    assert len(made.buckets) == buckets
    for i, bucket in enumerate(made.buckets):
        last = i == buckets - 1
        inside = [r for r in kept if bucket.ts - 0.001 <= r.ts and (last or r.ts < bucket.ts + made.width - 0.001)]
        outside = [r for r in inside if r.ts > bucket.ts + made.width + 0.001]
        assert not outside
        assert bucket.counts.total() in range(len(inside) - 3, len(inside) + 4)  # an edge may round either way
        assert bucket.seq is None or bucket.seq in {r.seq for r in kept}
    errors = [r.seq for r in kept if r.level in {"error", "fatal"}]
    assert made.first_error == (errors[0] if errors else None)


def test_a_summary_can_be_limited_to_an_interval(store: Store) -> None:
    records = fill(store, 100)
    start, end = records[30].ts, records[60].ts
    made = summarize(store, "s", Filter(), 10, start, end)
    assert made.total == sum(start <= r.ts <= end for r in records)
    assert (made.start, made.end) == (start, end)
    assert summarize(store, "s", Filter(), 10, 0.0, 1.0).total == 0


def test_an_empty_log_has_an_empty_summary(store: Store) -> None:
    store.append("s", [])
    made = summarize(store, "s", Filter(), 5)
    assert (made.total, made.first_error, [b.seq for b in made.buckets]) == (0, None, [None] * 5)
    assert spread(store, "s", Filter(), 3).counts == [0, 0, 0]
    assert places(store, "s", Filter(), 0, 10) == Places([], None)


def test_a_clock_that_is_set_back_loses_no_line(store: Store) -> None:
    for times in (5e3, 6e3, 1e3, 2e3, 9e3), (5e12, 4e12, 9e12, 1e12, 4.5e12) * 10, tuple(range(40, 0, -1)):
        store.append(f"s{len(times)}", [Record(0, ts, "error", "a", source="log") for ts in times])
        for chosen in Filter(), Filter(q="a"):
            made = summarize(store, f"s{len(times)}", chosen, 4)
            assert made.total == len(times)
            assert sum((b.counts for b in made.buckets), Counter()) == made.levels
            assert (made.start, made.end) == (min(times), max(times))
            assert made.first_error == 1
            assert [b.seq for b in made.buckets if b.counts.total()] == [b.seq for b in made.buckets if b.seq]


def test_an_interval_counts_only_its_lines_when_the_clock_was_set_back(store: Store) -> None:
    store.append("s", [Record(0, ts, "info", "a", source="log") for ts in (5e3, 6e3, 1e3, 2e3, 9e3)])
    assert summarize(store, "s", Filter(), 4, 1e3, 5e3).total == 3
    assert summarize(store, "s", Filter(), 4, 5e3).total == 3


@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS)
def test_density_and_positions_locate_the_matches(store: Store, chosen: Filter) -> None:
    seqs = [r.seq for r in fill(store, 100) if fits(chosen, r)]
    for buckets in 1, 3, 10:
        found_in = spread(store, "s", chosen, buckets)
        marks = found_in.counts
        assert (sum(marks), found_in.first, found_in.last) == (len(seqs), 1, 100)
        if 100 % buckets == 0:
            size = 100 // buckets
            assert marks == [sum(i * size < seq <= (i + 1) * size for seq in seqs) for i in range(buckets)]
    after: int | None = 0
    found: list[int] = []
    while after is not None:
        some = places(store, "s", chosen, after, 7)
        found += some.seqs
        after = some.next
    assert found == seqs
