"""Jupyter server extension: options, building of the services, start and stop. Server; no logic of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir
from jupyter_server._tz import utcnow
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp  # noqa: TC002 - as our own values
from tornado.ioloop import PeriodicCallback
from traitlets import Any, Bool, Bunch, Dict, Enum, Float, Int, List, TraitError, Unicode, Union, default, validate

from ..backends.configured import DEFAULT_BACKENDS, make_backends
from ..backends.context import BackendContext
from ..backends.protocol import Backend
from ..model.protocol import RUNNER_VARIABLE
from ..store.disk.file_store import FileStore
from ..store.disk.folder import MAX_PAYLOAD_BYTES, make_private, read_file, read_json, replace_file, write_json
from ..store.disk.layout import MIN_LOG_BYTES
from ..text.redactor import SECRET_NAMES, BadMask, Redactor, parse_masks, secret_values
from ..wire.runner_socket import MAX_GRACE_S
from .addresses import local_url, outward_url
from .adoption import Adoption
from .authorization import ACTIONS, VisitorRule
from .disclosure import Disclosure
from .engine import Engine
from .http import routes
from .mcp.options import McpOptions
from .open_streams import ReaderLimit
from .otlp.options import OtlpOptions
from .otlp.target import secrets_of
from .payloads import Payloads
from .private_lifetime import PrivateLifetime, idle_limit_s
from .proxy.upstreams import Upstream, check_upstreams
from .publishing import Publisher
from .registry import FolderRegistry
from .request_log.log import RequestLog
from .request_log.prices import Prices
from .retention import Limits
from .service_log import ServiceLog
from .services import Services
from .store_choice import (
    ADDRESS_FILE,
    Owner,
    choose,
    choose_private,
    hub_place,
    open_configured,
    write_owner,
    write_pointer,
)
from .workload_feed import WorkloadFeed

if TYPE_CHECKING:
    from .proxy.client import UpstreamClient

_ACTIVITY_INTERVAL_MS = 30_000
_DAY_S = 86400


class LogStream(McpOptions, OtlpOptions, ExtensionApp):
    """Runs workloads that outlive kernel, page and server, and serves their logs."""

    name = "jupyter_logstream"
    static_paths = [str(Path(__file__).parents[1] / "static")]  # noqa: RUF012 - ExtensionApp's own; the views' bundles

    private = Bool(False, help="Set by a private server, which gives its store to a Jupyter server.").tag(config=True)
    private_idle = Float(
        600.0,
        help="Seconds without workloads and clients after which a private server ends; JUPYTER_LOGSTREAM_IDLE_S "
        "takes precedence.",
    ).tag(config=True)

    store_dir = Unicode(
        "", help="Folder of the logs; empty: logstream/1 in Jupyter's data folder (2 for a second server ...)."
    ).tag(config=True)
    max_running = Int(None, allow_none=True, help="Maximum number of running workloads; others are queued.").tag(
        config=True
    )
    max_queued = Int(1000, help="Maximum of queued workloads; further ones are refused with 429.").tag(config=True)
    cancel_grace = Float(10.0, help="Seconds between TERM and KILL when a workload is cancelled or times out.").tag(
        config=True
    )
    linger = Float(
        3600.0,
        help="Seconds for which output of background processes that outlive their workload is added to its log; then "
        "their terminal is closed.",
    ).tag(config=True)
    log_bytes = Int(
        1 << 30,
        help="Maximum size of one log on disk, at least 256 MiB; beyond it, the oldest lines are deleted.",
    ).tag(config=True)
    total_bytes = Int(
        10 << 30, help="Maximum size of all logs; beyond it, the oldest ended workloads are deleted."
    ).tag(config=True)
    max_age_days = Float(30.0, help="Days after which an ended workload and its log are deleted.").tag(config=True)
    max_payload_bytes = Int(
        MAX_PAYLOAD_BYTES, min=0, help="Maximum size of a function with its data, and of its result, in bytes."
    ).tag(config=True)
    secret_names = List(
        Unicode(),
        list(SECRET_NAMES),
        help="Environment variables whose values (8 bytes or more) are masked: globs, case-insensitive.",
    ).tag(config=True)
    masks = List(
        Any(),  # parse_masks rejects what is no string, with a message
        [],
        help="Further secrets: values of 8 bytes or more, and /regular expressions/ within a line, of which "
        "the first group, or else all, is masked.",
    ).tag(config=True)
    follow_roots = List(
        Unicode(), [], help="Folders besides the server's root below which files can be followed, links resolved."
    ).tag(config=True)
    running_is_activity = Bool(True, help="Whether a running workload keeps the server from being culled as idle.").tag(
        config=True
    )

    backends = Dict(
        default_value=dict(DEFAULT_BACKENDS),
        help='Where workloads can run: {"name": {"type": "local"}}; type is "local" or an import string '
        '"package.module:factory", further keys are settings of the type. It replaces the default, which has "local".',
    ).tag(config=True)
    public_url = Unicode(
        help="This server's URL, with its base URL, for runners on other machines that connect to it (Ray). Default: "
        "JUPYTERHUB_PUBLIC_URL, else this machine's address and the server's port."
    ).tag(config=True)
    upstreams = Union(
        [Dict(), Unicode()],  # check_upstreams rejects a string, with a message
        help='Upstreams of the proxy: {"name": {"url": "https://...", "headers": {...}}}; see docs/proxy.md.',
    ).tag(config=True)
    request_bodies = Int(
        0, min=0, help="Bytes of each request's and response's body that the request log retains, redacted; 0: none."
    ).tag(config=True)
    owner = Unicode(
        help="The user of this server, who is allowed all actions; others have `visitor_actions`. Empty: all users are "
        "treated alike. Default: JUPYTERHUB_USER."
    ).tag(config=True)
    visitor_actions = List(
        Enum(ACTIONS),
        ["read"],
        help="What users other than the owner can do, if the Authorizer allows it: read, write (publish, delete), "
        "execute (start, cancel, input, proxy).",
    ).tag(config=True)
    request_listeners = Int(100, min=0, help="Maximum of clients that read the stream of the request log.").tag(
        config=True
    )

    services: Services

    @default("owner")
    def _default_owner(self) -> str:
        return os.environ.get("JUPYTERHUB_USER", "")

    @validate("cancel_grace", "linger")
    def _check_seconds(self, proposal: Bunch) -> float:
        seconds = float(proposal["value"])
        if not 0 <= seconds <= MAX_GRACE_S:  # false for NaN too
            raise TraitError(
                f"c.LogStream.{proposal['trait'].name} must be 0 to {MAX_GRACE_S:g} seconds, not {seconds}"
            )
        return seconds

    @validate("log_bytes")
    def _check_log_bytes(self, proposal: Bunch) -> int:
        size = int(proposal["value"])
        if size < MIN_LOG_BYTES:  # a log keeps the newest segment of each of its files
            raise TraitError(f"c.LogStream.log_bytes must be at least {MIN_LOG_BYTES} (256 MiB), not {size}")
        return size

    @validate("masks")
    def _check_masks(self, proposal: Bunch) -> list[str]:
        try:
            parse_masks(proposal["value"])
        except BadMask as error:
            raise TraitError(f"c.LogStream.masks{error}") from None
        return list(proposal["value"])

    def initialize_settings(self) -> None:
        """Open the store and build the services; handlers find them in the settings."""
        assert self.serverapp is not None  # noqa: S101 - Jupyter links the extension before it initializes it
        store = self._open_store()
        secret = _load_secret(store.root / ADDRESS_FILE)
        upstreams = self._check_upstreams()
        values = self._secret_values(secret, upstreams)
        registry = FolderRegistry(store.stream_folders)
        masks = parse_masks(list(map(str, self.masks)))
        disclosure = Disclosure(values, self.secret_names, masks)
        redactor = Redactor([*values, *masks.values], masks.patterns)
        engine = Engine(store, registry, self._configured_backends(store), self._limits(), self.log, disclosure)
        request_log = RequestLog(store.root / "requests", self.log, max_age_s=self.max_age_days * _DAY_S)
        self._store = store
        self._exporter = self.make_exporter(
            store, engine, request_log, self.log, linger_s=self.linger, mask=redactor.mask
        )
        self.services = self.settings["logstream"] = Services(
            engine=engine,
            store=store,
            payloads=Payloads(store.root / "payloads", self.max_payload_bytes),
            publisher=Publisher(engine, store, redactor),
            workload_feed=WorkloadFeed(engine, store),
            service_log=ServiceLog(redactor),
            request_log=request_log,
            request_readers=ReaderLimit(self.request_listeners),
            prices=Prices(Path(jupyter_config_dir()) / "logstream-prices.json", self.log),
            upstreams=upstreams,
            upstream_client=_upstream_client() if upstreams else None,
            secret=secret,
            redactor=redactor,
            max_body_bytes=self.request_bodies,
            mcp=self.mcp,
            mcp_write=self.mcp_write,
            visitors=VisitorRule(self.owner, frozenset(self.visitor_actions)),
        )

    def _limits(self) -> Limits:
        return Limits(
            max_running=self.max_running,
            max_queued=self.max_queued,
            grace_s=self.cancel_grace,
            total_bytes=self.total_bytes,
            max_age_s=self.max_age_days * _DAY_S,
        )

    def _configured_backends(self, store: FileStore) -> dict[str, Backend]:
        """The configured backends; an invalid entry is reported in the server's log and left out."""
        assert self.serverapp is not None  # noqa: S101 - as above
        context = BackendContext(
            folders=store.stream_folders,
            root=Path(self.serverapp.root_dir).absolute(),
            log_bytes=self.log_bytes,
            grace_s=self.cancel_grace,
            secret_names=self.secret_names,
            linger_s=self.linger,
            masks=list(map(str, self.masks)),
            max_payload_bytes=self.max_payload_bytes,
            follow_roots=[Path(root).expanduser().absolute() for root in self.follow_roots],
            public_url=self._public_url,
        )
        backends, problems = make_backends(self.backends, context)
        for problem in problems:
            self.log.error("A backend is not available: %s", problem)
        return backends

    def _public_url(self) -> str:
        """The URL for other machines; only valid once the server listens."""
        assert self.serverapp is not None  # noqa: S101 - as above
        return self.public_url or os.environ.get("JUPYTERHUB_PUBLIC_URL", "") or outward_url(self.serverapp)

    def _check_upstreams(self) -> dict[str, Upstream]:
        """The configured upstreams; an invalid one is reported in the server's log and left out."""
        upstreams, problems = check_upstreams(self.upstreams)
        for problem in problems:
            self.log.error("An upstream of the proxy is not available: %s", problem)
        return upstreams

    def initialize_handlers(self) -> None:
        """Add our routes."""
        self.handlers.extend(routes())

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Jupyter's hook when the port is known: publish the address, and recover the workloads that still run."""
        self._publish_address(serverapp)
        if self.services.upstreams:
            self.services.prices.load()
        level = serverapp.log_level  # as the console's handler; the logger itself passes everything
        self.services.service_log.setLevel(level if isinstance(level, int) else str(level))
        self.services.service_log.attach(serverapp.log, logging.getLogger())
        await self.services.engine.recover()
        if self._exporter is not None:
            self.services.engine.run_along(self._exporter.run())
        if not self.store_dir:
            stores = self._store.root.parent
            self._adoption = Adoption(stores, self._store, self.services.engine, self._lend_address, self.log)
            self.services.engine.run_along(self._adoption.run())
        if self.private:
            self._watch_lifetime(serverapp)
        self._activity = PeriodicCallback(self._report_activity, _ACTIVITY_INTERVAL_MS)
        self._activity.start()
        self._report_activity()

    async def stop_extension(self) -> None:
        """Disconnect all clients and close the store; workloads continue."""
        if "logstream" not in self.settings:  # the start failed; Jupyter calls this anyway
            return
        services = self.services
        services.open_streams.close()
        services.search_pool.close()
        services.service_log.detach()
        if hasattr(self, "_activity"):
            self._activity.stop()
        for call in list(services.open_calls):
            call.cancel()
        await asyncio.gather(*services.open_calls, return_exceptions=True)
        if services.upstream_client is not None:
            await services.upstream_client.close()
        if self._exporter is not None:
            await self._exporter.close()
        services.request_log.close()
        await services.engine.close()
        if hasattr(self, "_adoption"):
            self._adoption.close()
        self._store.close()

    def _watch_lifetime(self, serverapp: ServerApp) -> None:
        """End this private server when it is idle or replaced, and let clients find its store."""
        idle_s = idle_limit_s(self.private_idle)
        lifetime = PrivateLifetime(self._store.root, self.services, idle_s, serverapp.stop, self.log)
        lifetime.count_requests(serverapp.web_app)
        self.services.engine.run_along(lifetime.run())
        write_pointer(Path(jupyter_data_dir()) / "logstream", self._store.root)

    def _open_store(self) -> FileStore:
        if self.store_dir:
            root = Path(self.store_dir).expanduser().absolute()
            return open_configured(root, lambda root: FileStore(root, keep=self.log_bytes), private=self.private)
        stores = Path(jupyter_data_dir()) / "logstream"
        make_private(stores)
        if self.private:
            return choose_private(stores, lambda root: FileStore(root, keep=self.log_bytes))
        return choose(stores, self._owner(), lambda root: FileStore(root, keep=self.log_bytes))

    def _owner(self) -> Owner:
        """What this server's store is found by."""
        assert self.serverapp is not None  # noqa: S101 - as above
        port = self.serverapp.sock or self.serverapp.port
        if "JUPYTERHUB_API_TOKEN" in os.environ:
            port = hub_place(os.environ.get("JUPYTERHUB_SERVER_NAME", ""))
        return Owner(os.path.abspath(self.serverapp.root_dir), port)

    def _secret_values(self, secret: str, upstreams: Mapping[str, Upstream]) -> list[bytes]:
        """Values that no log may show: the kernels' secret, the token, upstreams' keys, the environment's."""
        assert self.serverapp is not None  # noqa: S101 - as above
        token = getattr(self.serverapp.identity_provider, "token", "") or ""
        keys = [value for upstream in upstreams.values() for value in upstream.secrets]
        own = [text.encode() for text in (secret, token, *keys, *secrets_of(self.otlp_headers)) if text]
        return [*own, *secret_values(os.environ, self.secret_names)]

    def _publish_address(self, server: ServerApp) -> None:
        """Write it to a file for workloads that outlive this server, and into the environment of kernels."""
        url, path, secret = local_url(server), self._store.root / ADDRESS_FILE, self.services.secret
        try:
            self._write_address(path)
            if not self.private:
                write_owner(self._store.root, self._owner())
        except OSError as error:
            self.log.warning(
                "The address of this server cannot be written (%s): workloads of earlier servers cannot find it",
                error.strerror,
            )
        os.environ["JUPYTER_LOGSTREAM_SERVER"] = str(path)
        os.environ["JUPYTER_LOGSTREAM_URL"] = url
        os.environ["JUPYTER_LOGSTREAM_SECRET"] = secret
        os.environ.pop(RUNNER_VARIABLE, None)  # of a workload that this server is part of

    def _lend_address(self, root: Path) -> Callable[[], None]:
        """Let kernels and workloads of a store's server, which is gone, find this one. Returns the undoing. OSError."""
        path = root / ADDRESS_FILE
        try:
            before = read_file(path)
        except (FileNotFoundError, ValueError):
            return lambda: None
        self._write_address(path)
        return lambda: replace_file(path, before)

    def _write_address(self, path: Path) -> None:
        """Let kernels and workloads find this server. OSError."""
        assert self.serverapp is not None  # noqa: S101 - as above
        address = {"url": local_url(self.serverapp), "secret": self.services.secret, "private": self.private}
        write_json(path, {**address, "pid": os.getpid(), "host": os.uname().nodename})

    def _report_activity(self) -> None:
        """A running workload counts as activity, so that the server is not culled as idle."""
        if self.running_is_activity and self.services.engine.running and self.serverapp is not None:
            self.serverapp.web_app.settings["last_activity_times"][self.name] = utcnow()


def _upstream_client() -> UpstreamClient:
    from .proxy.client import UpstreamClient  # noqa: PLC0415 - imports aiohttp, which servers without upstreams spare

    return UpstreamClient()


def _load_secret(path: Path) -> str:
    """The kernels' secret: stable across restarts, because workloads outlive the server that gave it to them."""
    try:
        secret = read_json(path)["secret"]
        if isinstance(secret, str) and len(secret) >= 32:
            return secret
    except (OSError, ValueError, KeyError):
        pass  # a new store
    secret = secrets.token_urlsafe(32)
    write_json(path, {"url": "", "secret": secret})
    return secret
