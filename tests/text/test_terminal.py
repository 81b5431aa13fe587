"""Terminal text: what a line shows, its styles and links, and hostile text as HTML."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from support.cpu_time import ratio
from support.hostile_text import HOSTILE, Read
from support.vectors import vectors

from jupyter_logstream.text import sgr
from jupyter_logstream.text.ansi_html import as_html
from jupyter_logstream.text.cell_width import cell_width
from jupyter_logstream.text.lines import STYLING
from jupyter_logstream.text.terminal import line_text, open_line_text, plain_text, terminal_text, without_styles

TABLE = vectors("terminal")


def spans(text: str) -> list[tuple[str, dict[str, Any], str, int | None]]:
    """Text, style, link and progress of each span that a terminal text has."""
    found: list[tuple[str, dict[str, Any], str, int | None]] = []
    message = terminal_text(text)
    style, link, progress, at = sgr.PLAIN, "", None, 0
    for match in [*STYLING.finditer(message), None]:
        part = message[at : match.start() if match else len(message)]
        if part:
            look = {name: value for name, value in style._asdict().items() if value not in (None, False)}
            found.append((part, look, link, progress))
        if match is None:
            break
        at, sequence = match.end(), match[0]
        if sequence.startswith("\x1b[") and sequence.endswith("m"):
            style = sgr.apply(style, sequence[2:-1])
        elif sequence.startswith("\x1b]8;"):
            link = sequence[:-2].split(";", 2)[2]
        else:
            progress = int(sequence[:-2].rsplit(";", 1)[1])
    return found


@pytest.mark.parametrize(("text", "shown"), [case for group in TABLE["texts"].values() for case in group])
def test_a_line_is_what_a_terminal_shows(text: str, shown: str) -> None:
    assert without_styles(terminal_text(text)) == shown
    assert terminal_text(terminal_text(text)) == terminal_text(text)


@pytest.mark.parametrize(("parameters", "style"), TABLE["styles"])
def test_sgr_styles_are_complete(parameters: str, style: dict[str, Any]) -> None:
    for sequence in f"\x1b[{parameters}mx", f"\x1b[{parameters}mxy\b ":  # a plain line, and one that is drawn
        (found,) = [look for part, look, _, _ in spans(sequence) if part.startswith("x")]
        assert found == {name: tuple(value) if isinstance(value, list) else value for name, value in style.items()}


@pytest.mark.parametrize(("text", "expected"), TABLE["spans"])
def test_styles_stay_with_their_characters(text: str, expected: list[list[Any]]) -> None:
    found = [[part, look] for part, look, _, _ in spans(text)]
    assert json.loads(json.dumps(found)) == expected


@pytest.mark.parametrize(("text", "links"), TABLE["links"])
def test_links_keep_their_address(text: str, links: list[list[str]]) -> None:
    assert [[part, link] for part, _, link, _ in spans(text) if link] == links


@pytest.mark.parametrize(("text", "percent"), TABLE["progress"])
def test_progress_sequence_is_kept_as_percent(text: str, percent: int | None) -> None:
    assert {progress for *_, progress in spans(text + "x")} == {percent}


@pytest.mark.parametrize(("char", "width"), TABLE["widths"])
def test_cell_width(char: str, width: int) -> None:
    assert cell_width(char) == width


@pytest.mark.parametrize(("text", "message"), vectors("terminal_random")["texts"])
def test_random_sequences_give_the_text_that_the_page_gives(text: str, message: str) -> None:
    assert terminal_text(text) == message


def test_plain_text_is_returned_as_it_is() -> None:
    text = "2026-01-02 INFO plain é 漢字\ttext"
    assert terminal_text(text) is text


UNITS = (
    *(
        "\x1b[",
        "\x1b]",
        "\x1b[1;",
        "\x1b",
        "\x1bP\x1b",
        "\b",
        "\r",
        "x\r",
        "ab\r\x1b[K",
        "\x1b[9@",
        "x\x1b[A",
        "\x1b[?1049h",
    ),
    *("\u4e2d\b", "\x1b[31m", "\x1b]8;;https://a\x07x", "\x9b", "\x1b_Ga=", "47;"),
)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("head", ["", "a\b\x1b]1337;File="])
def test_drawing_takes_linear_time(unit: str, head: str) -> None:
    assert ratio(lambda size: terminal_text(head + unit * (size // len(unit)) + "é"), 2_000, 8) < 40


def test_a_line_of_which_only_the_end_is_read_shows_no_remnants() -> None:
    assert line_text(b" done\r\n", b"AAAA\x07", b"\x1b]1337;File=inline=1:AAAA") == "[image] done"
    assert line_text(b"new\n", b"ld 123\rnew 3\r", b"10%") == "new 3"
    assert line_text(b"ab\n", b"12345\r") == "ab345"
    assert line_text(b"u\n", b"\x1b[1m" * 9) == "u"


@pytest.mark.parametrize("text", ["caf\u00e9", "\u6f22\u5b57", "\U0001f680 50%"])
def test_an_open_line_never_shows_half_a_character(text: str) -> None:
    body = text.encode()
    for cut in range(len(body) + 1):
        shown = open_line_text(b"1%\r\x1b[K" + body[:cut])
        assert text.startswith(shown)
        assert cut < 4 or shown


def test_an_open_line_of_which_only_the_end_is_read_shows_no_remnants() -> None:
    assert open_line_text(b"A" * 99, b"\x1b]1337;File=inline=1:AAAA") == "[image]"
    assert open_line_text(b"AAAA\x07 done", b"\x1b]1337;File=inline=1:AAAA") == "[image] done"
    assert open_line_text(b"ld 1%\r2%\r", b"10%") == "2%"


RED, END = '<span style="color:#ce534e">', "</span>"


def harmless(page: str) -> bool:
    style = re.compile(r"(background-color:#[0-9a-f]{6};)?color:#([0-9a-f]{3}){1,2}")
    return all(
        (tag in {"b", "i", "u"} and not attrs)
        or (tag == "span" and [name for name, _ in attrs] == ["style"] and style.fullmatch(attrs[0][1]))
        for tag, *attrs in Read(page).elements
    )


@pytest.mark.parametrize(
    ("message", "page"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", f"{RED}red{END}"),
        ("\x1b[1;31mred\x1b[22m thin", f"{RED}<b>red</b>{END}{RED} thin{END}"),
        ("\x1b[91mx", '<span style="color:#d74c43">x</span>'),
        ("\x1b[41mx", '<span style="background-color:#ce534e;color:#fff">x</span>'),
        ("\x1b[31;7mx", '<span style="background-color:#ce534e;color:#fff">x</span>'),
        ("\x1b[3;4mx\x1b[23;24my", "<u><i>x</i></u>y"),
        ("\x1b[38;5;196mx", '<span style="color:#d74c43">x</span>'),
        ("\x1b[38;2;200;0;0mx\x1b[39my", f"{RED}x{END}y"),
        ("\x1b[38:2::200:0:0mx", f"{RED}x{END}"),
        ("\x1b[38;5mx\x1b[999mx\x1b[mx", "xxx"),
        ("a\x1b[31m", "a"),
        ("tab\tand\nline", "tab\tand\nline"),
    ],
)
def test_colours_become_spans_of_a_fixed_palette(message, page):
    assert as_html(message) == page
    assert plain_text(message) == Read(page).text


def test_every_colour_has_contrast_on_white_and_on_black():
    def brightness(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for code in (*range(30, 38), *range(90, 98)):
        (colour,) = re.findall(r"color:(#[0-9a-f]{6})", as_html(f"\x1b[{code}mx"))
        assert 1.05 / (brightness(colour) + 0.05) > 3.9, colour
        assert (brightness(colour) + 0.05) / (brightness("#1e1e1e") + 0.05) > 3.7, colour


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_stays_text(message):
    before = time.thread_time()
    page = as_html(message)
    assert time.thread_time() - before < 20
    assert harmless(page)
    read = Read(page).text
    assert read == plain_text(message)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]", read)


def test_control_sequences_are_dropped_and_text_stays():
    assert plain_text("\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07") == "link"
    assert plain_text(HOSTILE["B94 elements"]) == HOSTILE["B94 elements"]
    assert plain_text("\u202egnp\x00") == "\\u202egnp\u2400"
    assert len(plain_text(HOSTILE["B100 a pile"])) < 20
    assert plain_text("naïve 漢字 👩\u200d🚀 e\u0301") == "naïve 漢字 👩\u200d🚀 e\u0301"


@pytest.mark.parametrize("unit", ["\x1b[", "\x1b]", "\x1b]0;t\x1b\\", ";1", "\x1b[1mx", "\x00", "\x9b", "\u0301", "<"])
def test_conversion_takes_linear_time(unit):
    def took(length: int) -> float:
        text = "\x1b[" + unit * (length // len(unit))
        before = time.thread_time()
        as_html(text)
        return time.thread_time() - before

    took(1000)
    assert took(400_000) < 100 * max(0.05, took(40_000))
