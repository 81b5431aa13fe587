"""The front end that runs this kernel, as the relay sees it: threads that can send, and whether pages can be reached.

Runs in kernels. The only file of the relay that knows marimo, Jupyter's variables and the kernel's main loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def sender(send: Callable[[Any], None]) -> Callable[[Any], None]:
    """`send` for other threads: in marimo, a thread without the cell's context sends nothing, without an error."""
    if "marimo" not in sys.modules:
        return send
    context = import_module("marimo._runtime.context.types").safe_get_context()
    if context is None:
        return send

    def send_in_context(message: Any) -> None:
        with context.install():
            send(message)

    return send_in_context


class IdleProbe:
    """Reports whether the main thread's loop has run since the last check; True where there is no such loop."""

    def __init__(self) -> None:
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._has_run = False

    def check(self) -> bool:
        """Whether it has run since the last call."""
        if self._loop is None or self._loop.is_closed():
            return True
        has_run, self._has_run = self._has_run, False
        self._loop.call_soon_threadsafe(self._mark)
        return has_run

    def _mark(self) -> None:
        self._has_run = True


def pages_reach_server() -> bool:
    """Whether the pages of this kernel can be expected to reach the log server: it is the one that started the kernel.

    Then views are sent only on request. Otherwise the kernel pushes them: while it is busy it hears no request.
    """
    try:
        address = json.loads(Path(os.environ["JUPYTER_LOGSTREAM_SERVER"]).read_bytes())
        return str(address["pid"]) == os.environ["JPY_PARENT_PID"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
