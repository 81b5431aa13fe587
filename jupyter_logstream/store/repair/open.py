"""Repair of a log when it is opened: the one place that makes index, sidecars and bytes agree. Runner and server.

Runs before the first append of a new writer, and before an ended or abandoned log is read if its index does not fit.
The bytes are the log; the index is verified against them, truncated where it is wrong, and completed from them.
Where the bytes are damaged, it still knows their records, which are marked as lost.
A loss is recorded in the loss journal before anything changes, so a repair that is killed loses no report. stdlib.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from ...model.records import Record
from ..disk.files import is_own
from ..disk.indexer import Indexer
from ..disk.layout import ESTIMATED, FILES, OUTPUT
from ..disk.notes import Notes, parse_note
from ..disk.running_totals import RunningTotals
from ..disk.segments import SegmentedFile, read_range
from ..disk.sidecars import BadRetention, RetainedRange
from ..errors import BadIndex, Unreadable
from .damage import known_end, mark_damaged, mark_lost, retained_by_files, totals_of
from .loss_journal import LossJournal
from .rebuild import rebuild_range
from .verify import Verified, verify

_CHUNK_BYTES = 1 << 20
_MAX_REBUILT_RANGES = 8  # each costs a verification; behind them the index is rebuilt

Files = Mapping[str, SegmentedFile]


def open_log(folder: Path, files: Files, indexer: Indexer) -> tuple[RetainedRange, LossJournal]:
    """Repair the log in `folder`; returns what retention left, and the losses to publish.

    `indexer` afterwards continues the log. Raises Unreadable (the log is unchanged), OSError (call it again).
    """
    retained = _read_retained(folder, files, indexer)
    holes = {name: file.holes() for name, file in files.items()}
    journal = LossJournal(folder, known_end(indexer.index, retained.first), holes)
    for name, file in files.items():
        file.fill(holes[name])
    retained = _within_files(folder, files, retained)
    for name, start, end in journal.holes:
        journal.add_records(name, mark_lost_if_possible(indexer, retained.first, name, start, end))
    ends = _truncate_index(folder, files, indexer, retained, journal)
    _index_output(folder, files, indexer, ends)
    _index_notes(folder, files["notes"], indexer, ends["notes"])
    if is_own(folder / "end"):
        for source in OUTPUT:
            indexer.finish_line(source, ESTIMATED)
    journal.complete(indexer.index.lines, files["notes"].size)
    return retained, journal


def mark_lost_if_possible(indexer: Indexer, first: int, name: str, start: int, end: int) -> int:
    """Mark records with bytes in a range of a file as lost; returns their number.

    0 if the index cannot be read: it is rebuilt later in any case.
    """
    try:
        return mark_lost(indexer.index, first, name, start, end)
    except (BadIndex, FileNotFoundError):
        return 0


def _read_retained(folder: Path, files: Files, indexer: Indexer) -> RetainedRange:
    try:
        return RetainedRange.read(folder)
    except BadRetention:
        retained = retained_by_files(folder, indexer.index, files)
        retained.write(folder)
        return retained


def _within_files(folder: Path, files: Files, retained: RetainedRange) -> RetainedRange:
    """The retained range with no start behind the end of its file: such a file was truncated."""
    ends = {name: min(end, files[name].size) for name, end in retained.ends.items() if name in FILES}
    if ends == retained.ends:
        return retained
    retained = RetainedRange(retained.first, ends)
    retained.write(folder)
    return retained


def _truncate_index(
    folder: Path, files: Files, indexer: Indexer, retained: RetainedRange, journal: LossJournal
) -> dict[str, int]:
    """Truncate the index to its valid part (or restart it); returns where that ends in each file.

    Records in it whose bytes are damaged are marked as lost; they keep their place.
    """
    try:
        valid = _verified(folder, indexer, retained)
        journal.record_if_behind(valid.good)
        journal.add_damage(valid.damaged)
        for name, ranges in valid.damaged.items():
            mark_damaged(indexer.index, name, ranges)
        ends = dict(valid.ends)
        indexer.totals = totals_of(indexer.index, retained.first, valid.good)
        indexer.index.truncate(valid.good)
    except Unreadable:  # no information about the index
        raise
    except (BadIndex, FileNotFoundError):
        journal.record_if_behind(retained.first - 1)
        ends = {name: max(retained.ends.get(name, 0), file.first) for name, file in files.items()}
        indexer.totals = RunningTotals()
        indexer.totals.skip(retained.first - 1)
        indexer.index.restart(retained.first - 1)
    return ends


def _verified(folder: Path, indexer: Indexer, retained: RetainedRange) -> Verified:
    """The valid part of the index, after damaged headers and entries in it were written anew."""
    try:
        valid = verify(folder, indexer.index, retained)
    except Unreadable:
        raise
    except BadIndex:  # a damaged header is no reason to lose the times of all records behind it
        indexer.index.restore_headers()
        valid = verify(folder, indexer.index, retained)
        if valid.good < retained.first:
            raise
    for _ in range(_MAX_REBUILT_RANGES):
        if not rebuild_range(folder, indexer, retained, valid):
            break
        valid = verify(folder, indexer.index, retained)
    return valid


def _index_output(folder: Path, files: Files, indexer: Indexer, ends: Mapping[str, int]) -> None:
    """Index the output behind the verified entries. The order between the sources is unknown: one after the other."""
    open_step = indexer.totals.timeline.open or 0
    for source in OUTPUT:
        indexer.step = open_step  # lines of the other source can lie on either side of a step marker
        indexer.resume(source, ends[source])
        at, size = ends[source], files[source].size
        while at < size:
            chunk = read_range(folder, source, at, min(at + _CHUNK_BYTES, size))
            indexer.feed(source, chunk, ESTIMATED)
            at += len(chunk) or size  # truncated meanwhile: the next append notices it
    indexer.step = indexer.totals.timeline.open or 0


def _index_notes(folder: Path, notes: SegmentedFile, indexer: Indexer, start: int) -> None:
    """Index published records behind the verified entries; a torn last line is truncated."""
    data = read_range(folder, "notes", start, notes.size)
    whole = data.rfind(b"\n") + 1
    notes.truncate(start + whole)
    for line in data[:whole].splitlines(keepends=True):
        try:
            record = parse_note(line)
        except ValueError:  # damaged: the bytes stay, the record has no message
            record = Record(0, time.time() * 1000, "unknown", "", source="system")
        indexer.add_notes(start, Notes([record], [line]), lambda: None)
        start += len(line)
