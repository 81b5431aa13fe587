"""Lifetime of a private server: it ends when idle, or when a Jupyter server claims its store. Private server."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .services import Services
from .store_choice import is_claimed

if TYPE_CHECKING:
    from tornado.web import Application, RequestHandler

IDLE_VARIABLE = "JUPYTER_LOGSTREAM_IDLE_S"
_POLL_INTERVAL_S = 0.25


class PrivateLifetime:
    """Calls `end` once: after `idle_s` seconds without workloads, streams and requests, or when `root` is claimed."""

    def __init__(
        self, root: Path, services: Services, idle_s: float, end: Callable[[], None], log: logging.Logger
    ) -> None:
        self._root, self._services, self._idle_s = root, services, idle_s
        self._end, self._log = end, log
        self._last_use = time.monotonic()

    def count_requests(self, app: Application) -> None:
        """Treat each request as a use, except those that only report the server's state."""
        log_request = app.settings.get("log_function")

        def used(handler: RequestHandler) -> None:
            if not handler.request.path.endswith("/logstream/v1/info"):
                self._last_use = time.monotonic()
            if log_request is not None:
                log_request(handler)

        app.settings["log_function"] = used

    async def run(self) -> None:
        """Watch until the end."""
        while True:
            services = self._services
            if services.engine.running or services.open_streams.counts()["connections"]:
                self._last_use = time.monotonic()
            if is_claimed(self._root):
                self._log.warning("A Jupyter server takes over the log store %s", self._root)
                break
            if time.monotonic() - self._last_use > self._idle_s:
                self._log.warning("Not used for %g s", self._idle_s)
                break
            await asyncio.sleep(_POLL_INTERVAL_S)
        self._end()


def idle_limit_s(configured: float) -> float:
    """The limit of idle time: the environment's, where it has a valid one, else the configured one."""
    try:
        return max(float(os.environ[IDLE_VARIABLE]), 0.0)
    except (KeyError, ValueError):
        return configured
