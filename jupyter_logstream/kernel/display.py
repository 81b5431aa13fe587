"""Display of a workload as a cell's output, and its static replacement at the end. Runs in kernels.

One MIME bundle serves all front ends: JupyterLab and Notebook 7 show it with the labextension, others with its widget.
A client that has reported the labextension gets no more widgets, which would delay its first line.
When the workload has ended, the output is replaced by its static form, unless a widget shows it: replacing the output
would remove the live view. Where a notebook runs without a page, outputs get their present static form after each cell.
This file must not know HTTP, nor how a widget reaches its page.
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
from .cells import current_client, on_rerun
from .errors import LogStreamError, NoServer, ServerFailed
from .handle import link_to

if TYPE_CHECKING:
    from .handle import WorkloadHandle
    from .widgets import LogView

POLL_INTERVAL_S = 2.0
"""Interval between polls of displayed workloads; longer with many, so that all make at most 10 requests a second."""

PAGE_REPORT_TIMEOUT_S = 5.0
"""How long a page can take to report that it shows widgets; counted while the kernel is idle and can receive it."""

MAX_CLIENTS = 100
"""Clients that are known to have the labextension; of more, the earliest are forgotten, and get a widget again."""

_with_labextension: dict[str, None] = {}  # sessions, the earliest first


@dataclass(slots=True, eq=False)
class _Output:
    """One displayed workload that can still be running."""

    workload: WorkloadHandle
    id: str
    view: LogView | None = None  # none for a client that needs no widget
    removed: bool = False

    def remove(self) -> None:
        """The cell runs again, so the output is gone."""
        self.removed = True

    def settle(self) -> bool:
        """Replace the output by its static form if the workload has ended. Returns True when nothing is left to do."""
        try:
            if self.workload.state not in FINAL:
                return False
        except (NoServer, ServerFailed):
            return False  # the server can come back
        except LogStreamError:
            return True  # deleted: the output stays as it is
        page = "labextension" if self.view is None else self.view.page
        if page in {"anywidget", "comm"}:
            return True
        if page != "labextension" and time.monotonic() - _idle_since < PAGE_REPORT_TIMEOUT_S:
            return False
        _publish(self.workload.snapshot(), display_id=self.id, update=True)
        if self.view is not None:
            self.view.close_view()
        return True

    def save(self) -> None:
        """Replace the output by the present static form: no page will show it live."""
        if self.removed or (self.view is not None and self.view.page):
            return
        _publish(self.workload.snapshot(), display_id=self.id, update=True)
        if self.view is not None:
            self.view.close_view()
            self.view = None


def show(workload: WorkloadHandle) -> None:
    """Display a workload as output of the running cell, and replace the output when the workload has ended."""
    output = _Output(workload, uuid4().hex)
    client = current_client()
    if client.is_jupyterlab:  # the page shows the log while the rest is made
        _publish(link_to(workload), display_id=output.id)
    if client.session in _with_labextension:
        _publish(workload.snapshot(), display_id=output.id, update=client.is_jupyterlab)
    else:
        _publish_live(output, update=client.is_jupyterlab)
    shell = get_ipython()
    # A terminal cannot replace what it printed; the end of an upstream's workload is shown by the view itself.
    if getattr(shell, "kernel", None) is not None and workload.upstream is None:
        on_rerun(output.remove)
        _watch(output, shell)


def _publish_live(output: _Output, **options: Any) -> None:
    """Publish an output with its widget."""
    from .widgets import LogView  # noqa: PLC0415 - slow, and JupyterLab shows the output without it

    output.view = view = LogView(output.workload)
    view.observe(_on_page_report, "page")
    live, metadata = view.live()
    _publish({**live, **output.workload.snapshot()}, metadata=metadata, display_id=output.id, **options)


def _publish(bundle: dict[str, Any], **options: Any) -> None:
    display(bundle, raw=True, **options)  # type: ignore[no-untyped-call]


def _on_page_report(change: Any) -> None:
    if change.new == "labextension":
        _with_labextension[current_client().session] = None
        while len(_with_labextension) > MAX_CLIENTS:
            del _with_labextension[next(iter(_with_labextension))]
        change.owner.close_view()


# --- one thread polls all displayed workloads ------------------------------------------------------------------------

_outputs: list[_Output] = []
_lock = threading.Lock()
_idle_since = float("inf")
_hooked: list[object] = []  # the shell that reports when it is idle; at most one


def _watch(output: _Output, shell: Any) -> None:
    if not any(shell is known for known in _hooked):
        shell.events.register("pre_run_cell", _on_busy)
        shell.events.register("post_run_cell", _on_idle)
        _hooked[:] = [shell]
    with _lock:
        _outputs.append(output)
        if len(_outputs) == 1:
            threading.Thread(target=_poll_outputs, name="jupyter-logstream-outputs", daemon=True).start()


def _poll_outputs() -> None:
    remaining = 1
    while remaining:
        time.sleep(max(POLL_INTERVAL_S, remaining / 10))
        settled: list[_Output] | None = None
        try:
            settled = [output for output in list(_outputs) if output.removed or output.settle()]
        finally:
            if settled is None:  # an unexpected error ends this thread: the next output starts another
                with _lock:
                    _outputs.clear()
        with _lock:
            for output in settled:
                _outputs.remove(output)
            remaining = len(_outputs)


def _on_busy(*_: object) -> None:
    global _idle_since  # noqa: PLW0603 - the kernel has one state
    _idle_since = float("inf")


def _on_idle(*_: object) -> None:
    global _idle_since  # noqa: PLW0603 - as above
    _idle_since = time.monotonic()
    if current_client().is_batch:  # after its last cell, such a client receives nothing
        for output in _outputs:
            output.save()
