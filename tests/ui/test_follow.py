"""A file that another program writes, live in the cell that follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.notebook_page import NotebookPage

    Open = Callable[..., NotebookPage]

pytestmark = pytest.mark.browser


def test_a_followed_file_is_waited_for_and_live_across_its_rotation(notebook: Open) -> None:
    shown = notebook(
        "from jupyter_logstream import follow_file\njob = follow_file('followed/*.log')\njob",
        "import os; os.mkdir('followed'); open('followed/a.log', 'w').write('INFO one\\nERROR two\\n')",
        "os.rename('followed/a.log', 'followed/a.log.1'); open('followed/a.log', 'w').write('three\\n')",
        "open('followed/b.log', 'w').write('four\\n')",
        "job.cancel()",
    )
    shown.run(0)
    shown.wait_for("live", lines=0)
    expect(shown.views.nth(0).locator(".empty")).to_have_text("No lines yet: waiting for followed/*.log")
    shown.run(1)
    shown.wait_for("live", lines=3)
    shown.run(2)
    shown.wait_for("live", lines=4)
    shown.run(3)
    shown.wait_for("live", lines=6)
    expect(shown.views.nth(0).get_by_role("button", name="followed/b.log")).to_be_visible()
    texts = [row.strip() for row in shown.rows().all_text_contents()]
    assert [text.split("\n")[0] for text in texts] == [
        "==> followed/a.log <==", "INFO one", "ERROR two", "three", "==> followed/b.log <==", "four",
    ]  # fmt: skip
    shown.run(4)
    shown.wait_for("done", lines=6)
