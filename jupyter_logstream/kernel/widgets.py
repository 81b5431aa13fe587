"""Live views as anywidget widgets, and their lifetime in the kernel. Runs in kernels; the only file with anywidget.

The views themselves run in the page and read the server from there; a widget only holds which view to show and of what.
This file must not know HTTP, nor the server side.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import traitlets
from comm import DummyComm

from ..model.protocol import PROTOCOL
from .cells import current_run, on_rerun
from .errors import LogStreamError
from .handle import MIME, STATES, WorkloadHandle, list_workloads
from .relay.host import IdleProbe, pages_reach_server, sender
from .relay.relay import Relay
from .snapshot import list_as_html, list_as_text, requests_as_html, requests_as_text
from .source import OwnServer
from .upstream_url import request_log

_BUILT = Path(__file__).parents[1] / "static" / "anywidget.js"

STATIC_ROWS = 50
"""Rows in the static form of a table."""


class _View(anywidget.AnyWidget):
    """Base of the widgets; `view` names the one that the page shows."""

    _esm = traitlets.Unicode().tag(sync=True)
    view = traitlets.Unicode(read_only=True).tag(sync=True)
    height = traitlets.Int(0, min=0, help="Height in pixels; 0: up to the page's own limit.").tag(sync=True)
    protocol = traitlets.Int(PROTOCOL, read_only=True).tag(sync=True)
    channel = traitlets.Unicode(read_only=True, help="Names the custom messages of this model in its pages.").tag(
        sync=True
    )
    page = traitlets.Unicode(
        help="What shows the output in the page: labextension, anywidget or comm; empty: not reported yet."
    ).tag(sync=True)

    _relay: Relay | None = None  # also of a model whose construction failed

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._on_page_message)
        self._push = sender(self.send)
        self._idle = IdleProbe()
        on_rerun(self.close_view)
        # Outside a kernel there is no page: messages go nowhere.
        if not isinstance(self.comm, DummyComm) and not pages_reach_server():
            self._opened_relay().push_view(self.get_state(), with_bundle=_is_first_of_cell())

    @traitlets.default("channel")
    def _new_channel(self) -> str:
        return uuid4().hex

    @traitlets.default("_esm")
    def _read_built(self) -> str:
        # As text: given a Path, anywidget would watch the file and keep every view alive for it.
        try:
            return _BUILT.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise FileNotFoundError(f"{_BUILT} is not built: run `make install` in the clone.") from None

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        live, metadata = self.live()
        return {**live, **self._static()}, metadata

    def _static(self) -> dict[str, Any]:
        """The static form, for places that run no widget."""
        raise NotImplementedError

    def live(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The MIME bundle of the live widget and its metadata, without the static form."""
        return super()._repr_mimebundle_() or ({}, {})

    def close_view(self) -> None:
        """Close the model and its layout; closing a model alone leaves its layout open."""
        self.layout.close()
        self.close()

    def close(self) -> None:
        """Close the model, and what the kernel relays for it."""
        if self._relay is not None:
            self._relay.close()
        super().close()

    def _opened_relay(self) -> Relay:
        if self._relay is None:
            self._relay = Relay(self._push, self._idle.check)
        return self._relay

    def _on_page_message(self, _: Any, message: Any, __: Any) -> None:
        # A page that reaches the server needs no relay.
        if self._relay is not None or (isinstance(message, dict) and message.get("transport") != "fetch"):
            self._opened_relay().on_message(message)


class LogView(_View):
    """Widget: a live log. `LogView(workload)`, or `LogView(scope="service")` for the Jupyter server's own log.

    `workload`: a Workload or an id. `scope`: `job` (default) or `service`. `upstream`: name of the upstream that has
    the workload, as in `c.LogStream.upstreams`; default: this server. `height`: pixels; default 0: up to the page's own
    limit. Raises ValueError unless exactly one of `workload` and `scope="service"` is given.
    """

    view = traitlets.Unicode("log", read_only=True).tag(sync=True)
    workload = traitlets.Unicode(help="Id of the workload.").tag(sync=True)
    scope = traitlets.Enum(["job", "service"], "job", help="A workload's log, or the Jupyter server's.").tag(sync=True)

    upstream = traitlets.Unicode(help="Name of the upstream that has it; empty: this server.").tag(sync=True)

    def __init__(self, workload: WorkloadHandle | str = "", **traits: Any) -> None:
        workload_id = workload if isinstance(workload, str) else workload.id
        if isinstance(workload, WorkloadHandle) and workload.upstream is not None:
            traits.setdefault("upstream", workload.upstream)
        if bool(workload_id) == (traits.get("scope") == "service"):
            raise ValueError('LogView shows a workload, LogView(id), or the server\'s log, LogView(scope="service")')
        super().__init__(workload=workload_id, **traits)

    def _static(self) -> dict[str, Any]:
        if self.scope == "service":
            return {"text/plain": "The Jupyter server's log.", "text/html": "<pre>The Jupyter server's log.</pre>"}
        static = WorkloadHandle(self.workload, OwnServer(self.upstream or None)).snapshot()
        del static[MIME]  # the widget was requested, also where the labextension could show the log
        return static


class WorkloadTable(_View):
    """Widget: a live table of this server's workloads, newest first.

    `state`: only workloads in this state; default: all. `limit`: at most so many rows. `height`: pixels; default 0: up
    to the page's own limit. Raises TraitError for an unknown state.
    """

    view = traitlets.Unicode("workloads", read_only=True).tag(sync=True)
    state = traitlets.Enum([*STATES, None], None, allow_none=True, help="Only workloads in this state.").tag(sync=True)
    limit = traitlets.Int(200, min=1, help="Maximum number of rows.").tag(sync=True)

    def __init__(self, state: str | None = None, limit: int = 200, height: int = 0) -> None:
        super().__init__(state=state, limit=limit, height=height)

    def _static(self) -> dict[str, Any]:
        try:
            infos = list_workloads(self.state, min(self.limit, STATIC_ROWS))
        except LogStreamError as error:  # a table can always be displayed
            return {"text/plain": str(error)}
        return {"text/plain": list_as_text(infos), "text/html": list_as_html(infos)}


class RequestTable(_View):
    """Widget: a live table of the request log, newest first, with totals above it.

    `limit`: at most so many rows. `height`: pixels; default 0: up to the page's own limit.
    """

    view = traitlets.Unicode("requests", read_only=True).tag(sync=True)
    limit = traitlets.Int(500, min=1, help="Maximum number of rows.").tag(sync=True)

    def __init__(self, limit: int = 500, height: int = 0) -> None:
        super().__init__(limit=limit, height=height)

    def _static(self) -> dict[str, Any]:
        try:
            rows = request_log(min(self.limit, STATIC_ROWS))
        except LogStreamError as error:  # a table can always be displayed
            return {"text/plain": str(error)}
        return {"text/plain": requests_as_text(rows), "text/html": requests_as_html(rows)}


_bundle_sent_in: list[str] = []  # the run of a cell that has sent the bundle last


def _is_first_of_cell() -> bool:
    """Whether this is the first view that the running cell makes: its outputs share a page, so one bundle is enough."""
    run = current_run()
    if run and run in _bundle_sent_in:
        return False
    _bundle_sent_in[:] = [run]
    return True
