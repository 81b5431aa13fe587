"""Steps on disk: stored in the metadata of index entries, so that they survive a crash."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.on_disk import ID, folder_of, opened, served, write, write_to

from jupyter_logstream.model.records import Record
from jupyter_logstream.model.steps import MAX_STEPS
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.writer import LogWriter
from jupyter_logstream.store.queries.filters import Filter
from jupyter_logstream.store.queries.pages import page

CHUNKS = [
    ("stdout", b"before\n::step:: load\none\n"),
    ("stderr", b"two\n"),
    ("stdout", b"::step::fit\nepoch 1\nERROR no\n::endst"),
    ("stdout", b"ep:: failed\nbetween\n::endstep::\n"),
    ("stderr", b"::group::load\nagain"),
]
STEPS = [None, "load", "load", "load", "fit", "fit", "fit", "fit", None, None, "load", "load"]
EXPECTED = [("load", "running"), ("fit", "failed")]


def states(store: FileStore) -> list[tuple[str, str]]:
    return [(step.name, step.state) for step in store.read(ID, 0, 0).tally().steps]


def test_lines_carry_the_step_they_were_written_in_whatever_their_source(root: Path) -> None:
    write(folder_of(root), *CHUNKS, end=True)
    records = served(root)
    assert [r.step for r in records] == STEPS
    assert [r.message for r in records][1:5] == ["::step:: load", "one", "two", "::step::fit"]  # markers are lines too
    assert [r.level for r in records] == ["unknown"] * 6 + ["error"] + ["unknown"] * 5
    with opened(root) as store:
        assert states(store) == EXPECTED


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_steps_do_not_depend_on_the_chunks(root: Path, size: int) -> None:
    data = b"".join(chunk for _, chunk in CHUNKS) + b"\n"
    pieces = [("stdout", data[at : at + size]) for at in range(0, len(data), size)]
    log = write(folder_of(root), *pieces, end=True)
    assert [r.step for r in served(root)] == STEPS
    assert [(s.name, s.state) for s in log.tally.steps] == EXPECTED


def test_a_reader_counts_the_same_totals_as_the_writer_while_it_writes(root: Path) -> None:
    log = LogWriter(folder_of(root))
    with opened(root) as store:
        for source, chunk in CHUNKS:
            log.write(source, chunk)
            assert store.read(ID, 0, 0).tally() == log.tally
        times = {step.name: (step.started, step.ended) for step in log.tally.steps}
        records = store.read(ID, 0, 100).records()
        marked = [r.ts for r in records if r.message.startswith("::")]
        assert times == {"load": (marked[-1], None), "fit": (marked[1], marked[2])}
        log.close()


@pytest.mark.parametrize("cut", [1, 31, 32, 33, 64, 128, 32 * 9, 32 * 11])
def test_steps_are_recovered_from_the_bytes_after_a_crash(root: Path, cut: int) -> None:
    folder = folder_of(root)
    write(folder, *[("stdout", chunk) for _, chunk in CHUNKS], ("stdout", b"\n"))
    path = folder / "index.000"
    os.truncate(path, max(path.stat().st_size - cut, 0))
    log = LogWriter(folder)
    log.write("stdout", b"after\n")
    log.close()
    assert [r.step for r in served(root)] == [*STEPS, "load"]
    with opened(root) as store:
        assert states(store) == [(s.name, s.state) for s in log.tally.steps] == EXPECTED


def test_after_a_lost_index_lines_of_the_other_source_carry_no_step(root: Path) -> None:
    folder = folder_of(root)
    write(folder, ("stdout", b"::step:: a\nx\n"), ("stderr", b"y\n"))
    (folder / "index.000").unlink()
    log = LogWriter(folder)
    log.write("stderr", b"z\n")
    log.close()
    assert [(r.message, r.step) for r in served(root)] == [("::step:: a", "a"), ("x", "a"), ("y", None), ("z", "a")]


def test_a_repeated_append_begins_no_step_twice(root: Path, full_disk: Any) -> None:
    for fail_at in range(1, 9):
        folder = folder_of(root, f"s{fail_at}")
        log = LogWriter(folder)
        log.write("stdout", b"::step:: a\nTraceback (most recent call last):\n")
        with full_disk(fail_at):
            try:
                log.write("stdout", b"  File\n::step:: b\nx\n::endstep::\ny\n")
                written = True
            except OSError:
                written = False
        if not written:
            assert [s.name for s in log.tally.steps] == ["a"]
            log.write("stdout", b"  File\n::step:: b\nx\n::endstep::\ny\n")
        log.close()
        records = served(root, folder.name)
        assert [r.step for r in records] == ["a", "a", "a", "b", "b", "b", None]
        assert [r.level for r in records][1:3] == ["error", "error"]
        assert [(s.name, s.state) for s in log.tally.steps] == [("a", "succeeded"), ("b", "succeeded")]


def test_lines_beyond_the_maximum_number_of_steps_have_none(root: Path) -> None:
    many = b"".join(b"::step:: s%d\nin %d\n" % (i, i) for i in range(MAX_STEPS + 5))
    log = write(folder_of(root), ("stdout", many), ("stdout", b"::step:: s3\nagain\n"), end=True)
    records = served(root)
    assert [r.step for r in records[2 * MAX_STEPS - 2 : 2 * MAX_STEPS + 4]] == [f"s{MAX_STEPS - 1}"] * 2 + [None] * 4
    assert records[-1].step == "s3"
    assert len(log.tally.steps) == MAX_STEPS
    assert [s.name for s in log.tally.steps if s.state == "running"] == ["s3"]


def test_a_filter_by_step_finds_its_lines(root: Path) -> None:
    write(folder_of(root), *CHUNKS, end=True)
    with opened(root) as store:
        found = page(store, ID, Filter(step="fit"), after=0, offset=0, limit=100)
        assert [r.message for r in found.records()] == [
            "::step::fit",
            "epoch 1",
            "ERROR no",
            "::endstep:: failed",
        ]
        assert page(store, ID, Filter(step="none"), after=0, offset=0, limit=100).total == 0


def test_a_new_reader_after_retention_knows_the_step_of_the_retained_lines(root: Path, small_segments: Any) -> None:
    small_segments(1000, 16)
    log = LogWriter(folder_of(root), keep=8000)
    log.write("stdout", b"::step:: early\n::step:: long\n")
    write_to(log, [("stdout", b"line %05d\n" % i) for i in range(1000)])
    with opened(root) as store:
        assert states(store) == [("long", "running")]  # the times of the earlier step were removed with its lines
        assert {r.step for r in store.read(ID, 0, 5).records()} == {"long"}
    log.close()
    assert [(s.name, s.state) for s in log.tally.steps] == [("early", "succeeded"), ("long", "running")]


def test_published_records_change_steps_and_system_records_do_not(root: Path) -> None:
    log = LogWriter(folder_of(root))
    for i, (step, source) in enumerate([("a", "log"), ("a", "log"), (None, "system"), ("b", "log"), (None, "log")]):
        log.publish([Record(0, 1000.0 + i, "info", "m", step=step, source=source)])
    records = [(s.name, s.state, s.started, s.ended) for s in log.tally.steps]
    assert records == [("a", "succeeded", 1000, 1003), ("b", "succeeded", 1003, 1004)]
    log.release()
    with opened(root) as store:
        assert store.read(ID, 0, 0).tally().steps == log.tally.steps
