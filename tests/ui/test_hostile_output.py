"""Hostile output in the live view stays text. Numbers as in the list of reliability cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.bare_page import BarePage

    Open = Callable[..., BarePage]

pytestmark = pytest.mark.browser

MARKUP = [
    "<script>window.hacked=1</script>",
    '<img src=x onerror="window.hacked=1">',
    '<button data-commandlinker-command="x">b</button>',
    "</pre></div></span>",
    "&lt;b&gt;",
]
OSC8 = [
    f"\x1b]8;;{address}\x1b\\link\x1b]8;;\x1b\\"
    for address in (
        "javascript:window.hacked=1",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        '"x" onclick="',
    )
]
COMMANDS = [
    "\x1b]52;c;aGk=\x07a",
    "\x1b]0;title\x07b",
    "\x1bP1;2q\x1b\\c",
    "\x1b_G\x1b\\d",
    "\x1b[6ne",
    "\x1bcf",
]


def elements(page: BarePage) -> set[str]:
    """The tag names of all elements in the lines."""
    return set(page.view.locator(".row *").evaluate_all("its => its.map(it => it.tagName.toLowerCase())"))


def test_b94_markup_is_literal_text_and_creates_no_element(bare: Open):
    page = bare()
    page.show(page.finished_log("\n".join(MARKUP).encode()))
    expect(page.rows).to_have_count(len(MARKUP))
    assert page.texts == MARKUP
    assert elements(page) == {"span"}
    assert page.page.evaluate("window.hacked") is None


def test_b96_no_other_or_overlong_address_becomes_a_link(bare: Open):
    page = bare()
    long = "\x1b]8;;https://h/" + "a" * 60_000 + "\x1b\\long\x1b]8;;\x1b\\"
    page.show(page.finished_log("\n".join([*OSC8, long]).encode()))
    expect(page.rows).to_have_count(len(OSC8) + 1)
    assert page.view.locator(".row a").count() == 0
    assert page.texts[: len(OSC8)] == ["link"] * len(OSC8)


def test_b97_terminal_commands_are_inert(bare: Open):
    page = bare()
    title = page.page.title()
    page.page.evaluate("navigator.clipboard.writeText('mine')")
    page.show(page.finished_log("\n".join(COMMANDS).encode()))
    expect(page.rows).to_have_count(len(COMMANDS))
    assert page.texts == ["a", "b", "[image]c", "d", "e", "f"]
    assert page.page.title() == title
    assert page.page.evaluate("navigator.clipboard.readText()") == "mine"


def test_b98_far_cursor_moves_and_repeats_take_no_space(bare: Open):
    page = bare()
    page.show(page.finished_log(b"a\x1b[999999999Cb\nx\x1b[999999999b\n"))
    expect(page.rows).to_have_count(2)
    first, second = page.texts
    assert (first[0], first[-1], second) == ("a", "b", "x")
    assert len(first) <= 121  # a move ends at the last column of the terminal


def test_b99_text_after_unfinished_sequences_of_megabytes_is_shown(bare: Open):
    page = bare()
    data = b"\x1b]" + b"x" * 3_000_000 + b"\n\x1b[" + b";1" * 500_000 + b"\n\xc2\x9b31mred\n\xc2\x9dtitle\n" + b"last\n"
    page.show(page.finished_log(data))
    page.view.locator(".row", has_text="last").wait_for(timeout=20_000)
    assert page.texts[-1] == "last"
    assert len(page.heights) == 1


def test_b100_control_characters_are_shown_by_name_and_copied_as_written(bare: Open):
    page = bare()
    lines = ["safe \u202etxt.exe\u202c end", "a" + "\u0301" * 10_000, "tab\tbell\x07", "back\x08space"]
    page.show(page.finished_log("\n".join(lines).encode()))
    lines[3] = "bacspace"  # a backspace moves the cursor, as on a terminal
    expect(page.rows).to_have_count(len(lines))
    assert page.texts == lines
    assert len(page.heights) == 1, "stacked combining marks do not make a row higher"
    shown = page.view.locator(".control").first.evaluate("it => getComputedStyle(it, '::before').content")
    assert "202e" in shown
    page.row(1).click(position={"x": 20, "y": 8})
    page.row(4).click(position={"x": 20, "y": 8}, modifiers=["Shift"])
    page.press("Control+c")
    expect(page.view.get_by_text("4 lines copied")).to_be_visible()
    assert page.page.evaluate("navigator.clipboard.readText()") == "\n".join(lines) + "\n"


def test_b101_server_sent_event_fields_in_the_output_are_plain_text(bare: Open):
    page = bare()
    lines = ["event: done", "data: {}", "", ": hb", "id: 99", "\ue000\uf8ff private"]
    page.show(page.finished_log("\n".join(lines).encode()))
    expect(page.view).to_have_attribute("data-state", "done")
    assert page.texts == lines


def test_b102_every_byte_and_line_separator_is_shown_and_the_download_is_identical(bare: Open):
    page = bare()
    data = bytes(range(256)) + b"\n" + "a\u2028b\u2029c\u0085d\ufeffe\x00f\n".encode()
    workload = page.finished_log(data)
    page.show(workload)
    expect(page.view).to_have_attribute("data-state", "done")
    assert page.texts[-1] == "a\u2028b\u2029c\u0085d\ufeffe\x00f"
    assert len(page.heights) == 1
    with page.page.expect_download() as download:
        page.view.get_by_role("link", name="Download complete log (log.txt)").click()
    assert download.value.path().read_bytes() == data


def test_b103_a_million_empty_lines_are_a_million_lines(bare: Open):
    page = bare()
    page.show(page.finished_log(b"\n" * 1_000_000))
    expect(page.view).to_have_attribute("data-lines", "1000000", timeout=30_000)
    page.row(1_000_000).wait_for()
    assert page.rows.count() < 100


@pytest.mark.parametrize(
    ("data", "lines"),
    [(b"a\nb", ["a", "b"]), (b"a\rb\rc", ["c"]), (b"\r\r\r", [""]), (b"a\r\nb\r\n", ["a", "b"]), (b"\n", [""])],
    ids=["no final LF", "CR only", "only CRs", "CR LF", "one empty"],
)
def test_b103_lines_are_counted_for_every_line_ending(data, lines, bare: Open):
    page = bare()
    page.show(page.finished_log(data))
    expect(page.view).to_have_attribute("data-state", "done")
    expect(page.view).to_have_attribute("data-lines", str(len(lines)))
    expect(page.rows).to_have_count(len(lines))
    assert page.texts == lines
