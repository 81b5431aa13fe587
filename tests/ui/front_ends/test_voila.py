"""Voila: an app whose button starts a workload, inside a Jupyter server and as a server of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.log_checks import PROGRAM, expect_cancel, expect_download, expect_find, expect_lines, log_view
from support.page_program import page_program
from support.serving import TOKEN, VOILA, Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page
    from support.private_home import Home

pytestmark = pytest.mark.browser

APP = """
import ipywidgets
from jupyter_logstream import LogView, run
place, button = ipywidgets.VBox(), ipywidgets.Button(description="Start")
button.on_click(lambda _: setattr(place, "children", [LogView(run({program!r}))]))
ipywidgets.VBox([button, place])
"""


def write_app(folder: Path, program: str) -> None:
    """Write the app as a notebook."""
    cell = {"cell_type": "code", "id": "app", "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [{**cell, "source": APP.format(program=program)}]
    (folder / "app.ipynb").write_text(
        json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("voila"), base_url="/user/ann/", front_ends=(VOILA,)) as server:
        yield server


def test_app_in_a_jupyter_server_shows_finds_downloads_and_cancels(server: Server, page: Page, tmp_path: Path):
    gate = tmp_path / "gate"
    write_app(server.root, PROGRAM.format(gate=gate))
    page.goto(f"{server.page_url}voila/render/app.ipynb?token={TOKEN}")
    assert "_xsrf" not in {cookie["name"] for cookie in page.context.cookies()}
    page.get_by_role("button", name="Start").click(timeout=60_000)
    view = log_view(page)
    expect_lines(view, "line 50", 50)
    gate.touch()
    expect_lines(view, "last", 51)
    expect_find(view)
    expect_download(page, view, 51)
    expect_cancel(view)


def test_app_of_voila_alone_shows_finds_downloads_and_cancels(home: Home, page: Page, tmp_path: Path):
    folder, env = home.folder, home.env
    gate = tmp_path / "gate"
    write_app(folder, PROGRAM.format(gate=gate))
    with page_program(folder, env, "voila", "app.ipynb", "--no-browser", "--port={port}") as url:
        page.goto(url)
        page.get_by_role("button", name="Start").click(timeout=60_000)
        view = log_view(page)
        expect_lines(view, "line 50", 50)
        gate.touch()
        expect_lines(view, "last", 51)
        expect_find(view)
        expect_download(page, view, 51)
        expect_cancel(view)
