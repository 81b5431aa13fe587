"""The step bar of a log view: states of the steps, the jump to a step, the filter by a step, and folding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator
    from support.bare_page import BarePage

    Open = Callable[..., BarePage]

pytestmark = pytest.mark.browser

STEPS = (
    "echo '::step:: load'; seq 300; echo '::step:: check'; seq 300; echo '::endstep:: failed'; "
    "echo '::step:: fit'; while true; do echo on; sleep 0.2; done"
)


def view_in_third_step(bare: Open) -> Locator:
    page = bare()
    page.show(page.start(STEPS))
    expect(page.view).to_have_attribute("data-state", "live")
    page.has_lines(605)
    expect(page.view.locator(".step-segment")).to_have_count(3)
    return page.view


def test_step_bar_shows_states_and_jumps_to_first_lines(bare: Open):
    view = view_in_third_step(bare)
    segments = view.get_by_role("toolbar", name="Steps").get_by_role("button")
    titles = [segments.nth(i).get_attribute("title") or "" for i in range(3)]
    assert [(title.split()[0], title.rpartition(", ")[2]) for title in titles] == [
        ("load", "Done"),
        ("check", "Failed"),
        ("fit", "Running"),
    ]
    segments.nth(1).click()
    hit = view.locator(".row[data-hit]")
    expect(hit).to_have_attribute("data-seq", "302")
    expect(hit).to_have_text("::step:: check")


def test_step_bar_filters_by_the_clicked_step(bare: Open):
    view = view_in_third_step(bare)
    view.locator(".step-segment").nth(1).click()
    only = view.get_by_role("button", name="Show only the lines of step check")
    only.click()
    expect(view.locator(".matches")).to_have_text("302 lines")
    view.get_by_role("log").press("End")
    expect(view.locator(".row").last).to_have_attribute("data-seq", "603")
    view.get_by_role("button", name="Show the lines of all steps").first.click()
    expect(view.locator(".row").last).to_have_text("on")


def test_step_folds_to_its_first_line(bare: Open):
    view = view_in_third_step(bare)
    view.locator(".step-segment").nth(0).click()
    opener = view.locator('.row[data-seq="1"]')
    opener.locator(".fold").click()
    expect(view.locator('.row[data-seq="2"]')).to_have_count(0)
    expect(view.locator('.row[data-seq="302"]')).to_have_count(1)  # the next step, directly below
    expect(opener.locator(".fold")).to_have_attribute("aria-label", "Unfold: load · 301 lines")
    opener.locator(".fold").click()
    expect(view.locator('.row[data-seq="2"]')).to_have_count(1)
