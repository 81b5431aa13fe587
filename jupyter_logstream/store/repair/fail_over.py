"""Fail-over of a writer whose open files another process removed, truncated or replaced. Runner and server; stdlib.

The writer continues at the same offsets in a new file, in which the lost bytes are a hole that takes no disk space:
deleted output is never written back, because users delete logs to free a full disk. The index is derived data and is
written again, so that record numbers stay valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...model.records import Record
from ..disk.indexer import Indexer
from ..disk.layout import OUTPUT, Damaged
from ..disk.segments import SegmentedFile
from ..disk.sidecars import RetainedRange
from .loss_journal import system_record
from .open import mark_lost_if_possible


def fail_over(
    folder: Path, files: Mapping[str, SegmentedFile], indexer: Indexer, first: int, reports: list[Record]
) -> None:
    """Give every damaged file a successor and mark the records that lost bytes; append a report for each file.

    `first`: the oldest retained seq. If the index is incomplete afterwards, the caller reopens it and repairs the log.
    OSError (disk full): the damage remains, so the next append calls this again.
    """
    known, lost_bytes = indexer.index.lines, False
    index_complete = indexer.index.recover()
    for name, file in files.items():
        try:
            file.check(now=True)
        except Damaged:
            lost = file.size - file.intact_end
            lost_bytes |= lost > 0
            if lost and index_complete and name in OUTPUT:
                indexer.finish_line(name)  # the unfinished line lost bytes too
            records = mark_lost_if_possible(indexer, first, name, file.intact_end, file.size) if lost else 0
            file.replace_open()
            which = f"of {records} records" if index_complete else f"of some of records 1 to {known}"
            effect = f"{lost} bytes {which} are lost" if lost else "no bytes are lost"
            text = f"{name} was removed, truncated or replaced while it was written: {effect}"
            reports.append(system_record(text, "error" if lost else "warn"))
    if not index_complete and lost_bytes:  # numbers continue behind all that were given
        RetainedRange(known + 1, {name: file.size for name, file in files.items()}).write(folder)
