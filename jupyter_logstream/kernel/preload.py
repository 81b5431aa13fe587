"""Import of slow modules after the cell that imports this package, so that the first `run()` finds them. Kernels."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any

_SLOW_MODULES = ("httpx", "jupyter_logstream.kernel.client", "jupyter_logstream.kernel.display")


def preload_after_cell(shell: Any) -> None:
    """Import the modules in a thread as soon as the cell that runs now has ended."""

    def start(*_: object) -> None:
        shell.events.unregister("post_run_cell", start)
        threading.Thread(target=_preload, name="jupyter-logstream-preload", daemon=True).start()

    shell.events.register("post_run_cell", start)


def _preload() -> None:
    for name in _SLOW_MODULES:
        import_module(name)
