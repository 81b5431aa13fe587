"""The server's services: built once by the extension, passed to every handler. Server; no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..store.protocol import LogStore
from ..text.redactor import Redactor
from .authorization import VisitorRule
from .engine import Engine
from .open_streams import OpenStreams, ReaderLimit
from .payloads import Payloads
from .proxy.upstreams import Upstream
from .publishing import Publisher
from .request_log.log import RequestLog
from .request_log.prices import Prices
from .search_pool import SearchPool
from .service_log import ServiceLog
from .workload_feed import WorkloadFeed

if TYPE_CHECKING:
    from .proxy.client import UpstreamClient


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that handlers use. The extension owns the lifetimes of all members.

    `secret` authenticates kernels. `redactor` knows the secrets that no log may show. `max_body_bytes`: how much of
    each proxied body the request log retains. `upstream_client`: None if no upstream is configured, it imports aiohttp.
    `mcp`: whether assistants have access; `mcp_write`: whether they can start and cancel workloads.
    """

    engine: Engine
    store: LogStore
    publisher: Publisher
    payloads: Payloads
    workload_feed: WorkloadFeed
    service_log: ServiceLog
    request_log: RequestLog
    request_readers: ReaderLimit
    prices: Prices
    upstreams: Mapping[str, Upstream]
    upstream_client: UpstreamClient | None
    secret: str
    redactor: Redactor
    max_body_bytes: int
    mcp: bool = False
    mcp_write: bool = False
    visitors: VisitorRule = field(default_factory=VisitorRule)
    search_pool: SearchPool = field(default_factory=SearchPool)
    open_streams: OpenStreams = field(default_factory=OpenStreams)
    open_calls: set[asyncio.Task[None]] = field(default_factory=set)
