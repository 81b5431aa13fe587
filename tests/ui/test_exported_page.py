"""An exported page in a real browser: nothing in it runs, its style applies, the browser's search finds every line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect
from support.contrast import MIN_CONTRAST, contrast, rgb
from support.exported import START_MS, exported, records, store_of

from jupyter_logstream.model.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page
    from support.bare_page import BarePage

pytestmark = pytest.mark.browser

ACTIVE = [
    "<script>window.hacked=1</script>",
    '<img src=x onerror="window.hacked=1">',
    "</p></section><script>window.hacked=1</script>",
    '"><svg onload=window.hacked=1>',
    "<style>body{display:none}</style>",
    "\x1b]8;;javascript:window.hacked=1\x07link\x1b]8;;\x07",
]
LINES = 3000
COLOURED = "".join(
    f"\x1b[{inverse}38;5;{fg}{bg}m#"
    for inverse in ("0;", "7;")
    for fg in range(16)
    for bg in ("", *(f";48;5;{n}" for n in range(16)))
)
"""Every pair of the sixteen colours, exchanged too, and those without a background."""
LONG_WORD = "x" * 3000


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page with hostile lines and many ordinary ones, opened from its file."""
    found = [Record(0, START_MS, "info", text) for text in (*ACTIVE, COLOURED, LONG_WORD)] + records()
    found += [Record(0, START_MS, "error" if i == 7 else "info", f"ordinary line {i}.") for i in range(LINES)]
    path: Path = tmp_path_factory.mktemp("page") / "run.html"
    path.write_bytes(exported(store_of(found), "html"))
    context = browser.new_context(color_scheme="dark", viewport={"width": 1000, "height": 700})
    opened = context.new_page()
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("request", lambda request: requests.append(request.url))
    messages.clear()
    requests.clear()
    opened.goto(path.as_uri())
    yield opened
    context.close()


messages: list[str] = []
requests: list[str] = []


def test_markup_in_output_names_and_commands_stays_text(page: Page) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.locator("main script, main img, main svg, main style, main a, header img").count() == 0
    assert page.locator("#L1").inner_text().endswith(ACTIVE[0])
    assert page.locator("h1").inner_text() == "<img src=x onerror=alert(1)>"
    assert len(requests) == 1  # the file
    assert messages == []


def test_style_is_applied_and_follows_the_colour_scheme(page: Page) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(13, 17, 23)"
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_is_readable_on_every_coloured_background(scheme: Literal["light", "dark"], page: Page) -> None:
    page.emulate_media(color_scheme=scheme)
    painted = page.evaluate(
        f"""[...document.querySelectorAll('#L{len(ACTIVE) + 1} span')].map(span => {{
            const own = getComputedStyle(span), below = getComputedStyle(document.body).backgroundColor
            return [own.color, own.backgroundColor === 'rgba(0, 0, 0, 0)' ? below : own.backgroundColor]
        }})"""
    )
    page.emulate_media(color_scheme="dark")
    assert len(painted) == 2 * 16 * 17
    assert [pair for pair in painted if contrast(*map(rgb, pair)) < MIN_CONTRAST] == []


def test_a_word_longer_than_a_row_begins_beside_its_number(page: Page) -> None:
    word, number = (
        page.evaluate(
            f"""(() => {{
                const range = document.createRange()
                range.setStart(document.querySelector('#L{len(ACTIVE) + 2}').{node}, 0)
                range.setEnd(range.startContainer, 1)
                return range.getBoundingClientRect().top
            }})()"""
        )
        for node in ("lastChild", "firstChild.firstChild")
    )
    assert word == number


def test_search_of_the_browser_finds_a_line_that_was_never_on_screen(page: Page) -> None:
    assert page.evaluate("scrollY") == 0
    assert page.evaluate(f"window.find('ordinary line {LINES - 1}.')")
    assert page.evaluate("scrollY") > 1000
    page.evaluate("scrollTo(0, 0)")


def test_fragment_leads_to_a_line(page: Page) -> None:
    page.evaluate("location.hash = 'L2000'")
    page.wait_for_function("document.getElementById('L2000').getBoundingClientRect().top < innerHeight")
    assert page.evaluate("document.getElementById('L2000').getBoundingClientRect().top") >= -1


@pytest.mark.parametrize("width", [320, 1000, 2200])
def test_nothing_is_wider_than_the_window(width: int, page: Page) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    page.evaluate("scrollTo(0, 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_printed_page_has_every_line(page: Page) -> None:
    lines = "[...document.querySelectorAll('section p')]"
    hidden = f"{lines}.filter(it => !it.checkVisibility({{contentVisibilityAuto: true}})).length"
    assert page.evaluate(hidden) > 0  # on the screen they are not laid out
    page.emulate_media(media="print")
    assert page.evaluate(hidden) == 0
    page.emulate_media(media="screen")


def test_menu_of_a_log_exports_it(bare: Callable[..., BarePage]) -> None:
    page = bare()
    page.show(page.finished_log(b"one\n<b>two</b>\n"))
    expect(page.view).to_have_attribute("data-state", "done")
    page.view.get_by_role("button", name="Display options and actions").click()
    with page.page.expect_download() as download:
        page.view.get_by_role("menuitem", name="Export as a page (HTML)").click()
    assert download.value.suggested_filename.endswith(".html")
    assert "&lt;b&gt;two&lt;/b&gt;" in download.value.path().read_text()
