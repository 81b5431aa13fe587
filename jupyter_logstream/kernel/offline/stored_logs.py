"""Source of workloads without a server: the routes that reading needs, answered from the stores. Command line."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from ...store.errors import BadIndex, UnknownStream
from ...store.pattern import BadPattern
from ...store.queries.filters import Filter
from ...store.queries.pages import page
from ..discovery import stores_folder
from ..errors import LogStreamError, NoServer, NotFound, Rejected
from ..single_request import Response
from ..source import OwnServer
from .stored_streams import StoredStreams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...store.protocol import Store

_FILTERS = {"level": "level", "step": "step", "source": "source", "q": "q", "not": "without"}
"""Filters of the protocol, and the fields of `Filter`."""


class StoredLogs(OwnServer):
    """The workloads in the stores of this user. `why`: raised for everything but reading."""

    __slots__ = ("_streams", "_why")

    def __init__(self, why: NoServer) -> None:
        super().__init__()
        self._why, self._streams = why, StoredStreams(stores_folder())

    @property
    def source(self) -> StoredLogs:
        """See cli.selection.Catalogue."""
        return self

    def listed(self, states: str | None = None) -> Iterator[dict[str, Any]]:
        """See cli.selection.Catalogue. Workloads whose folder cannot be read are left out."""
        for workload_id in self._streams.ids():
            try:
                info = self.info(workload_id)
            except NotFound:
                continue
            if states is None or info["state"] in states.split(","):
                yield info

    def request(self, method: str, workload_id: str, path: str = "", **content: Any) -> Response:
        """See LogSource; answers GET of a workload, its `/records` and its `/log.txt`."""
        params = content.get("params") or {}
        try:
            if (method, path) == ("GET", ""):
                return _answer(self._streams.workload(workload_id).to_json())
            if (method, path) == ("GET", "/records"):
                return _answer(self._records(workload_id, params))
            if (method, path) == ("GET", "/log.txt"):
                return Response(200, self._bytes(workload_id, params))
        except UnknownStream:
            raise NotFound(f"There is no workload {workload_id!r} in the stores of this user.") from None
        except BadPattern as error:
            raise Rejected(f"q: {error}", "invalid_parameter") from None
        except (BadIndex, OSError) as error:
            raise LogStreamError(
                f"The log of {workload_id} cannot be read without a server ({error}). A server repairs it: "
                "jupyter logstream server start"
            ) from error
        raise self._why

    def _records(self, workload_id: str, params: dict[str, Any]) -> dict[str, Any]:
        chosen = Filter(**{_FILTERS[name]: params[name] for name in _FILTERS if name in params})
        after, offset, limit = (int(params.get(name, 0)) for name in ("after", "offset", "limit"))
        streams = cast("Store", self._streams)  # a page only reads
        found = page(streams, workload_id, chosen, after=after, offset=offset, limit=limit)
        return {"records": [record.to_json() for record in found.records()], "total": found.total, "next": found.next}

    def _bytes(self, workload_id: str, params: dict[str, Any]) -> bytes:
        after, last = int(params.get("after", 0)), params.get("last")
        with closing(self._streams.download(workload_id, params.get("source"), after, last)) as download:
            return b"".join(download.chunks(0, download.size))


def _answer(value: dict[str, Any]) -> Response:
    return Response(200, json.dumps(value).encode())
