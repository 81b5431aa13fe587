"""Field cases of the text of a log, end to end: what the records, the view, find and copy make of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.bare_page import BarePage

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from support.serving import Server

pytestmark = pytest.mark.browser

EXCEPTION_GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "<string>", line 3, in <module>
  | ExceptionGroup: two jobs failed (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: bad row 7
    +---------------- 2 ----------------
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | TypeError: no len
      +------------------------------------
next
"""
"""As Python 3.11 prints it."""
CRASH = """
def f(): return g()
def g(): return h()
def h(): return 1 / 0
print("before", flush=True)
f()
"""


@pytest.fixture
def bare(page: Page, server: Server) -> BarePage:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    made = BarePage(page, server)
    made.open()
    return made


def test_line_separators_of_unicode_do_not_split_a_line(bare: BarePage, server: Server) -> None:
    data = '{"level":"warn","msg":"a\u2028b\u2029c\x85d"}\npage\x0cbreak\x0bvt\x1cfs\nend\n'.encode()
    workload = bare.finished_log(data)
    records = server.get(f"workloads/{workload}/records")["records"]
    assert [record["seq"] for record in records] == [1, 2, 3]
    assert records[0]["level"] == "warn"
    bare.show(workload)
    expect(bare.rows).to_have_count(3)
    bare.view.locator(".row .fold").first.click()
    expect(bare.view.locator(".tree").first).to_contain_text("msg")
    bare.press("/")
    bare.view.get_by_role("textbox").fill("end")
    expect(bare.view.locator("[data-hit]")).to_have_attribute("data-seq", "3")
    bare.page.keyboard.press("Escape")
    bare.row(1).click(position={"x": 10, "y": 8})
    bare.view.get_by_role("button", name="Copy the selected lines").click()
    bare.page.wait_for_function("() => navigator.clipboard.readText().then((text) => text.includes('msg'))")
    copied = bare.page.evaluate("navigator.clipboard.readText()")
    assert "\n" not in copied.rstrip("\r\n")
    assert "page" not in copied


def test_exception_group_is_one_fold_and_one_error(bare: BarePage) -> None:
    workload = bare.finished_log(EXCEPTION_GROUP.encode())
    bare.show(workload)
    fold = bare.view.locator('.row[data-fold="closed"]')
    expect(fold).to_have_count(1)
    expect(fold.locator(".text")).to_have_attribute("data-title", "ExceptionGroup: two jobs failed (2 sub-exceptions)")
    expect(bare.view.locator(".row.record").last).to_have_text("next")
    expect(bare.view.locator(".error-card .title")).to_have_text("ExceptionGroup: two jobs failed (2 sub-exceptions)")
    expect(bare.view.locator('.bar .level[data-level="error"] .number')).to_have_text("1")
    bare.press("/")
    bare.view.get_by_role("textbox").fill("bad row 7")
    hit = bare.view.locator("[data-hit]")
    expect(hit).to_contain_text("ValueError: bad row 7")
    assert hit.locator(".text").evaluate("(it) => it.textContent").startswith("    | ")


def test_crash_of_a_program_is_shown_as_one_error(bare: BarePage, server: Server) -> None:
    workload = bare.python(CRASH)
    levels = bare.finish(workload)["levels"]
    assert levels["error"] > 5
    bare.show(workload)
    number = bare.view.locator('.bar .level[data-level="error"]')
    expect(number.locator(".number")).to_have_text("1")
    expect(number).to_have_attribute("aria-label", f"1 error, {levels['error']} lines (click to show only these lines)")
    # Output and errors are two terminals: which of their first lines is line 1 is not defined.
    counts = re.compile(rf"^line [12] · 1 error, {levels['error']} lines$")
    expect(bare.view.locator(".error-card .counts")).to_have_text(counts)
    number.click()
    expect(bare.view.locator('.chip[data-level="error"] .number')).to_have_text("1")
    expect(bare.view.locator('.chip[data-level="error"]')).to_have_attribute(
        "title", f"Show only lines of level error: 1 error, {levels['error']} lines"
    )
