"""Secrets in output: replaced whatever the chunks, and nothing else is."""

from __future__ import annotations

import os
import random

import pytest
from support.chunks import pieces_of_one
from support.cpu_time import ratio

from jupyter_logstream.text.redactor import SECRET_NAMES, Redactor, secret_values

KEY = b"tk-live-0123456789abcdef"
PEM = b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----"


def masked(values: list[bytes], data: bytes) -> tuple[bytes, int]:
    """The expected result, by the simplest algorithm: mark every byte of every secret, replace each run by one mask."""
    joins, hidden = [False] * (len(data) + 1), [False] * len(data)  # joins[i]: one secret holds the bytes i-1 and i
    for value in values:
        for at in range(len(data)):
            if data.startswith(value, at):
                hidden[at : at + len(value)] = [True] * len(value)
                joins[at + 1 : at + len(value)] = [True] * (len(value) - 1)
    out, count = b"", 0
    for at in range(len(data)):
        if not hidden[at]:
            out += data[at : at + 1]
        elif not joins[at]:
            out, count = out + b"***", count + 1
    return out, count


def fed(values: list[bytes], chunks: list[bytes]) -> tuple[bytes, int]:
    redactor = Redactor(values)
    out = b"".join(map(redactor.feed, chunks)) + redactor.finish()
    return out, redactor.masked


CASES = [
    ([KEY], b"the key is " + KEY + b", again: " + KEY + KEY + b"\n"),
    ([KEY], b"nearly: " + KEY[:-1] + b"\n" + KEY[:9] + KEY),
    ([KEY], KEY[:10]),
    ([PEM], b"a\n" + PEM + b"\nb\n-----BEGIN PRIVATE KEY-----\nother\n" + PEM[:40]),
    ([KEY, KEY[:12]], b"long " + KEY + b" short " + KEY[:12] + b" between " + KEY[:18] + b"\n"),
    ([b"abcdefgh", b"efghijkl"], b"_abcdefghijkl_abcdefgh_efghijkl_abcdefghefghijkl_"),
    ([b"xxabcdefghyy", b"abcdefgh"], b"xxabcdefghyz xxabcdefghyy abcdefgh xxabcdefg"),
    ([b"aaaaaaaa"], b"a" * 7 + b" " + b"a" * 8 + b" " + b"a" * 21 + b"b"),
    ([b"abababab"], b"xabababababy abababab ababab"),
    ([b"12345678", b"345678\n90"], b"12345678\n9012345678\n"),
    ([bytes(range(0x80, 0x90))], b"\xff" + bytes(range(0x80, 0x90)) + b"\x80\x81"),
]


@pytest.mark.parametrize(("values", "data"), CASES)
def test_secrets_are_masked_across_chunk_borders(values: list[bytes], data: bytes) -> None:
    expected = masked(values, data)
    assert fed(values, [data]) == expected
    assert fed(values, list(pieces_of_one(data))) == expected
    for first in range(len(data) + 1):
        assert fed(values, [data[:first], data[first:]]) == expected
        for second in range(first, len(data) + 1, 3):
            assert fed(values, [data[:first], data[first:second], b"", data[second:]]) == expected


@pytest.mark.parametrize("seed", range(30))
def test_random_secrets_are_masked_across_chunk_borders(seed: int) -> None:
    rng = random.Random(seed)
    values = [bytes(rng.choices(b"ab\n", k=rng.randint(8, 12))) for _ in range(rng.randint(1, 4))]
    for _ in range(40):
        parts = [*values, *(value[:5] for value in values), *(value[3:] for value in values), b"a", b"b", b"\n"]
        data = b"".join(rng.choices(parts, k=rng.randint(0, 12)))
        expected = masked(values, data)
        cuts = sorted(rng.choices(range(len(data) + 1), k=rng.randint(0, 6)))
        chunks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        assert fed(values, chunks) == expected, (values, chunks)


def test_chunk_without_secrets_passes_unchanged_at_once() -> None:
    redactor = Redactor([KEY, PEM])
    for chunk in (b"INFO a line\n", b"", b"\xff\x01\n", b"no line end."):
        assert redactor.feed(chunk) is chunk
    assert redactor.feed(b" and more\n") == b" and more\n"
    assert (redactor.finish(), redactor.masked) == (b"", 0)
    assert Redactor().feed(b"s") == b"s"


def test_only_the_start_of_a_secret_is_held_back() -> None:
    redactor = Redactor([KEY])
    assert redactor.feed(b"wait: tk-li") == b"wait: "
    assert redactor.feed(b"ve-01") == b""
    assert redactor.feed(b"x") == b"tk-live-01x"
    assert redactor.feed(b"tk-live-0123456789abcdef") == b"***"  # a complete secret is replaced at once
    assert redactor.feed(b"tk-") == b""
    assert redactor.finish() == b"tk-"
    assert redactor.finish() == b""


def test_held_bytes_are_bounded() -> None:
    redactor = Redactor([b"a" * 100, b"a" * 50 + b"b"])
    for _ in range(1000):
        redactor.feed(b"a" * 37)
        assert len(redactor._held) < 100
    assert redactor.masked == 1


@pytest.mark.parametrize(("values", "data"), CASES)
def test_text_is_masked_like_its_bytes(values: list[bytes], data: bytes) -> None:
    redactor = Redactor(values)
    if data.isascii():
        expected, count = masked(values, data)
        assert (redactor.mask(data.decode()), redactor.masked) == (expected.decode(), count)
    assert redactor.feed(b"untouched") + redactor.finish() == b"untouched"


def test_lone_surrogates_in_text_are_unchanged() -> None:
    text = "\udc80 ü \ud800 " + KEY.decode() + " \U0001f600"
    assert Redactor([KEY]).mask(text) == "\udc80 ü \ud800 *** \U0001f600"
    assert Redactor(["geheimnüß".encode()]).mask("das geheimnüß.") == "das ***."


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN", "GITHUB_TOKEN_FILE_CONTENT", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "OPENAI_API_KEY",
        "apikey", "db_password", "MYSQL_PASSWD", "STRIPE_KEY", "AZURE_DEVOPS_EXT_PAT", "SENTRY_DSN", "MY_CREDENTIALS",
        "SSH_PASSPHRASE", "JUPYTER_LOGSTREAM_SECRET", "DATABASE_URL",
    ],
)  # fmt: skip
def test_secret_names_match(name: str) -> None:
    assert secret_values({name: "a-long-value"}, SECRET_NAMES) == [b"a-long-value"]


@pytest.mark.parametrize("name", ["PATH", "LIBRARY_PATH", "PWD", "KEYBOARD", "HOME", "MONKEY", "PATTERN", "SHELL"])
def test_other_names_do_not_match(name: str) -> None:
    assert secret_values({name: "a-long-value"}, SECRET_NAMES) == []


def test_values_are_unique_long_enough_and_longest_first() -> None:
    env = {
        "A_TOKEN": "12345678",
        "B_TOKEN": "1234567",
        "C_TOKEN": "",
        "D_TOKEN": "12345678",
        "E_TOKEN": "  123456789\n",
    }
    assert secret_values(env, ["*_token"]) == [b"123456789", b"12345678"]
    assert secret_values({"X_TOKEN": "ü" * 4}, ["*TOKEN"]) == ["ü".encode() * 4]  # bytes count
    assert secret_values({"X_TOKEN": os.fsdecode(b"\xff\xfe" * 5)}, ["*TOKEN"]) == [b"\xff\xfe" * 5]


def test_names_are_configurable_but_the_own_secret_is_always_masked() -> None:
    env = {"MINE": "a-long-value", "HF_TOKEN": "hf_012345678", "JUPYTER_LOGSTREAM_SECRET": "s" * 43}
    assert secret_values(env, ["mine"]) == [b"s" * 43, b"a-long-value"]
    assert secret_values(env, []) == [b"s" * 43]


@pytest.mark.parametrize("data", [b"a", b"aaaaaaab", b"-----BEGIN PRIVATE KEY-----\nMII"])
def test_masking_takes_linear_time(data: bytes) -> None:
    def work(size: int) -> None:
        text = data * (size // len(data))
        redactor = Redactor([b"a" * 8, b"a" * 400 + b"b", PEM])
        for at in range(0, len(text), 4096):
            redactor.feed(text[at : at + 4096])

    assert ratio(work, 30_000, 8) < 40
