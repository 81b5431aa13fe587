"""Filters, pages and tails against the naive way of finding them, on random logs and in both stores."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_logstream.model.records import LEVELS, Record
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.errors import UnknownStream
from jupyter_logstream.store.memory import MemoryStore
from jupyter_logstream.store.pattern import BadPattern
from jupyter_logstream.store.protocol import Store
from jupyter_logstream.store.queries import filters as query
from jupyter_logstream.store.queries.budget import Budget, SlowPattern
from jupyter_logstream.store.queries.filters import Filter, count, tail_cursor
from jupyter_logstream.store.queries.pages import page
from jupyter_logstream.store.queries.summary import places, spread, summarize

WORDS = ["alpha", "Beta", "loss=0.5", "ERROR", "é", "done", "[x]", "\x1b[31mred\x1b[0m", "two\nlines", ""]


@pytest.fixture(params=["memory", "file"])
def store(request: Any, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    made = FileStore(tmp_path / "store")
    yield made
    made.close()


def random_records(rng: random.Random, length: int) -> list[Record]:
    return [
        Record(
            seq,
            1e12 + seq,
            rng.choice(LEVELS),
            " ".join(rng.choice(WORDS) for _ in range(rng.randint(0, 3))),
            step=rng.choice([None, "load", "fit"]),
            source=rng.choice(["log", "system"]),
        )
        for seq in range(1, length + 1)
    ]


def naive(chosen: Filter) -> Callable[[Record], bool]:
    def matches(record: Record) -> bool:
        level = LEVELS.index(record.level)
        return (
            (chosen.level is None or (level >= LEVELS.index(chosen.level) and level > 0))
            and (chosen.levels is None or record.level in chosen.levels)
            and chosen.step in (None, record.step)
            and chosen.source in (None, record.source)
            and (chosen.q is None or naive_text(chosen.q, without_colours(record.message)))
        )

    return matches


def naive_text(q: str, text: str) -> bool:
    if len(q) > 1 and q[0] == q[-1] == "/":
        return re.search(q[1:-1], text) is not None
    return q in text if q != q.lower() else q in text.lower()


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def random_filter(rng: random.Random) -> Filter:
    return Filter(
        level=rng.choice([None, None, "debug", "warn", "fatal"]),
        levels=rng.choice([None, None, frozenset({"unknown", "error"}), frozenset({"info"}), frozenset()]),
        step=rng.choice([None, None, "fit", "no such step"]),
        source=rng.choice([None, None, "log", "stdout"]),
        q=rng.choice([None, None, "beta", "Beta", "BETA", "/a.*a/", "/^$/", "[x]", "/two.lines/", "é", "/", "//"]),
    )


@pytest.fixture(params=[3, 8192])
def scan(request: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many records are looked at in one read: also so few that every question takes many."""
    monkeypatch.setattr(query, "SCAN_RECORDS", request.param)
    return int(request.param)


@pytest.mark.parametrize("seed", range(6))
def test_queries_return_the_same_as_a_check_of_every_record(store: Store, scan: int, seed: int) -> None:
    rng = random.Random(seed)
    everything = random_records(rng, rng.choice([0, 1, 7, 120]))
    store.append("s", everything)
    for i in range(60):
        chosen = Filter() if i % 10 == 0 else random_filter(rng)
        found = [r for r in everything if naive(chosen)(r)]
        assert count(store, "s", chosen) == len(found)
        for wanted in 0, 1, 3, 1000:
            after = tail_cursor(store, "s", chosen, wanted)
            assert [r.seq for r in found if r.seq > after] == [r.seq for r in found][-wanted:] * (wanted > 0)
        after, offset, limit = rng.randint(0, 130), rng.choice([0, 0, 1, 5, 200]), rng.randint(1, 40)
        behind = [r for r in found if r.seq > after][offset:]
        got = page(store, "s", chosen, after=after, offset=offset, limit=limit)
        assert got.records() == behind[:limit], chosen
        assert got.total == len(found)
        assert got.next == (behind[limit - 1].seq if len(behind) > limit else None)


def test_pages_follow_each_other_without_a_seam(store: Store, scan: int) -> None:
    everything = random_records(random.Random(9), 200)
    store.append("s", everything)
    for chosen in Filter(), Filter(level="warn"):
        found: list[Record] = []
        after: int | None = 0
        while after is not None:
            got = page(store, "s", chosen, after=after, offset=0, limit=7)
            found += got.records()
            after = got.next
        assert found == [r for r in everything if naive(chosen)(r)]


def test_a_page_by_offset_begins_at_the_kth_match(store: Store) -> None:
    everything = random_records(random.Random(10), 200)
    store.append("s", everything)
    errors = [r for r in everything if r.level == "error"]
    for k in range(len(errors) + 1):
        got = page(store, "s", Filter(levels=frozenset({"error"})), after=0, offset=k, limit=1)
        assert got.records() == errors[k : k + 1]


def test_a_query_of_an_unknown_stream_raises_unknown_stream(store: Store) -> None:
    for query_ in (lambda f: count(store, "s", f), lambda f: page(store, "s", f, after=0, offset=0, limit=1)):
        for chosen in Filter(), Filter(level="info"):
            with pytest.raises(UnknownStream):
                query_(chosen)


@pytest.mark.parametrize("bad", ["/(/", "/*/", "/[/", "/(?P<a>x)(?P<a>/", "/\\/"])
def test_a_malformed_expression_is_refused(bad: str) -> None:
    with pytest.raises(BadPattern):
        Filter(q=bad).compile()


@pytest.mark.parametrize("expression", ["(a|aa)+$", "(a*)*c", "^(.|..)+[?!]$", "(.*.*)*x"])
def test_an_expression_that_takes_other_engines_for_ever_is_searched(store: Store, expression: str) -> None:
    lines = ["a" * 5000 + "b", "a" * 5000 + "?x", "a"]
    store.append("s", [Record(0, 1e12, "info", line, source="log") for line in lines])
    expected = {"(a|aa)+$": 1, "(a*)*c": 0, "^(.|..)+[?!]$": 0, "(.*.*)*x": 1}
    assert count(store, "s", Filter(q=f"/{expression}/")) == expected[expression]


def test_a_query_without_any_processor_time_is_refused_or_says_that_it_searched_nothing(store: Store) -> None:
    store.append("s", [Record(0, 1e12 + i, "info", "a", source="log") for i in range(30)])
    chosen, spent = Filter(q="a"), Budget(cpu_s=-1.0)
    with pytest.raises(SlowPattern, match="stopped at line 0 "):
        page(store, "s", chosen, after=0, offset=0, limit=10, budget=spent)
    with pytest.raises(SlowPattern, match="stopped at line 5 "):
        places(store, "s", chosen, 5, 10, spent)
    assert spread(store, "s", chosen, 3, spent).stopped == 0
    assert summarize(store, "s", chosen, 3, budget=spent).stopped == 0


class TwoReads(Budget):
    """Enough processor time for two batches."""

    reads = 0

    def check(self, after: int) -> None:
        self.reads += 1
        self._cpu_s = 1e9 if self.reads < 3 else -1.0
        super().check(after)


def test_stopped_pages_lead_to_every_match(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "SCAN_RECORDS", 10)
    store.append("s", [Record(0, 1e12 + i, "info", "a" if i % 4 == 0 else "b", source="log") for i in range(60)])
    after, found, stops = 0, [], []
    for _ in range(10):
        got = page(store, "s", Filter(q="a"), after=after, offset=0, limit=100, budget=TwoReads())
        found += [r.seq for r in got.records()]
        stops.append(got.stopped)
        if got.next is None:
            break
        assert got.next > after
        after = got.next
    assert found == list(range(1, 61, 4))
    assert stops[:2] == [20, 40]


def test_the_total_of_a_page_behind_a_cursor_counts_the_matches_before_it(store: Store, scan: int) -> None:
    store.append("s", [Record(0, 1e12 + i, "info", "a" if i % 4 == 0 else "b", source="log") for i in range(60)])
    for after in range(0, 65, 3):
        got = page(store, "s", Filter(q="a"), after=after, offset=0, limit=2)
        assert (got.total, got.stopped) == (15, None)


def test_text_is_found_in_the_final_text_not_in_overwritten_output(tmp_path: Path) -> None:
    from jupyter_logstream.store.disk.writer import LogWriter  # noqa: PLC0415

    store = FileStore(tmp_path / "store")
    store.folder("s").path.mkdir()
    log = LogWriter(store.folder("s").path)
    log.write("stdout", b"10%\r100%\n\x1b[31mERR\x1b[0mOR\nplain\r\n")
    log.close()
    assert [count(store, "s", Filter(q=q)) for q in ("10%", "100%", "plain")] == [0, 1, 1]
    assert count(store, "s", Filter(source="stdout")) == 3
    assert count(store, "s", Filter(source="stderr")) == 0
    store.close()
