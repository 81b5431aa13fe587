"""Bridge from standard input and output to the server's MCP endpoint, for assistants without HTTP. A process.

Each line of standard input is one JSON-RPC message, each line of standard output a reply. The server is found anew for
each request, as kernels do, so the bridge survives its restart; a private one is started where kernels start one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..wire import mcp_headers
from .connection import RETRY_DELAY_S, locate, start_servers_quietly
from .errors import LogStreamError, NoServer
from .event_loop import run_in_background
from .single_request import NoAnswer, Response, send

if TYPE_CHECKING:
    import argparse

REPLY_TIMEOUT_S = 90.0
"""The longest call waits 45 s for a run, after its search waited for others."""

RESTART_TIMEOUT_S = 30.0
"""How long a request waits for a server that was there and does not answer: it is likely to be restarting."""

MAX_CALLS = 32
"""Calls at a time; further lines are not read until one is answered."""

_CLOSING_S = 5.0  # calls that are open when standard input ends get so much time for their replies
_INTERNAL_ERROR = -32603


def main(given: argparse.Namespace) -> int:  # noqa: ARG001 - the verb has no arguments
    """Run until standard input ends."""
    start_servers_quietly()
    return Bridge().run()


class Bridge:
    """The open calls of one client. Bound: MAX_CALLS."""

    def __init__(self) -> None:
        self._calls: dict[Any, Future[None]] = {}
        self._free = threading.BoundedSemaphore(MAX_CALLS)
        self._output = threading.Lock()
        self._had_server = False

    def run(self) -> int:
        """Read messages until the end of standard input; returns the exit code."""
        for line in sys.stdin.buffer:
            if line.strip():
                self._accept(line.strip())
        open_calls = list(self._calls.values())
        for call in wait(open_calls, _CLOSING_S).not_done:
            call.cancel()
        return 0

    def _accept(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None  # the server answers it with the error
        message_id = message.get("id") if isinstance(message, dict) else None
        if isinstance(message, dict) and message.get("method") == "notifications/cancelled":
            self._cancel(message)
            return
        self._free.acquire()
        call = run_in_background(self._call(line, message, message_id))
        key = message_id if isinstance(message_id, str | int) else object()
        self._calls[key] = call
        call.add_done_callback(lambda done: self._ended(key, done))

    def _cancel(self, message: dict[str, Any]) -> None:
        """Disconnect a call: the server ends its work, and no reply is sent."""
        params = message.get("params")
        wanted = params.get("requestId") if isinstance(params, dict) else None
        call = self._calls.get(wanted) if isinstance(wanted, str | int) else None
        if call is not None:
            call.cancel()

    def _ended(self, key: Any, call: Future[None]) -> None:
        self._free.release()
        if self._calls.get(key) is call:
            del self._calls[key]
        with suppress(CancelledError, OSError):  # the client cancelled it, or has gone
            call.result()

    async def _call(self, line: bytes, message: Any, message_id: Any) -> None:
        try:
            response = await self._send(line, message)
        except LogStreamError as error:
            sys.stderr.write(f"jupyter logstream mcp: {error}\n")
            self._fail(message_id, str(error))
            return
        self._had_server = True
        try:
            reply = response.json() if response.content else None
        except ValueError:
            reply = {}
        if isinstance(reply, dict) and "jsonrpc" not in reply:  # of the server, not of its endpoint
            self._fail(message_id, str(reply.get("message") or f"the server answered with status {response.status}"))
        elif reply is not None:
            self._write(response.content)

    async def _send(self, line: bytes, message: Any) -> Response:
        """Send a message to the server that is there now. Raises NoServer."""
        deadline = time.monotonic() + RESTART_TIMEOUT_S
        repeated = {
            name: mcp_headers.encoded(value)
            for name, value in mcp_headers.repeated(message).items()
            if isinstance(value, str)
        }
        while True:
            try:
                server = await locate()
                login = {"Authorization": f"Bearer {server.secret}", "Content-Type": "application/json"}
                url, headers = f"{server.url}/logstream/mcp", {**login, **repeated}
                return await send(url, server.socket, "POST", None, line, headers, REPLY_TIMEOUT_S)
            except NoAnswer as error:
                if time.monotonic() > deadline or (error.was_sent and not _may_repeat(message)):
                    raise NoServer(f"The log server does not answer ({error}). Check that it is running.") from error
            except NoServer:
                if not self._had_server or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(RETRY_DELAY_S)

    def _fail(self, message_id: Any, problem: str) -> None:
        if message_id is not None:
            error = {"code": _INTERNAL_ERROR, "message": problem}
            self._write(json.dumps({"jsonrpc": "2.0", "id": message_id, "error": error}).encode())

    def _write(self, reply: bytes) -> None:
        with self._output:
            sys.stdout.buffer.write(reply + b"\n")
            sys.stdout.buffer.flush()


def _may_repeat(message: Any) -> bool:
    """Whether the server may receive a message twice: only a start without a key does more the second time."""
    params = message.get("params") if isinstance(message, dict) else None
    if not isinstance(params, dict) or params.get("name") != "start_run":
        return True
    arguments = params.get("arguments")
    return isinstance(arguments, dict) and bool(arguments.get("key"))
