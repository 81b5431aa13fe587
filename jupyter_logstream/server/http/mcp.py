"""The Model Context Protocol over HTTP: `POST mcp`, one JSON-RPC message a request, without sessions. Server.

Off unless `c.LogStream.mcp` is set. Login, XSRF and permissions are those of all other routes; a page of another origin
is refused even with a token, as the protocol requires.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from ...wire import mcp_headers
from ..mcp import messages
from ..mcp.messages import RpcError, id_of, read_message
from ..mcp.runs import Runs
from ..mcp.service import answer
from .base import RESOURCE, LogStreamHandler
from .errors import Refused
from .sse_response import disconnect

STATUSES = {
    messages.PARSE_ERROR: 400,
    messages.INVALID_REQUEST: 400,
    messages.INVALID_PARAMS: 400,
    messages.HEADER_MISMATCH: 400,
    messages.UNSUPPORTED_VERSION: 400,
    messages.METHOD_NOT_FOUND: 404,
}
"""Status codes of JSON-RPC errors since 2026-07-28. Clients of earlier versions take a 404 for the end of a session."""

_ALWAYS = frozenset({messages.PARSE_ERROR, messages.INVALID_REQUEST})


_LOG_IN = "log in: send the header Authorization: token followed by the token of this Jupyter server"
_FOREIGN = "pages of this origin have no access; to allow it, set c.ServerApp.allow_origin or allow_origin_pat"


class McpHandler(LogStreamHandler):
    """`POST mcp`."""

    _work: asyncio.Task[None] | None = None

    async def prepare(self, **_: Any) -> None:
        """Authenticate; while the endpoint is off, it does not exist."""
        self.check_origin()
        await super().prepare()
        if not self.services.mcp and self.current_user and not self._finished and self.request.method != "OPTIONS":
            problem = "assistants have no access to this server: set c.LogStream.mcp = True and restart it"
            raise Refused(404, "mcp_off", problem)
        self._track_activity = False  # an assistant that waits does not keep the server from being culled

    def skip_check_origin(self) -> bool:
        """Jupyter's check is skipped for requests with a token; ours never is."""
        return False

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        """Jupyter's check. Raises Refused (403): for clients, 404 means that there is no endpoint."""
        if not super().check_origin(origin_to_satisfy_tornado):
            raise Refused(403, "foreign_origin", _FOREIGN)
        return True

    def check_xsrf_cookie(self) -> None:
        """As all handlers. The answer to a missing login or a wrong token names the header, not the XSRF cookie."""
        if getattr(self, "_jupyter_current_user", self) is None:
            raise Refused(403, "forbidden", _LOG_IN)
        super().check_xsrf_cookie()

    @authenticated
    @authorized("read", resource=RESOURCE)
    async def post(self) -> None:
        self.parameters()
        self._work = asyncio.create_task(self._respond())
        self.services.open_calls.add(self._work)
        self._work.add_done_callback(self.services.open_calls.discard)
        try:
            await self._work
        except asyncio.CancelledError:
            if not self._work.cancelled():
                raise
            disconnect(self)  # the client has gone, or the server is stopping

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """As all handlers; other methods than POST learn which one is allowed (RFC 9110, 15.5.6)."""
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", "POST")
        super().write_error(status_code, **kwargs)

    def on_connection_close(self) -> None:
        """End the call: the client has gone."""
        if self._work is not None:
            self._work.cancel()
        super().on_connection_close()

    async def _respond(self) -> None:
        headers = {name: self.request.headers[name] for name in mcp_headers.SOURCES if name in self.request.headers}
        message_id = None
        try:
            body = await self._json()
            message_id = id_of(body)
            message = read_message(body, headers)
            if message.id is None:
                self.set_status(202)
                self.finish()
                return
            self.answer(await answer(await self._runs(), message))
        except RpcError as error:
            status = STATUSES.get(error.code, 200) if error.is_modern or error.code in _ALWAYS else 200
            self.answer({"jsonrpc": "2.0", "id": message_id, "error": error.to_json()}, status)

    async def _json(self) -> Any:
        """The body. Raises RpcError if it is no JSON."""
        try:
            return await self.json_value()
        except Refused as error:
            if error.status_code == 415:
                raise
            raise RpcError(messages.PARSE_ERROR, error.text) from None

    async def _runs(self) -> Runs:
        services = self.services
        may_write = services.mcp_write and await self._may_execute()
        return Runs(self.engine, self.store, services.search_pool, services.redactor, may_write)

    async def _may_execute(self) -> bool:
        """Whether the caller is allowed to start runs; to others, the tools that do are not listed."""
        allowed = self.authorizer.is_authorized(self, self.current_user, "execute", RESOURCE)
        return bool(await ensure_async(cast("Any", allowed)))


ROUTES = [(r"mcp", McpHandler)]
