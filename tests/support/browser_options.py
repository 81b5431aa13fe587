"""Command line options of the browser and of Jupyter for browser tests. Test support."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page


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
"""Init script: the page finds no shared workers, as in some browsers."""


def set_timings(page: Page, **timings: float | list[float]) -> None:
    """Replace time constants of js/src/net/timings.ts in an open page, before its first view is shown."""
    page.evaluate("(timings) => { globalThis.__logstream_timings__ = timings; }", timings)


def quiet_news(folder: Path) -> None:
    """Switch off JupyterLab's question whether to fetch news: the dialog would cover the page."""
    settings = folder / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')


def serialize_comms(folder: Path) -> None:
    """Let comm messages wait for the running cell, as in all front ends that do not use subshells of the kernel."""
    settings = folder / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "kernels-settings.jupyterlab-settings").write_text('{"commsOverSubshells": "disabled"}')


LABEXTENSION, WIDGETS = "jupyter-logstream", "@jupyter-widgets/jupyterlab-manager"


SHELLS = {"both": (), "labextension": (WIDGETS,), "anywidget": (LABEXTENSION,)}
"""What renders a workload's output, and the extensions of the page that are disabled for it."""


def disable(folder: Path, *extensions: str) -> None:
    """Disable extensions of the page, as `jupyter labextension disable` does."""
    settings = folder / "config" / "labconfig"
    settings.mkdir(parents=True)
    (settings / "page_config.json").write_text(json.dumps({"disabledExtensions": dict.fromkeys(extensions, True)}))
