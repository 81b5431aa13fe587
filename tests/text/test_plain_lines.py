"""Lines cleaned in blocks have the text that each line has on its own."""

from __future__ import annotations

import random

import pytest

from jupyter_logstream.text import plain_lines as module
from jupyter_logstream.text.plain_lines import plain_lines
from jupyter_logstream.text.terminal import line_text, searched_text

PIECES = [
    b"a", b"bc ", b"\x1b[31m", b"\x1b[0m", b"\x1b[m", b"\x1b[K", b"\x1b[2K", b"\x1b", b"[3", b"1m", b"\x1b[3",
    b"\r", b"\b", b"\x1b]8;;https://x.test/\x1b\\", b"\x1b]8;;\x07", b"\x1b]8;;x", b"\x07", b"\\", "é".encode(),
    b"\xff", b"\xc3", b"\xa9", "\x9b31m".encode(), b"\x1b[38;5;1m", b"\x1b[38:2::1:2:3m", b"\x1b[5C", b"\t", b"\0",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("different", [16, 1])
def test_block_of_any_lines_has_the_text_of_each(seed: int, different: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE_BYTES", 50)
    monkeypatch.setattr(module, "_MAX_DIFFERENT", different)
    rng = random.Random(seed)
    chosen = rng.sample(PIECES, rng.randint(2, len(PIECES)))
    lines = [b"".join(rng.choices(chosen, k=rng.randint(0, 6))) + b"\n" for _ in range(200)]
    found = plain_lines(b"".join(lines))
    texts = found.block.decode().split("\n")
    assert len(texts) == len(lines) + 1
    wrong = [i for i, line in enumerate(lines) if texts[i] != searched_text(line_text(line))]
    assert set(wrong) <= set(found.emulated)


def test_colours_links_and_line_ends_need_no_emulation() -> None:
    lines = b"\x1b[31mcon\x1b[1mnec\x1b[0mtion\x1b[K\r\n\x1b]8;;https://x.test/?a=1;2\x1b\\report\x1b]8;;\x1b\\\r\r\nplain\n"
    assert plain_lines(lines * 50) == (b"connection\nreport\nplain\n" * 50, [])


def test_lines_that_move_the_cursor_are_named() -> None:
    assert plain_lines(b"a\nb\rc\nd\n\x1b[2Ke\nf\bg\n").emulated == [1, 3, 4]
