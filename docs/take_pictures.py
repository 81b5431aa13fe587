"""Pictures of the views in light and dark, of a real server and browser: `python docs/take_pictures.py`, by developers.

Writes `docs/images/NAME.png` and `NAME-dark.png`; the site shows the one of its theme, GitHub the light one.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from support.bare_page import BarePage  # noqa: E402 - after the path of the tests' support
from support.browser import find  # noqa: E402
from support.browser_options import ARGS, OPTIONS, quiet_news  # noqa: E402
from support.notebook_page import NotebookPage  # noqa: E402
from support.serving import Server, jupyter  # noqa: E402

THEMES = {"light": "", "dark": "-dark"}
LAB_SIZE_PX = {"width": 1100, "height": 780}
PANEL_PX = {"x": 0, "y": 0, "width": 700, "height": 420}
WIDTH_PX, COLOURS = 900, 64
TRAINING = [sys.executable, "train.py", "--epochs", "6", "--points", "2000"]
COMMANDS = {
    "train": TRAINING,
    "etl": [sys.executable, "etl.py"],
    "backup": "echo copied 214 files",
    "serve": "sleep 600",
}


def save(shown: Locator | Page, name: str, theme: str, **options: Any) -> None:
    """Save a picture of a view or page with a palette, a third of its size."""
    path = ROOT / "docs" / "images" / f"{name}{THEMES[theme]}.png"
    shown.screenshot(path=path, **options)
    Image.open(path).convert("RGB").quantize(COLOURS).save(path, optimize=True)


def table(page: BarePage) -> Locator:
    """Show the table of workloads."""
    page.page.evaluate(
        """async (url) => {
          const { showTable } = await import(url);
          showTable(document.getElementById("host"), { height: 0, protocol: 1 });
        }""",
        f"{page.server.url}static/jupyter_logstream/table.js",
    )
    return page.page.locator('[data-logstream="workloads"]')


def take(tab: Page, server: Server, theme: str, ids: dict[str, str]) -> None:
    """Take all pictures in one theme."""
    page = BarePage(tab, server, theme=theme)
    page.open()
    view = table(page)
    view.get_by_text("backup").first.wait_for()
    save(view, "table", theme)
    page.open()
    page.show(ids["etl"])
    page.view.get_by_text("ReportFailed").first.wait_for()
    save(page.view, "log-failed", theme)


def change_theme(page: NotebookPage, theme: str) -> None:
    """Switch JupyterLab to one of its themes, and wait until the page has its colours."""
    name = f"JupyterLab {theme.title()}"
    page.command("apputils:change-theme", theme=name)
    page.page.locator(f'body[data-jp-theme-name="{name}"]').wait_for(state="attached")


def take_notebook(tab: Page, server: Server) -> None:
    """Take the pictures of the quickstart in JupyterLab: with its live log, and beside the panel of workloads."""
    page = NotebookPage.of(tab, server, "quickstart.ipynb")
    page.open()
    tab.evaluate("jupyterapp.shell.collapseLeft()")
    page.run(1)
    page.select(2)
    page.wait_for("live", lines=6)
    for theme in THEMES:
        change_theme(page, theme)
        save(tab, "quickstart", theme)
    starter = BarePage(tab, server)
    for name in ("lr=0.1", "lr=0.05"):
        starter.start(TRAINING, name=name, cwd=str(server.root))
    starter.finish(starter.start([sys.executable, "etl.py"], name="etl", cwd=str(server.root)))
    page.command("jupyter-logstream:show-workloads")
    tab.get_by_text("lr=0.05").first.wait_for()
    for theme in THEMES:
        change_theme(page, theme)
        save(tab, "panel", theme, clip=PANEL_PX)


def take_all_of_notebook(browser: Browser) -> None:
    """Start a JupyterLab with the notebooks for their pictures."""
    with tempfile.TemporaryDirectory() as folder:
        quiet_news(Path(folder))
        with jupyter(Path(folder), kind="lab", options=OPTIONS) as server:
            shutil.copytree(ROOT / "notebooks", server.root, dirs_exist_ok=True)
            take_notebook(browser.new_page(viewport=LAB_SIZE_PX, device_scale_factor=1.5), server)


def main() -> None:
    """Run the workloads once, then take the pictures in each theme."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=ARGS)
        with jupyter(Path(folder), kind="server") as server:
            for script in (ROOT / "notebooks").glob("*.py"):
                shutil.copy(script, server.root)
            starter = BarePage(browser.new_page(), server)
            options = {"cwd": str(server.root)}
            ids = {name: starter.start(command, name=name, **options) for name, command in COMMANDS.items()}
            for name in ("train", "etl", "backup"):
                starter.finish(ids[name])
            for theme in THEMES:
                tab = browser.new_page(viewport={"width": WIDTH_PX, "height": 700}, device_scale_factor=2)
                take(tab, server, theme, ids)
        take_all_of_notebook(browser)
        browser.close()


if __name__ == "__main__":
    main()
