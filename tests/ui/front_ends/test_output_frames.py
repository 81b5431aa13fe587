"""Frames of another origin with Jupyter's html-manager, by the rules of VS Code and Colab, which can't run here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.log_checks import PROGRAM, expect_cancel, expect_download, expect_find, expect_lines, log_view
from support.output_frames import OutputFrames
from support.without_extension import without_extension

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page
    from support.serving import Server

pytestmark = pytest.mark.browser

HOSTS = pytest.mark.parametrize("per_cell", [False, True], ids=["vscode", "colab"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with without_extension(tmp_path_factory.mktemp("frames")) as server:
        yield server


def showing(gate: Path) -> str:
    return f"from jupyter_logstream import run\njob = run({PROGRAM.format(gate=gate)!r})\ndisplay(job)\n"


@HOSTS
def test_log_is_live_searched_downloaded_and_cancelled(page: Page, server: Server, tmp_path: Path, per_cell: bool):
    gate = tmp_path / "gate"
    host = OutputFrames(page, server, per_cell=per_cell)
    view = log_view(host.run(showing(gate)))
    expect_lines(view, "line 50", 50)
    host.run("1 + 1")  # a later cell has a frame of its own in Colab
    gate.touch()
    expect_lines(view, "last", 51)
    expect_find(view)
    expect_download(page, view, 51)
    expect_cancel(view)


@HOSTS
def test_log_is_live_while_the_kernel_computes(page: Page, server: Server, tmp_path: Path, per_cell: bool):
    gate = tmp_path / "gate"
    host = OutputFrames(page, server, per_cell=per_cell)
    view = log_view(host.start(showing(gate) + "import time\ntime.sleep(1000)"))
    expect_lines(view, "line 50", 50)
    gate.touch()
    expect_lines(view, "last", 51)
    host.interrupt()


def test_output_that_was_scrolled_away_is_made_again_with_its_lines(page: Page, server: Server, tmp_path: Path):
    gate = tmp_path / "gate"
    host = OutputFrames(page, server, per_cell=False)
    view = log_view(host.run(showing(gate)))
    expect_lines(view, "line 50", 50)
    (model,) = page.evaluate("() => displayed")
    host.send(0, type="hide", id=model)
    expect(view).to_have_count(0)
    gate.touch()
    host.send(0, type="display", id=model)
    expect_lines(view, "last", 51)


@HOSTS
def test_restarted_kernel_is_reported_and_the_last_lines_stay(
    page: Page, server: Server, tmp_path: Path, per_cell: bool
):
    host = OutputFrames(page, server, per_cell=per_cell)
    view = log_view(host.run(showing(tmp_path / "gate")))
    expect_lines(view, "line 50", 50)
    host.restart_kernel()
    expect(view.get_by_text("the kernel does not answer or has ended").first).to_be_visible()
    expect(view.locator("[data-seq]").last).to_contain_text("line 50")
