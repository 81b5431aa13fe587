"""The proxy: `proxy/{upstream}/{path}`, every method. Pumps bytes both ways, unbuffered. Server side.

The exchange with the upstream begins as soon as the request's head is known and the caller is let in; from then on each
side waits for the other, and when one of them leaves, the exchange is cancelled. What may pass is in `proxy/rules.py`,
what is noted of it in `calls/call.py`; this file only connects them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from http.client import responses
from typing import TYPE_CHECKING, Any, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import url_path_join
from tornado.httputil import HTTPInputError
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler, authenticated, stream_request_body

from ...wire.llm_usage import operation_of, provider_of
from ..proxy.exchange import Answer, RequestBody, UpstreamFailed, UpstreamTimedOut
from ..proxy.rules import RUNS_CODE, BadPath, Header, request_headers, response_headers, target, upgrade_headers
from ..proxy.tunnel import open_tunnel
from ..proxy.upstreams import Upstream
from ..request_log.call import Call, Caller, CallRequest, caller_of, check_caller
from ..request_log.redaction import MASK, Redactor
from .base import RESOURCE, LogStreamHandler, Refused
from .sse_response import cut

if TYPE_CHECKING:
    from tornado.http1connection import HTTP1Connection

MOST_BODY = 1 << 62  # any size goes through
_LINGER = 2.0  # seconds that a caller may go on sending after the answer, so that it reads the answer
_SHORTEST_COOKIE = 16  # a cookie's value that is shorter is no secret
_METHODS = (*RequestHandler.SUPPORTED_METHODS, "QUERY", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK")
_METHODS = (*_METHODS, "UNLOCK", "REPORT", "SEARCH", "LINK", "UNLINK", "PURGE")
_READABLE_ENCODINGS = frozenset({"gzip", "deflate", "identity"})


@stream_request_body
class ProxyHandler(LogStreamHandler):
    """One call through the proxy."""

    SUPPORTED_METHODS = cast("Any", _METHODS)

    def initialize(self) -> None:
        self._body = RequestBody()
        self._uploaded = asyncio.Event()
        self._exchange: asyncio.Task[None] | None = None
        self._call: Call | None = None

    # --- who and where to ---------------------------------------------------------------------------------------------

    def credentials(self) -> list[str]:
        """Also where SDKs put their keys; what follows a dot says who calls (`outgoing.py`)."""
        headers = self.request.headers
        keys = [headers[name] for name in ("x-api-key", "api-key", "x-goog-api-key") if name in headers]
        return [given.partition(".")[0] for given in (*super().credentials(), *keys)]

    async def prepare(self, **_: Any) -> None:
        """Let the caller in and begin; nothing of the body has been read so far."""
        try:
            await super().prepare()
            await cast("Awaitable[None]", self._admit())
            await self._begin()
        except HTTPError as error:
            if not self._has_body or "Expect" in self.request.headers:
                raise
            self._exchange = asyncio.create_task(self._refuse(error))

    @authenticated
    @authorized("execute", resource=RESOURCE)
    async def _admit(self) -> None:
        """What the decorators let through."""

    async def _begin(self) -> None:
        upstream = self._upstream()
        self._check_framing()
        secrets = self._secrets()
        headers = list(self.request.headers.get_all())
        try:
            where = target(upstream, self._rest(), self.request.query, secrets)
        except BadPath as error:
            raise Refused(400, "invalid_path", str(error)) from None
        onward = request_headers(headers, upstream, secrets)
        call = self._call = self._note(upstream, onward, secrets)
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await self._tunnel(upstream, where, [*onward, *upgrade_headers(headers, secrets)], call)
            return
        cast("HTTP1Connection", self.request.connection).set_max_body_size(MOST_BODY)
        if call.is_llm:
            onward = _readable(onward)
        if "Content-Length" in self.request.headers:
            onward.append(("Content-Length", self.request.headers["Content-Length"]))
        self._exchange = asyncio.create_task(self._run(upstream, where, onward, call))
        self._register(self._exchange)

    async def _tunnel(self, upstream: Upstream, where: str, headers: list[Header], call: Call) -> None:
        """Open a WebSocket tunnel and detach the connection to it. Raises Refused."""
        opening = asyncio.ensure_future(open_tunnel(upstream, where, headers))
        stream = cast("HTTP1Connection", self.request.connection).stream
        stream.set_close_callback(partial(_cancel, opening))
        try:
            opened = await opening
        except UpstreamFailed as error:
            timed_out = isinstance(error, UpstreamTimedOut)
            status, reason = _failure_status(error)
            call.fail("timeout" if timed_out else "error", str(error), status)
            raise Refused(status, reason, f"the upstream {upstream.name} {error}") from None
        except asyncio.CancelledError:
            call.fail("cancelled")
            cut(self)
            return
        call.answered(opened.status, opened.headers)
        here = url_path_join(self.base_url, "logstream/proxy", upstream.name)
        head = opened.head(response_headers(opened.headers, upstream, here, where))
        self._register(asyncio.create_task(opened.pump(self.detach(), head, call)))

    def _register(self, call: asyncio.Task[None]) -> None:
        self.open_calls.add(call)
        call.add_done_callback(self.open_calls.discard)

    def _upstream(self) -> Upstream:
        upstreams: dict[str, Upstream] = self.settings["logstream"].checked_upstreams
        upstream = upstreams.get(self.path_args[0])
        if upstream is None:
            raise Refused(404, "unknown_upstream", "there is no such upstream in the server's configuration")
        if self._is_kernel and not upstream.kernel:
            raise Refused(403, "kernel_refused", f"the upstream {upstream.name} is not for kernels")
        if self.request.headers.get("Sec-Fetch-Dest", "") in RUNS_CODE:
            raise Refused(403, "not_a_script", "what comes through the proxy is data: a page must not run it")
        return upstream

    def _rest(self) -> str:
        """The path behind the upstream's name, as it came."""
        here = url_path_join(self.base_url, "logstream/proxy/")
        _, slash, rest = self.request.path[len(here) :].partition("/")
        return slash + rest

    def _check_framing(self) -> None:
        """Before anything goes out: Tornado would find out only when it reads the body."""
        headers = self.request.headers
        length, coding = headers.get("Content-Length"), headers.get("Transfer-Encoding")
        bad_length = length is not None and not (length.isascii() and length.isdigit())
        if bad_length or (coding is not None and (length is not None or coding.lower() != "chunked")):
            raise Refused(400, "bad_framing", "Content-Length or Transfer-Encoding is malformed")

    @property
    def _has_body(self) -> bool:
        headers = self.request.headers
        return "Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0"

    def _secrets(self) -> frozenset[str]:
        """What must not leave this server, wherever in the request it stands."""
        extension, request = self.settings["logstream"], self.request
        found = {extension.secret, self.token or ""}
        found |= {morsel.value for morsel in request.cookies.values() if len(morsel.value) >= _SHORTEST_COOKIE}
        if not self._is_kernel and self.token_authenticated and "token" not in request.query_arguments:
            found.add(request.headers.get("Authorization", "").partition(" ")[2].strip())  # a hub's: it let them in
        return frozenset(found - {""})

    # --- the row ------------------------------------------------------------------------------------------------------

    def _note(self, upstream: Upstream, headers: list[Header], secrets: frozenset[str]) -> Call:
        extension, request = self.settings["logstream"], self.request
        redactor = Redactor((*secrets, *(value.decode("utf-8", "replace") for value in extension.secret_values)))
        redactor.learn(list(request.headers.get_all()), request.query)
        operation = operation_of(request.method or "", self._rest())
        provider = upstream.provider or (provider_of(upstream.host, operation) if operation else None)
        shown = [(name, MASK if name in upstream.headers else value) for name, value in headers if name != "Host"]
        described = CallRequest(
            upstream=upstream.name,
            method=request.method or "",
            path=self._rest(),
            query=request.query,
            headers=shown,
            caller=self._caller(),
            operation=operation,
            provider=provider,
            prices=upstream.prices,
        )
        return Call(extension.request_log, extension.prices, described, redactor, extension.request_bodies)

    def _caller(self) -> Caller:
        headers = self.request.headers
        said = check_caller(*(headers.get(f"X-Logstream-{name}") for name in ("Session", "Workload", "Cell")))
        keys = (headers.get("Authorization", ""), headers.get("x-api-key", ""), headers.get("api-key", ""))
        told = next((caller_of(key.partition(".")[2]) for key in keys if self._is_kernel and "." in key), Caller())
        return Caller(said.session or told.session, said.workload_id or told.workload_id, said.cell or told.cell)

    @property
    def open_calls(self) -> set[asyncio.Task[None]]:
        """Calls that run; the extension cancels them when the server stops."""
        calls: set[asyncio.Task[None]] = self.settings["logstream"].open_calls
        return calls

    # --- the exchange -------------------------------------------------------------------------------------------------

    async def _run(self, upstream: Upstream, where: str, headers: list[Header], call: Call) -> None:
        """The exchange, and what becomes of it when it fails."""
        try:
            await self._pump(upstream, where, headers, call)
            call.finish()
            self._body.close()
            await self._linger()
            self.finish()
        except UpstreamFailed as error:
            await self._tell_failure(upstream, call, error)
        except StreamClosedError:
            call.fail("cancelled")
        except asyncio.CancelledError:
            call.fail("interrupted" if self.settings["logstream"].streams.closing else "cancelled")
            cut(self)
        finally:
            call.fail("error", "the proxy failed")  # a fault of ours; after any other end it says nothing
            self._body.close()

    async def _pump(self, upstream: Upstream, where: str, headers: list[Header], call: Call) -> None:
        body = self._body if self._has_body else None
        method = self.request.method or ""
        async with self.settings["logstream"].upstream_client.exchange(
            upstream, method, where, headers, body
        ) as answer:
            call.answered(answer.status, answer.headers)
            self._set_head(answer, upstream, where)
            connection = cast("HTTP1Connection", self.request.connection)
            connection.stream.set_nodelay(True)  # else a token waits for the acknowledgement of the one before
            await self.flush()
            async for chunk in answer.chunks:
                call.received(chunk)
                await connection.write(chunk)

    def _set_head(self, answer: Answer, upstream: Upstream, where: str) -> None:
        if not 200 <= answer.status <= 599:
            raise UpstreamFailed("answers with what is no HTTP status")
        self._transforms = []  # compressing is the upstream's affair: bytes go through as they are
        here = url_path_join(self.base_url, "logstream/proxy", upstream.name)
        self.set_status(answer.status, responses.get(answer.status, "Unknown"))
        headers = response_headers(answer.headers, upstream, here, where)
        names = {name.lower() for name, _ in headers}
        if answer.status == 204 or any(name.lower() == "transfer-encoding" for name, _ in answer.headers):
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        for name in {"content-type", "server", "date"} | names:
            self.clear_header(name)
        try:
            for name, value in headers:
                self.add_header(name, value)
        except (ValueError, HTTPInputError):
            raise UpstreamFailed("answers with a malformed header") from None
        if "Content-Length" not in self._headers and answer.status not in {204, 304}:
            self.set_header("Connection", "close")  # browsers otherwise drain an abandoned stream for up to 5 s
        if self._headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/event-stream":
            self.set_header("X-Accel-Buffering", "no")

    async def _tell_failure(self, upstream: Upstream, call: Call, error: UpstreamFailed) -> None:
        """As an answer of ours; where one has begun, by cutting it: no end may say that it is whole."""
        timed_out = isinstance(error, UpstreamTimedOut)
        status, reason = _failure_status(error)
        begun = self._headers_written
        said = f"incomplete: {error}" if begun and not timed_out else str(error)
        call.fail("timeout" if timed_out else "error", said, None if begun else status)
        if begun:
            cut(self)
        else:
            await self._refuse(Refused(status, reason, f"the upstream {upstream.name} {error}"))

    async def _refuse(self, error: HTTPError) -> None:
        """Answer with an error while the caller may still be sending, in a way that it can read it."""
        self._body.close()
        try:
            self.clear()
            self.set_status(error.status_code)
            body = self.error_body(error.status_code, error).encode()
            self.set_header("Content-Type", "application/json")
            self.set_header("Content-Length", str(len(body)))
            self.write(body)
            await self.flush()
            await self._linger()
            self.finish()
        except StreamClosedError:
            return  # it has gone

    async def _linger(self) -> None:
        """Closing on a caller that sends would reset the connection, and the answer with it."""
        if self._has_body and not self._uploaded.is_set():
            waiting = asyncio.create_task(self._uploaded.wait())
            await asyncio.wait([waiting], timeout=_LINGER)
            waiting.cancel()

    # --- Tornado's calls ----------------------------------------------------------------------------------------------

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A piece of the request's body; Tornado reads no other before the upstream has room for it."""
        if self._call is None or self._body.closed:
            return None
        self._call.sent(chunk)
        return self._body.put(chunk)

    def on_connection_close(self) -> None:
        if self._exchange is not None:
            self._exchange.cancel()
        super().on_connection_close()

    @authenticated
    async def get(self, *_: str) -> None:
        """Called when the whole request has come: what is left is to wait for the end."""
        self._uploaded.set()
        if self._exchange is None:
            return
        if self._has_body:
            await self._body.put(None)
        await asyncio.wait([self._exchange])
        if not self._exchange.cancelled():
            self._exchange.result()  # a fault of ours

    head = post = put = patch = delete = get
    options = cast("Any", get)
    query = propfind = proppatch = mkcol = copy = move = lock = unlock = report = search = link = unlink = purge = get


def _cancel(task: asyncio.Future[Any]) -> None:
    task.cancel()


def _failure_status(error: UpstreamFailed) -> tuple[int, str]:
    return (504, "upstream_timeout") if isinstance(error, UpstreamTimedOut) else (502, "bad_gateway")


def _readable(headers: list[Header]) -> list[Header]:
    """Of LLM calls: only encodings in which their usage can be read."""
    kept = []
    for name, value in headers:
        codings = [coding.strip() for coding in value.split(",")]
        readable = [c for c in codings if c.partition(";")[0].strip().lower() in _READABLE_ENCODINGS]
        kept.append((name, ", ".join(readable) or "identity") if name.lower() == "accept-encoding" else (name, value))
    return kept


ROUTES = [(r"proxy/([^/]*)", ProxyHandler), (r"proxy/([^/]*)/.*", ProxyHandler)]
