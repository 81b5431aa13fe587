"""Export of a workload's log as a file: `GET v1/workloads/{id}/export`. Server."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Mapping

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from ...model.ids import ID
from ...model.workload import Workload
from ...store.queries.budget import Budget, SearchCancelled
from ..export.export import KINDS, Kind, Selection, check_available, export
from ..export.format import Exported
from ..params import FILTERS, BadParameter, number, parse_filter, printable
from .base import RESOURCE, LogStreamHandler
from .chunks import send_chunks
from .sse_response import disconnect

_CONDITIONS = ("after", "tail", *FILTERS)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_NAME_CHARS = 60


class ExportHandler(LogStreamHandler):
    """`GET v1/workloads/{id}/export?format=`: the matching records as a file of this format, as an attachment."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, workload_id: str) -> None:
        given = self.parameters("format", *_CONDITIONS)
        kind = _kind(given)
        tail = number(given, "tail", 0) if "tail" in given else None
        selection = Selection(parse_filter(given), number(given, "after", 0), tail)
        workload = self.engine.get(workload_id)  # before the read: a final one has all its lines
        conditions = {name: given[name] for name in _CONDITIONS if name in given}
        exported = Exported(workload, conditions, time.time_ns() // 1000 / 1000, os.uname().nodename)
        self._budget = budget = Budget(math.inf)  # the client's reading sets the pace, and its leaving the end
        pieces = export(self.store, exported, selection, kind, budget)
        self.set_header("Content-Disposition", f'attachment; filename="{file_name(workload, kind)}"')
        self.set_header("Content-Type", kind.media_type)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
        self.set_header("Cache-Control", "no-store")
        pool = self.services.search_pool
        try:
            with pool.exporting(budget):
                is_whole = await send_chunks(self, lambda: pool.export(lambda: next(pieces, None)))
        except SearchCancelled:  # the client has gone, or the server stops
            is_whole = False
            disconnect(self)  # also before the first byte: an empty answer would look complete
        if is_whole:
            self.finish(set_content_type=kind.media_type)


def file_name(workload: Workload, kind: Kind) -> str:
    """A name that is safe in a header and on every file system: the workload's name and id."""
    name = _UNSAFE.sub("-", workload.spec.name)[:_MAX_NAME_CHARS].strip("-.")
    return f"{name}-{workload.id}{kind.suffix}" if name else f"{workload.id}{kind.suffix}"


def _kind(given: Mapping[str, str]) -> Kind:
    name = given.get("format", "")
    if name not in KINDS:
        problem = f"must be of {', '.join(KINDS)}" + (f", not {printable(name)}" if name else "")
        raise BadParameter("format", problem)
    return check_available(name)


ROUTES = [(rf"v1/workloads/({ID})/export", ExportHandler)]
