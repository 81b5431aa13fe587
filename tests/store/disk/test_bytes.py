"""What was written comes back, byte for byte and line for line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.on_disk import (
    ID,
    PARTS,
    downloaded,
    folder_of,
    joined,
    opened,
    random_chunks,
    served,
    texts,
    write,
)

from jupyter_logstream.store.disk.writer import LogWriter


@pytest.mark.parametrize("seed", range(8))
def test_output_is_on_disk_byte_for_byte(root: Path, seed: int) -> None:
    rng = random.Random(seed)
    chunks = random_chunks(rng, 40, PARTS)
    folder = folder_of(root)
    write(folder, *chunks, end=seed % 2 == 0)
    for source in "stdout", "stderr":
        assert downloaded(folder, source) == joined(chunks, source)
    assert sorted(downloaded(folder)) == sorted(joined(chunks, "stdout") + joined(chunks, "stderr"))


def test_bytes_are_on_disk_before_their_line_ends(root: Path) -> None:
    log = LogWriter(folder_of(root))
    log.write("stdout", b"abc")
    assert downloaded(folder_of(root)) == b"abc"
    log.release()


def test_a_line_is_one_record_whatever_the_chunks_were(root: Path) -> None:
    write(folder_of(root), ("stdout", b"a"), ("stderr", b"x\ny"), ("stdout", b"b\n"), ("stderr", b"z"), end=True)
    assert [(r.seq, r.source, r.message) for r in served(root)] == [
        (1, "stderr", "x"),
        (2, "stdout", "ab"),
        (3, "stderr", "yz"),
    ]


def test_invalid_utf8_becomes_replacement_characters_in_the_record_only(root: Path) -> None:
    write(folder_of(root), ("stdout", b"a\xff\x00b\n"), end=True)
    assert texts(root) == ["a�\x00b"]
    assert downloaded(folder_of(root)) == b"a\xff\x00b\n"


def test_records_of_an_over_long_line_are_its_text_in_parts(root: Path) -> None:
    text = "ä" * 200_000
    write(folder_of(root), ("stdout", text.encode() + b"\nnext\n"), end=True)
    *long, following = served(root)
    assert "".join(r.message for r in long) == text
    assert [r.part for r in long] == [True] * (len(long) - 1) + [False]
    assert (following.message, following.part) == ("next", False)


def test_an_unfinished_line_has_its_final_text(root: Path) -> None:
    log = LogWriter(folder_of(root))
    with opened(root) as store:
        log.write("stdout", b"done\n10%\r20%")
        log.write("stderr", b"wait ")
        shown = store.read(ID, 0, 0).partials()
        assert [(p.source, p.message, p.rewritten) for p in shown] == [
            ("stdout", "20%", True),
            ("stderr", "wait ", False),
        ]
        log.write("stdout", b"\r30%\n")
        assert [p.source for p in store.read(ID, 0, 0).partials()] == ["stderr"]
    log.release()
