"""For all tests: the plugin that makes Jupyter servers, and nothing of the machine's own Jupyter."""

from __future__ import annotations

import os

pytest_plugins = ["pytest_jupyter", "pytest_jupyter.jupyter_server"]

# Some machines set it; it would hide what is tested: lines that arrive as they are written.
os.environ.pop("PYTHONUNBUFFERED", None)
