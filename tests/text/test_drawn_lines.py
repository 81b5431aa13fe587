"""Lines that are drawn while they are written: the same texts as those of the stored bytes, in any chunks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.on_disk import folder_of, texts, write

from jupyter_logstream.text.drawn_lines import DrawnLines

WRITTEN = {
    "redraws": b"ETA: 10s 11s\rETA: 9s\nETA: 10s 11s\rETA: 9s\x1b[K\nLoading 10%\b\b\b25%\n\r\r\nlast\r\r\n",
    "colours": b"\x1b[31mred\x1b[0m\x1b]0;title\x07\nplain\n\n\x1b[1mopen",
    "a million redraws": b"long first text" + b"\r  1%" * 100_000 + b"\r100%\n\x1b[2Kok\nrest",
    "a long line": b"x" * 70_000 + b"\rshort\n" + b"y" * 200_000 + b"\nz",
    "an image": b"\x1b]1337;File=inline=1:" + b"QUJD" * 60_000 + b"\x07\nnext\n",
    "carriage returns": b"text" + b"\r" * 300_000 + b"\nnext" + b"\r" * 300_000,
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("most", [40_000, 1 << 20])
def test_texts_are_those_of_the_stored_log(tmp_path: Path, written: bytes, most: int) -> None:
    write(folder_of(tmp_path), ("stdout", written), end=True)
    rng, lines, at = random.Random(7), DrawnLines(), 0
    drawn: list[str] = []
    while at < len(written):
        size = rng.randint(1, most)
        drawn += lines.feed(written[at : at + size])
        at += size
    assert [*drawn, *lines.finish()] == texts(tmp_path)


def test_a_line_without_end_takes_bounded_memory() -> None:
    lines = DrawnLines()
    for _ in range(100):
        assert lines.feed(b"\r 10% of a bar" * 1000) == []
        assert len(lines._open) < 1 << 18
    assert lines.feed(b"\rdone\n") == ["done of a bar"]
