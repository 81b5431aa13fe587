"""Log view in a real browser: search, filters, wrapping, links, downloads, resizing, folding, keyboard."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.bare_page import BarePage

    Open = Callable[..., BarePage]

pytestmark = pytest.mark.browser

LOG = """
for i in range(1, 5001):
    print(f"ERROR no {i}" if i % 1000 == 0 else f"WARNING {i}" if i % 500 == 0 else f"INFO line {i}")
"""


def test_matches_are_highlighted_shown_alone_excluded_and_shown_with_context(bare: Open):
    page = bare()
    workload = page.python(LOG)
    page.finish(workload)
    page.show(workload)
    page.press("/")
    query, mode = page.view.get_by_role("textbox"), page.view.get_by_role("combobox")
    query.fill("/^ERROR/")
    expect(page.view.get_by_text("5 of 5", exact=True)).to_be_visible()
    expect(page.view.locator("[data-hit] .mark")).to_have_text("ERROR")
    mode.select_option("only")
    expect(page.rows).to_have_count(5)
    query.press("Enter")
    expect(page.view.locator("[data-hit]")).to_have_attribute("data-seq", "1000")
    expect(page.view.get_by_text('job.logs(q="/^ERROR/")')).to_be_visible()
    mode.select_option("around")
    expect(page.view.get_by_text("⋯ 993 lines").first).to_be_visible()
    query.fill("line")
    mode.select_option("not")
    expect(page.view.get_by_text("10 lines")).to_be_visible()
    expect(page.rows).to_have_count(10)
    query.press("Escape")
    expect(page.view.get_by_role("textbox")).to_have_count(0)
    page.row(5000).wait_for()


def test_chips_filter_by_level_and_the_python_filter_runs(bare: Open):
    page = bare()
    workload = page.python(LOG)
    page.finish(workload)
    page.show(workload)
    page.view.get_by_role("button", name=re.compile("5 errors")).click()
    expect(page.rows).to_have_count(5)
    page.view.get_by_role("button", name=re.compile("^Warning")).click()
    expect(page.rows).to_have_count(10)
    page.view.get_by_role("button", name="Copy as Python").click()
    code = page.page.evaluate("navigator.clipboard.readText()")
    assert code == 'job.logs(levels=["error", "warn"])'


def test_filter_shows_new_matching_lines(bare: Open):
    page = bare()
    workload = page.python(
        "import time\nfor i in range(100000): print('even' if i % 2 == 0 else 'odd', i); time.sleep(.02)"
    )
    page.show(workload)
    page.has_lines(5)
    page.press("/")
    page.view.get_by_role("textbox").fill("odd")
    page.view.get_by_role("combobox").select_option("only")
    now = int(page.view.get_attribute("data-lines") or 0)
    expect(page.view.locator(".row", has_text="even")).to_have_count(0)
    page.has_lines(now + 60)
    shown = [int(seq) for seq in page.rows.evaluate_all("its => its.map(it => it.dataset.seq)")]
    assert all(seq % 2 == 0 for seq in shown)
    assert shown == list(range(shown[0], shown[-1] + 2, 2)), "no line lost or repeated"


def test_wrapped_lines_show_their_complete_text_and_the_list_ends_at_the_last_line(bare: Open):
    page = bare(width=500)
    lines = [f"{i} " + "word " * (i % 40) for i in range(400)] + ["x" * 5000, "the end"]
    page.show(page.finished_log("\n".join(lines).encode()))
    page.row(402).wait_for()
    page.press("w")
    log = page.view.get_by_role("log")
    expect(page.row(402)).to_be_in_viewport()
    assert log.evaluate("it => it.scrollWidth - it.clientWidth") <= 0
    bottom = "it => it.getBoundingClientRect().bottom"
    page.painted()
    assert abs(page.row(402).evaluate(bottom) - page.view.locator(".viewport").evaluate(bottom)) < 2
    page.press("Home")
    expect(page.row(1)).to_be_in_viewport()
    seen = set()
    for _ in range(200):
        seen |= set(page.rows.evaluate_all("its => its.map(it => Number(it.dataset.seq))"))
        if 402 in seen and page.view.locator(".follow").get_attribute("aria-pressed") == "true":
            break
        page.page.keyboard.press("PageDown")
        page.painted()
    assert seen == set(range(1, 403)), "paging shows every line"
    page.press("w")


@pytest.mark.parametrize("wrap", [False, True], ids=["plain", "wrapped"])
def test_wheel_scrolls_without_jumps(wrap, bare: Open):
    page = bare(width=500)
    page.show(page.finished_log(b"".join(b"%d %s\n" % (i, b"word " * (i % 30)) for i in range(1, 3001))))
    page.row(3000).wait_for()
    if wrap:
        page.press("w")
    page.press("Home")
    expect(page.row(1)).to_be_in_viewport()
    page.view.get_by_role("log").hover()
    before = 1
    for _ in range(60):
        page.page.mouse.wheel(0, 120)
        for _ in range(100):  # the wheel event arrives some frames later
            page.painted()
            first = page.view.locator(".row").evaluate_all(
                """its => Number(its.find(it => it.getBoundingClientRect().bottom
                     > it.closest('.viewport').getBoundingClientRect().top).dataset.seq)"""
            )
            if first != before:
                break
        assert before <= first <= before + 8, "continues from the previous position"
        before = first
    assert before > (60 if wrap else 150)
    if wrap:
        page.press("w")


def test_link_to_a_line_shows_that_line_when_the_page_opens(bare: Open):
    page = bare()
    workload = page.python(LOG)
    page.finish(workload)
    page.show(workload)
    page.row(5000).wait_for()
    page.press("g")
    page.page.keyboard.type("1,234")
    page.page.keyboard.press("Enter")
    copy = page.view.get_by_role("button", name="Copy a link to this line")

    for _ in range(30):  # until the jump is painted, a click can meet the row that was there before
        page.row(1234).click(position={"x": 20, "y": 8})
        page.page.wait_for_timeout(500)
        if copy.is_visible():
            break
    copy.click()
    expect(page.view.get_by_text("Link copied")).to_be_visible()
    link = page.page.evaluate("navigator.clipboard.readText()")
    other = bare(fragment="#" + link.split("#")[1])
    other.show(workload)
    expect(other.view.locator("[data-hit]")).to_have_attribute("data-seq", "1234")
    expect(other.row(1234)).to_be_in_viewport()


def test_download_contains_the_matching_lines(bare: Open):
    page = bare()
    workload = page.python(LOG)
    page.finish(workload)
    page.show(workload)
    page.view.get_by_role("button", name=re.compile("5 errors")).click()
    expect(page.rows).to_have_count(5)
    page.view.get_by_role("button", name=re.compile("Display options and actions")).click()
    with page.page.expect_download() as download:
        page.view.get_by_role("menuitem", name="Download matching lines").click()
    assert download.value.path().read_text().split("\n") == [f"ERROR no {i}000" for i in range(1, 6)] + [""]


def test_full_window_mode_ends_by_escape(bare: Open):
    page = bare()
    workload = page.python(LOG)
    page.finish(workload)
    page.show(workload)
    page.row(5000).wait_for()
    expect(page.view.get_by_role("region", name="First error")).to_be_visible()
    small = page.view.locator(".view").bounding_box()
    page.press("o")
    expect(page.view.locator(".view")).to_have_css("height", "700px")
    page.row(5000).wait_for()
    expect(page.rows.nth(30)).to_be_attached()
    page.page.keyboard.press("Escape")
    assert page.view.locator(".view").bounding_box() == small


def test_dragged_height_is_stored(bare: Open):
    page = bare()
    workload = page.python(LOG)
    page.finish(workload)
    page.show(workload)
    expect(page.view.get_by_role("region", name="First error")).to_be_visible()
    handle = page.view.get_by_role("separator", name="Log height")
    box = handle.bounding_box()
    assert box
    page.page.mouse.move(box["x"] + 100, box["y"] + 3)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 100, box["y"] + 203, steps=5)
    page.page.mouse.up()
    height = page.view.locator(".view").bounding_box()
    assert height
    page.open()
    page.show(workload)
    again = page.view.locator(".view").bounding_box()
    assert again
    assert again["height"] == height["height"] > 400
    page.view.get_by_role("separator", name="Log height").dblclick()
    assert page.view.locator(".view").bounding_box() != again


def test_clear_removes_lines_from_the_view_only(bare: Open):
    page = bare()
    gate = page.server.folder / f"gate-{uuid4().hex}"
    workload = page.python(
        f"import os, time\nfor i in range(1, 61):\n    print(i)\n"
        f"    while i == 20 and not os.path.exists({str(gate)!r}): time.sleep(.05)\ntime.sleep(600)"
    )
    page.show(workload)
    page.row(20).wait_for()
    page.view.get_by_role("button", name=re.compile("Display options and actions")).click()
    page.view.get_by_role("menuitem", name="Clear the view").click()
    expect(page.rows).to_have_count(0)
    expect(page.view.get_by_text("lines cleared from this view")).to_be_visible()
    gate.touch()
    page.row(60).wait_for()
    expect(page.row(20)).to_have_count(0)
    assert page.server.get(f"workloads/{workload}/records", limit=1)["records"][0]["seq"] == 1


TRACED = """
for i in range(300): print('INFO row', i)
def total(order): return order['total']
try: total({})
except KeyError as error: raise SystemExit(__import__('traceback').format_exc().rstrip() + chr(10) + 'INFO bye')
"""


def test_traceback_is_one_row_and_unfolds_for_a_match_in_it(bare: Open):
    page = bare()
    workload = page.python(TRACED, tty=False)
    page.finish(workload)
    page.show(workload)
    head = page.view.locator('.row[data-fold="closed"]')
    expect(head).to_have_count(1)
    expect(head.locator(".text")).to_have_attribute("data-title", "KeyError: 'total'")
    page.press("/")
    page.view.get_by_role("textbox").fill("in total")
    expect(page.view.locator("[data-hit]")).to_contain_text("in total")
    expect(page.view.locator("[data-hit]")).to_be_in_viewport()
    expect(head).to_have_count(0)
    page.page.keyboard.press("Escape")


def test_first_error_card_shows_and_unfolds_its_traceback(bare: Open):
    page = bare()
    workload = page.python(TRACED, tty=False)
    page.finish(workload)
    page.show(workload)
    expect(page.view.locator('.row[data-fold="closed"]')).to_be_visible()
    page.view.get_by_role("button", name=re.compile("Show line")).click()
    expect(page.view.get_by_text("Traceback (most recent call last):")).to_be_in_viewport()
    expect(page.view.locator(".row", has_text="KeyError: 'total'")).to_be_in_viewport()


def test_keyboard_moves_unfolds_selects_and_copies_lines(bare: Open):
    page = bare()
    workload = page.python(TRACED, tty=False)
    page.finish(workload)
    page.show(workload)
    expect(page.view.locator('.row[data-fold="closed"]')).to_be_visible()
    page.press("k", "k")
    expect(page.view.locator("[data-hit]")).to_have_attribute("data-fold", "closed")
    page.press("Enter")
    expect(page.view.locator(".row", has_text="KeyError: 'total'")).to_be_visible()
    page.press("c", "j", "j", "C", "Control+c")
    expect(page.view.get_by_text("3 lines copied")).to_be_visible()
    assert page.page.evaluate("navigator.clipboard.readText()").startswith("Traceback (most recent call last):\n  File")
    page.press("Escape", "Home", "j")
    expect(page.view.locator("[data-hit]")).to_be_in_viewport()


def test_published_multiline_record_unfolds_to_all_lines(bare: Open):
    page = bare()
    server = page.server
    body = {"backend": "external", "name": "shop"}
    workload = server.http.post(f"{server.url}logstream/v1/workloads", json=body).json()["id"]
    message = (
        "order 7 <b>failed</b>\nTraceback (most recent call last):\n  File 'a.py', line 1\n    x()\nKeyError: '<i>'"
    )
    records = [{"message": message, "level": "error"}, {"message": "next"}, {"state": "succeeded"}]
    server.http.post(f"{server.url}logstream/v1/workloads/{workload}/logs", json=records)
    page.show(workload)
    row = page.row(1)
    expect(row.locator(".text")).to_have_attribute("data-badge", "KeyError: '<i>' · 5 lines")
    closed = row.bounding_box()
    row.get_by_role("button").click()
    expect(row).to_have_class(re.compile("opened"))
    opened = row.bounding_box()
    assert closed
    assert opened
    assert abs(opened["height"] - 5 * closed["height"]) < 2
    assert row.locator(".text").evaluate("it => it.textContent") == message
    assert page.view.locator(".row b, .row i").count() == 0
