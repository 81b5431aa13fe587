"""Read-only view of the log stores of this user: folders of workloads, records, bytes. Command line; no locks."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...model.workload import Workload
from ...store.disk.batch_cache import BatchCache
from ...store.disk.download import Download
from ...store.disk.files import is_folder, is_own
from ...store.disk.folder import Folder
from ...store.disk.layout import LAYOUT
from ...store.disk.reader import LogReader
from ...store.disk.stream_folders import names_in
from ...store.errors import BadIndex, UnknownStream

if TYPE_CHECKING:
    from ...store.disk.batch import DiskBatch


class StoredStreams:
    """The streams of all stores below `stores`, read beside the runners that write them: the reading part of `Store`.

    A log that a server would repair raises BadIndex.
    """

    def __init__(self, stores: Path) -> None:
        self._directories = [
            store / "streams"
            for store in sorted(stores.iterdir() if stores.is_dir() else ())
            if store.name.isdecimal() and is_folder(store / "streams") and _layout(store) == LAYOUT
        ]

    def ids(self) -> list[str]:
        """The ids of all workloads, newest first."""
        return sorted((name for directory in self._directories for name in names_in(directory)), reverse=True)

    def workload(self, stream: str) -> Workload:
        """A workload as it is stored: of one whose runner was killed, still `running`. Raises UnknownStream."""
        folder = self._folder(stream)
        try:
            spec, created = folder.read_spec()
            status, summary = folder.read_status()
            if not summary:
                summary = _reader(folder.path).tally().summary()
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UnknownStream(stream) from error
        return Workload(stream, spec, created, status, **summary)

    def download(self, stream: str, source: str | None, after: int, last: int | None) -> Download:
        """The bytes of a log; the caller closes it. Raises UnknownStream, OSError."""
        return Download(self._folder(stream).path, source, after, last)

    def read(self, stream: str, after: int, limit: int) -> DiskBatch:
        """See Store. Raises BadIndex, also where the end of a log is not indexed."""
        folder = self._folder(stream)
        reader = _reader(folder.path)
        ended = is_own(folder.path / "end") and not folder.is_locked()
        if is_own(folder.path / "losses") or (ended and not reader.covers()):
            raise BadIndex(f"the log of {stream} needs a repair")
        return reader.read(after, limit)

    def _folder(self, stream: str) -> Folder:
        for directory in self._directories:
            if is_folder(directory / stream):
                return Folder(directory / stream)
        raise UnknownStream(stream)


@lru_cache(maxsize=64)
def _reader(path: Path) -> LogReader:
    return LogReader(path, BatchCache())


def _layout(store: Path) -> int:
    """The store's layout; 0 if it cannot be read."""
    try:
        return int((store / "layout").read_text())
    except (OSError, ValueError):
        return 0
