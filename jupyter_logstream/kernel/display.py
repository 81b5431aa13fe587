"""A workload as a cell's output: one bundle for every front end, and what becomes of it in the end. Runs in kernels.

JupyterLab and Notebook 7 show the bundle by the labextension, other front ends by its widget. When the workload has
ended the output is replaced by its final, static form, unless a widget shows it: that would put out the live view.
This file must not know of HTTP, nor how a widget reaches its page.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from IPython.core.getipython import get_ipython
from IPython.display import display

from ..model.protocol import FINAL
from .errors import LogStreamError, NoServer, ServerFailed
from .widgets import LogView, on_rerun

if TYPE_CHECKING:
    from .handle import WorkloadHandle

EVERY = 2.0
"""Seconds between two looks at workloads that are shown: one question each, at most ten a second in all."""

GRACE = 5.0
"""Seconds in which a page that shows widgets says so. It is heard while the kernel is idle only, so they count then."""


@dataclass(slots=True, eq=False)
class _Output:
    """One display of a workload that may still be running."""

    workload: WorkloadHandle
    view: LogView
    id: str
    dropped: bool = False

    def drop(self) -> None:
        """The cell runs again: the output is gone."""
        self.dropped = True

    def settle(self) -> bool:
        """Give it its final form if it is time; True: nothing is left to be done."""
        try:
            if self.workload.state not in FINAL:
                return False
        except (NoServer, ServerFailed):
            return False  # the server may come back
        except LogStreamError:
            return True  # deleted: what is shown is all there is
        page = self.view.page
        if page == "anywidget":
            return True
        if page != "labextension" and time.monotonic() - _idle_since < GRACE:
            return False
        _put_out(self.workload.snapshot(), display_id=self.id, update=True)
        self.view.let_go()
        return True


def show(workload: WorkloadHandle) -> None:
    """Display a workload as the output of the cell that runs, and see to its end."""
    view = LogView(workload)
    view.observe(_close_if_unused, "page")
    output = _Output(workload, view, uuid4().hex)
    live, metadata = view.live()
    _put_out({**live, **workload.snapshot()}, metadata=metadata, display_id=output.id)
    shell = get_ipython()
    # A terminal cannot take back what it has printed; of another server's workload the view itself sees the end.
    if getattr(shell, "kernel", None) is not None and workload.upstream is None:
        on_rerun(output.drop)
        _watch(output, shell)


def _put_out(bundle: dict[str, Any], **how: Any) -> None:
    display(bundle, raw=True, **how)  # type: ignore[no-untyped-call]


def _close_if_unused(change: Any) -> None:
    if change.new == "labextension":
        change.owner.let_go()


# --- one thread sees to the end of all outputs ---------------------------------------------------------------------

_outputs: list[_Output] = []
_changing = threading.Lock()
_idle_since = float("inf")
_known: list[object] = []  # the shell that tells when it is idle; at most one


def _watch(output: _Output, shell: Any) -> None:
    if not any(shell is known for known in _known):
        shell.events.register("pre_run_cell", _busy)
        shell.events.register("post_run_cell", _idle)
        _known[:] = [shell]
    with _changing:
        _outputs.append(output)
        if len(_outputs) == 1:
            threading.Thread(target=_see_to_ends, name="jupyter-logstream-outputs", daemon=True).start()


def _see_to_ends() -> None:
    left = 1
    while left:
        time.sleep(max(EVERY, left / 10))
        settled: list[_Output] | None = None
        try:
            settled = [output for output in list(_outputs) if output.dropped or output.settle()]
        finally:
            if settled is None:  # a fault of ours: the next output starts a thread again
                with _changing:
                    _outputs.clear()
        with _changing:
            for output in settled:
                _outputs.remove(output)
            left = len(_outputs)


def _busy(*_: object) -> None:
    global _idle_since  # noqa: PLW0603 - the kernel has one state
    _idle_since = float("inf")


def _idle(*_: object) -> None:
    global _idle_since  # noqa: PLW0603 - as above
    _idle_since = time.monotonic()
