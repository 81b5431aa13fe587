"""Construction of the store and the services from the options. Server; at start only.

An invalid backend or upstream is reported in the server's log and left out.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir
from jupyter_server.serverapp import ServerApp  # noqa: TC002 - as our own values

from ..backends.configured import make_backends
from ..backends.context import BackendContext
from ..backends.protocol import Backend
from ..store.disk.file_store import FileStore
from ..store.disk.files import make_private
from ..store.disk.folder import RunParameters
from ..text.redactor import Redactor, parse_masks, secret_values
from .address_file import load_secret
from .addresses import outward_url
from .authorization import VisitorRule
from .disclosure import Disclosure
from .engine import Engine
from .open_streams import ReaderLimit
from .options import Options
from .otlp.target import secrets_of
from .payloads import Payloads
from .proxy.upstreams import Upstream, check_upstreams
from .publishing import Publisher
from .registry import FolderRegistry
from .request_log.log import RequestLog
from .request_log.prices import Prices
from .retention import Limits
from .service_log import ServiceLog
from .services import Services
from .store_choice import Owner, choose, choose_private, hub_place, open_configured
from .workload_feed import WorkloadFeed

if TYPE_CHECKING:
    from .proxy.client import UpstreamClient

_DAY_S = 86400


def stores_folder() -> Path:
    """The folder of this user's stores, one per server."""
    return Path(jupyter_data_dir()) / "logstream"


def owner_of(server: ServerApp) -> Owner:
    """What a server's store is found by."""
    port = server.sock or server.port
    if "JUPYTERHUB_API_TOKEN" in os.environ:
        port = hub_place(os.environ.get("JUPYTERHUB_SERVER_NAME", ""))
    return Owner(os.path.abspath(server.root_dir), port)


def open_store(options: Options, server: ServerApp) -> FileStore:
    """The store of the configured folder, else the one of this server. Raises StoreInUse, WrongLayout, OSError."""
    open_at = partial(FileStore, keep=options.log_bytes)
    if options.store_dir:
        return open_configured(Path(options.store_dir).expanduser().absolute(), open_at, private=options.private)
    stores = stores_folder()
    make_private(stores)
    return choose_private(stores, open_at) if options.private else choose(stores, owner_of(server), open_at)


def build_services(options: Options, store: FileStore, server: ServerApp, log: logging.Logger) -> Services:
    """The services of a server that does not listen yet. OSError."""
    secret = load_secret(store.root)
    upstreams = _upstreams(options, log)
    masks = parse_masks(list(map(str, options.masks)))
    values = _secret_values(options, server, secret, upstreams)
    redactor = Redactor([*values, *masks.values], masks.patterns)
    engine = Engine(
        store,
        FolderRegistry(store.stream_folders),
        _backends(options, store, server, log),
        _limits(options),
        log,
        Disclosure(values, options.secret_names, masks),
    )
    return Services(
        engine=engine,
        store=store,
        payloads=Payloads(store.root / "payloads", options.max_payload_bytes),
        publisher=Publisher(engine, store, redactor),
        workload_feed=WorkloadFeed(engine, store),
        service_log=ServiceLog(redactor),
        request_log=RequestLog(store.root / "requests", log, max_age_s=options.max_age_days * _DAY_S),
        request_readers=ReaderLimit(options.request_listeners),
        prices=Prices(Path(jupyter_config_dir()) / "logstream-prices.json", log),
        upstreams=upstreams,
        upstream_client=_upstream_client() if upstreams else None,
        secret=secret,
        redactor=redactor,
        max_body_bytes=options.request_bodies,
        mcp=options.mcp,
        mcp_write=options.mcp_write,
        visitors=VisitorRule(options.owner, frozenset(options.visitor_actions)),
    )


def _limits(options: Options) -> Limits:
    return Limits(
        max_running=options.max_running,
        max_queued=options.max_queued,
        grace_s=options.cancel_grace,
        total_bytes=options.total_bytes,
        max_age_s=options.max_age_days * _DAY_S,
    )


def _backends(options: Options, store: FileStore, server: ServerApp, log: logging.Logger) -> dict[str, Backend]:
    def public_url(peer: str) -> str:
        return options.public_url or os.environ.get("JUPYTERHUB_PUBLIC_URL", "") or outward_url(server, peer)

    context = BackendContext(
        folders=store.stream_folders,
        root=Path(server.root_dir).absolute(),
        run=RunParameters(
            log_bytes=options.log_bytes,
            grace_s=options.cancel_grace,
            secret_names=tuple(options.secret_names),
            linger_s=options.linger,
            masks=tuple(map(str, options.masks)),
            max_payload_bytes=options.max_payload_bytes,
        ),
        follow_roots=[Path(root).expanduser().absolute() for root in options.follow_roots],
        public_url=public_url,
    )
    backends, problems = make_backends(options.backends, context)
    for problem in problems:
        log.error("A backend is not available: %s", problem)
    return backends


def _upstreams(options: Options, log: logging.Logger) -> dict[str, Upstream]:
    upstreams, problems = check_upstreams(options.upstreams)
    for problem in problems:
        log.error("An upstream of the proxy is not available: %s", problem)
    return upstreams


def _upstream_client() -> UpstreamClient:
    from .proxy.client import UpstreamClient  # noqa: PLC0415 - imports aiohttp, which servers without upstreams spare

    return UpstreamClient()


def _secret_values(options: Options, server: ServerApp, secret: str, upstreams: Mapping[str, Upstream]) -> list[bytes]:
    """Values that no log may show: the kernels' secret, the token, upstreams' keys, the environment's."""
    token = getattr(server.identity_provider, "token", "") or ""
    keys = [value for upstream in upstreams.values() for value in upstream.secrets]
    own = [text.encode() for text in (secret, token, *keys, *secrets_of(options.otlp_headers)) if text]
    return [*own, *secret_values(os.environ, options.secret_names)]
