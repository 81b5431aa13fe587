"""The steps that a workload's output names, in its log: how each stands, and the way to its first line."""

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


def shown(bare: Open) -> Locator:
    """The view of a workload that is in its third step."""
    page = bare()
    page.show(page.start(STEPS))
    expect(page.view).to_have_attribute("data-state", "live")
    page.has_lines(605)
    page.view.locator(".steps-open").click()
    expect(page.view.locator(".step-jump")).to_have_count(3)
    return page.view


def test_the_steps_of_a_log_say_how_they_stand_and_lead_to_their_first_lines(bare: Open):
    view = shown(bare)
    items = view.locator(".step-jump")
    said = [items.nth(i).get_attribute("title") or "" for i in range(3)]
    assert [(title.split()[0], title.rpartition(", ")[2]) for title in said] == [
        ("load", "Done"),
        ("check", "Failed"),
        ("fit", "Running"),
    ]
    items.nth(1).click()
    hit = view.locator(".row[data-hit]")
    expect(hit).to_have_attribute("data-seq", "302")
    expect(hit).to_have_text("::step:: check")


def test_a_step_is_folded_to_the_line_that_opens_it(bare: Open):
    view = shown(bare)
    view.locator(".step-jump").nth(0).click()
    opener = view.locator('.row[data-seq="1"]')
    opener.locator(".fold").click()
    expect(view.locator('.row[data-seq="2"]')).to_have_count(0)
    expect(view.locator('.row[data-seq="302"]')).to_have_count(1)  # the next step, right below it
    expect(opener.locator(".fold")).to_have_attribute("aria-label", "Unfold: load · 301 lines")
    opener.locator(".fold").click()
    expect(view.locator('.row[data-seq="2"]')).to_have_count(1)
