"""Keys by their shape: masked whole and cut anywhere; ordinary text stays. The vectors are the maintained examples."""

from __future__ import annotations

import random
import re

import pytest
from support.chunks import pieces_of_one
from support.cpu_time import ratio
from support.vectors import vectors

from jupyter_logstream.text.redactor import Redactor

KEYS = vectors("key_shapes")["keys"]
UNCHANGED = vectors("key_shapes")["unchanged"]


def fed(chunks: list[bytes]) -> bytes:
    redactor = Redactor()
    return b"".join(map(redactor.feed, chunks)) + redactor.finish()


@pytest.mark.parametrize(("text", "shown"), KEYS)
def test_key_is_masked_by_its_shape(text: str, shown: str) -> None:
    redactor = Redactor()
    assert redactor.mask(text) == shown
    assert redactor.masked == shown.count("***")


@pytest.mark.parametrize(("text", "shown"), [*KEYS, *zip(UNCHANGED, UNCHANGED, strict=True)])
def test_chunk_borders_do_not_matter(text: str, shown: str) -> None:
    data, expected = f"first\n{text}\nlast\n".encode(), f"first\n{shown}\nlast\n".encode()
    assert fed([data]) == expected
    assert fed(list(pieces_of_one(data))) == expected
    for first in range(len(data) + 1):
        assert fed([data[:first], data[first:]]) == expected, first
    rng = random.Random(1)
    for _ in range(50):
        cuts = sorted(rng.choices(range(len(data) + 1), k=5))
        assert fed([data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]) == expected, cuts


@pytest.mark.parametrize(("text", "shown"), KEYS)
def test_unfinished_line_never_shows_eight_characters_of_a_key(text: str, shown: str) -> None:
    found = re.fullmatch("(.*?)".join(map(re.escape, shown.split("***"))), text, re.DOTALL)
    assert found
    hidden = [secret[at : at + 8] for secret in found.groups() for at in range(len(secret) - 7)]
    redactor, seen = Redactor(), b""
    for piece in pieces_of_one(text.encode()):
        seen += redactor.feed(piece) + redactor.release()
        assert not [part for part in hidden if part.encode() in seen]


@pytest.mark.parametrize("text", UNCHANGED)
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert Redactor().mask(text) == text


@pytest.mark.parametrize("inside", ["\x1b[32m", "\x1b[0m\x1b[1;38;5;9m", "\u200b", "\u00ad", "\ufeff", "\x00"])
def test_key_with_something_invisible_inside_is_masked(inside: str) -> None:
    for key in "sk-proj-abcdefghijklmnop", "ghp_0123456789abcdefghij", "AIza" + "FAKE" * 8 + "000":
        for at in range(1, len(key)):
            text = f"a {key[:at]}{inside}{key[at:]} b\n"
            for out in Redactor().mask(text), fed(list(pieces_of_one(text.encode()))).decode():
                plain = out.replace(inside, "")
                assert not [i for i in range(5, len(key) - 7) if key[i : i + 8] in plain], (at, out)
                assert plain.startswith("a ")
                assert plain.endswith(" b\n")


HOSTILE = ["eyJ-", "eyJ.", "eyJaaaaaaaaaa.", "sk-", "sk-a=", "Bearer ", "Bearer a-", "?token=", "?a", "&", "://", "://a:",
           "://a:b", "@", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n", "\n", "\\n",
           "\\", "Proc-Type: ", "Authorization: ", "authorization:", "Authorization: Basic ", "AKIA", "AIza", "_", "-",
           "hf_", "xoxb-", "z", "\x1b", "\x1b[", "\x1b]", "\x1b]8;;", "\x1b[1m", "\xe2", "\u200b", "\x00"]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("end", ["", "!", "\n"])
def test_any_text_takes_linear_time(piece: str, end: str) -> None:
    def work(size: int) -> None:
        text = piece * (size // len(piece)) + end
        Redactor().mask(text)
        fed([text.encode()])

    assert ratio(work, 20_000, 8) < 40
