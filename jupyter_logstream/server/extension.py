"""The server extension: options, wiring, start and stop. Server side; it knows everything and does nothing itself."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir
from jupyter_server._tz import utcnow
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp  # noqa: TC002 - as our own values
from tornado.ioloop import PeriodicCallback
from traitlets import Bool, Dict, Float, Int, List, Unicode, Union

from ..backends.configured import DEFAULT_BACKENDS, BackendContext, make_backends
from ..backends.protocol import Backend
from ..store.disk.file_store import FileStore, StoreInUse
from ..store.disk.folder import read_json, write_json
from ..text.masking import SECRET_NAMES, Masker, secret_values
from .engine import Engine
from .http import routes
from .http.sse_response import OpenStreams
from .proxy.upstreams import Upstream, check_upstreams
from .publishing import Publisher
from .registry import FolderRegistry
from .request_log.log import RequestLog
from .request_log.prices import Prices
from .retention import Limits
from .service_log import ServiceLog
from .workload_feed import WorkloadFeed

if TYPE_CHECKING:
    from .proxy.client import UpstreamClient

_STORES = 64  # servers of one user that may run side by side
_ACTIVITY_PAUSE = 30_000  # ms


class LogStream(ExtensionApp):
    """Runs workloads that outlive kernel, page and server, and serves their logs."""

    name = "jupyter_logstream"
    static_paths = [str(Path(__file__).parents[1] / "static")]  # noqa: RUF012 - ExtensionApp's own; the page's views

    store_dir = Unicode(
        "", help="Folder of the logs; empty: logstream/1 in Jupyter's data folder (2 for a second server ...)."
    ).tag(config=True)
    max_running = Int(None, allow_none=True, help="How many workloads may run at once; others are queued.").tag(
        config=True
    )
    max_queued = Int(1000, help="How many workloads may be queued.").tag(config=True)
    cancel_grace = Float(10.0, help="Seconds between TERM and KILL when a workload is cancelled or times out.").tag(
        config=True
    )
    log_bytes = Int(1 << 30, help="Bytes that one log may take on disk; then its oldest lines go.").tag(config=True)
    total_bytes = Int(10 << 30, help="Bytes that all logs may take; then the oldest ended workloads go.").tag(
        config=True
    )
    max_age_days = Float(30.0, help="Days after which an ended workload and its log go.").tag(config=True)
    secret_names = List(
        Unicode(),
        list(SECRET_NAMES),
        help="Environment variables whose values (8 bytes or more) are masked in output: globs, whatever the case.",
    ).tag(config=True)
    running_is_activity = Bool(True, help="Whether a running workload keeps the server from being culled as idle.").tag(
        config=True
    )

    backends = Dict(
        default_value=dict(DEFAULT_BACKENDS),
        help='Where workloads can run: {"name": {"type": "local"}}; type is "local" or an import string '
        '"package.module:factory", further keys are settings of the type. It replaces the default, which has "local".',
    ).tag(config=True)
    upstreams = Union(
        [Dict(), Unicode()],  # what is no literal is for us to refuse, in words
        help='Services that the proxy leads to: {"name": {"url": "https://...", "headers": {...}}}; see docs/proxy.md.',
    ).tag(config=True)
    request_bodies = Int(
        0, min=0, help="Bytes of each request's and response's body that the request log keeps, masked; 0: none."
    ).tag(config=True)
    request_listeners = Int(100, min=0, help="How many readers the stream of the request log may have.").tag(
        config=True
    )

    engine: Engine
    store: FileStore
    checked_upstreams: dict[str, Upstream]
    upstream_client: UpstreamClient
    request_log: RequestLog
    prices: Prices
    streams: OpenStreams
    workload_list: WorkloadFeed
    publisher: Publisher
    service_log: ServiceLog
    secret: str
    secret_values: list[bytes]

    def initialize_settings(self) -> None:
        """Open the store and make the engine; handlers find both by the settings."""
        assert self.serverapp is not None  # noqa: S101 - Jupyter links us before it initializes us
        self.store = self._open_store()
        self.secret = self._keep_secret()
        self.streams = OpenStreams()
        self._open_proxy()
        registry = FolderRegistry(self.store.folders)
        limits = Limits(
            max_running=self.max_running,
            max_queued=self.max_queued,
            grace_s=self.cancel_grace,
            total_bytes=self.total_bytes,
            max_age_s=self.max_age_days * 86400,
        )
        self.engine = Engine(self.store, registry, self._configured_backends(), limits, self.log)
        self.workload_list = WorkloadFeed(self.engine, self.store)
        values = self.secret_values = self._secret_values()
        self.publisher = Publisher(self.engine, self.store, Masker(values))
        self.service_log = ServiceLog(values)
        self.settings["logstream"] = self

    def _configured_backends(self) -> dict[str, Backend]:
        """The configured backends; an invalid entry is reported in the server's log and left out."""
        assert self.serverapp is not None  # noqa: S101 - as above
        context = BackendContext(
            folders=self.store.folders,
            root=Path(self.serverapp.root_dir).absolute(),
            log_bytes=self.log_bytes,
            grace_s=self.cancel_grace,
            secret_names=self.secret_names,
        )
        backends, problems = make_backends(self.backends, context)
        for problem in problems:
            self.log.error("A backend is not available: %s", problem)
        return backends

    def _open_proxy(self) -> None:
        self.checked_upstreams, problems = check_upstreams(self.upstreams)
        for problem in problems:
            self.log.error("The proxy does without an upstream: %s", problem)
        if self.checked_upstreams:  # what carries exchanges is heavy: not for those who have none
            from .proxy.client import UpstreamClient  # noqa: PLC0415 - as said

            self.upstream_client = UpstreamClient()
        self.request_log = RequestLog(self.store.root / "requests", self.log, max_age_s=self.max_age_days * 86400)
        self.request_readers = 0
        self.prices = Prices(Path(jupyter_config_dir()) / "logstream-prices.json", self.log)
        self.open_calls: set[asyncio.Task[None]] = set()

    def initialize_handlers(self) -> None:
        """Add our routes."""
        self.handlers.extend(routes())

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Jupyter's hook with the final port: tell kernels where we are, and find again what runs."""
        self._publish_address(serverapp)
        level = serverapp.log_level  # as the console's handler: the logger itself lets everything through
        self.service_log.setLevel(level if isinstance(level, int) else str(level))
        self.service_log.listen(serverapp.log, logging.getLogger())
        await self.engine.recover()
        self._activity = PeriodicCallback(self._tell_activity, _ACTIVITY_PAUSE)
        self._activity.start()
        self._tell_activity()

    async def stop_extension(self) -> None:
        """Cut the streams and let go of the store; what runs goes on."""
        if "logstream" not in self.settings:  # we could not start, and were told to stop all the same
            return
        self.streams.close()
        self.service_log.leave()
        if hasattr(self, "_activity"):
            self._activity.stop()
        for call in list(self.open_calls):
            call.cancel()
        await asyncio.gather(*self.open_calls, return_exceptions=True)
        if self.checked_upstreams:
            await self.upstream_client.close()
        self.request_log.close()
        await self.engine.close()
        self.store.close()

    def _open_store(self) -> FileStore:
        if self.store_dir:
            return FileStore(Path(self.store_dir).expanduser().absolute(), keep=self.log_bytes)
        for number in range(1, _STORES):
            try:
                return FileStore(Path(jupyter_data_dir()) / "logstream" / str(number), keep=self.log_bytes)
            except StoreInUse:
                continue
        raise StoreInUse(f"{_STORES} servers of this user have a log store open")

    def _secret_values(self) -> list[bytes]:
        """What must stand in no log: the kernels' secret, the token, upstreams' keys, the environment's secrets."""
        assert self.serverapp is not None  # noqa: S101 - as above
        token = getattr(self.serverapp.identity_provider, "token", "") or ""
        keys = [secret for upstream in self.checked_upstreams.values() for secret in upstream.secrets]
        ours = [text.encode() for text in (self.secret, token, *keys) if text]
        return [*ours, *secret_values(os.environ, self.secret_names)]

    @property
    def _address(self) -> Path:
        return self.store.root / "server.json"

    def _keep_secret(self) -> str:
        """The kernels' secret: stable, since workloads outlive the server that gave it to them."""
        try:
            secret = read_json(self._address)["secret"]
            if isinstance(secret, str) and len(secret) >= 32:
                return secret
        except (OSError, ValueError, KeyError):
            pass  # a new store
        secret = secrets.token_urlsafe(32)
        write_json(self._address, {"url": "", "secret": secret})
        return secret

    def _publish_address(self, server: ServerApp) -> None:
        """In a file for those who outlive us, and in the environment that kernels and workloads inherit."""
        url = _local_url(server)
        try:
            write_json(self._address, {"url": url, "secret": self.secret})
        except OSError as error:
            self.log.warning("Workloads of earlier servers cannot be told where this one is: %s", error.strerror)
        os.environ["JUPYTER_LOGSTREAM_SERVER"] = str(self._address)
        os.environ["JUPYTER_LOGSTREAM_URL"] = url
        os.environ["JUPYTER_LOGSTREAM_SECRET"] = self.secret

    def _tell_activity(self) -> None:
        if self.running_is_activity and self.engine.running and self.serverapp is not None:
            self.serverapp.web_app.settings["last_activity_times"][self.name] = utcnow()


def _local_url(server: ServerApp) -> str:
    """Where a process of this machine reaches the server."""
    host = server.ip if server.ip not in {"", "*", "0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104 - compared, not bound
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if server.certfile else "http"
    return f"{scheme}://{host}:{server.port}{server.base_url}"
