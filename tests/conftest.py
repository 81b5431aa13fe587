"""For all tests: how they share the machine, the plugin that makes servers, nothing of the machine's own Jupyter."""

from __future__ import annotations

import os

pytest_plugins = ["support.turns", "support.fixtures", "pytest_jupyter", "pytest_jupyter.jupyter_server"]

# Some machines set it; it would hide what is tested: lines that arrive as they are written.
os.environ.pop("PYTHONUNBUFFERED", None)
