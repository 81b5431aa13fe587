"""Text found in blocks of bytes is what is found line by line, whatever the lines hold."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from jupyter_logstream.store.disk import batch as batch_module
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.writer import LogWriter
from jupyter_logstream.store.pattern import BadPattern, Check, Pattern
from jupyter_logstream.store.queries.filters import Filter, count, matches
from jupyter_logstream.store.text_search import positions_of
from jupyter_logstream.text.terminal import searched_text

STREAM = "A" * 26
PLAIN = [b"alpha", b"Beta", b"loss=0.5", b"ERROR", "é".encode(), b"alphabeta", b"\xff\xfe", b"", b" "]
ODD = [
    b"\x1b[31mal\x1b[Kpha\x1b[0m",
    b"\x1b]8;;https://x.test/\x1b\\alpha\x1b]8;;\x07",
    b"old\rBeta",
    b"al\rpha",
    b"alph\ba",
    b"alpha\r",
    "\x9b31m".encode() + b"alpha",
    b"\x1b[3Calpha",
    b"x" * 70_000 + b"alpha",
]
QUESTIONS = [
    "alpha",
    "Alpha",
    "beta",
    "ERROR",
    "é",
    "a",
    "\n",
    "alpha\nBeta",
    "l\x1b",
    "=0.",
    "nothing",
    "\ufffd",
    "/^al/",
    "/a$/",
    "/^$/",
    "/l.h/",
]


def write(root: Path, words: list[bytes], seed: int) -> FileStore:
    rng = random.Random(seed)
    store = FileStore(root)
    store.folder(STREAM).path.mkdir()
    writer = LogWriter(store.folder(STREAM).path)
    for _ in range(40 if words is PLAIN else 5):  # drawing long lines with escapes is slow
        lines = [b" ".join(rng.choices(words, k=rng.randint(0, 3))) + b"\n" for _ in range(rng.randint(1, 20))]
        writer.write(rng.choice(["stdout", "stderr"]), b"".join(lines))
    writer.close()
    return store


def found(store: FileStore, chosen: Filter) -> list[int]:
    return [seq for batch in matches(store, STREAM, chosen) for seq in batch.seqs]


@pytest.mark.parametrize("words", [PLAIN, PLAIN + ODD], ids=["plain", "odd"])
@pytest.mark.parametrize("seed", range(3))
def test_a_search_of_bytes_finds_the_same_lines_as_a_comparison_of_texts(
    tmp_path: Path, words: list[bytes], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = write(tmp_path / "store", words, seed)
    texts = [text for batch in matches(store, STREAM, Filter()) for text in batch.messages]
    shown = [searched_text(text) for text in texts]
    for question in QUESTIONS:
        pattern = Pattern(question)
        expected = [i for i, text in enumerate(shown, 1) if pattern.contains(text)]
        assert found(store, Filter(q=question)) == expected, question
        assert found(store, Filter(without=question)) == [i for i in range(1, len(shown) + 1) if i not in expected]
        quick = found(store, Filter(q="a", without=question, source="stderr"))
        with monkeypatch.context() as patch:
            patch.setattr(batch_module.DiskBatch, "holding", in_each_text)
            assert found(store, Filter(q="a", without=question, source="stderr")) == quick
    store.close()


def in_each_text(batch: batch_module.DiskBatch, pattern: Pattern, _: Check) -> list[int]:
    return [i for i, text in enumerate(batch.messages) if pattern.contains(searched_text(text))]


def test_texts_are_not_loaded_for_a_count_of_plain_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = write(tmp_path / "store", PLAIN, 1)
    expected = count(store, STREAM, Filter(q="alpha"))
    monkeypatch.setattr("jupyter_logstream.store.disk.file_store._MAX_EAGER_RECORDS", -1)
    monkeypatch.setattr(batch_module.DiskBatch, "loaded", lambda _: pytest.fail("a text was loaded"))
    assert expected > 0
    assert count(store, STREAM, Filter(q="alpha")) == expected
    store.close()


def test_search_can_be_cancelled_within_a_block_of_an_expression_of_very_many_states() -> None:
    """Without slices the engine would be busy for many seconds in one call."""
    costly = "/" + "|".join(f"[{first}-z].{{{number}}}!" for number, first in enumerate("abcdefghijklmnop", 200)) + "/"
    block = (b"a line of words that match the beginning of every alternative, again and again, " * 4 + b"\n") * 1000

    def checks(q: str) -> int:
        calls: list[int] = []
        assert list(Pattern(q).lines_in(block, 1000, lambda: calls.append(1))) == []
        return len(calls)

    assert checks(costly) >= len(block) // (64 * 1024)
    assert checks("nothing") <= 3


def test_cancelled_search_of_texts_ends_between_two_of_them() -> None:
    class Gone(Exception):
        pass

    def gone() -> None:
        raise Gone

    with pytest.raises(Gone):
        positions_of(Pattern("nothing"), ["x" * 50_000], gone)


ATOMS = [
    "a", "b", ".", r"\d", r"\w", r"\s", r"\S", r"\D", r"\W", r"\b", r"\B", "^", "$", r"\A", r"\z", r"\Z", "[ab]",
    "[^a]", "[^]a]",
    "[]b]", r"[\s,]", r"[\w-]", r"[^\s]", "[a-z]", r"\.", r"\Qa.\E", r"\x61", r"\t", "é", r"\pL", "[[:alpha:]]",
    "(?i)", "(?s)", "(?m)", "(?-m)", "(?-s)", "(?i:A)", "(?s:.)", r"\[", "(?U)", r"[^\W]", "|", "(?:a|b)", "(a*)",
]  # fmt: skip
WORDS = ["a", "b", "ab", " ", "\t", ".", "é", "1", ",", "A", "[", "]", "-", "", "a.", "\r"]


@pytest.mark.parametrize("seed", range(10))
def test_any_expression_finds_in_a_block_the_lines_that_it_finds_one_by_one(seed: int) -> None:
    rng = random.Random(seed)
    compared = 0
    while compared < 300:
        repeats = ["", "", "*", "+", "?", "{2}", "{0,2}", "*?"]
        q = f"/{''.join(rng.choice(ATOMS) + rng.choice(repeats) for _ in range(rng.randint(1, 5)))}/"
        try:
            pattern = Pattern(q)
        except BadPattern:
            continue
        compared += 1
        lines = ["".join(rng.choices(WORDS, k=rng.randint(0, 4))) for _ in range(rng.randint(1, 12))]
        lines = [lines[0]] * rng.choice([0, 6]) + lines
        numbers = pattern.lines_in(("\n".join(lines) + "\n").encode(), len(lines), lambda: None)
        expected = [i for i, line in enumerate(lines) if pattern.contains(line)]
        assert [i for found in numbers for i in found] == expected, (q, lines)
