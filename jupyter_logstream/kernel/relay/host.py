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
    context = _marimo_context()
    if context is None:
        return send

    def send_in_context(message: Any) -> None:
        with context.install():
            send(message)

    return send_in_context


class _CellItem:
    """What marimo disposes of before a cell runs again, in the form that it expects."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end

    def create(self, context: object) -> None:
        """Nothing to do: it exists already."""

    def dispose(self, context: object, deletion: bool) -> bool:  # noqa: ARG002 - marimo's names
        """Run the callback; True: once is enough."""
        self._on_end()
        return True


def on_cell_end(on_end: Callable[[], None]) -> bool:
    """Call `on_end` once, before marimo runs the current cell again or deletes it. Returns False outside marimo."""
    context = _marimo_context()
    if context is None:
        return False
    context.cell_lifecycle_registry.add(_CellItem(on_end))
    return True


def _marimo_context() -> Any:
    """The session that runs this thread's cell; None outside marimo."""
    if "marimo" not in sys.modules:
        return None
    return import_module("marimo._runtime.context.types").safe_get_context()


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
