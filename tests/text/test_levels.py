"""Levels of lines: the table of cases, and the fast search over many lines, which must agree with the rules."""

from __future__ import annotations

import random
import re
import subprocess
import sys

import pytest
from support.cpu_time import ratio
from support.level_cases import LINES, STATED
from support.paths import ROOT

import jupyter_logstream.text.levels.tracebacks as tracebacks_module
from jupyter_logstream.model.records import LEVELS
from jupyter_logstream.text.levels import Guesser, guess_level, plain
from jupyter_logstream.text.levels.claims import claim
from jupyter_logstream.text.levels.prefilter import shaped, spelled
from jupyter_logstream.text.levels.rules import MARKER, NUMBER, RULES
from jupyter_logstream.text.levels.tracebacks import Tracebacks
from jupyter_logstream.text.tracebacks import begin

DIGITS_EQUAL = bytes(0x30 if 0x30 <= i <= 0x39 else i for i in range(256))


@pytest.mark.parametrize(("line", "level"), LINES)
def test_line_has_the_level_that_it_states(line: str, level: str) -> None:
    assert LEVELS[guess_level(line.encode())] == level


@pytest.mark.parametrize("level", STATED)
def test_colours_do_not_hide_a_level(level: str) -> None:
    for line in STATED[level]:
        assert LEVELS[guess_level(re.sub(r"(\w+)", "\x1b[1;31m\\1\x1b[0m", line).encode())] == level, line


SEQUENCES = (
    "\x1b]8;;https://a.test/?x=WARN\x07{}\x1b]8;;\x1b\\",
    "\x1b[K{}",
    "\x1b[2K\x1b[1G{}",
    "\x1b]0;WARN\x07{}\x1b[?25h",
)


@pytest.mark.parametrize("sequences", SEQUENCES)
def test_escape_sequences_neither_hide_nor_state_a_level(sequences: str) -> None:
    lines = ["ERROR: no", "12:00:01 INFO x", "nothing of note", "level=debug x", "at an end: Error"]
    written = [sequences.format(line).encode() for line in lines]
    expected = [guess_level(line.encode()) for line in lines]
    assert [guess_level(line) for line in written] == expected
    assert list(Guesser().guess(written) or b"") == expected
    # An unfinished one hides no other line.
    assert list(Guesser().guess([b"\x1b]0;WARN", *written]) or b"") == [0, *expected]


@pytest.mark.parametrize("width", [10, 80, 200])
def test_record_behind_a_progress_bar_has_its_level(width: int) -> None:
    bar = f"Mapping:  20%|{'█' * (width // 5)}{' ' * (width * 4 // 5)}| 200/1000 [00:02<00:08, 99.1 examples/s]"
    record = '{"ts":"2026-01-02T03:04:05Z","level":"warning","event":"an ERROR","ms":812}'
    texts = [(bar + record).encode(), (bar + "no {}").encode(), (bar + '{"level": 1').encode()]
    assert [LEVELS[code] for code in Guesser().guess(texts) or b""] == ["warn", "unknown", "unknown"]


def test_table_has_many_lines_and_none_twice() -> None:
    assert len(LINES) > 250
    assert len({line for line, _ in LINES}) == len(LINES)


def test_claim_within_a_beginning_is_the_claim_of_the_line() -> None:
    """The cache of beginnings is exact because nothing behind the bytes that a claim needs changes it."""
    for line, _ in LINES:
        text = line.encode()
        code, _needed = claim(text)
        for length in range(len(text)):
            early, needed = claim(text[:length])
            assert not early or needed > length or early == code, (line, length)


@pytest.mark.parametrize(("line", "level"), LINES)
def test_every_line_with_a_level_passes_the_prefilter(line: str, level: str) -> None:
    """Guards the hints of the rules: a rule whose hints miss one of its lines makes the fast search miss it."""
    text = line.encode()
    if level != "unknown" and b"\n" not in text:
        block = b"\n" + text + b"\n"
        assert shaped(block) or spelled(block, [text])


def test_every_rule_has_hints() -> None:
    assert all(rule.hints for rule in RULES)


def test_digits_are_interchangeable_unless_they_are_the_level() -> None:
    for line, _ in LINES:
        code, _ = claim(line.encode().translate(DIGITS_EQUAL), digits_hidden=True)
        assert code in {claim(line.encode())[0], NUMBER}, line


def expected(texts: list[bytes]) -> bytes:
    codes = [claim(plain(text))[0] for text in texts]
    return bytes(code if code != NUMBER else 0 for code in codes)


def odd_line(rng: random.Random, pieces: list[bytes]) -> bytes:
    """A line of the table, two of them spliced, or pieces of many; some coloured, some in another case."""
    kind, lines = rng.random(), [line.encode() for line, _ in rng.choices(LINES, k=2)]
    if kind < 0.3:
        made = lines[0]
    elif kind < 0.6:
        made = lines[0][: rng.randint(0, 60)] + lines[1][rng.randint(0, 40) :]
    else:
        made = b"".join(rng.choices(pieces, k=rng.randint(1, 12)))
    changes = [lambda t: b"\x1b[31m" + t + b"\x1b[0m", bytes.upper, bytes.title, bytes.lower, lambda t: t * 3]
    return rng.choice(changes)(made) if rng.random() < 0.15 else made


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("by_beginnings", [True, False])
def test_levels_of_many_lines_are_those_of_each_line(seed: int, by_beginnings: bool) -> None:
    rng = random.Random(seed)
    pieces = [p for line, _ in LINES for p in re.split(rb'(\s+|(?<=[\]:=|"]))', line.encode()) if p and b"\n" not in p]
    guesser = Guesser()
    for _ in range(120):
        if not by_beginnings:
            guesser._pause = 1
        texts = [odd_line(rng, pieces) for _ in range(rng.choice([1, 5, 40, 200]))]
        if rng.random() < 0.5:  # lines that begin alike: beginnings decide
            texts = [b"2026-11-20 10:00:%02d,123 INFO app: %s" % (i % 60, text) for i, text in enumerate(texts)]
        assert (guesser.guess(texts) or bytes(len(texts))) == expected(texts)


def test_levels_at_changing_positions_are_found() -> None:
    rng = random.Random(5)
    guesser = Guesser()
    for _ in range(30):
        names = [rng.choice(["a", "app.module", "a.rather.long.name.of.a.module", "x" * 70]) for _ in range(1500)]
        levels = [rng.choice(["INFO", "WARNING", "ERROR", "nothing"]) for _ in names]
        words = [rng.choice(["loading", "the ERROR", "error: no", "level=info"]) + str(i) for i in range(len(names))]
        lines = zip(names, levels, words, strict=True)
        texts = [f"2026-11-20 10:00:05,123 - {name} - {level} - {word}".encode() for name, level, word in lines]
        assert (guesser.guess(texts) or bytes(len(texts))) == expected(texts)
    assert len(guesser._cache) <= 4096


def test_lines_without_a_level_give_none() -> None:
    assert Guesser().guess([b"epoch %d loss=0.5" % i for i in range(3000)]) is None
    assert Guesser().guess([]) is None


def test_step_markers_have_their_own_code() -> None:
    assert list(Guesser().guess([b"::step:: load", b"x", b"::endstep::", b"::error file=a::no"]) or b"") == [
        MARKER,
        0,
        MARKER,
        5,
    ]
    assert guess_level(b"::step:: load") == 0


@pytest.mark.parametrize(
    "unit", [b"err ", b"level ", b"error", b"E", b"warn=", b"info-", b"a.", b"[", b": ", b'{"', b"10:00:00"]
)
def test_guessing_takes_linear_time(unit: bytes) -> None:
    assert ratio(lambda size: Guesser().guess([unit * 100] * size), 300, 8) < 40
    assert ratio(lambda size: Guesser().guess([unit * size]), 2_000, 8) < 40


# --- tracebacks -------------------------------------------------------------------------------------------------------


def levels(text: bytes, *, at_once: int = 10_000) -> list[str]:
    """The level of each line; `at_once` lines form a chunk."""
    tracebacks, guesser = Tracebacks(), Guesser()
    found: list[str] = []
    lines = text.split(b"\n")
    for at in range(0, len(lines), at_once):
        texts = lines[at : at + at_once]
        found += [LEVELS[code] for code in tracebacks.spread(texts, guesser.guess(texts)) or bytes(len(texts))]
    return found


CHAINED = """
import json
def load():
    try:
        json.loads("INFO")
    except ValueError:
        try:
            1 / 0
        except ZeroDivisionError as error:
            raise RuntimeError("WARNING: not so bad") from error
load()
"""


@pytest.mark.parametrize("at_once", [1, 2, 3, 1000])
def test_all_lines_of_a_real_traceback_are_errors_in_any_chunks(at_once: int) -> None:
    trace = subprocess.run([sys.executable, "-c", CHAINED], capture_output=True, check=False).stderr.rstrip(b"\n")
    found = levels(b"before\n" + trace + b"\nafter\n  indented", at_once=at_once)
    blanks = [i for i, line in enumerate(trace.split(b"\n"), 1) if not line]
    assert len(blanks) == 4
    assert [level for i, level in enumerate(found) if i not in blanks] == (
        ["unknown", *["error"] * (trace.count(b"\n") + 1 - len(blanks)), "unknown", "unknown"]
    )


@pytest.mark.parametrize("at_once", [1, 2, 1000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"java.lang.OddException: x\n\tat a.b(C.java:1)\nCaused by: y\n\t... 12 more\nnext\n\tat home", "eeeeuu"),
        (b"TypeError: x is not a function\n    at f (a.js:1:2)\n    at b\nok", "eeeu"),
        (b"Traceback (most recent call last):\n  File\n    x()\nKeyboardInterrupt\nKeyboardInterrupt", "eeeeu"),
        (b"Traceback (most recent call last):\n  File\nINFO another thread\n  File", "eeiu"),
        (b"panic: out of range\n\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/a.go:1 +0x1\n\nnext", "fueeeuu"),
        (b"thread 'main' panicked at a.rs:2:5:\nINFO is no level here\nnote: run with\nnext", "eeeu"),
        (b"[rank0]: Traceback (most recent call last):\n[rank0]:   File\n[rank0]: ValueError: 1\n[rank1]: on", "eeeu"),
        (
            b"  + Exception Group Traceback (most recent call last):\n  | Two: g\n  +-+-- 1 --\n    | X: 1\ndone: 5",
            "eeeeu",
        ),
        (b"Traceback (most recent call last):\n  File\n\x1b[1;35mValueError\x1b[0m: \x1b[35mbad\x1b[0m\nx", "eeeu"),
        (b"Traceback (most recent call last):\n  File\nmy.Odd: two\n  lines of it\nx", "eeeeu"),
        (b"ERROR no\n  indented\nx", "euu"),
        (b"INFO x\n    at home\nx", "iuu"),
    ],
)  # fmt: skip
def test_lines_that_belong_to_an_error_are_errors(text: bytes, expected: str, at_once: int) -> None:
    assert "".join(level[0] for level in levels(text, at_once=at_once)) == expected


def test_errors_without_a_stack_need_one_step_of_the_grammar_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[bytes] = []
    monkeypatch.setattr(tracebacks_module, "begin", lambda line, **_: steps.append(line) or begin(line, is_error=True))
    lines = b"\n".join(b"[2026-11-20 10:00:05] ERROR app: request %d failed" % i for i in range(3000))
    assert levels(lines, at_once=100) == ["error"] * 3000
    assert len(steps) <= 30


def test_documented_table_holds() -> None:
    """Every example in docs/levels.md has the level of its row."""
    page = (ROOT / "docs" / "levels.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| `` (.+?) `` \|", page, re.MULTILINE)
    assert len(rows) > 30
    for level, line in rows:
        assert LEVELS[guess_level(line.replace("\\|", "|").encode())] == level, line
