"""The cell that is running: the client that runs it, and callbacks for when it runs again. Runs in kernels."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from .relay.host import on_cell_end

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import SimpleNamespace

_on_rerun: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)  # callbacks by cell id
_hooked: list[Any] = []  # the shell whose cells are observed; at most one


class Client(NamedTuple):
    """The client that sent the message which the kernel handles now. `session`: its id; empty outside a kernel.

    `is_jupyterlab`: it runs a cell as JupyterLab and Notebook 7 do. `is_batch`: it runs a notebook without a page, as
    `nbconvert --execute` and papermill do.
    """

    session: str
    is_jupyterlab: bool
    is_batch: bool = False


def current_client() -> Client:
    """The client that runs the current cell, or whose message the kernel handles."""
    request = _request()
    metadata = request.get("metadata", {})
    has_page = request.get("content", {}).get("allow_stdin", True) or _serves_pages()  # a page has an input field
    # No other client reports the cells that were deleted since the last run.
    return Client(request.get("header", {}).get("session", ""), "deletedCells" in metadata, not has_page)


def current_run() -> str:
    """Id of the message that runs the current cell; empty outside a kernel."""
    return str(_request().get("header", {}).get("msg_id", ""))


def on_rerun(callback: Callable[[], None]) -> None:
    """Call `callback` once when the cell that is running now runs again; no effect outside a kernel."""
    if on_cell_end(callback):
        return
    if cell := _request().get("metadata", {}).get("cellId"):
        close_on_rerun(_shell())
        _on_rerun[cell].append(callback)


def close_on_rerun(shell: Any) -> None:
    """Run the callbacks of `on_rerun` in this shell. Further calls for the same shell have no effect."""
    if not any(known is shell for known in _hooked):
        shell.events.register("pre_run_cell", _run_callbacks)
        _hooked[:] = [shell]


def _serves_pages() -> bool:
    """Whether a Jupyter server started this kernel, or Voila, which runs cells as nbconvert does but has a page."""
    from .relay.host import pages_reach_server  # noqa: PLC0415 - only needed without standard input

    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila") or pages_reach_server()


def _shell() -> Any:
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only kernels have it

    return get_ipython()


def _request() -> dict[str, Any]:
    """The message that the kernel handles; empty outside a kernel."""
    kernel = getattr(_shell(), "kernel", None)
    return {} if kernel is None else kernel.get_parent("shell") or {}


def _run_callbacks(info: SimpleNamespace) -> None:
    # A run without a cell id belongs to no cell: silent, or of an API client.
    for callback in _on_rerun.pop(info.cell_id, []) if info.cell_id else []:
        callback()
