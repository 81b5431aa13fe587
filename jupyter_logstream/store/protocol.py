"""The store protocol: append-only streams of records, read with a cursor. Server and runner.

`Store` has four methods; every query is a function over them. History and live records are the same operation ("after
16"), so there is no seam between them and no queue per reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..model.records import Record
from ..model.slots import SLOTS
from ..model.steps import Step

if TYPE_CHECKING:
    from .pattern import Check, Pattern  # the runner does not import its engine

Messages = tuple[list[str], Mapping[int, Mapping[str, Any]]]
"""The texts of a batch, and the fields of the records that have some, by position."""


LOST = "lost"
"""The field, true, of a record whose bytes are lost. Its source is then `system`, whatever it was."""


@dataclass(frozen=True, **SLOTS)
class Tally:
    """Totals of a whole log: lines, bytes of output, lines by level (only levels that occur), masked secrets, steps."""

    lines: int = 0
    bytes: int = 0
    levels: Mapping[str, int] = field(default_factory=dict)
    masked: int = 0
    steps: tuple[Step, ...] = ()

    def summary(self) -> dict[str, Any]:
        """The totals by name, as a workload reports them and its final status stores them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, **SLOTS)
class Partial:
    """An unfinished line: its source, its text so far, and whether carriage returns rewrite it."""

    source: str
    message: str
    rewritten: bool


class Batch(Protocol):
    """Records of one stream in columns, read at one moment. Immutable; texts are loaded on first use.

    A reader that needs no texts (a filter by level, a histogram) therefore reads only the index.
    """

    @property
    def seqs(self) -> Sequence[int]:
        """Sequence numbers, ascending."""
        ...

    @property
    def times(self) -> Sequence[int]:
        """Unix time of each record in microseconds."""
        ...

    @property
    def levels(self) -> bytes:
        """Level code of each record (an index into LEVELS)."""
        ...

    @property
    def sources(self) -> bytes:
        """Source code of each record (an index into SOURCES)."""
        ...

    @property
    def first(self) -> int:
        """The oldest retained seq of the stream."""
        ...

    @property
    def end(self) -> int:
        """The newest seq of the stream; 0 if it has none."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the stream was ended: nothing follows `end`."""
        ...

    @property
    def last(self) -> int:
        """The seq of the last record in this batch; 0 if it is empty."""
        ...

    @property
    def text_bytes(self) -> Sequence[int]:
        """Approximate bytes of each record's text, known without loading texts."""
        ...

    @property
    def messages(self) -> list[str]:
        """The texts. Raises as `loaded` does."""
        ...

    @property
    def changes_steps(self) -> bool:
        """Whether a step begins or ends in this batch."""
        ...

    def __len__(self) -> int: ...

    def loaded(self) -> Messages:
        """Texts and fields. Raises FileNotFoundError (retention removed them), BadIndex, Unreadable."""
        ...

    def matching(self, levels: AbstractSet[int], source: int | None, step: str | None) -> Sequence[int]:
        """Positions of the records with one of these level codes, this source code and this step (None: any)."""
        ...

    def holding(self, pattern: Pattern, check: Check) -> Sequence[int]:
        """Positions of the records whose text (without styles) matches.

        `check` is called often, so that a search can be cancelled. Raises as `loaded` does, and what `check` raises.
        """
        ...

    def pick(self, positions: Sequence[int]) -> Batch:
        """The batch with only the records at these positions."""
        ...

    def records(self) -> list[Record]:
        """The records as values. Raises as `loaded` does."""
        ...

    def encode(self) -> bytes:
        """The records as items of a JSON array, without its brackets. Cached. Raises as `loaded` does."""
        ...

    def tally(self) -> Tally:
        """Totals of the whole stream at the time of this call."""
        ...

    def partials(self) -> list[Partial]:
        """The unfinished lines behind the last record."""
        ...


class Store(Protocol):
    """Streams of records by id. Every method can be called in the event loop: it waits for nothing but the disk."""

    def prepare(self, records: Iterable[Record]) -> Iterable[Record]:
        """The same records in the form that `append` takes fastest, for many of them. Can be called in any thread."""
        ...

    def append(self, stream: str, records: Iterable[Record], *, end: bool = False) -> int:
        """Append records, numbering them, and return the last seq. Creates the stream if it is new.

        `end`: nothing will follow. Raises StreamEnded, NotWriter, OSError (nothing was appended).
        """
        ...

    def read(self, stream: str, after: int, limit: int) -> Batch:
        """At most `limit` records after the cursor `after`, and the current ends of the stream.

        A batch is bounded in bytes too, so it can hold fewer than `limit` records; it is empty only if nothing follows
        `after`. A batch of more than a few thousand records loads its texts on first use, which raises
        FileNotFoundError if retention removed them in between (`filters.scan` and `pages.page` handle that). Raises
        UnknownStream, BadIndex, Unreadable.
        """
        ...

    def watch(self, stream: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` in the event loop after every change (spurious calls are possible). Returns the unsubscriber."""
        ...

    def drop(self, stream: str) -> None:
        """Delete the stream and its bytes. Open downloads continue; later reads raise UnknownStream."""
        ...


class Download(Protocol):
    """A log's bytes as they were at one moment. Later writes, retention and deletion do not change it. Close it."""

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to `end` in chunks. Raises OSError; blocks on the disk."""
        ...

    def close(self) -> None:
        """Release the files."""
        ...


class LogStore(Store, Protocol):
    """A store whose streams a server manages: it ends abandoned ones, limits their size, and serves their bytes."""

    @property
    def free_bytes(self) -> int:
        """Free bytes on the store's disk."""
        ...

    def finish(self, stream: str) -> None:
        """End a stream whose writer is gone or is this process. Raises StreamEnded, NotWriter, OSError."""
        ...

    def reopen(self, stream: str) -> None:
        """Undo `finish`, so that records can be appended again; a stream that was not ended stays as it is. OSError."""
        ...

    def size(self, stream: str) -> int:
        """Bytes that the stream uses; 0 if it does not exist."""
        ...

    def open_download(self, stream: str, source: str | None, after: int = 0, last: int | None = None) -> Download:
        """The bytes that `source` wrote (None: of both, in order of arrival). Raises UnknownStream, Unreadable.

        `after`, `last`: only the whole lines of the records after the seq `after`, up to `last`; their index entries
        are read at once, so call it in a thread.
        """
        ...
