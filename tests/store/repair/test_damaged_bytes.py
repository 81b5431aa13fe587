"""Bytes of a log that were changed in place: their records are lost, every other record stays as it was."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.on_disk import ID, downloaded, folder_of, opened, served

from jupyter_logstream.model.records import Record
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.writer import LogWriter
from jupyter_logstream.store.queries.filters import Filter, count, tail_cursor
from jupyter_logstream.store.queries.pages import page

COUNT, WIDE = 6000, 26
Damage = Callable[[bytearray], range]
"""Changes bytes in place; returns the lines (from 1) of which nobody can tell any more what they were."""


def line(i: int) -> bytes:
    return b"%s line %06d of a log" % (b"ERROR" if i % 7 == 0 else b"INFO ", i) + b"\n"


assert len(line(1)) == len(line(7)) == WIDE + 1


def zeros(size: int, at: int) -> Damage:
    def change(data: bytearray) -> range:
        data[at : at + size] = bytes(size)
        return touched(at, size)

    change.__name__ = f"{size} zeros at {at}"
    return change


def noise(size: int, at: int) -> Damage:
    def change(data: bytearray) -> range:
        data[at : at + size] = bytes(b % 200 + 20 for b in random.Random(at).randbytes(size))  # no line end
        return touched(at, size)

    change.__name__ = f"{size} bytes of noise at {at}"
    return change


def flipped_line_end(data: bytearray) -> range:
    data[3000 * (WIDE + 1) - 1] ^= 0x40
    return range(3000, 3002)


def line_end_in_a_line(data: bytearray) -> range:
    data[3000 * (WIDE + 1) + 9] = ord("\n")
    return range(3001, 3002)


def touched(at: int, size: int) -> range:
    first, last = at // (WIDE + 1), (at + size - 1) // (WIDE + 1)
    ended = (at + size) % (WIDE + 1) == 0  # the last line end is gone, too: the next line cannot be told apart
    return range(first + 1, last + 2 + ended)


MIDDLE = 2500 * (WIDE + 1)
DAMAGE = [zeros(512, MIDDLE + 10), zeros(512, 0), zeros(WIDE + 1, MIDDLE), zeros(40_000, MIDDLE + 3),
          noise(700, MIDDLE + 5), noise(4096, 4096), flipped_line_end, line_end_in_a_line]  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an ended log: two sources, published records, steps."""
    root = tmp_path_factory.mktemp("sound")
    log = LogWriter(folder_of(root))
    for i in range(1, COUNT + 1):
        log.write("stdout", line(i))
        if i % 100 == 0:
            log.write("stderr", b"err %d\n" % i)
            log.publish([Record(0, 1e12 + i, "warn", f"note {i}", step=f"step {i % 3}", source="log", fields={"i": i})])
    log.close()
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "store"))


def damage(root: Path, change: Damage, name: str = "stdout.000") -> range:
    path = folder_of(root) / name
    data = bytearray(path.read_bytes())
    gone = change(data)
    path.write_bytes(data)
    return gone


def number(record: Record) -> int:
    return int(record.message.split()[2]) if record.source == "stdout" else 0


@pytest.mark.parametrize("change", DAMAGE, ids=lambda change: change.__name__.replace("_", " "))
def test_only_the_damaged_records_are_lost_and_all_others_keep_everything(
    sound: Path, root: Path, change: Damage
) -> None:
    before = served(sound)
    lines = damage(root, change)
    gone = {r.seq for r in before if number(r) in lines}
    changed = (folder_of(root) / "stdout.000").read_bytes()
    after = served(root)
    lost = [r for r in after if r.fields == {"lost": True}]
    assert {r.seq for r in lost} == gone
    assert all(r.source == "system" and r.message == f"lost: a line of stdout ({WIDE + 1} bytes)" for r in lost)
    assert [r for r in after[: len(before)] if r.seq not in gone] == [r for r in before if r.seq not in gone]
    facts = [[(r.seq, r.ts, r.level, r.step) for r in records[: len(before)]] for records in (before, after)]
    assert facts[0] == facts[1]
    (report,) = after[len(before) :]
    places = str(min(gone)) if len(gone) == 1 else f"{min(gone)} to {max(gone)}"
    assert report.message == f"{len(gone)} records of stdout ({places}) were lost: their bytes were changed"
    assert downloaded(folder_of(root), "stdout") == changed  # what is left of them can be downloaded
    LogWriter(folder_of(root)).release()
    assert served(root) == after  # reported once, and nothing more to repair


def test_several_damaged_places_are_reported_with_the_first_ten_ranges(root: Path) -> None:
    def change(data: bytearray) -> range:
        for i in range(12):
            data[(i + 1) * 200 * (WIDE + 1) : (i + 1) * 200 * (WIDE + 1) + 12] = b"a\nb\nc\nd\ne\nf\n"
        return range(0)

    damage(root, change)
    records = served(root)
    lost = [r.seq for r in records if r.fields == {"lost": True}]
    assert len(lost) == 12
    places = ", ".join(map(str, lost[:10]))
    assert (
        records[-1].message == f"12 records of stdout ({places} and 2 more ranges) were lost: their bytes were changed"
    )


@pytest.mark.parametrize("name", ["notes.000", "stderr.000"])
def test_damage_of_one_file_loses_no_record_of_another(sound: Path, root: Path, name: str) -> None:
    before = served(sound)
    damage(root, zeros(300, 200), name)
    after = served(root)
    source = {"notes.000": "log", "stderr.000": "stderr"}[name]
    lost = [r.seq for r in after if r.fields == {"lost": True}]
    assert 1 < len(lost) < 40
    assert {r.source for r in before if r.seq in lost} == {source}
    assert [r for r in after[: len(before)] if r.seq not in lost] == [r for r in before if r.seq not in lost]
    assert f"{len(lost)} records of {name[:-4]} ({lost[0]} to {lost[-1]}) were lost" in after[-1].message


@pytest.mark.parametrize("text", [b'"messag\0"', b'{message":', b'"message":17,"x":'])
def test_a_published_record_that_cannot_be_read_is_lost(sound: Path, root: Path, text: bytes) -> None:
    path = folder_of(root) / "notes.000"
    lines = path.read_bytes().split(b"\n")
    lines[20] = lines[20].replace(b'"message":', text.ljust(10)[:10] if len(text) <= 10 else text, 1)[: len(lines[20])]
    path.write_bytes(b"\n".join(lines))
    before, after = served(sound), served(root)
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == 1
    assert changed[0][0].message == "note 2100"
    assert (changed[0][1].source, changed[0][1].fields) == ("system", {"lost": True})


QUERIES: list[Callable[[FileStore], object]] = [
    lambda store: page(store, ID, Filter(), after=MIDDLE // (WIDE + 1) - 1000, offset=0, limit=1000).encode(),
    lambda store: page(store, ID, Filter(), after=0, offset=0, limit=5000).encode(),
    lambda store: page(store, ID, Filter(q="/line 00[0-9]+ of/"), after=0, offset=0, limit=100).encode(),
    lambda store: page(store, ID, Filter(q="line", level="warn"), after=0, offset=100, limit=100).encode(),
    lambda store: count(store, ID, Filter(without="/line.*/")),
    lambda store: tail_cursor(store, ID, Filter(q="/00[0-9]+1 of/"), COUNT),
]


@pytest.mark.parametrize("query", range(len(QUERIES)))
@pytest.mark.parametrize("change", [DAMAGE[0], flipped_line_end], ids=lambda change: change.__name__.replace("_", " "))
def test_every_query_is_answered_whether_or_not_the_damage_was_read_before(
    root: Path, change: Damage, query: int
) -> None:
    damage(root, change)
    with opened(root) as store:
        first = QUERIES[query](store)
        served_all = page(store, ID, Filter(), after=0, offset=0, limit=5000).encode()
        assert b"lost: a line of stdout" in served_all
        assert QUERIES[query](store) == first


@pytest.mark.parametrize("change", DAMAGE[:3], ids=lambda change: change.__name__.replace("_", " "))
def test_a_log_that_was_not_ended_keeps_its_numbers_and_continues(root: Path, sound: Path, change: Damage) -> None:
    (folder_of(root) / "end").unlink()
    before = served(sound)
    lines = damage(root, change)
    gone = {r.seq for r in before if number(r) in lines}
    log = LogWriter(folder_of(root))
    log.write("stdout", b"continued\n")
    log.close()
    after = served(root)
    assert [r for r in after[: len(before)] if r.seq not in gone] == [r for r in before if r.seq not in gone]
    assert [r.fields for r in after if r.seq in gone] == [{"lost": True}] * len(gone)
    assert [r.source for r in after[len(before) :]] == ["system", "stdout"]


# --- the index --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [1, 2, 3000, 5000, COUNT + 100])
@pytest.mark.parametrize("count", [1, 2, 16, 128])
@pytest.mark.parametrize("kind", ["zeros", "noise", "one bit"])
def test_damaged_index_entries_cost_no_other_record_its_number_time_or_level(
    sound: Path, root: Path, first: int, count: int, kind: str
) -> None:
    before = served(sound)
    path = folder_of(root) / "index.000"
    data = bytearray(path.read_bytes())
    count = min(count, len(before) - first + 1)
    span = slice(32 * first, 32 * (first + count))
    if kind == "one bit":
        data[32 * first + 16] ^= 1  # the length
        count = 1
    else:
        data[span] = bytes(32 * count) if kind == "zeros" else random.Random(first).randbytes(32 * count)
    path.write_bytes(data)
    after = served(root)
    inside = range(first, first + count)
    assert [r for r in after if r.seq not in inside] == [r for r in before if r.seq not in inside]
    rebuilt = [r for r in after if r.seq in inside]
    assert sorted(r.message for r in rebuilt) == sorted(r.message for r in before if r.seq in inside)
    assert all(r.fields for r in rebuilt)  # their times are estimated, or their own
    LogWriter(folder_of(root)).release()
    assert served(root) == after


@pytest.mark.parametrize("header", [bytes(32), b"\xff" * 32, b"JLSINDEX" + bytes(24)])
def test_a_damaged_header_of_the_index_costs_nothing(sound: Path, root: Path, header: bytes) -> None:
    before = served(sound)
    path = folder_of(root) / "index.000"
    path.write_bytes(header + path.read_bytes()[32:])
    assert served(root) == before
    assert path.read_bytes() == (folder_of(sound) / "index.000").read_bytes()
