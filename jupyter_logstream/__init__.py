"""Public names of jupyter-logstream, resolved lazily, and the hooks of Jupyter and IPython. Runs in every process.

Kernel, server and runner all import this module first; lazy resolution makes each load only its own part.
"""

from __future__ import annotations

import sys

from ._version import __version__

TYPE_CHECKING = False  # type checkers read this name as true; importing it from typing would cost the runner 4 ms

if TYPE_CHECKING:
    from typing import Any

    from jupyter_logstream.kernel.call_recorder import record_requests
    from jupyter_logstream.kernel.client import Workload, attach, run, workloads
    from jupyter_logstream.kernel.errors import (
        CannotPickle,
        LogStreamError,
        NoServer,
        NotFound,
        Rejected,
        ServerFailed,
        WorkloadFailed,
    )
    from jupyter_logstream.kernel.follow import follow_file
    from jupyter_logstream.kernel.functions.gather import gather
    from jupyter_logstream.kernel.functions.notebook import CellFailed, notebook
    from jupyter_logstream.kernel.publish.capture import capture
    from jupyter_logstream.kernel.publish.log_handler import LogHandler
    from jupyter_logstream.kernel.publish.step import step
    from jupyter_logstream.kernel.reader import Reader
    from jupyter_logstream.kernel.upstream_url import proxy_url, request_log
    from jupyter_logstream.kernel.widgets import LogView, RequestTable, WorkloadTable
    from jupyter_logstream.model.records import Record

__all__ = [
    "CannotPickle",
    "CellFailed",
    "LogHandler",
    "LogStreamError",
    "LogView",
    "NoServer",
    "NotFound",
    "Reader",
    "Record",
    "Rejected",
    "RequestTable",
    "ServerFailed",
    "Workload",
    "WorkloadFailed",
    "WorkloadTable",
    "__version__",
    "attach",
    "capture",
    "follow_file",
    "gather",
    "notebook",
    "proxy_url",
    "record_requests",
    "request_log",
    "run",
    "step",
    "workloads",
]

_MODULES = {
    **dict.fromkeys(["run", "workloads", "attach", "Workload"], "kernel.client"),
    **dict.fromkeys(["LogView", "RequestTable", "WorkloadTable"], "kernel.widgets"),
    **dict.fromkeys(["proxy_url", "request_log"], "kernel.upstream_url"),
    **dict.fromkeys(
        ["CannotPickle", "LogStreamError", "NoServer", "NotFound", "Rejected", "ServerFailed", "WorkloadFailed"],
        "kernel.errors",
    ),
    **dict.fromkeys(["CellFailed", "notebook"], "kernel.functions.notebook"),
    "LogHandler": "kernel.publish.log_handler",
    "Reader": "kernel.reader",
    "Record": "model.records",
    "capture": "kernel.publish.capture",
    "follow_file": "kernel.follow",
    "gather": "kernel.functions.gather",
    "record_requests": "kernel.call_recorder",
    "step": "kernel.publish.step",
}


def __getattr__(name: str) -> Any:
    """Import the module that a public name lives in on first access to the name (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  # lazily, see above

    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if "IPython" in sys.modules:  # else this is no kernel
    from IPython.core.getipython import get_ipython

    if getattr(get_ipython(), "kernel", None) is not None:
        from jupyter_logstream.kernel.preload import preload_after_cell

        preload_after_cell(get_ipython())


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Entry point of the server extension; only Jupyter Server calls it."""
    from jupyter_logstream.server.extension import LogStream  # noqa: PLC0415  # slow, and only for the server

    return [{"module": "jupyter_logstream.server.extension", "app": LogStream}]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext jupyter_logstream`: register the magics, and close the views of a cell when it runs again."""
    from jupyter_logstream.kernel.cells import close_on_rerun  # noqa: PLC0415  # only for kernels
    from jupyter_logstream.kernel.magics import register  # noqa: PLC0415  # slow, and only for kernels

    register(shell)
    close_on_rerun(shell)
