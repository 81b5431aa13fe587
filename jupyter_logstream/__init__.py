"""The public names of jupyter-logstream, and the hooks by which Jupyter and IPython find it. Runs in every process.

It imports nothing at first: kernel, server and runner all start through here, and each must pay for its own part only.
"""

from __future__ import annotations

from ._version import __version__

TYPE_CHECKING = False  # type checkers read this name as true; importing it from typing would cost the runner 4 ms

if TYPE_CHECKING:
    from typing import Any

    from jupyter_logstream.kernel.call_recorder import record_requests
    from jupyter_logstream.kernel.client import Workload, attach, run, workloads
    from jupyter_logstream.kernel.publish.capture import capture
    from jupyter_logstream.kernel.publish.log_handler import LogHandler
    from jupyter_logstream.kernel.publish.step import step
    from jupyter_logstream.kernel.upstream_url import proxy_url, request_log
    from jupyter_logstream.kernel.widgets import LogView, RequestTable, WorkloadTable

__all__ = [
    "LogHandler",
    "LogView",
    "RequestTable",
    "Workload",
    "WorkloadTable",
    "__version__",
    "attach",
    "capture",
    "proxy_url",
    "record_requests",
    "request_log",
    "run",
    "step",
    "workloads",
]

_HOMES = {
    **dict.fromkeys(["run", "workloads", "attach", "Workload"], "kernel.client"),
    **dict.fromkeys(["LogView", "RequestTable", "WorkloadTable"], "kernel.widgets"),
    **dict.fromkeys(["proxy_url", "request_log"], "kernel.upstream_url"),
    "LogHandler": "kernel.publish.log_handler",
    "capture": "kernel.publish.capture",
    "record_requests": "kernel.call_recorder",
    "step": "kernel.publish.step",
}


def __getattr__(name: str) -> Any:
    """Import the module that a public name lives in when the name is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  # not before it is needed

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter Server where the extension is; only the server ever calls this."""
    from jupyter_logstream.server.extension import LogStream  # noqa: PLC0415  # heavy, and only the server's

    return [{"module": "jupyter_logstream.server.extension", "app": LogStream}]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext jupyter_logstream`: our magics; and cells that run again let go of their views from the first on."""
    from jupyter_logstream.kernel.magics import register  # noqa: PLC0415  # heavy, and only the kernel's
    from jupyter_logstream.kernel.widgets import close_on_rerun  # noqa: PLC0415  # as above

    register(shell)
    close_on_rerun(shell)
