"""A workload's log over HTTP: the simple stream, published batches, pages of records, the download. Server."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from functools import partial

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from ...model.ids import ID
from ...store.protocol import Download
from ...store.queries.budget import Budget
from ...store.queries.pages import Page, page
from ..params import FILTERS, number, parse_filter
from ..subscriptions.messages import MessageSubscription
from ..subscriptions.protocol import Start
from .base import RESOURCE, LogStreamHandler
from .chunks import send_chunks
from .encoders import MessageEncoder
from .errors import Refused
from .frame_response import FrameStreamHandler
from .sse_response import has_everything

_SEQ = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class LogsHandler(FrameStreamHandler):
    """`GET v1/workloads/{id}/logs`: each record's seq and message, then `done`. For `curl -N` and EventSource.

    `POST`: records for an external workload.
    """

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, workload_id: str) -> None:
        given = self.parameters("tail", "after")
        workload = self.engine.get(workload_id)
        last_id = self.request.headers.get("Last-Event-ID", "")
        if has_everything(workload, last_id):
            self.answer_nothing()
            return
        start = self._start(given, last_id)
        await self.stream([MessageSubscription(self.engine, self.store, workload_id, start)], MessageEncoder())

    @authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self, workload_id: str) -> None:
        given = self.parameters("after")
        after = number(given, "after", 0) if "after" in given else None
        self.engine.status_of(workload_id)
        last = await self.services.publisher.publish(workload_id, await self.json_items(), after)
        self.answer({"last": last}, 202)

    @staticmethod
    def _start(given: dict[str, str], last_id: str) -> Start:
        """Where the stream begins; by precedence: Last-Event-ID, after, tail."""
        after, tail = number(given, "after", 0), number(given, "tail", 0)
        if last_id:
            return Start(after=int(last_id) if _SEQ.fullmatch(last_id) else 0)
        return Start(tail=tail) if "tail" in given and "after" not in given else Start(after=after)


class RecordsHandler(LogStreamHandler):
    """`GET v1/workloads/{id}/records`."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, workload_id: str) -> None:
        given = self.parameters("after", "offset", "limit", *FILTERS)
        chosen = parse_filter(given)
        read = partial(
            page,
            self.store,
            workload_id,
            chosen,
            after=number(given, "after", 0),
            offset=number(given, "offset", 0),
            limit=number(given, "limit", 100, 1, 5000),
        )
        state = self.engine.status_of(workload_id).status.state  # before the read: a final state has all its lines

        def encoded(budget: Budget | None = None) -> tuple[Page, bytes]:
            found = read(budget=budget)
            return found, found.encode()

        read_only = self.services.search_pool.read  # without a filter it reads no more than the page
        found, body = await (read_only(encoded) if chosen.empty else self.run_search(encoded))
        following = b"null" if found.next is None else b"%d" % found.next
        stopped = b"" if found.stopped is None else b',"stopped":%d' % found.stopped
        self.set_header("Cache-Control", "no-store")
        self.finish(
            b'{"records":[%s],"total":%d,"next":%s,"state":"%s"%s}'
            % (body, found.total, following, state.encode(), stopped)
        )


class DownloadHandler(LogStreamHandler):
    """`GET v1/workloads/{id}/log.txt`: the bytes as they were written, as an attachment; ranges (RFC 9110, 14)."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, workload_id: str) -> None:
        await self._respond(workload_id)

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def head(self, workload_id: str) -> None:
        await self._respond(workload_id)

    async def _respond(self, workload_id: str) -> None:
        given = self.parameters("source", "after", "last")
        if given.get("source", "stdout") not in {"stdout", "stderr"}:
            raise Refused(400, "invalid_parameter", "source must be stdout or stderr")
        after, last = number(given, "after", 0), number(given, "last", 0) if "last" in given else None
        self.engine.status_of(workload_id)
        opening = partial(self.store.open_download, workload_id, given.get("source"), after, last)
        ranged = after or last is not None
        with closing(await asyncio.to_thread(opening) if ranged else opening()) as download:
            start, end = self._range(download.size)
            self.set_header("Content-Length", str(end - start))
            self.set_header("Content-Disposition", f'attachment; filename="{workload_id}.log.txt"')
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.set_header("X-Content-Type-Options", "nosniff")
            self.set_header("Content-Security-Policy", "default-src 'none'; sandbox")
            self.set_header("Accept-Ranges", "bytes")
            self.set_header("Cache-Control", "no-store")
            await self._send(download, start, start if self.request.method == "HEAD" else end)

    def _range(self, size: int) -> tuple[int, int]:
        """The requested part, and status and headers for it; a malformed Range header is ignored (RFC 9110, 14.2)."""
        found = _RANGE.fullmatch(self.request.headers.get("Range", ""))
        if not found or found[1] == found[2] == "":
            return 0, size
        if found[1] == "":
            start, end = max(size - int(found[2]), 0), size
        else:
            start, end = int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)
            if found[2] and int(found[2]) < int(found[1]):
                return 0, size
        if start >= size or start == end:
            raise Refused(416, "range_not_satisfiable", f"the log has {size} bytes", Content_Range=f"bytes */{size}")
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        return start, end

    async def _send(self, download: Download, start: int, end: int) -> None:
        chunks = download.chunks(start, end)
        loop = asyncio.get_running_loop()
        if await send_chunks(self, lambda: loop.run_in_executor(None, next, chunks, None)):
            self.finish(set_content_type="text/plain; charset=utf-8")


ROUTES = [
    (rf"v1/workloads/({ID})/logs", LogsHandler),
    (rf"v1/workloads/({ID})/records", RecordsHandler),
    (rf"v1/workloads/({ID})/log\.txt", DownloadHandler),
]
