"""Unprintable characters; the page passes the same table (tests/vectors/unprintable.json)."""

from __future__ import annotations

import pytest
from support.vectors import vectors

from jupyter_logstream.model.unprintable import UNPRINTABLE_IN_NAME, printable
from jupyter_logstream.text.terminal import plain_text


@pytest.mark.parametrize(("text", "shown"), vectors("unprintable")["cases"])
def test_unprintable_characters_have_stand_ins(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(("text", "shown"), vectors("unprintable")["cases"])
def test_a_record_is_read_with_the_same_stand_ins(text: str, shown: str) -> None:
    # 8-bit introducers begin sequences there, and a backspace moves the cursor.
    if not any(0x80 <= ord(char) <= 0x9F or char == "\b" for char in text):
        assert plain_text(text) == shown


@pytest.mark.parametrize("char", ["\t", "\n", "\x00", "\u200b", "\u200d", "\u202e", "\u2066", "\ufeff", "\ufffb"])
def test_a_name_holds_no_unprintable_character(char: str) -> None:
    assert UNPRINTABLE_IN_NAME.search(f"a{char}b")
    assert not UNPRINTABLE_IN_NAME.search("naïve 漢字 e\u0301")
