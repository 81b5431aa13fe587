"""Sources of workloads: the server that a handle sends its requests to. Runs in kernels, in user code.

`LogSource` is the interface, `OwnServer` the one for servers that speak our whole protocol, directly or through the
proxy; `remote.SimpleForm` is the other. A source has no state of a workload, so all handles can share one.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol
from urllib.parse import quote

from ..model.records import Record
from .connection import call
from .reader import Frame, read_frames
from .streaming import download, save

if TYPE_CHECKING:
    from .single_request import Response

PAGE_RECORDS = 5000
"""Records per request: the server's maximum."""


class LogSource(Protocol):
    """What a handle needs of a server. Every method raises LogStreamError."""

    @property
    def upstream(self) -> str | None:
        """Name of the upstream in the server's configuration; None for this server."""

    def info(self, workload_id: str) -> dict[str, Any]:
        """The workload as the protocol writes it."""

    def records(
        self, workload_id: str, after: int | None, tail: int | None, filters: Mapping[str, str]
    ) -> list[Record]:
        """Matching records in order; the arguments of `WorkloadHandle.logs`, `filters` by their names there."""

    def text(self, workload_id: str) -> str:
        """The whole output."""

    def save(self, workload_id: str, params: Mapping[str, Any], file: BinaryIO) -> None:
        """Write the answer of the route `export` to a file. OSError."""

    def frames(self, workload_id: str, **start: Any) -> AsyncGenerator[Frame, None]:
        """Frames up to and including `done`; `start` as for `reader.read_frames`. For the background loop."""

    def result(self, workload_id: str) -> memoryview:
        """The envelope of a function's result; its memory can be written to."""

    def request(self, method: str, workload_id: str, path: str = "", **content: Any) -> Response:
        """Send a request to `workloads/{workload_id}{path}`; `content` as for `connection.call`."""


class OwnServer:
    """A server that speaks our whole protocol: this one, or the upstream of that name behind its proxy."""

    __slots__ = ("_root", "upstream")

    def __init__(self, upstream: str | None = None) -> None:
        self.upstream = upstream
        self._root = "v1" if upstream is None else f"proxy/{upstream}/v1"

    def info(self, workload_id: str) -> dict[str, Any]:
        """See LogSource."""
        return self.request("GET", workload_id).json()  # type: ignore[no-any-return]

    def records(
        self, workload_id: str, after: int | None, tail: int | None, filters: Mapping[str, str]
    ) -> list[Record]:
        """See LogSource; fetched page by page."""
        params = wire_filters(filters)
        if after is not None:
            params["after"] = after
        if tail is not None:
            total = self._page(workload_id, **params, limit=1)["total"]
            params["offset"] = max(0, total - tail)
        records: list[Record] = []
        while True:
            page = self._page(workload_id, **params, limit=PAGE_RECORDS)
            records += [Record.from_json(record) for record in page["records"]]
            if page["next"] is None:  # a page without records has one, if its search ran out of processor time
                return records if tail is None else last(records, tail)
            params.pop("offset", None)
            params["after"] = page["next"]

    def _page(self, workload_id: str, **params: Any) -> dict[str, Any]:
        return self.request("GET", workload_id, "/records", params=params).json()  # type: ignore[no-any-return]

    def text(self, workload_id: str) -> str:
        """See LogSource; bytes that are not UTF-8 become U+FFFD."""
        return self.request("GET", workload_id, "/log.txt").content.decode("utf-8", "replace")

    def save(self, workload_id: str, params: Mapping[str, Any], file: BinaryIO) -> None:
        """See LogSource."""
        save(f"workloads/{quote(workload_id, safe='')}/export", file, wire_filters(params), self._root)

    def frames(self, workload_id: str, **start: Any) -> AsyncGenerator[Frame, None]:
        """See LogSource."""
        return read_frames(workload_id, self._root, **start)

    def result(self, workload_id: str) -> memoryview:
        """See LogSource; on the server's machine the file is mapped into memory instead of being sent."""
        if self.upstream is None:
            found = self.request("GET", workload_id, "/result", params={"local": 1}).json()
            with suppress(OSError, ValueError):  # another machine, or an empty file
                return _map(found["path"], found["inode"], found["bytes"])
        return memoryview(download(f"workloads/{quote(workload_id, safe='')}/result", self._root))

    def request(self, method: str, workload_id: str, path: str = "", **content: Any) -> Response:
        """See LogSource."""
        return call(method, f"workloads/{quote(workload_id, safe='')}{path}", root=self._root, **content)


def _map(path: str, inode: int, size: int) -> memoryview:
    """A private, writable mapping of a file. OSError if another file is there, ValueError if it is empty."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        status = os.fstat(fd)
        if (status.st_ino, status.st_size) != (inode, size):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
        return memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_COPY))
    finally:
        os.close(fd)


def wire_filters(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Filters by the names that the protocol has: `not` is a keyword of Python."""
    return {"not" if name == "exclude" else name: value for name, value in filters.items()}


def last(records: list[Record], count: int) -> list[Record]:
    """The last `count` records; unlike `records[-count:]` correct for 0."""
    return records[max(0, len(records) - count) :]
