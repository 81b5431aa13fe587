"""Options of the push to OpenTelemetry, and the exporter that they make. Server."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from traitlets import Bunch, HasTraits, TraitError, Unicode, validate

from ...store.disk.file_store import FileStore
from ..engine import Engine
from ..literal_dict import LiteralDict
from ..request_log.log import RequestLog
from .client import OtlpClient
from .cursors import Cursors
from .exporter import Exporter
from .feed import Feed
from .target import BadTarget, check_headers, check_resource, logs_url

_CHECKS: dict[str, Callable[..., object]] = {
    "otlp_endpoint": logs_url,
    "otlp_headers": check_headers,
    "otlp_resource": check_resource,
}


class OtlpOptions(HasTraits):
    """The options `c.LogStream.otlp_*`."""

    otlp_endpoint = Unicode(
        help='Address of an OpenTelemetry collector (OTLP/HTTP), such as "http://localhost:4318": records of workloads '
        "and rows of the request log are sent to it. Empty: nothing is sent. See docs/export.md."
    ).tag(config=True)
    otlp_headers = LiteralDict(
        help='Headers of these requests, such as {"Authorization": "Bearer ..."}; their values are masked in logs. Set '
        "them in the configuration file: other users of the machine can read command lines."
    ).tag(config=True)
    otlp_resource = LiteralDict(
        help='Resource attributes that are added or replace ours, such as {"service.name": "training"}.'
    ).tag(config=True)

    @validate("otlp_endpoint", "otlp_headers", "otlp_resource")
    def _check_otlp(self, proposal: Bunch) -> object:
        name, value = proposal["trait"].name, proposal["value"]
        try:
            if value:
                _CHECKS[name](value)
        except BadTarget as error:
            raise TraitError(f"c.LogStream.{name} {error}") from None
        return value

    def make_exporter(
        self,
        store: FileStore,
        engine: Engine,
        calls: RequestLog,
        log: logging.Logger,
        *,
        linger_s: float,
        mask: Callable[[str], str],
    ) -> Exporter | None:
        """The exporter, None without an endpoint. Call it before the engine loads its workloads."""
        if not self.otlp_endpoint:
            return None
        cursors = Cursors(store.stream_folders, store.root, calls.seq)
        resource, host = check_resource(self.otlp_resource), os.uname().nodename
        feed = Feed(engine, store, calls, cursors, log, linger_s=linger_s, resource=resource, host=host)
        client = OtlpClient(logs_url(self.otlp_endpoint), check_headers(self.otlp_headers))
        return Exporter(feed, client, log, mask)
