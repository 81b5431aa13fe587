"""Records of lines with terminal sequences: their texts, in history and while a line is open; bytes stay exact."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.on_disk import downloaded, folder_of, opened, served, texts, write

from jupyter_logstream.text.terminal import without_styles

ETA = (
    b"ETA: 10s 11s\rETA: 9s\nETA: 10s 11s\rETA: 9s\x1b[K\nLoading 10%\b\b\b25%\b\b\b100%\n"
    b"|#####     | 500/1000 [50%] in 4s\rsaved ckpt-500.pt\n\r\r\nlast\r\r\n"
)
HUGE = (
    b"x\x1b[999999999Cy\n\x1b[999999999Bz\n\x1b[2147483648;99999999999Hv\n\x1b[999999999@w\n"
    + b"\x1b[1m\x1b[31m\x1b[m" * 200_000
    + b"u\n"
)
LINKS = (
    b"see \x1b]8;id=7;https://example.test/a?x=1;2\x1b\\report\x1b]8;;\x1b\\ and "
    b"\x1b]8;;javascript:alert(1)\x07trap\x1b]8;;\x07 end\n"
    b"\x1b]0;title\x07\x1b]9;4;1;40\x1b\\\x1b]52;c;aGk=\x07\x1b]133;A\x07step 1\x1b]9;4;0;0\x07\n"
)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (ETA, ["ETA: 9ss 11s", "ETA: 9s", "Loading 100%", "saved ckpt-500.pt1000 [50%] in 4s", "", "last"]),
        (HUGE, ["x" + " " * 118 + "y", "z", " " * 119 + "v", "w", "u"]),
        (LINKS, ["see report and trap end", "step 1"]),
        (b"\x1b]1337;File=inline=1:" + b"QUJD" * 60_000 + b"\x07\nnext\n", ["[image]", "next"]),
        (b"long first text" + b"\r  1%" * 100_000 + b"\r100%\n", ["100%"]),
    ],
    ids=["redraws", "absurd counts", "links", "image", "a million redraws"],
)
def test_a_record_is_what_a_terminal_shows(tmp_path: Path, written: bytes, shown: list[str]) -> None:
    write(folder_of(tmp_path), ("stdout", written), end=True)
    assert [without_styles(text) for text in texts(tmp_path)] == shown
    assert downloaded(folder_of(tmp_path), "stdout") == written


def test_an_erased_line_differs_from_an_empty_one(tmp_path: Path) -> None:
    written = [b"\n", b"\r\n", b"\x1b[K\n", b"bar\r\x1b[2K\n", b"bar\r   \r\n", b"\x1b[1A\x1b[2K\r\r\n", b"text\n"]
    write(folder_of(tmp_path), *(("stdout", line) for line in written), end=True)
    erased = "\x1b[0m"
    assert texts(tmp_path) == ["", "", erased, erased, erased, erased, "text"]
    write(folder := folder_of(tmp_path, "01JD0000000000000000000001"), ("stdout", b"\x1b[K\n\nx\n"), end=True)
    assert [record.message for record in served(tmp_path, folder.name)] == [erased, "", "x"]


def test_links_and_progress_stay_in_the_record(tmp_path: Path) -> None:
    write(folder_of(tmp_path), ("stdout", LINKS + b"\x1b]9;4;1;40\x07step 2\n"), end=True)
    assert "\x1b]8;;https://example.test/a?x=1;2\x1b\\report\x1b]8;;\x1b\\" in texts(tmp_path)[0]
    assert texts(tmp_path)[2] == "\x1b]9;4;1;40\x1b\\step 2"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("50% caf\u00e9".encode()[:-1], "50% caf"),
        (b"10%\r20%\r", "20%"),
        (b"abc\x1b[3", "abc"),
        (b"\x1b]1337;File=inline=1:" + b"QUJD" * 60_000, "[image]"),
        (b"ETA: 10s 11s\rETA: 9s", "ETA: 9ss 11s"),
    ],
)
def test_an_open_line_is_what_a_terminal_shows(tmp_path: Path, written: bytes, shown: str) -> None:
    write(folder_of(tmp_path), ("stdout", b"first\n" + written))
    with opened(tmp_path) as store:
        (partial,) = store.read(folder_of(tmp_path).name, 0, 10).partials()
    assert without_styles(partial.message) == shown
