"""Terminal text in the live view: links, far moves, colours, control bytes, redraws, wide characters (C7 to C18)."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.bare_page import BarePage

    Open = Callable[..., BarePage]

pytestmark = pytest.mark.browser

LINKS = (
    b"see \x1b]8;id=7;https://example.test/a?x=1;2\x1b\\report\x1b]8;;\x1b\\ and "
    b"\x1b]8;;javascript:alert(1)\x07trap\x1b]8;;\x07 end\n"
    b"\x1b]0;title\x07\x1b]9;4;1;40\x1b\\\x1b]52;c;aGk=\x07\x1b]133;A\x07step 1\x1b]9;4;0;0\x07\n"
)
HUGE = (
    b"x\x1b[999999999Cy\n\x1b[999999999Bz\n\x1b[2147483648;99999999999Hv\n\x1b[999999999@w\n"
    + b"\x1b[1m\x1b[31m\x1b[m" * 200_000
    + b"u\n"
)
YELLOW = b"\x1b[33m" + b"".join(b"row %d\n" % i for i in range(600)) + b"\x1b[0mplain\n"
BYTES = (
    b"[DEBUG] <step one:two\n<img src=x onerror=document.title='P'> &lt;b&gt;\n"
    b"nul\x00byte \x07bell \x9b31mC1 caf\xe9 \xed\xa0\x80\nlast\n"
)
REDRAWS = r"""
import os, sys, time
def write(data):
    os.write(1, data)
def wait(gate):
    while not os.path.exists(sys.argv[1] + gate): time.sleep(0.02)
write(b"\x1b[?2026h\x1b[?25lA   0% 0/9\nB   0% 0/9"); wait("1")
write(b"\r\x1b[2K\x1b[1A\x1b[2Kcheckpoint saved\nA  50% 4/9\nB  20% 2/9"); wait("2")
write(b"\r\x1b[2K\x1b[1A\x1b[2KA 100% 9/9\nB 100% 9/9\n\x1b[?25h\x1b[?2026l")
write(b"\n\n\n\n\x1b[4A\x1b[K[1 / 9] cc a.c\n\x1b[K  a.c; 1s\n\x1b[K\n\x1b[K\n")
write(b"\x1b[4A\x1b[KINFO: done, 9 actions\n\x1b[K\n\x1b[K\n\x1b[K\n")
wait("3")
"""
JSON = b'{"ts":"2026-01-02T03:04:05Z","level":"warning","event":"slow disk","ms":812}\n'
BAR = "Mapping:  20%|██        | 200/1000 [00:02<00:08, 99.1 examples/s]".encode()
GLUED = r"""
import os, sys, time
def wait(gate):
    while not os.path.exists(sys.argv[1] + gate): time.sleep(0.02)
for gate, between in (("1", b""), ("2", b"\r")):
    os.write(1, BAR); wait(gate)
    os.write(1, between + JSON)
wait("3")
"""


def gate(page: BarePage, name: str) -> None:
    (page.server.root / f"gate{name}").touch()


def start(page: BarePage, program: str) -> str:
    for name in "123":
        (page.server.root / f"gate{name}").unlink(missing_ok=True)
    values = f"JSON, BAR = {JSON!r}, {BAR!r}\n"
    page_root = str(page.server.root / "gate")
    program = program.replace("sys.argv[1]", repr(page_root))
    return page.python(values + program)


def bars(page: BarePage) -> list[tuple[str, str, str]]:
    """Label, percentage and state of the progress bars above the log."""
    found: list[list[str]] = page.view.locator(".progress-bar").evaluate_all(
        """its => its.map(it => [it.querySelector(".label").textContent, it.querySelector(".percent").textContent,
                                 it.dataset.state])"""
    )
    return [(label, percent, state) for label, percent, state in found]


def styles(page: BarePage, text: str) -> Any:
    """How a row with this text is drawn: the colours and classes of its elements."""
    row = page.view.locator(".row", has_text=text).filter(visible=True).first
    row.wait_for()
    return row.locator(".text").evaluate(
        """it => [it, ...it.querySelectorAll("*")].map((one) =>
             [one.className, getComputedStyle(one).color, getComputedStyle(one).backgroundColor])"""
    )


def test_c7_a_link_is_clickable_and_nothing_else_acts(bare: Open):
    page = bare()
    title = page.page.title()
    page.page.evaluate("navigator.clipboard.writeText('mine')")
    page.show(page.finished_log(LINKS))
    expect(page.rows).to_have_count(2)
    assert page.texts == ["see report and trap end", "step 1"]
    links = page.view.locator(".row a").evaluate_all(
        "its => its.map(it => [it.textContent, it.getAttribute('href'), it.rel, it.title])"
    )
    address = "https://example.test/a?x=1;2"
    assert links == [["report", address, "noopener noreferrer", address]]
    assert page.page.title() == title
    assert page.page.evaluate("navigator.clipboard.readText()") == "mine"


def test_c9_absurd_counts_and_a_million_sequences_take_no_space(bare: Open):
    page = bare()
    page.show(page.finished_log(HUGE))
    expect(page.rows).to_have_count(5)
    assert [text.strip()[-1] for text in page.texts] == ["y", "z", "v", "w", "u"]
    assert max(map(len, page.texts)) <= 121
    assert len(page.heights) == 1
    assert page.row(5).locator(".text *").count() <= 3


def test_c12_a_row_looks_the_same_however_it_is_reached(bare: Open):
    page = bare()
    workload, other = page.finished_log(YELLOW), page.finished_log(b"other\nplain\n")
    page.show(workload)
    page.has_lines(601)
    page.press("End")
    at_end = styles(page, "row 599")
    page.press("Home")
    at_start = styles(page, "row 1")
    assert at_start == at_end, "a colour ends with its line, for the second row as for the last"
    page.press("/")
    page.view.get_by_role("textbox").fill("row 300")
    page.page.keyboard.press("Enter")
    page.view.locator(".row[data-hit]", has_text="row 300").wait_for()
    page.press("Escape")
    expect(page.view.locator(".mark")).to_have_count(0)
    assert [one[1:] for one in styles(page, "row 300")] == [one[1:] for one in at_end]
    page.show(other)
    expect(page.rows).to_have_count(2)
    assert styles(page, "other") == styles(page, "plain") == at_end


def test_c14_markup_and_control_bytes_are_text(bare: Open):
    page = bare()
    title = page.page.title()
    workload = page.finished_log(BYTES)
    page.show(workload)
    expect(page.rows).to_have_count(4)
    texts = ["[DEBUG] <step one:two", "<img src=x onerror=document.title='P'> &lt;b&gt;"]
    bad = "\ufffd"
    assert page.texts == [*texts, f"nul\x00byte \x07bell {bad}31mC1 caf{bad} {bad * 3}", "last"]
    assert page.view.locator("img").count() == 0
    assert page.page.title() == title
    answer = page.server.http.get(f"{page.server.url}logstream/v1/workloads/{workload}/records")
    records = json.loads(answer.content, strict=True)["records"]
    assert [(record["seq"], record["message"]) for record in records][-1] == (4, "last")
    exact = page.server.http.get(f"{page.server.url}logstream/v1/workloads/{workload}/log.txt").content
    assert exact == BYTES


def test_c15_redraws_of_several_rows_leave_no_stale_bar_and_no_empty_rows(bare: Open):
    page = bare()
    page.show(start(page, REDRAWS))
    page.view.locator(".row.progress", has_text="B   0% 0/9").wait_for()
    gate(page, "1")
    page.view.locator(".row.progress", has_text="B  20% 2/9").wait_for()
    assert page.view.locator(".row", has_text="checkpoint saved").count() == 1
    page.view.locator('.progress-bar[data-state="moving"]', has_text="20 %").wait_for()
    gate(page, "2")
    page.view.locator(".row", has_text="INFO: done, 9 actions").wait_for()
    page.has_lines(17)
    expect(page.view.locator(".row.progress")).to_have_count(0)
    page.view.locator('.progress-bar[data-state="done"]', has_text="B").wait_for()
    assert not [bar for bar in bars(page) if bar[2] == "moving"]
    texts = page.texts
    assert texts.count("INFO: done, 9 actions") == texts.count("checkpoint saved") == 1
    assert len(texts) - texts.index("INFO: done, 9 actions") <= 2, texts
    assert not any(first == second == "" for first, second in pairwise(texts)), texts
    gate(page, "3")


def test_c18_a_record_behind_a_bar_is_data_and_the_bar_is_shown_while_it_is_open(bare: Open):
    page = bare()
    workload = start(page, GLUED)
    page.show(workload)
    for name in "12":
        page.view.locator(".row.progress", has_text="Mapping").wait_for()
        page.view.locator(".progress-bar .count", has_text="200 / 1000").wait_for()
        assert ("Mapping", "20 %", "moving") in bars(page)
        gate(page, name)
        page.has_lines(int(name))
    expect(page.rows).to_have_count(2)
    records = page.server.get(f"workloads/{workload}/records?level=warn")["records"]
    assert [record["level"] for record in records] == ["warn", "warn"]
    assert records[1]["message"] == JSON.decode().strip()
    assert page.texts[1] == JSON.decode().strip()
    assert all("{" not in label for label, *_ in bars(page))
    for seq in 1, 2:
        page.row(seq).locator("button.fold").click()
        tree = page.row(seq).locator(".tree")
        expect(tree).to_contain_text("slow disk")
        expect(tree).to_contain_text("812")
    gate(page, "3")


WIDE = {
    "abcdef|": 6,
    "漢字|": 4,
    "한글ab|": 6,
    "\uff46\uff55|": 4,
    "🚀🚀|": 4,
    "👩\u200d🚀|": 2,
    "か\u3099e\u0301|": 3,
    "漢字" * 20 + "|": 80,
    "⌚ok|": 4,
}


@pytest.mark.parametrize("coloured", [False, True])
def test_wide_characters_take_two_cells(bare: Open, coloured: bool):
    page = bare(width=1200)
    lines = list(WIDE)
    if coloured:  # behind the first character, unless another one is joined to it
        lines = [re.sub("^(.)(?!\u200d)", "\x1b[32m\\1\x1b[0m", text) for text in lines]
    page.show(page.finished_log("\n".join(lines).encode() + b"\n"))
    expect(page.rows).to_have_count(len(WIDE))
    edges = page.view.locator(".row .text").evaluate_all(
        """its => its.map((it) => {
             const walker = document.createTreeWalker(it, NodeFilter.SHOW_TEXT);
             let last; while (walker.nextNode()) last = walker.currentNode;
             const range = document.createRange();
             range.setStart(last, last.data.length - 1); range.setEnd(last, last.data.length);
             return range.getBoundingClientRect().left - it.getBoundingClientRect().left;
           })"""
    )
    cell = edges[0] / 6
    for (text, cells), edge in zip(WIDE.items(), edges, strict=True):
        assert abs(edge / cell - cells) < 0.5, (text, edge / cell)
    assert page.texts == list(WIDE), "the text to copy is what was written"
    assert len(page.heights) == 1
