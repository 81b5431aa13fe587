"""Terminal text as safe HTML: its colours, and hostile text, which must stay text."""

from __future__ import annotations

import re
import time

import pytest
from support.hostile_text import HOSTILE, Read

from jupyter_logstream.text.terminal import as_html, plain_text

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
