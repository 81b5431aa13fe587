"""Functions over HTTP: upload of the pickled call, download of the result. Server; never loads a pickle."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from contextlib import closing
from typing import Any, BinaryIO, cast

from jupyter_server.auth.decorator import authorized
from tornado.http1connection import HTTP1Connection  # noqa: TC002 - with the others
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, authenticated, stream_request_body

from ...model.ids import ID
from ..engine import StillRunning
from ..payloads import TooLarge, Upload
from .base import RESOURCE, LogStreamHandler
from .errors import Refused
from .sse_response import disconnect

_CHUNK_BYTES = 1 << 20
_STALL_S = 60.0  # a client that takes nothing for so long is disconnected


@stream_request_body
class PayloadsHandler(LogStreamHandler):
    """`POST v1/payloads`: the body goes to disk as it arrives, so memory stays flat."""

    _upload: Upload | None = None
    _problem: HTTPError | None = None

    async def prepare(self, **_: Any) -> None:
        """Authenticate and authorize before the first byte is accepted."""
        await super().prepare()
        if self._finished or self.request.method != "POST" or not self.current_user:
            return
        limit = self.services.payloads.max_bytes
        cast("HTTP1Connection", self.request.connection).set_max_body_size(limit + _CHUNK_BYTES)
        given = self.request.headers.get("Content-Length", "")
        size = int(given) if given.isascii() and given.isdigit() else 0  # Tornado refuses anything else
        if size > limit:
            text = f"the payload has {size:,} bytes, more than the {limit:,} that c.LogStream.max_payload_bytes allows"
            raise Refused(413, "too_large", text)
        await self._open()

    async def _open(self) -> None:
        """Open the upload if the user is allowed to; else `post` answers, when the body was received."""
        try:
            await cast("Awaitable[None]", self._check_authorized())
        except HTTPError as error:
            self._problem = error
        else:
            self._upload = self.services.payloads.upload()

    @authorized("execute", resource=RESOURCE)
    async def _check_authorized(self) -> None:
        """The decorator does the check, once."""

    def data_received(self, chunk: bytes) -> None:
        """Write a chunk; after an error the rest of the body is ignored, and `post` answers."""
        if self._upload is None or self._problem is not None:
            return
        try:
            self._upload.write(chunk)
        except TooLarge as error:
            self._problem = Refused(413, "too_large", str(error))
        except OSError as error:
            self._problem = Refused(503, "no_room", f"the payload could not be stored: {os.strerror(error.errno or 0)}")

    @authenticated
    async def post(self) -> None:
        if self._problem is not None:
            raise self._problem
        self.parameters()
        assert self._upload is not None  # noqa: S101 - logged in and authorized, so `prepare` opened it
        upload, self._upload = self._upload, None
        self.answer({"id": upload.commit(), "bytes": upload.size}, 201)

    def on_finish(self) -> None:
        """Delete what was received for a request that failed."""
        self._abort()
        super().on_finish()

    def on_connection_close(self) -> None:
        """Delete what was received: the client has gone."""
        self._abort()
        super().on_connection_close()

    def _abort(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.abort()


class ResultHandler(LogStreamHandler):
    """`GET v1/workloads/{id}/result`: the result's envelope as its process wrote it; `local=1`: where it lies."""

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, workload_id: str) -> None:
        given = self.parameters("local")
        workload = self.engine.status_of(workload_id)
        if not workload.status.final:
            raise StillRunning(f"the workload is {workload.status.state}; its result comes with its end")
        try:
            file = self.engine.open_result(workload_id)
        except FileNotFoundError:
            raise Refused(404, "no_result", "the workload has no result") from None
        with closing(file):
            status = os.fstat(file.fileno())
            if given.get("local") == "1" and self._is_kernel:  # on this machine it need not be copied
                self.answer({"path": str(file.name), "inode": status.st_ino, "bytes": status.st_size})
                return
            self.set_header("Content-Type", "application/octet-stream")
            self.set_header("Content-Length", str(status.st_size))
            self.set_header("Content-Disposition", f'attachment; filename="{workload_id}.result"')
            self.set_header("X-Content-Type-Options", "nosniff")
            self.set_header("Cache-Control", "no-store")
            await self._send(file)

    async def _send(self, file: BinaryIO) -> None:
        loop = asyncio.get_running_loop()
        try:
            while chunk := await loop.run_in_executor(None, file.read, _CHUNK_BYTES):
                self.write(chunk)
                await asyncio.wait_for(self.flush(), _STALL_S)
        except asyncio.TimeoutError:
            disconnect(self)
        except StreamClosedError:
            return
        else:
            self.finish(set_content_type="application/octet-stream")


ROUTES = [
    (r"v1/payloads", PayloadsHandler),
    (rf"v1/workloads/({ID})/result", ResultHandler),
]
