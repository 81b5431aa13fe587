"""Command line options of the browser and of Jupyter for browser tests. Test support."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]


OPTIONS = (
    "--expose-app-in-browser",
    # Without this, JupyterLab's page requests a build check, which starts node, each time it is opened.
    "--ServerApp.tornado_settings={'page_config_data': {'buildCheck': False}}",
)


WITHOUT_SHARED_WORKERS = "delete window.SharedWorker"
"""For a page that has to do without them, as in some browsers."""


def quiet_news(folder: Path) -> None:
    """Keep the page from asking whether it may fetch news: that covers what is looked at."""
    settings = folder / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')


LABEXTENSION, WIDGETS = "jupyter-logstream", "@jupyter-widgets/jupyterlab-manager"


SHELLS = {"both": (), "labextension": (WIDGETS,), "anywidget": (LABEXTENSION,)}
"""What shows a workload's output, and which extensions of the page are switched off for it."""


def disable(folder: Path, *extensions: str) -> None:
    """Switch extensions of the page off, as `jupyter labextension disable` does."""
    settings = folder / "config" / "labconfig"
    settings.mkdir(parents=True)
    (settings / "page_config.json").write_text(json.dumps({"disabledExtensions": dict.fromkeys(extensions, True)}))
