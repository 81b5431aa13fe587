"""Frames and the subscription protocol: what a reader of a stream receives, and when. Server; no Tornado, no HTTP.

A subscription holds a cursor and what it last sent. When polled, it reads its stream and returns the new frames.
Nothing is queued for a reader, so a slow reader costs no memory, and any number of readers share a stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ...text.strict_json import dumps

MAX_FRAME_BYTES = 256 * 1024

Cursor = int | str
"""A seq of a workload's log, or `<epoch>.<seq>` of an endless stream."""

_ENDLESS_CURSOR = re.compile(r"([0-9a-z]{1,16})\.([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its event name, the members of its JSON object, and the reader's cursor behind it.

    `members` has no braces (see `members`), so that a response can put its own members in front without cutting JSON.
    `cursor` None: the frame does not move the cursor.
    """

    event: str
    members: bytes
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Where a reader begins; all None: at the first record.

    `after`: behind this seq. `tail`: with the last n records. `epoch`: of an endless stream's cursor. `stale`: the
    given cursor belongs to no stream of this server.
    """

    after: int | None = None
    tail: int | None = None
    stale: bool = False
    epoch: str | None = None

    @classmethod
    def at(cls, cursor: str) -> Start | None:
        """The start behind an endless stream's cursor; None if the text is not one."""
        found = _ENDLESS_CURSOR.fullmatch(cursor)
        return cls(after=int(found[2]), epoch=found[1]) if found else None


Item_co = TypeVar("Item_co", covariant=True)


class Subscription(Protocol[Item_co]):
    """A reader of one stream that yields items, usually frames."""

    @property
    def name(self) -> str:
        """The stream's name in frames."""
        ...

    @property
    def cursor(self) -> Cursor:
        """The reader's position."""
        ...

    @property
    def done(self) -> bool:
        """Whether nothing will follow."""
        ...

    @property
    def searches(self) -> bool:
        """Whether `frames` can take long, so that it should run off the event loop."""
        ...

    @property
    def due(self) -> float | None:
        """When to poll without a change of the stream (loop's clock); None: only after a change."""
        ...

    def watch(self, wake: Callable[[], None]) -> list[Callable[[], None]]:
        """Call `wake` after each change of the stream; returns the unsubscribers."""
        ...

    def frames(self, now: float) -> Sequence[Item_co]:
        """The items that are due at `now` (loop's clock). Poll after a change and when `due` has come.

        Raises UnknownWorkload or UnknownStream if the stream was deleted.
        """
        ...


def members(value: Mapping[str, Any]) -> bytes:
    """The members of a JSON object without its braces: `"a":1,"b":2`; empty for an empty mapping."""
    return dumps(value)[1:-1].encode("utf-8", "replace")
