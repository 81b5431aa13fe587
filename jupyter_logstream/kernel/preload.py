"""Import of slow modules after the cell that imports this package, so that later cells find them. Kernels."""

from __future__ import annotations

import threading
import time
from importlib import import_module
from typing import Any

_MODULES = ("jupyter_logstream.kernel.client", "jupyter_logstream.kernel.display", "jupyter_logstream.kernel.snapshot")

_SLOW_MODULES = ("jupyter_logstream.kernel.widgets", "httpx")
"""Streams and widgets need these, `run()` does not."""

SLOW_DELAY_S = 0.5
"""By then the page has shown the first line of a workload that the cell started."""


def preload_after_cell(shell: Any) -> None:
    """Import the modules in a thread as soon as the cell that runs now has ended."""

    def start(*_: object) -> None:
        shell.events.unregister("post_run_cell", start)
        threading.Thread(target=_preload, name="jupyter-logstream-preload", daemon=True).start()

    shell.events.register("post_run_cell", start)


def _preload() -> None:
    for name in _MODULES:
        import_module(name)
    time.sleep(SLOW_DELAY_S)
    for name in _SLOW_MODULES:
        import_module(name)
