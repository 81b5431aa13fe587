"""Proxy handler: `proxy/{upstream}/{path}`, every method; streams both bodies unbuffered. Server.

The exchange with the upstream starts when the request's head is known and the caller is authorized. From then on each
side waits for the other, and when one of them disconnects, the exchange is cancelled. `server/proxy/rules.py` decides
what passes, `request_log/call.py` what is recorded; this file connects them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from http.client import responses
from typing import TYPE_CHECKING, Any, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import url_path_join
from tornado.httputil import HTTPInputError
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler, authenticated, stream_request_body

from ...wire.llm_operations import operation_of, provider_of
from ..proxy.exchange import Answer, RequestBody, UpstreamFailed, UpstreamTimedOut
from ..proxy.rules import (
    BadPath,
    Header,
    accept_readable,
    request_headers,
    response_headers,
    target,
    upgrade_headers,
)
from ..proxy.tunnel import is_handshake, pump, verified_connection
from ..proxy.upstreams import Upstream
from ..request_log.call import Call, CallRequest
from ..request_log.redaction import MASK, CallRedactor
from .base import RESOURCE, LogStreamHandler
from .errors import Refused
from .proxy_request import (
    caller_of_request,
    check_access,
    check_framing,
    has_body,
    is_secure_context,
    secrets_of,
    upstream_path,
)
from .sse_response import disconnect

if TYPE_CHECKING:
    from tornado.http1connection import HTTP1Connection

    from ..proxy.client import UpstreamClient

_MAX_BODY_BYTES = 1 << 62  # bodies of any size pass through
_LINGER_S = 2.0  # how long a caller may still send after the response, so that it reads the response
_METHODS = (*RequestHandler.SUPPORTED_METHODS, "QUERY", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK")
_METHODS = (*_METHODS, "UNLOCK", "REPORT", "SEARCH", "LINK", "UNLINK", "PURGE")


@stream_request_body
class ProxyHandler(LogStreamHandler):
    """One call through the proxy."""

    SUPPORTED_METHODS = cast("Any", _METHODS)

    def initialize(self) -> None:
        self._body = RequestBody()
        self._uploaded = asyncio.Event()
        self._exchange: asyncio.Task[None] | None = None
        self._call: Call | None = None

    # --- the request's head -------------------------------------------------------------------------------------------

    def credentials(self) -> list[str]:
        """Also the headers in which SDKs send their key; a suffix after a dot names the caller (`upstream_url.py`)."""
        headers = self.request.headers
        keys = [headers[name] for name in ("x-api-key", "api-key", "x-goog-api-key") if name in headers]
        return [value.partition(".")[0] for value in (*super().credentials(), *keys)]

    async def prepare(self, **_: Any) -> None:
        """Authorize the caller and start the exchange; nothing of the body was read yet."""
        try:
            await super().prepare()
            await cast("Awaitable[None]", self._check_authorized())
            await self._begin()
        except HTTPError as error:
            if not has_body(self.request) or "Expect" in self.request.headers:
                raise
            self._exchange = asyncio.create_task(self._refuse(error))

    def _check_site(self) -> None:
        """Also refuse a GET by cookie that shows no site: browsers send Sec-Fetch-Site only over https or to loopback.

        A GET can have effects at an upstream, and a page of another site can cause it by a link.
        """
        super()._check_site()
        shows_site = any(name in self.request.headers for name in ("Sec-Fetch-Site", "Origin"))
        is_cookie = not self.token_authenticated and self.identity_provider.auth_enabled
        if is_cookie and not shows_site and not is_secure_context(self.request):
            self.check_xsrf_cookie()  # for GET a Referer of this site is enough

    @authenticated
    @authorized("execute", resource=RESOURCE)
    async def _check_authorized(self) -> None:
        """The decorators do the check."""

    async def _begin(self) -> None:
        upstream = self._upstream()
        check_framing(self.request)
        secrets = self._secrets()
        headers = list(self.request.headers.get_all())
        try:
            where = target(upstream, self._path(), self.request.query, secrets)
        except BadPath as error:
            raise Refused(400, "invalid_path", str(error)) from None
        onward = request_headers(headers, upstream, secrets)
        call = self._call = self._record(upstream, headers, onward, secrets)
        self._connection.set_max_body_size(_MAX_BODY_BYTES)
        if call.is_llm:
            onward = accept_readable(onward)
        if self._is_handshake():
            onward += upgrade_headers(headers, secrets)
        elif "Content-Length" in self.request.headers:
            onward.append(("Content-Length", self.request.headers["Content-Length"]))
        self._exchange = asyncio.create_task(self._run(upstream, where, onward, call))
        self._register(self._exchange)

    def _is_handshake(self) -> bool:
        request = self.request
        return is_handshake(request.method or "", request.version, request.headers, has_body=has_body(request))

    def _upstream(self) -> Upstream:
        upstream = self.services.upstreams.get(self.path_args[0])
        if upstream is None:
            raise Refused(404, "unknown_upstream", "there is no such upstream in the server's configuration")
        check_access(self.request, upstream, is_kernel=self._is_kernel)
        return upstream

    def _path(self) -> str:
        return upstream_path(self.request, self.base_url)

    def _secrets(self) -> frozenset[str]:
        # JupyterHub ignores tokens in queries and has one per user: only Jupyter's own proves how the caller logged in.
        by_query = self.request.query_arguments.get("token", [b""])[-1].decode("latin-1").strip()
        is_by_query = by_query != "" and by_query == self.token
        uses_header = not self._is_kernel and self.token_authenticated and not is_by_query
        known = (self.services.secret, self.token or "")
        return secrets_of(self.request, known, uses_header=uses_header)

    def _record(self, upstream: Upstream, headers: list[Header], onward: list[Header], secrets: frozenset[str]) -> Call:
        """Start the call's row in the request log; `onward` are the headers that the upstream receives."""
        services, request = self.services, self.request
        redactor = CallRedactor(secrets, services.redactor)
        redactor.learn(headers, request.query)
        operation = operation_of(request.method or "", upstream.prefix + self._path())
        provider = upstream.provider or (provider_of(upstream.host, operation) if operation else None)
        shown = [(name, MASK if name in upstream.headers else value) for name, value in onward if name != "Host"]
        described = CallRequest(
            upstream=upstream.name,
            method=request.method or "",
            path=self._path(),
            query=request.query,
            headers=shown,
            caller=caller_of_request(request, is_kernel=self._is_kernel),
            operation=operation,
            provider=provider,
            prices=upstream.prices,
        )
        return Call(services.request_log, services.prices, described, redactor, services.max_body_bytes)

    @property
    def _connection(self) -> HTTP1Connection:
        return cast("HTTP1Connection", self.request.connection)

    @property
    def _client(self) -> UpstreamClient:
        client = self.services.upstream_client
        if client is None:
            raise RuntimeError("the server has upstreams but no client for them")
        return client

    def _register(self, call: asyncio.Task[None]) -> None:
        """Let the extension cancel the call when the server stops."""
        calls = self.services.open_calls
        calls.add(call)
        call.add_done_callback(calls.discard)

    # --- the exchange -------------------------------------------------------------------------------------------------

    async def _run(self, upstream: Upstream, where: str, headers: list[Header], call: Call) -> None:
        """Run the exchange, and record how it ended."""
        body = self._body if has_body(self.request) else None
        try:
            async with self._client.exchange(upstream, self.request.method or "", where, headers, body) as answer:
                if answer.status == 101 and self._is_handshake():
                    await self._tunnel(answer, call)
                    return
                await self._send(answer, upstream, where, call)
            await call.prepare_end()
            call.finish()
            self._body.close()
            await self._linger()
            self.finish()
        except UpstreamFailed as error:
            await self._respond_failure(upstream, call, error)
        except StreamClosedError:
            call.fail("cancelled")
        except asyncio.CancelledError:
            call.fail("interrupted" if self.services.open_streams.closing else "cancelled")
            disconnect(self)
        finally:
            call.fail("error", "the proxy failed")  # an unexpected fault; no effect if the call has ended
            self._body.close()

    async def _send(self, answer: Answer, upstream: Upstream, where: str, call: Call) -> None:
        """Send the upstream's response to the caller as it arrives."""
        call.answered(answer.status, answer.headers)
        self._set_head(answer, upstream, where)
        self._connection.stream.set_nodelay(True)  # else a token waits until the previous one is acknowledged
        await self.flush()
        async for chunk in answer.chunks:
            call.received(chunk)
            await self._connection.write(chunk)
            while call.is_behind:  # the chunk inflates to a lot of text
                await asyncio.sleep(0)
                call.read_on()

    async def _tunnel(self, answer: Answer, call: Call) -> None:
        """Detach the caller's connection, and copy bytes both ways until one end closes."""
        connection = verified_connection(answer, self.request.headers.get("Sec-WebSocket-Key", ""))
        call.answered(answer.status, answer.headers)
        await pump(self.detach(), connection, answer.headers, call)

    def _set_head(self, answer: Answer, upstream: Upstream, where: str) -> None:
        if not 200 <= answer.status <= 599:
            raise UpstreamFailed("sent an invalid HTTP status")
        codings = [value.strip().lower() for name, value in answer.headers if name.lower() == "transfer-encoding"]
        if codings not in ([], ["chunked"]):
            raise UpstreamFailed("sent a body in a transfer coding other than chunked")
        vars(self).pop("_new_cookie", None)  # Jupyter's login cookie does not belong to an upstream's response
        self._transforms = []  # no compression: bytes pass through unchanged
        self.set_status(answer.status, responses.get(answer.status, "Unknown"))
        headers = response_headers(answer.headers, upstream, self._here(upstream), where)
        names = {name.lower() for name, _ in headers}
        if answer.status == 204 or codings:
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        for name in {"content-type", "server", "date"} | names:
            self.clear_header(name)
        try:
            for name, value in headers:
                self.add_header(name, value)
        except (ValueError, HTTPInputError):
            raise UpstreamFailed("sent a malformed header") from None
        if "Content-Length" not in self._headers and answer.status not in {204, 304}:
            self.set_header("Connection", "close")  # browsers otherwise drain an abandoned stream for up to 5 s
        if self._headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/event-stream":
            self.set_header("X-Accel-Buffering", "no")

    def _here(self, upstream: Upstream) -> str:
        """The proxy's own path of an upstream."""
        return url_path_join(self.base_url, "logstream/proxy", upstream.name)

    async def _respond_failure(self, upstream: Upstream, call: Call, error: UpstreamFailed) -> None:
        """Respond with an error; disconnect if a response has begun: it must not look complete."""
        state, status, reason = _failure(error)
        begun = self._headers_written
        message = f"incomplete: {error}" if begun and state != "timeout" else str(error)
        call.fail(state, message, None if begun else status)
        if begun:
            disconnect(self)
        else:
            await self._refuse(Refused(status, reason, f"the upstream {upstream.name} {error}"))

    async def _refuse(self, error: HTTPError) -> None:
        """Respond with an error while the caller may still be sending, so that it can read the response."""
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
            return

    async def _linger(self) -> None:
        """Wait for the rest of the upload: closing before it would reset the connection and lose the response."""
        if has_body(self.request) and not self._uploaded.is_set():
            waiting = asyncio.create_task(self._uploaded.wait())
            await asyncio.wait([waiting], timeout=_LINGER_S)
            waiting.cancel()

    # --- called by Tornado --------------------------------------------------------------------------------------------

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A chunk of the request's body; Tornado reads the next one when the upstream has accepted this one."""
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
        """Called when the whole request was received: wait for the end of the exchange."""
        self._uploaded.set()
        if self._exchange is None:
            return
        if has_body(self.request):
            await self._body.put(None)
        await asyncio.wait([self._exchange])
        if not self._exchange.cancelled():
            self._exchange.result()  # raises an unexpected fault

    head = post = put = patch = delete = get
    options = cast("Any", get)
    query = propfind = proppatch = mkcol = copy = move = lock = unlock = report = search = link = unlink = purge = get


def _failure(error: UpstreamFailed) -> tuple[str, int, str]:
    """The state of the call's row, the HTTP status and the reason."""
    if isinstance(error, UpstreamTimedOut):
        return "timeout", 504, "upstream_timeout"
    return "error", 502, "bad_gateway"


ROUTES = [(r"proxy/([^/]*)", ProxyHandler), (r"proxy/([^/]*)/.*", ProxyHandler)]
