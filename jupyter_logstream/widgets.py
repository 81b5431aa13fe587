"""The live view as a widget, and its lifetime in the kernel. Runs in kernels; the only file that imports anywidget.

The view reads the server itself, in the page; the widget only tells it which workload. So this file must not know of
HTTP, nor of the server side.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from jupyter_logstream.client import Workload

if TYPE_CHECKING:
    from types import SimpleNamespace

PROTOCOL = 1
"""Version of the protocol that the view is to speak; it tells the reader where page and server differ."""

_BUILT = Path(__file__).with_name("static") / "anywidget.js"


class LogView(anywidget.AnyWidget):
    """The live log of one workload: `LogView(workload)` or `LogView("its id")`, as the last line of a cell."""

    _esm = traitlets.Unicode().tag(sync=True)
    workload = traitlets.Unicode(help="The id of the workload that is shown.").tag(sync=True)
    height = traitlets.Int(0, min=0, help="Pixels; 0: as the page likes.").tag(sync=True)
    protocol = traitlets.Int(PROTOCOL, read_only=True).tag(sync=True)

    def __init__(self, workload: Workload | str, **traits: Any) -> None:
        super().__init__(workload=workload if isinstance(workload, str) else workload.id, **traits)
        _remember(self)

    @traitlets.default("_esm")
    def _read_built(self) -> str:
        # As text: given a Path, anywidget would watch the file and keep every view alive for it.
        try:
            return _BUILT.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise FileNotFoundError(f"{_BUILT} is not built: run `make install` in the clone.") from None

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        live, metadata = super()._repr_mimebundle_() or ({}, {})
        return {**live, **Workload(self.workload).snapshot()}, metadata


# --- a cell that runs again lets go of what it showed before -------------------------------------------------------

_views: defaultdict[str, list[LogView]] = defaultdict(list)  # by the id of the cell that made them
_watched: list[Any] = []  # the shell whose cells we watch; at most one


def _remember(view: LogView) -> None:
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only kernels have it

    shell = get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return  # no kernel, no cells
    close_on_rerun(shell)
    if cell := kernel.get_parent("shell").get("metadata", {}).get("cellId"):
        _views[cell].append(view)


def close_on_rerun(shell: Any) -> None:
    """Close what a cell made, model and layout, when it runs again. Once per shell, however often called."""
    if not any(known is shell for known in _watched):
        shell.events.register("pre_run_cell", _close_former)
        _watched[:] = [shell]


def _close_former(info: SimpleNamespace) -> None:
    # None: a run that belongs to no cell (an API client's, a silent one).
    for view in _views.pop(info.cell_id, []) if info.cell_id else []:
        view.layout.close()
        view.close()
