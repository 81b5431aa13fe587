"""Calls of httpx clients as rows of the request log, though they do not go through the proxy. Runs in kernels.

The call itself goes as it did; its bodies are read for tokens as they pass, never held. What is told to the server is
told beside the call, from another thread, and where there is no server nothing is told. This file must not import the
server side nor any widget.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import uuid4
from weakref import WeakSet

from ..wire.llm_usage import AnswerReader, AskedReader, operation_of, provider_of
from .connection import LogStreamError, fetch, later
from .upstream_url import caller

T = TypeVar("T")

_PATIENCE = 2.0  # seconds that a Python that ends waits for what is still to be told
_UPDATES_APART = 1.0  # seconds
_LONGEST_ERROR = 1000  # bytes of an error's answer that are looked at
_log = logging.getLogger("jupyter_logstream")
_recorded: WeakSet[Any] = WeakSet()  # clients


def record_requests(client: T) -> T:
    """Make every call of an httpx client (or of an SDK that holds one) a row of the request log; returns the client.

    For clients that do not go through the proxy. Called twice, it records once. Raises TypeError for what is no such
    client.
    """
    inner: Any = client if _library(client) else getattr(client, "_client", None)
    library = _library(inner)
    if library is None or not isinstance(inner, library.Client | library.AsyncClient):
        raise TypeError(f"record_requests() takes an httpx client, or an SDK that holds one, not {client!r}")
    if inner not in _recorded:
        _recorded.add(inner)
        wrap = _recording_async if isinstance(inner, library.AsyncClient) else _recording
        inner.send = wrap(inner.send, library)  # the one door that get(), stream() and all the others go through
    return client


def _library(client: object) -> Any:
    """The module that a client is of: httpx, or the httpx2 that newer SDKs hold; None where it is of neither."""
    roots = {cls.__module__.partition(".")[0] for cls in type(client).__mro__}
    return next((sys.modules[root] for root in ("httpx", "httpx2") if root in roots), None)


def _recording(original: Any, library: Any) -> Any:
    class Tapped(library.SyncByteStream):  # type: ignore[misc]  # of the library that the client is of
        """A response's bytes on their way to whoever reads them."""

        def __init__(self, inner: Any, record: Record) -> None:
            self._inner, self._record = inner, record

        def __iter__(self) -> Iterator[bytes]:
            with self._record.failures(library):
                for chunk in self._inner:
                    self._record.received(chunk)
                    yield chunk
                self._record.finish()

        def close(self) -> None:
            self._record.end("cancelled")  # says nothing where it has ended otherwise
            self._inner.close()

    def send(request: Any, *, stream: bool = False, **given: Any) -> Any:
        record = Record(request, library)
        with record.failures(library):
            response = original(request, stream=True, **given)
            record.answered(response)
            response.stream = Tapped(response.stream, record)
            if not stream:
                response.read()
        return response

    return send


def _recording_async(original: Any, library: Any) -> Any:
    class Tapped(library.AsyncByteStream):  # type: ignore[misc]  # as above
        """A response's bytes on their way to whoever awaits them."""

        def __init__(self, inner: Any, record: Record) -> None:
            self._inner, self._record = inner, record

        async def __aiter__(self) -> AsyncIterator[bytes]:
            with self._record.failures(library):
                async for chunk in self._inner:
                    self._record.received(chunk)
                    yield chunk
                self._record.finish()

        async def aclose(self) -> None:
            self._record.end("cancelled")
            await self._inner.aclose()

    async def send(request: Any, *, stream: bool = False, **given: Any) -> Any:
        record = Record(request, library)
        with record.failures(library):
            response = await original(request, stream=True, **given)
            record.answered(response)
            response.stream = Tapped(response.stream, record)
            if not stream:
                await response.aread()
        return response

    return send


class Record:
    """One call, and what the server is told of it."""

    def __init__(self, request: Any, library: Any) -> None:
        self._started = self._updated = time.monotonic()
        self._first_chunk: float | None = None
        self._received, self._status, self._ended, self._error_body = 0, 0, False, b""
        self._reader: AnswerReader | None = None
        self._operation = operation_of(request.method, request.url.path)
        asked = AskedReader()
        try:
            body = request.content
        except library.RequestNotRead:
            body = b""  # it is streamed
        asked.feed(body if self._operation else b"")
        self._row = Telling(
            {
                "initial_time": round(time.time() * 1000, 3),
                "method": request.method,
                "path": request.url.path,
                "operation": self._operation.name if self._operation else None,
                "provider": provider_of(request.url.host, self._operation) if self._operation else None,
                "model": asked.model,
                "stream": asked.stream,
                "request_bytes": len(body),
                **caller(),
            }
        )

    @contextmanager
    def failures(self, library: Any) -> Iterator[None]:
        """Note how it ends where it does not end well; the error goes on."""
        ended = "cancelled"
        said: str | None = None
        try:
            yield
            ended = ""
        except library.TimeoutException as error:
            ended, said = "timeout", str(error) or type(error).__name__
            raise
        except library.HTTPError as error:
            ended, said = "error", str(error) or type(error).__name__
            raise
        finally:
            if ended:
                self.end(ended, said)

    def answered(self, response: Any) -> None:
        """The head of the response is there."""
        self._status = response.status_code
        headers = response.headers
        if self._operation is not None:
            self._reader = AnswerReader(headers.get("content-type", ""), headers.get("content-encoding", ""))
        self._row.tell(status="streaming", http_status=self._status)

    def received(self, chunk: bytes) -> None:
        """A piece of the response has come."""
        now = time.monotonic()
        self._received += len(chunk)
        if self._status >= 400 and len(self._error_body) < _LONGEST_ERROR:
            self._error_body += chunk[:_LONGEST_ERROR]
        if self._reader is not None:
            self._reader.feed(chunk)
        if self._first_chunk is None:
            self._first_chunk = self._updated = now
            self._row.tell(time_to_first_chunk_ms=round((now - self._started) * 1000, 3))
        elif now - self._updated > _UPDATES_APART:
            self._updated = now
            self._row.tell(response_bytes=self._received)

    def finish(self) -> None:
        """The response was read to its end."""
        reader = self._reader
        if reader is not None:
            reader.end()
        if self._status >= 400:
            said = reader.error if reader is not None else None
            self.end("error", said or self._error_body.decode("utf-8", "replace").strip() or f"HTTP {self._status}")
        elif reader is not None and reader.is_stream and reader.error is not None:
            self.end("error", reader.error)
        elif reader is not None and not reader.complete:
            self.end("error", "incomplete: the stream ended without saying that it was at its end")
        else:
            self.end("completed")

    def end(self, status: str, error: str | None = None) -> None:
        """It has ended; only the first end counts."""
        if self._ended:
            return
        if status == "cancelled" and self._reader is not None and self._reader.ended:
            status = "completed"  # a stream was left when it had said that it was at its end
        self._ended = True
        told: dict[str, Any] = {"status": status, "error": error, "response_bytes": self._received}
        told["duration_ms"] = round((time.monotonic() - self._started) * 1000, 3)
        if self._reader is not None:
            tokens = self._reader.tokens
            told |= {"response_model": self._reader.model, "cached_tokens": tokens.cached}
            told |= {"input_tokens": tokens.input, "output_tokens": tokens.output}
        self._row.tell(**told)


class Telling:
    """Tells the server of one row, in order, what changes while it is told goes with the next. Errors are told once."""

    _open: set[concurrent.futures.Future[None]] = set()  # noqa: RUF012 - of all rows
    _complained = False

    def __init__(self, fields: dict[str, Any]) -> None:
        self._key = uuid4().hex
        self._id: str | None = None
        self._pending: dict[str, Any] = {}
        self._busy = False
        self._lock = threading.Lock()
        self.tell(**fields)

    def tell(self, **fields: Any) -> None:
        """Change fields; returns at once."""
        with self._lock:
            self._pending.update({name: value for name, value in fields.items() if value is not None})
            if self._busy:
                return
            self._busy = True
        told = later(self._send())
        self._open.add(told)
        told.add_done_callback(self._open.discard)

    async def _send(self) -> None:
        while True:
            with self._lock:
                fields, self._pending = self._pending, {}
                if not fields:
                    self._busy = False
                    return
            try:
                if self._id is None:
                    answer = await fetch("POST", "requests", body={"key": self._key, **fields})
                    self._id = answer.json()["id"]
                else:
                    await fetch("PATCH", f"requests/{self._id}", body=fields)
            except LogStreamError as error:  # the log is a help; the call is what counts
                if not Telling._complained:
                    _log.warning("Calls are not recorded: %s", error)
                Telling._complained = True
                return

    @classmethod
    def wait(cls) -> None:
        """Give what is still to be told a moment."""
        concurrent.futures.wait(list(cls._open), _PATIENCE)


atexit.register(Telling.wait)
