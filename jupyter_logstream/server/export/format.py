"""What a file format of exports does: bytes for the beginning, records, gaps and the end. Server; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...model.records import Record
from ...model.workload import Workload


@dataclass(frozen=True, slots=True)
class Gap:
    """Records `first` to `last` that the log no longer has."""

    first: int
    last: int
    reason: str = "retention"


@dataclass(frozen=True, slots=True)
class Exported:
    """What is exported. `conditions`: the parameters that select records; `now`: Unix ms; `host`: this machine's name.

    `left_out`: whether earlier records that match are not part of the file, because its format is bounded.
    """

    workload: Workload
    conditions: Mapping[str, str]
    now: float
    host: str
    left_out: bool = False


class Format(Protocol):
    """Writes one file. All methods return the bytes that are ready; used by one thread at a time."""

    def begin(self) -> bytes:
        """The bytes before the first record."""
        ...

    def gap(self, gap: Gap) -> bytes:
        """A note of missing records, in their place."""
        ...

    def records(self, records: Sequence[Record]) -> bytes:
        """The next records."""
        ...

    def end(self) -> bytes:
        """The bytes behind the last record."""
        ...


def metadata(exported: Exported) -> dict[str, Any]:
    """The workload and the conditions as JSON."""
    return {
        "workload": exported.workload.to_json(),
        "conditions": dict(exported.conditions),
        "exported": exported.now,
    }
