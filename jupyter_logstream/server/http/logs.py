"""A workload's log over HTTP: the simple stream, the batched one, pages of records, and the download."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing

from jupyter_server.auth.decorator import authorized
from tornado.iostream import StreamClosedError
from tornado.web import authenticated

from ...model.ids import ID
from ...store.disk.download import Download
from ...store.errors import UnknownStream, Unreadable
from ...store.protocol import Batch
from ...store.queries.filters import page
from ...wire.sse import encode, encode_json
from ..engine import UnknownWorkload
from ..params import FILTERS, number, parse_filter
from ..subscriptions.protocol import dump
from .base import RESOURCE, LogStreamHandler, Refused
from .sse_response import EventStreamHandler, cut, has_all

_BATCH = 2000
_PATIENCE = 600.0  # seconds a download may be left standing
_SEQ = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class LogsHandler(EventStreamHandler):
    """`GET v1/workloads/{id}/logs`: per record its seq and its message, then `done`. For `curl -N` and EventSource.

    `POST`: records for an external workload.
    """

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, workload_id: str) -> None:
        given = self.parameters("tail", "after")
        workload = self.engine.get(workload_id)
        last_id = self.request.headers.get("Last-Event-ID", "")
        if has_all(workload, last_id):
            self.answer_nothing()
            return
        after = self._cursor(given, last_id, workload_id)
        self.watch(self.store.watch(workload_id, self.wake), self.engine.watch(workload_id, self.wake))
        await self.open(1)
        try:
            await self._tell(workload_id, after)
        except (StreamClosedError, UnknownStream, UnknownWorkload):
            return  # it has left, or the workload was deleted: without `done`

    @authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self, workload_id: str) -> None:
        given = self.parameters("after")
        after = number(given, "after", 0) if "after" in given else None
        self.engine.status_of(workload_id)
        last = await self.publisher.publish(workload_id, self.json_items(), after)
        self.answer({"last": last}, 202)

    def _cursor(self, given: dict[str, str], last_id: str, workload_id: str) -> int:
        end = self.store.read(workload_id, 0, 0).end
        after, tail = number(given, "after", 0), number(given, "tail", 0)
        if last_id:
            after = int(last_id) if _SEQ.fullmatch(last_id) else 0
        elif "after" not in given and "tail" in given:
            after = max(end - tail, 0)
        return after if after <= end else 0  # a cursor of another life of this log: everything again

    async def _tell(self, workload_id: str, after: int) -> None:
        while not self.left:
            batch = self.store.read(workload_id, after, _BATCH)
            if len(batch):
                after = batch.last
                await self.say(_blocks(batch))
            elif batch.closed and self.engine.status_of(workload_id).status.final:
                done = self.engine.get(workload_id).to_json()
                await self.say(encode_json("done", dump(done), after))
                return
            elif await self.rest(None):
                await self.say(encode(comment="waiting"))


def _blocks(batch: Batch) -> bytes:
    if any("\n" in message or "\r" in message for message in batch.messages):
        return b"".join([encode(m, id=seq) for seq, m in zip(batch.seqs, batch.messages, strict=True)])
    blocks = "".join([f"id: {seq}\ndata: {m}\n\n" for seq, m in zip(batch.seqs, batch.messages, strict=True)])
    return blocks.encode("utf-8", "replace")


class RecordsHandler(LogStreamHandler):
    """`GET v1/workloads/{id}/records`."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, workload_id: str) -> None:
        given = self.parameters("after", "offset", "limit", *FILTERS)
        chosen = parse_filter(given)
        asked = {
            "after": number(given, "after", 0),
            "offset": number(given, "offset", 0),
            "limit": number(given, "limit", 100, 1, 5000),
        }
        state = self.engine.status_of(workload_id).status.state  # before the read: a final state has all its lines
        if chosen.empty:
            found = page(self.store, workload_id, chosen, **asked)
        else:  # it may read all of the log: off the event loop
            found = await asyncio.to_thread(page, self.store, workload_id, chosen, **asked)
        following = b"null" if found.next is None else b"%d" % found.next
        self.set_header("Cache-Control", "no-store")
        self.finish(
            b'{"records":[%s],"total":%d,"next":%s,"state":"%s"}'
            % (found.encode(), found.total, following, state.encode())
        )


class DownloadHandler(LogStreamHandler):
    """`GET v1/workloads/{id}/log.txt`: the bytes as they were written, as an attachment; ranges."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, workload_id: str) -> None:
        await self._answer(workload_id)

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def head(self, workload_id: str) -> None:
        await self._answer(workload_id)

    async def _answer(self, workload_id: str) -> None:
        given = self.parameters("source")
        if given.get("source", "stdout") not in {"stdout", "stderr"}:
            raise Refused(400, "invalid_parameter", "source must be stdout or stderr")
        self.engine.status_of(workload_id)
        with closing(self._opened(workload_id, given.get("source"))) as download:
            start, end = self._range(download.size)
            self.set_header("Content-Length", str(end - start))
            self.set_header("Content-Disposition", f'attachment; filename="{workload_id}.log.txt"')
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.set_header("X-Content-Type-Options", "nosniff")
            self.set_header("Content-Security-Policy", "default-src 'none'; sandbox")
            self.set_header("Accept-Ranges", "bytes")
            self.set_header("Cache-Control", "no-store")
            await self._send(download, start, start if self.request.method == "HEAD" else end)

    def _opened(self, workload_id: str, source: str | None) -> Download:
        try:
            return Download(self.store.folder(workload_id).path, source)
        except OSError as error:
            raise Unreadable from error

    def _range(self, size: int) -> tuple[int, int]:
        """What part is asked for (RFC 9110, 14.2); a header that is none is ignored."""
        asked = _RANGE.fullmatch(self.request.headers.get("Range", ""))
        if not asked or asked[1] == asked[2] == "":
            return 0, size
        if asked[1] == "":
            start, end = max(size - int(asked[2]), 0), size
        else:
            start, end = int(asked[1]), min(int(asked[2]) + 1 if asked[2] else size, size)
            if asked[2] and int(asked[2]) < int(asked[1]):
                return 0, size
        if start >= size or start == end:
            told = f"bytes */{size}"
            raise Refused(416, "range_not_satisfiable", f"the log has {size} bytes", Content_Range=told)
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        return start, end

    async def _send(self, download: Download, start: int, end: int) -> None:
        chunks = download.chunks(start, end)
        loop = asyncio.get_running_loop()
        following = loop.run_in_executor(None, next, chunks, None)
        try:
            while (chunk := await following) is not None:
                following = loop.run_in_executor(None, next, chunks, None)  # read while this one is sent
                self.write(chunk)
                await asyncio.wait_for(self.flush(), _PATIENCE)
        except asyncio.TimeoutError:
            cut(self)
            return
        except StreamClosedError:
            return
        except OSError as error:  # the disk does not give it back: that must not look like an end
            if not self._headers_written:
                raise Unreadable from error
            cut(self)
            return
        finally:
            await asyncio.wait({following})  # it reads files that are closed next
        self.finish(set_content_type="text/plain; charset=utf-8")


ROUTES = [
    (rf"v1/workloads/({ID})/logs", LogsHandler),
    (rf"v1/workloads/({ID})/records", RecordsHandler),
    (rf"v1/workloads/({ID})/log\.txt", DownloadHandler),
]
