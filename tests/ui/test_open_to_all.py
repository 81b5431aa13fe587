"""Accessibility of a log view: axe finds no violation, and reduced motion is respected."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.browser_options import WITHOUT_SHARED_WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.bare_page import BarePage

    Open = Callable[..., BarePage]

pytestmark = pytest.mark.browser


def test_axe_finds_no_violation_with_any_popup_open(bare: Open):
    page = bare()
    program = (
        "print('::step:: load')\n"
        "for i in range(8): print(f'\\x1b[3{i}mcolour {i}\\x1b[9{i}m bright\\x1b[0m \\x1b[2mdim')\n"
        "print('\\x1b[38;2;20;20;20mnear black\\x1b[38;5;231mwhite\\x1b[0m https://example.org')\n"
        "print('ERROR bad'); print('WARNING hm'); print('DEBUG d')"
    )
    workload = page.python(program)
    page.finish(workload)
    page.show(workload)
    page.row(13).wait_for()

    def check(what: str) -> None:
        found = page.violations()
        assert not found, f"{what}: {json.dumps(found, indent=1)}"

    check("done")
    page.press("/")
    page.view.get_by_role("textbox").fill("colour")
    expect(page.view.get_by_text("8 of 8")).to_be_visible()
    check("finding")
    page.page.keyboard.press("Escape")
    page.row(3).click(position={"x": 20, "y": 8})
    page.press("w", "t", "g")
    check("a selected line, wrapped, with times, and the line number field")
    page.page.keyboard.press("Escape")
    page.view.get_by_role("button", name=re.compile("Display options and actions")).click()
    check("menu")
    page.page.keyboard.press("Escape")
    page.press("?")
    check("keys")


RUN = """
import sys, time
print('::step:: load')
for i in range(60): print(f'INFO row {i} loss={1 / (i + 1):.3f}'); time.sleep(.04)
print('::step:: sum')
for i in range(20):
    sys.stderr.write(f'\\rfit: {i * 5:3}%|{"#" * i:20}| {i}/20 [00:0{i // 10}<00:02, 9.1it/s]')
    time.sleep(.02)
sys.stderr.write('\\n')
"""


@pytest.mark.usefixtures("page")  # for the init script
def test_axe_finds_no_violation_in_any_state(bare: Open):
    page = bare(theme="dark")  # test_contrast.py checks the colours of all themes

    def check(what: str) -> None:
        found = page.violations()
        assert not found, f"{what}: {json.dumps(found, indent=1)}"

    page.show(page.start("sleep 60"))
    expect(page.view).to_have_attribute("data-state", "live")
    check("empty")
    live = page.python(RUN + "time.sleep(600)")
    page.show(live)
    expect(page.view.get_by_role("progressbar").first).to_be_visible(timeout=20_000)
    check("live, with steps, a progress bar and curves")
    page.view.get_by_role("log").press("Home")
    check("paused")
    failed = page.python(RUN + "def total(): raise KeyError('total')\ntotal()")
    page.finish(failed)
    page.show(failed)
    expect(page.view.get_by_role("region", name="First error")).to_be_visible()
    expect(
        page.view.get_by_role("img", name=re.compile("over time")).or_(page.view.locator(".histogram")).first
    ).to_be_attached()
    check("failed, with a folded traceback")
    page.press("k", "Enter")
    check("unfolded traceback with the current line")
    page.press("/")
    page.view.get_by_role("textbox").fill("row 1")
    page.view.get_by_role("combobox").select_option("around")
    expect(page.view.get_by_text("lines").first).to_be_visible()
    check("matches with context")
    page.page.set_viewport_size({"width": 380, "height": 700})
    check("narrow")
    page.page.set_viewport_size({"width": 900, "height": 700})
    page.page.add_init_script(WITHOUT_SHARED_WORKERS)  # playwright cannot intercept requests of workers
    page.page.route("**/v1/events*", lambda route: route.abort())
    page.page.route("**/v1/workloads/*/logs/stream*", lambda route: route.abort())
    page.page.reload()
    page.show(live)
    expect(page.view).to_have_attribute("data-state", re.compile("reconnecting|polling"), timeout=20_000)
    check("reconnecting")
    page.page.unroute_all()
    saved = {
        "job": {"state": "failed", "lines": 82},
        "lines": ["the end"],
        "error": {"seq": 9, "title": "X", "repeats": 2},
    }
    page.show("01M7AAAAAAAAAAAAAAAAAAAAAA", saved=saved)
    expect(page.view).to_have_attribute("data-state", "error", timeout=20_000)
    expect(page.view.get_by_role("region", name="First error")).to_contain_text("X")
    expect(page.view.get_by_role("button", name=re.compile("Show line"))).to_have_count(0)
    check("lost")


@pytest.mark.usefixtures("page")  # emulated media
def test_reduced_motion_disables_animations(bare: Open):
    page = bare()
    page.page.emulate_media(reduced_motion="reduce")
    page.show(page.python("import time; print('a'); time.sleep(600)"))
    expect(page.view).to_have_attribute("data-state", "live")
    names = page.view.locator(".badge .icon").evaluate_all("its => its.map(it => getComputedStyle(it).animationName)")
    assert set(names) == {"none"}
