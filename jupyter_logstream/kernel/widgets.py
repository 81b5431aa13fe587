"""The live views as widgets, and their lifetime in the kernel. Runs in kernels; the only file that imports anywidget.

The views read the server themselves, in the page; a widget only tells which one and of what. So this file must not know
of HTTP, nor of the server side.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from ..model.protocol import FINAL, PROTOCOL
from .errors import LogStreamError
from .handle import MIME, WorkloadHandle, list_workloads
from .snapshot import list_as_html, list_as_text, requests_as_html, requests_as_text
from .source import OwnServer
from .upstream_url import request_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import SimpleNamespace

_BUILT = Path(__file__).parents[1] / "static" / "anywidget.js"


_LISTED = 50  # workloads in a table's static form

STATES = ("queued", "running", *sorted(FINAL))
"""All states of workloads."""


class _View(anywidget.AnyWidget):
    """What our widgets have in common: `view` tells the page which one it is."""

    _esm = traitlets.Unicode().tag(sync=True)
    view = traitlets.Unicode(read_only=True).tag(sync=True)
    height = traitlets.Int(0, min=0, help="Pixels; 0: as the page likes.").tag(sync=True)
    protocol = traitlets.Int(PROTOCOL, read_only=True).tag(sync=True)
    page = traitlets.Unicode(
        help="What shows a Workload's output in the page: labextension, anywidget, or nobody has said."
    ).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        on_rerun(self.let_go)

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
        """What stands in for the view where nothing can run."""
        raise NotImplementedError

    def live(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a page needs to show the widget, and nothing for pages that cannot."""
        return super()._repr_mimebundle_() or ({}, {})

    def let_go(self) -> None:
        """Close model and layout; a layout is never closed with its model otherwise."""
        self.layout.close()
        self.close()


class LogView(_View):
    """A live log: `LogView(workload)`, `LogView("its id")`, or `LogView(scope="service")` for the server's own.

    `LogView(upstream="runs", workload="its id")`: of another log server that the configuration calls so.
    """

    view = traitlets.Unicode("log", read_only=True).tag(sync=True)
    workload = traitlets.Unicode(help="The id of the workload that is shown.").tag(sync=True)
    scope = traitlets.Enum(["job", "service"], "job", help="Whose log: a workload's, or the Jupyter server's.").tag(
        sync=True
    )

    upstream = traitlets.Unicode(help="The server that has it, as the configuration calls it; empty: this one.").tag(
        sync=True
    )

    def __init__(self, workload: WorkloadHandle | str = "", **traits: Any) -> None:
        shown = workload if isinstance(workload, str) else workload.id
        if isinstance(workload, WorkloadHandle) and workload.upstream is not None:
            traits.setdefault("upstream", workload.upstream)
        if bool(shown) == (traits.get("scope") == "service"):
            raise ValueError('LogView shows a workload, LogView(id), or the server\'s log, LogView(scope="service")')
        super().__init__(workload=shown, **traits)

    def _static(self) -> dict[str, Any]:
        if self.scope == "service":
            return {"text/plain": "The Jupyter server's log.", "text/html": "<pre>The Jupyter server's log.</pre>"}
        static = WorkloadHandle(self.workload, OwnServer(self.upstream or None)).snapshot()
        del static[MIME]  # this is to be the widget, also where the labextension could show it
        return static


class WorkloadTable(_View):
    """All workloads, live, newest first: `WorkloadTable()`. `state`: only those in it; `limit`: the newest so many."""

    view = traitlets.Unicode("workloads", read_only=True).tag(sync=True)
    state = traitlets.Enum([*STATES, None], None, allow_none=True, help="Only workloads in this state.").tag(sync=True)
    limit = traitlets.Int(200, min=1, help="How many, the newest first.").tag(sync=True)

    def __init__(self, state: str | None = None, limit: int = 200, height: int = 0) -> None:
        super().__init__(state=state, limit=limit, height=height)

    def _static(self) -> dict[str, Any]:
        try:
            infos = list_workloads(self.state, min(self.limit, _LISTED))
        except LogStreamError as error:  # a table can always be shown
            return {"text/plain": str(error)}
        return {"text/plain": list_as_text(infos), "text/html": list_as_html(infos)}


class RequestTable(_View):
    """The request log, live, newest first, with figures above: `RequestTable()`. `limit`: the newest so many."""

    view = traitlets.Unicode("requests", read_only=True).tag(sync=True)
    limit = traitlets.Int(500, min=1, help="How many, the newest first.").tag(sync=True)

    def __init__(self, limit: int = 500, height: int = 0) -> None:
        super().__init__(limit=limit, height=height)

    def _static(self) -> dict[str, Any]:
        try:
            rows = request_log(min(self.limit, _LISTED))
        except LogStreamError as error:  # a table can always be shown
            return {"text/plain": str(error)}
        return {"text/plain": requests_as_text(rows), "text/html": requests_as_html(rows)}


# --- a cell that runs again lets go of what it showed before -------------------------------------------------------

_made: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)  # by the id of the cell that made it
_watched: list[Any] = []  # the shell whose cells we watch; at most one


def on_rerun(let_go: Callable[[], None]) -> None:
    """Call `let_go` when the cell that runs now runs again."""
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only kernels have it

    shell = get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return  # no kernel, no cells
    close_on_rerun(shell)
    if cell := kernel.get_parent("shell").get("metadata", {}).get("cellId"):
        _made[cell].append(let_go)


def close_on_rerun(shell: Any) -> None:
    """Close what a cell made, model and layout, when it runs again. Once per shell, however often called."""
    if not any(known is shell for known in _watched):
        shell.events.register("pre_run_cell", _close_former)
        _watched[:] = [shell]


def _close_former(info: SimpleNamespace) -> None:
    # None: a run that belongs to no cell (an API client's, a silent one).
    for let_go in _made.pop(info.cell_id, []) if info.cell_id else []:
        let_go()
