"""What a response of frames is made of: frames, and the subscriptions that say which are due. Server side; no Tornado.

A subscription remembers a cursor and what it last told; asked for frames, it looks at its stream and returns what is
new. Nothing is queued for a reader, so a slow one costs nothing, and any number of them share a stream.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

LARGEST_FRAME = 256 * 1024

Cursor = int | str
"""A seq of a workload, or `<epoch>.<seq>` of an endless stream."""

_ENDLESS = re.compile(r"([0-9a-z]{1,16})\.([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its event, its data (a JSON object), and the cursor that it moves the reader to, if it does."""

    event: str
    data: bytes
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Where a reader wants to begin. All None: at the beginning. `stale`: its cursor is of no stream of ours.

    `epoch`: of an endless stream's cursor.
    """

    after: int | None = None
    tail: int | None = None
    stale: bool = False
    epoch: str | None = None

    @classmethod
    def at(cls, cursor: str) -> Start | None:
        """The start behind an endless stream's cursor; None if the text is none."""
        found = _ENDLESS.fullmatch(cursor)
        return cls(after=int(found[2]), epoch=found[1]) if found else None


class Subscription(Protocol):
    """A reader of one stream."""

    @property
    def name(self) -> str:
        """What its frames call the stream."""
        ...

    @property
    def cursor(self) -> Cursor:
        """Where the reader is."""
        ...

    @property
    def done(self) -> bool:
        """Whether nothing will follow."""
        ...

    @property
    def endless(self) -> bool:
        """Whether a response waits for it when all its workloads are done."""
        ...

    @property
    def searches(self) -> bool:
        """Whether `frames` may take long, so that it is better called off the event loop."""
        ...

    @property
    def due(self) -> float | None:
        """When to ask again without a change of the stream (the loop's clock); None: only after one."""
        ...

    def watch(self, wake: Callable[[], None]) -> list[Callable[[], None]]:
        """Call `wake` after each change of the stream; returns what ends that."""
        ...

    def frames(self, now: float) -> list[Frame]:
        """What is to be told now. Ask again after a change, or when `due` has come.

        Raises UnknownWorkload or UnknownStream when the stream was deleted.
        """
        ...


def dump(value: Any) -> bytes:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
