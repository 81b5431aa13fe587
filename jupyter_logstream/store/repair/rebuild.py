"""Rebuilding of damaged index entries between valid ones. Runner and server; stdlib.

Where the index is wrong for a range and right again behind it, the bytes in between show what the entries were, if
they hold exactly as many lines: every other record then keeps its number, time and level.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..disk.index import Index
from ..disk.indexer import Indexer
from ..disk.layout import FILES, extent
from ..disk.segments import read_range
from ..disk.sidecars import RetainedRange
from .damage import totals_of
from .verify import Verified, Walk, file_in

_MAX_RANGE_ENTRIES = 8192
_PROBE_ENTRIES = 32  # that have to fit behind the range
_MAX_RANGE_BYTES = 64 << 20
_BLOCK_ENTRIES = 1 << 14


def rebuild_range(folder: Path, indexer: Indexer, retained: RetainedRange, valid: Verified) -> bool:
    """Write the wrong entries behind the valid part of an index anew, up to where it fits again; False if it cannot.

    Nothing is lost, and a repair that is killed here begins again. OSError: call it again.
    """
    index = indexer.index
    last = _last_wrong(folder, index, valid)
    if not last:
        return False
    before = index.read(max(valid.good - 1, 0), 1) if valid.good >= retained.first else array("Q")
    behind = index.read(last, 1)
    indexer.step = totals_of(index, retained.first, valid.good).timeline.open or 0
    for ends in _possible_ends(folder, index, last, valid.ends):
        words = array("Q")
        try:
            for name in FILES:
                start, end = valid.ends[name], ends[name]
                if not start <= end <= start + _MAX_RANGE_BYTES:
                    return False
                words += indexer.entries_of(name, start, read_range(folder, name, start, end), (before or behind)[1])
        except ValueError:
            continue
        if len(words) // 4 == last - valid.good:
            index.replace(valid.good, words)
            return True
    return False


def _last_wrong(folder: Path, index: Index, valid: Verified) -> int:
    """The last wrong entry behind the valid ones; 0 if none is found behind which the index fits again."""
    words = index.read(valid.good, _MAX_RANGE_ENTRIES + _PROBE_ENTRIES)
    sizes = {name: extent(folder, name)[1] for name in FILES}
    for i in range(4, len(words), 4):
        name = file_in(words[i + 3])
        if not name or not valid.ends[name] <= words[i] < sizes[name]:
            continue
        probe = words[i : i + 4 * _PROBE_ENTRIES]
        starts = dict(reversed([(file_in(m), offset) for offset, m in zip(probe[0::4], probe[3::4])]))
        walk = Walk(folder, RetainedRange(valid.good + i // 4 + 1, starts))
        if walk.read(probe) and not walk.suspected:
            return valid.good + i // 4
    return 0


def _possible_ends(folder: Path, index: Index, last: int, ends: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Where the missing lines of each file end. Those of a file without later entries: at its end, or nowhere."""
    found: dict[str, int] = {}
    at = last
    while len(found) < len(FILES) and (words := index.read(at, _BLOCK_ENTRIES)):
        for offset, meta in zip(words[0::4], words[3::4]):
            if name := file_in(meta):
                found.setdefault(name, offset)
        at += len(words) // 4
    yield {name: found.get(name, extent(folder, name)[1]) for name in FILES}
    yield {name: found.get(name, ends[name]) for name in FILES}
