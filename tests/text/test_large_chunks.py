"""Secrets in large chunks, which are searched by samples and from gate to gate: found wherever they are."""

from __future__ import annotations

import random

import pytest
from support.vectors import vectors

from jupyter_logstream.text.redactor import Redactor

CHUNK_BYTES = 64 << 10
SECRETS = [
    b"kJ8sQ_2lmZp0aXv-T7uYwRr3N9cVbGhE5dKfLqIoPzA",
    b"0123456789abcdef" * 3,
    "schlüssel-größer-als-alles-früher-é".encode(),
]
FILLERS = {
    "spaces": b" ",
    "words": b"the loss of epoch 12 was 0.25 and a new batch began\n",
    "digits": b"0123456789",
    "umlauts": "über größere Schlüssel\n".encode(),
    "words of the secrets": b" ".join(secret[at : at + 12] for secret in SECRETS for at in range(0, len(secret), 3)),
    "gates": b"-_KzJ?&\\ZB@ ://",
}


def filler(name: str, size: int) -> bytes:
    unit = FILLERS[name]
    return (unit * (size // len(unit) + 1))[:size]


def searched_before(values: list[bytes]) -> Redactor:
    """A redactor that has seen so much output that it searches by its fastest method."""
    redactor = Redactor(values)
    for _ in range(32):
        redactor.feed(filler("words", CHUNK_BYTES - 1) + b"\n")
    return redactor


@pytest.mark.parametrize("name", FILLERS)
@pytest.mark.parametrize("secret", SECRETS)
def test_secret_is_masked_at_every_alignment(secret: bytes, name: str) -> None:
    redactor = searched_before(SECRETS)
    expected = 0
    for shift in range(64):
        before = filler(name, CHUNK_BYTES // 8 + shift)
        out = redactor.feed(before + b"\n" + secret + b"\n" + secret + b"\n")
        expected += 2
        assert out == before + b"\n***\n***\n"
        assert redactor.masked == expected


@pytest.mark.parametrize("secret", SECRETS)
def test_secret_that_crosses_large_chunks_is_masked(secret: bytes) -> None:
    redactor = searched_before(SECRETS)
    before, after = filler("words", CHUNK_BYTES - 1) + b"\n", b"\n" + filler("words", CHUNK_BYTES - 1) + b"\n"
    for cut in range(len(secret) + 1):
        out = redactor.feed(before + secret[:cut]) + redactor.feed(secret[cut:] + after)
        assert out == before + b"***" + after


@pytest.mark.parametrize("name", FILLERS)
@pytest.mark.parametrize(("text", "shown"), vectors("key_shapes")["keys"])
def test_key_is_masked_by_its_shape_among_other_text(text: str, shown: str, name: str) -> None:
    before, after = filler(name, 5000) + b"\n", b"\n" + filler(name, 5000)
    if name != "gates":
        assert Redactor().feed(before + text.encode() + after + b"\n") == before + shown.encode() + after + b"\n"
    else:  # the filler is a shape's beginning itself, so only what follows it is compared
        out = Redactor().redact(before + text.encode() + after)
        assert out.startswith(before + shown.encode()[:8])
        assert shown.encode() in out


@pytest.mark.parametrize("seed", range(8))
def test_many_random_secrets_are_masked_in_random_text(seed: int) -> None:
    rng = random.Random(seed)
    values = [rng.randbytes(rng.randint(4, 40)).hex().encode() for _ in range(20)]
    redactor = searched_before(values)
    before = redactor.masked
    parts = [value if rng.random() < 0.5 else value[:-1] for value in rng.choices(values, k=400)]
    out = redactor.feed(b" \n".join(parts) + b"\n")
    assert out == b" \n".join(b"***" if part in values else part for part in parts) + b"\n"
    assert redactor.masked - before == sum(part in values for part in parts)
