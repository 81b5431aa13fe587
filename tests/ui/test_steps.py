"""The steps that a workload's output names, in its log: how each stands, and the way to its first line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.notebook_page import NotebookPage

    Open = Callable[..., NotebookPage]

pytestmark = pytest.mark.browser

STEPS = (
    "echo '::step:: load'; seq 300; echo '::step:: check'; seq 300; echo '::endstep:: failed'; "
    "echo '::step:: fit'; while true; do echo on; sleep 0.2; done"
)


def test_the_steps_of_a_log_say_how_they_stand_and_lead_to_their_first_lines(notebook: Open):
    page = notebook(f"from jupyter_logstream import run\nrun({STEPS!r})")
    page.run()
    page.wait_for("live", lines=605)
    view = page.views.first
    view.locator(".steps-open").click()
    items = view.locator(".step-jump")
    page.eventually(lambda: items.count() == 3, "three steps")
    said = [items.nth(i).get_attribute("title") or "" for i in range(3)]
    assert [(title.split()[0], title.rpartition(", ")[2]) for title in said] == [
        ("load", "Done"),
        ("check", "Failed"),
        ("fit", "Running"),
    ]
    items.nth(1).click()
    hit = view.locator(".row[data-hit]")
    page.eventually(lambda: hit.count() == 1 and hit.get_attribute("data-seq") == "302", "the step's first line")
    assert hit.inner_text().strip() == "::step:: check"


def test_a_step_is_folded_to_the_line_that_opens_it(notebook: Open):
    page = notebook(f"from jupyter_logstream import run\nrun({STEPS!r})")
    page.run()
    page.wait_for("live", lines=605)
    view = page.views.first
    view.locator(".steps-open").click()
    view.locator(".step-jump").nth(0).click()
    opener = view.locator('.row[data-seq="1"]')
    page.eventually(lambda: opener.count() == 1, "the step's first line")
    opener.locator(".fold").click()
    page.eventually(lambda: view.locator('.row[data-seq="2"]').count() == 0, "its lines folded away")
    page.eventually(lambda: view.locator('.row[data-seq="302"]').count() == 1, "the next step right below it")
    assert opener.locator(".fold").get_attribute("aria-label") == "Unfold: load · 301 lines"
    opener.locator(".fold").click()
    page.eventually(lambda: view.locator('.row[data-seq="2"]').count() == 1, "its lines again")
