"""Recording of httpx calls that bypass the proxy as rows of the request log. Runs in kernels.

The call itself is unchanged; its bodies are read for tokens as they pass and are not held. Rows are sent by
`row_updater.py`. This module imports neither the server side nor widgets.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakSet

from ..wire.call_meter import CallMeter, Fields
from ..wire.llm_operations import operation_of, provider_of
from .row_updater import RowUpdater
from .upstream_url import caller

T = TypeVar("T")

_recorded_clients: WeakSet[Any] = WeakSet()


def record_requests(client: T) -> T:
    """Record every call of an httpx client as a row of the request log, and return the client.

    For clients that do not use the proxy. A second call for the same client changes nothing.

    Parameters
    ----------
    client : httpx.Client, httpx.AsyncClient, or an SDK client that holds one (`openai.OpenAI`, `anthropic.Anthropic`,
        `ollama.Client`, `google.genai.Client`).

    Raises
    ------
    TypeError
        The object is no such client.
    """
    inner = list(_inner_clients(client))
    if not inner:
        raise TypeError(f"record_requests() takes an httpx client, or an SDK client that holds one, not {client!r}")
    for one in inner:
        if one not in _recorded_clients:
            _recorded_clients.add(one)
            library = _library(one)
            wrap = _recording_async if isinstance(one, library.AsyncClient) else _recording
            one.send = wrap(one.send, library)  # get(), stream() and all other methods call it
    return client


def _inner_clients(client: object) -> Iterator[Any]:
    """The httpx clients that an object is or holds; google-genai's holds two."""
    google = getattr(client, "_api_client", None)
    held = getattr(client, "_client", None), getattr(google, "_httpx_client", None)
    for one in (client, *held, getattr(google, "_async_httpx_client", None)):
        library = _library(one)
        if library is not None and isinstance(one, library.Client | library.AsyncClient):
            yield one


def _library(client: object) -> Any:
    """The module of a client's class: httpx, or the httpx2 of newer SDKs; None for any other object."""
    roots = {cls.__module__.partition(".")[0] for cls in type(client).__mro__}
    return next((sys.modules[root] for root in ("httpx", "httpx2") if root in roots), None)


def _recording(original: Any, library: Any) -> Any:
    class RecordedStream(library.SyncByteStream):  # type: ignore[misc]  # a class of the client's library
        """The bytes of a response, recorded as they are read."""

        def __init__(self, inner: Any, call: RecordedCall) -> None:
            self._inner, self._call = inner, call

        def __iter__(self) -> Iterator[bytes]:
            with self._call.failures(library):
                for chunk in self._inner:
                    self._call.received(chunk)
                    yield chunk
                self._call.finish()

        def close(self) -> None:
            self._call.fail("cancelled")  # without effect if it has ended
            self._inner.close()

    def send(request: Any, *, stream: bool = False, **options: Any) -> Any:
        call = RecordedCall(request, library)
        with call.failures(library):
            response = original(request, stream=True, **options)
            call.answered(response)
            response.stream = RecordedStream(response.stream, call)
            if not stream:
                response.read()
        return response

    return send


def _recording_async(original: Any, library: Any) -> Any:
    class RecordedStream(library.AsyncByteStream):  # type: ignore[misc]  # as above
        """The bytes of a response, recorded as they are read."""

        def __init__(self, inner: Any, call: RecordedCall) -> None:
            self._inner, self._call = inner, call

        async def __aiter__(self) -> AsyncIterator[bytes]:
            with self._call.failures(library):
                async for chunk in self._inner:
                    self._call.received(chunk)
                    yield chunk
                self._call.finish()

        async def aclose(self) -> None:
            self._call.fail("cancelled")
            await self._inner.aclose()

    async def send(request: Any, *, stream: bool = False, **options: Any) -> Any:
        call = RecordedCall(request, library)
        with call.failures(library):
            response = await original(request, stream=True, **options)
            call.answered(response)
            response.stream = RecordedStream(response.stream, call)
            if not stream:
                await response.aread()
        return response

    return send


class RecordedCall:
    """One call of a recorded client and its row."""

    def __init__(self, request: Any, library: Any) -> None:
        operation = operation_of(request.method, request.url.path)
        try:
            body = request.content
        except library.RequestNotRead:
            body = b""  # it is streamed
        self._meter = CallMeter(operation)
        model = operation.model if operation else None
        self._row = RowUpdater(
            {
                "initial_time": round(time.time() * 1000, 3),
                "method": request.method if re.fullmatch(r"[A-Z]{1,20}", request.method) else None,
                "path": request.url.path,
                "operation": operation.name if operation else None,
                "provider": provider_of(request.url.host, operation) if operation else None,
                "request_bytes": len(body),
                "model": model,
                **self._meter.sent(body),
                **caller(),
            }
        )

    @contextmanager
    def failures(self, library: Any) -> Iterator[None]:
        """Record how the call ends if the client raises; the error is raised again."""
        done = False
        try:
            yield
            done = True
        except library.TimeoutException as error:
            self.fail("timeout", str(error) or type(error).__name__)
            raise
        except library.HTTPError as error:
            self.fail("error", str(error) or type(error).__name__)
            raise
        finally:
            if not done:
                self.fail("cancelled")  # without effect after the ends above

    def answered(self, response: Any) -> None:
        """The head of the response arrived."""
        headers = response.headers
        kind, encoding = headers.get("content-type", ""), headers.get("content-encoding", "")
        self._row.update(self._meter.answered(response.status_code, kind, encoding))

    def received(self, chunk: bytes) -> None:
        """A chunk of the response's body arrived, encoded as it was sent."""
        self._row.update(self._meter.received(chunk))

    def finish(self) -> None:
        """The response was read completely."""
        self._end(self._meter.finish())

    def fail(self, status: str, error: str | None = None) -> None:
        """The call ended early; only the first end counts."""
        self._end(self._meter.fail(status, error))

    def _end(self, fields: Fields) -> None:
        if fields.get("status") == "interrupted":
            fields = {**fields, "status": "error"}  # the protocol reserves that one for the server
        self._row.update(fields)
