"""Lines out of bytes, whatever the chunks; levels; what is left of a terminal's control sequences."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable

import pytest
from support.chunks import pieces_of_one
from support.cpu_time import ratio
from support.paths import ROOT

from jupyter_logstream.model.records import LEVELS, Record, level_code
from jupyter_logstream.text.lines import CR, MAX_TEXT_BYTES, OPEN, PART, Lines, Splitter, clean, final_text
from jupyter_logstream.text.terminal import MAX_REDRAWN_BYTES, line_text, without_styles

Line = tuple[int, int, bytes, int]  # length, tail, text, flags


def split(chunks: Iterable[bytes]) -> list[Line]:
    splitter = Splitter()
    found: list[Line] = []
    at = 0

    def take(lines: Lines) -> None:
        nonlocal at
        assert lines.start == at
        at += sum(lines.lengths)
        flags = lines.flags or [0] * len(lines.lengths)
        found.extend(zip(lines.lengths, lines.tails, lines.texts, flags, strict=True))

    for chunk in chunks:
        take(splitter.feed(chunk))
    take(splitter.finish())
    return found


def chunks_of(data: bytes, rng: random.Random, longest: int) -> Iterable[bytes]:
    at = 0
    while at < len(data):
        size = rng.randint(0, longest)
        yield data[at : at + size]
        at += size


def random_output(rng: random.Random, pieces: int, words: list[bytes]) -> bytes:
    return b"".join(rng.choice(words) for _ in range(pieces))


def assert_adds_up(lines: list[Line], data: bytes) -> None:
    """Lengths cover the bytes, a text is in the tail of its line, every line but an open last one has a line end."""
    at = 0
    for i, (length, tail, text, flags) in enumerate(lines):
        body = data[at : at + length]
        assert len(body) == length
        assert 0 <= tail <= length
        assert len(text) <= MAX_TEXT_BYTES
        assert body[length - tail :].startswith(text)
        if flags & PART:
            assert not body.endswith(b"\n")
        else:
            assert body.endswith(b"\n") != bool(flags & OPEN)
            assert not flags & OPEN or i == len(lines) - 1
            assert final_text(body[length - tail :]) == text
        if not flags:
            assert text + b"\n" == body
        at += length
    assert at == len(data)


SHORT = [b"\n", b"\n", b"\r\n", b"\r", b"\r\r", b"a", b"line", "höß €".encode(), "\U0001f600".encode(), b"\xff\x00"]


@pytest.mark.parametrize("seed", range(40))
def test_lines_do_not_depend_on_chunk_borders(seed: int) -> None:
    rng = random.Random(seed)
    data = random_output(rng, rng.randint(0, 60), SHORT)
    whole = split([data])
    assert_adds_up(whole, data)
    assert split(pieces_of_one(data)) == whole
    for longest in (1, 3, 20):
        assert split(chunks_of(data, rng, longest)) == whole


LONG = [b"x" * MAX_TEXT_BYTES, "ä€\U0001f600".encode() * 20_000, b"y" * 70_000, b"\n", b"\n", b"z", b"\xbf" * 66_000]


@pytest.mark.parametrize("seed", range(12))
def test_parts_of_an_over_long_line_do_not_depend_on_chunk_borders(seed: int) -> None:
    rng = random.Random(seed)
    data = random_output(rng, rng.randint(1, 6), LONG)
    whole = split([data])
    assert_adds_up(whole, data)
    for longest in (4096, 100_000):
        assert split(chunks_of(data, rng, longest)) == whole


SEQUENCES = [b"\x1b", b"\x1b]0;t", b"\x07", b"\x1b\\", b"\x1b[1;", b"m", b"\x1b[31m" * 20_000, b"\x1b]8;;https://a\x07"]


@pytest.mark.parametrize("seed", range(12))
def test_parts_of_an_over_long_rewritten_line_do_not_depend_on_chunk_borders(seed: int) -> None:
    rng = random.Random(seed)
    data = random_output(rng, rng.randint(2, 8), [*LONG, b"\r", b"\r", b"done", *SEQUENCES])
    whole = split([data])
    assert_adds_up(whole, data)
    for longest in (4096, 100_000):
        assert split(chunks_of(data, rng, longest)) == whole


IMAGE = b"\x1b]1337;File=inline=1:" + b"QUJD" * 40_000 + b"\x07"
SIXEL = b"\x1bPq#0" + b"~" * 150_000 + b"\x1b\\"
KITTY = b"\x1b_Gf=100,a=T,m=1;" + b"A" * 4000 + b"\x1b\\" + (b"\x1b_Gm=1;" + b"B" * 4000 + b"\x1b\\") * 40


def shown(data: bytes) -> list[str]:
    """The texts of the records of `data`, as a reader makes them of bytes."""
    texts, at = [], 0
    for length, tail, _, _ in split([data]):
        begin = at + length - tail
        before = data[max(at, begin - MAX_REDRAWN_BYTES) : begin]
        head = data[at : at + 4096] if begin - at > MAX_REDRAWN_BYTES else b""
        texts.append(without_styles(line_text(data[begin : at + length], before, head)))
        at += length
    return texts


@pytest.mark.parametrize("image", [IMAGE, SIXEL, KITTY], ids=["OSC 1337", "sixel", "kitty"])
def test_an_image_of_any_size_is_one_short_row(image: bytes) -> None:
    assert shown(image + b"\nnext\n") == ["[image]", "next"]
    assert shown(image + b" caption\n") == ["[image] caption"]
    assert "".join(shown(b"plot: " + image + b"\nnext\n")).replace("[image]", "") == "plot: next"
    assert shown(image[:100_000]) == ["[image]"]
    whole = split([image + b" caption\n"])
    assert split(pieces_of_one(image + b" caption\n")) == whole


def test_colours_alone_make_no_part() -> None:
    data = b"\x1b[1m\x1b[31m\x1b[m" * 20_000 + b"u\n"
    assert shown(data) == ["u"]
    assert split(pieces_of_one(data)) == split([data])


@pytest.mark.parametrize("shift", range(12))
def test_part_does_not_split_a_control_sequence(shift: int) -> None:
    sequence = b"\x1b[38;2;1;2;3m"
    text = b"x" * (MAX_TEXT_BYTES - shift) + sequence + b"y" * 10
    lines = split([text + b"\n"])
    assert [line[2].count(sequence) for line in lines] in ([0, 1], [1, 0])
    assert "".join(shown(text + b"\n")) == "x" * (MAX_TEXT_BYTES - shift) + "y" * 10


def test_link_at_the_edge_of_a_part_keeps_its_address() -> None:
    link = b"\x1b]8;;https://a.test/\x1b\\report\x1b]8;;\x1b\\"
    for shift in range(0, 50, 5):
        texts = [line_text(line[2]) for line in split([b"x" * (MAX_TEXT_BYTES - shift) + link + b"\n"])]
        assert sum(link.decode() in text for text in texts) == 1


def test_sequence_without_an_end_does_not_hide_the_next_line() -> None:
    assert shown(b"\x1b]0;" + b"t" * 200_000 + b"\nnext\n") == ["", "next"]
    assert shown(b"\x1b[" + b"1;" * 100_000 + b"mx\nnext\n") == ["x", "next"]


def test_part_does_not_split_a_character() -> None:
    for shift in range(4):
        text = "a" * shift + "\U0001f600" * 40_000
        lines = split([text.encode() + b"\n"])
        assert len(lines) > 1
        assert "".join(line[2].decode("utf-8", "strict") for line in lines) == text
        assert [bool(line[3] & PART) for line in lines] == [True] * (len(lines) - 1) + [False]


def test_line_of_the_maximum_length_is_one_record() -> None:
    assert [line[3] for line in split([b"x" * MAX_TEXT_BYTES + b"\n"])] == [0]
    assert [line[3] for line in split([b"x" * (MAX_TEXT_BYTES + 1) + b"\n"])] == [PART, 0]


@pytest.mark.parametrize(
    ("written", "texts"),
    [
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"10%\r20%\r100%\n", [b"100%"]),
        (b"10%\r20%\r\n", [b"20%"]),
        (b"\r10%\r20%", [b"20%"]),
        (b"a\r\r\n", [b"a"]),
        (b"\r\r\r", [b""]),
        (b"\n\n", [b"", b""]),
        (b"no end", [b"no end"]),
        (b"", []),
    ],
)
def test_record_has_the_final_text_of_a_line(written: bytes, texts: list[bytes]) -> None:
    assert [line[2] for line in split([written])] == texts
    assert [line[2] for line in split(pieces_of_one(written))] == texts


def test_million_rewrites_are_one_line() -> None:
    data = b"".join(b"\r%d%%" % i for i in range(1_000_000))
    lines = split(data[at : at + 4096] for at in range(0, len(data), 4096))
    assert lines == [(len(data), 7, b"999999%", CR | OPEN)]


def test_chunk_can_be_fed_again_after_restoring_the_state() -> None:
    splitter = Splitter()
    splitter.feed(b"a\nhalf")
    before = splitter.state
    first = splitter.feed(b" and half\nrest")
    splitter.state = before
    assert splitter.feed(b" and half\nrest") == first


@pytest.mark.parametrize(
    "made",
    [
        lambda n: b"x" * n,
        lambda n: b"\r" * n,
        lambda n: b"x\r" * (n // 2),
        lambda n: b"\n" * n,
        lambda n: b"x\r\n" * (n // 3),
    ],
    ids=["no line end", "CR only", "rewritten", "empty lines", "CRLF"],
)
def test_splitting_takes_linear_time(
    made: Callable[[int], bytes],
) -> None:
    def work(size: int) -> None:
        data = made(size)
        split(data[at : at + 4096] for at in range(0, len(data), 4096))

    assert ratio(work, 100_000, 8) < 32


# --- control sequences ------------------------------------------------------------------------------------------------

SGR = re.compile(r"\x1b\[[\d;:]*m")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[38;5;208mx\x1b[m", "\x1b[38;5;208mx\x1b[m"),
        ("\x1b[2Ja\x1b[1;1Hb\x1b[Kc", "abc"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0\x1b\\text", "text"),
        ("\x1b(Btext\x1b=", "text"),
        ("\x1b[?25ltext\x1b[?25h", "text"),
        ("\x1b[>4;2mtext", "text"),
        ("text\x1b", "text"),
        ("text\x1b[3", "text"),
        ("plain é \u2028", "plain é \u2028"),
    ],
)
def test_clean_keeps_colours_and_drops_other_sequences(text: str, left: str) -> None:
    assert clean(text) == left


@pytest.mark.parametrize("seed", range(3))
def test_clean_leaves_no_escape_but_colours(seed: int) -> None:
    rng = random.Random(seed)
    parts = [
        "\x1b",
        "\x1b[",
        "[",
        "]",
        "0",
        ";",
        "31",
        "m",
        "J",
        "2J",
        "n",
        "\x1b[0m",
        "\x07",
        "\x1b\\",
        "é",
        " ",
        "?",
        "P",
    ]
    for _ in range(2000):
        text = "".join(rng.choice(parts) for _ in range(rng.randint(1, 12)))
        assert "\x1b" not in SGR.sub("", clean(text)), repr(text)


@pytest.mark.parametrize("unit", ["\x1b[", "\x1b]", "\x1b[1;", "\x1b[ ", "\x1b", "\x1bP\x1b", "\x1b[1;1"])
@pytest.mark.parametrize("head", ["", "\x1b[", "\x1b]0;"])
def test_clean_takes_linear_time(unit: str, head: str) -> None:
    assert ratio(lambda size: clean(head + unit * (size // len(unit)) + "é"), 20_000, 8) < 40


def test_clean_of_unfinished_sequences_takes_linear_time() -> None:
    for filling in ";1", "1", " ", "?":
        assert ratio(lambda size, f=filling: clean("\x1b[" + f * (size // len(f)) + "é"), 50_000, 8) < 40


# --- levels -----------------------------------------------------------------------------------------------------------


def test_level_names_of_python_and_syslog_are_known() -> None:
    found = {
        "WARNING": "warn",
        "CRITICAL": "fatal",
        "Error": "error",
        "notice": "info",
        " info ": "info",
        "odd": "unknown",
    }
    assert {name: LEVELS[level_code(name)] for name in found} == found


def test_page_has_the_same_levels() -> None:
    types = ROOT / "js" / "src" / "protocol" / "types.ts"
    found = re.search(r"export type Level = ([^;]+);", types.read_text(encoding="utf-8"))
    assert found
    assert set(re.findall(r'"(\w+)"', found[1])) == set(LEVELS)


def test_record_survives_json() -> None:
    records = [
        Record(1, 1.5, "info", "a"),
        Record(2, 2.25, "warn", "b\nc", step="fit", source="log", part=True, fields={"k": [1, None]}),
    ]
    for record in records:
        assert Record.from_json({**record.to_json(), "newer": 1}) == record
    assert records[0].to_json() == {"seq": 1, "ts": 1.5, "level": "info", "message": "a", "source": "stdout"}
