"""Known secrets in every spelling, with something invisible inside, and cut anywhere."""

from __future__ import annotations

import base64
import json
import random
import shlex
import subprocess
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from support.chunks import pieces_of_one

from jupyter_logstream.text.redactor import BadMask, Redactor, parse_masks

VALUES = [
    "tok_0123456789abcdefXYZ",
    'p@ss "w\'rd"/+&<é>$x`y\\z',
    "correct horse battery staple",
    "a'b'c'd'e'f'g",
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----",
    "https://user:pa%20ss@db.example.test/name?x=1&y=2",
    "x" * 200 + "/+=",
]

SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda value: value,
    "JSON": lambda value: json.dumps({"key": value}),
    "JSON, not ASCII": lambda value: json.dumps([value], ensure_ascii=False),
    "JSON in JSON": lambda value: json.dumps({"body": json.dumps({"key": value})}),
    "JSON with slashes": lambda value: json.dumps(value).replace("/", "\\/"),
    "JSON for HTML": lambda value: json.dumps(value).translate({ord(c): f"\\u{ord(c):04x}" for c in "<>&"}),
    "repr": repr,
    "repr of a dict": lambda value: repr({"key": value}),
    "repr of bytes": lambda value: repr(value.encode()),
    "URL": lambda value: "x?key=" + quote(value, safe=""),
    "URL path": lambda value: "/a/" + quote(value),
    "URL, lower case": lambda value: "".join(f"%{byte:02x}" if byte > 127 or not chr(byte).isalnum() else chr(byte)
                                             for byte in value.encode()).replace("%5f", "_").replace("%2d", "-")
                                             .replace("%2e", "."),
    "form": lambda value: urlencode({"a": "b", "value": value}),
    "quote_plus": quote_plus,
    "shlex": lambda value: "curl -H " + shlex.quote("X: " + value),
    "shell, escaped quote": lambda value: "'" + value.replace("'", "'\\''") + "'",
    "bash %q": lambda value: subprocess.run(
        ["bash", "-c", 'printf %q "$1"', "-", value], check=True, capture_output=True, text=True).stdout,
    "hexadecimal": lambda value: value.encode().hex(),
    "Basic": lambda value: "Basic " + base64.b64encode(f"user:{value}".encode()).decode(),
    **{
        f"base64 behind {n}": lambda value, n=n: base64.b64encode(b"?" * n + value.encode() + b"!" * n).decode()
        for n in range(7)
    },
    **{
        f"URL-safe base64 behind {n}": lambda value, n=n: base64.urlsafe_b64encode(b"?" * n + value.encode()).decode()
        for n in range(3)
    },
    "base64 in lines": lambda value: base64.encodebytes(value.encode()).decode(),
}  # fmt: skip


def fed(redactor: Redactor, chunks: list[bytes]) -> bytes:
    return b"".join(map(redactor.feed, chunks)) + redactor.finish()


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("value", VALUES)
def test_secret_is_masked_in_every_spelling(value: str, spelling: str) -> None:
    if spelling == "bash %q" and not (value.isascii() and value.isprintable()):
        return  # it writes $'...' then, an encoding of its own
    spelled = SPELLINGS[spelling](value)
    text = f"before {spelled} after\n"
    whole = Redactor([value.encode()])
    out = whole.mask(text)
    assert out.startswith("before ")
    assert out.endswith(" after\n")
    assert whole.masked > 0
    spelled_only = SPELLINGS[spelling](value)
    core = spelled_only[8:-8]
    assert not [at for at in range(len(core) - 11) if core[at : at + 12] in out and "BEGIN" not in core[at : at + 12]
                and core[at:at+12] not in SPELLINGS[spelling]("")], out  # fmt: skip
    data = text.encode()
    assert fed(Redactor([value.encode()]), [data]) == out.encode()
    assert fed(Redactor([value.encode()]), list(pieces_of_one(data))) == out.encode()
    for cut in range(0, len(data), 3):
        assert fed(Redactor([value.encode()]), [data[:cut], data[cut:]]) == out.encode()


def test_each_line_of_a_value_of_several_lines_is_masked() -> None:
    value = "first line of it\nshort\n  an indented line\nlast line of it"
    redactor = Redactor([value.encode()])
    assert redactor.mask("1 first line of it\n2 short\n3 an indented line\n") == "1 ***\n2 short\n3 ***\n"
    assert redactor.mask(value) == "***"


SECRET = b"tok_0123456789abcdefXYZ"
INVISIBLE = [b"\x1b[32m", b"\x1b[0m", b"\x1b[1;38;2;1;2;3m", b"\x1b[K", b"\x1b(B", b"\x1b]8;;http://example.test/\x1b\\",
             b"\x1b]0;title\x07", b"\xe2\x80\x8b", b"\xe2\x81\xa0", b"\xef\xbb\xbf", b"\xc2\xad", b"\x00"]  # fmt: skip


@pytest.mark.parametrize("inside", INVISIBLE)
def test_secret_with_something_invisible_inside_is_masked(inside: bytes) -> None:
    for at in range(1, len(SECRET)):
        data = b"a=" + SECRET[:at] + inside + SECRET[at:] + b" rest\n"
        redactor = Redactor([SECRET])
        out = fed(redactor, [data])
        colours = inside if inside.endswith(b"m") else b""
        assert (out, redactor.masked) == (b"a=***" + colours + b" rest\n", 1)
        assert fed(Redactor([SECRET]), list(pieces_of_one(data))) == out
        for cut in range(len(data)):
            assert fed(Redactor([SECRET]), [data[:cut], data[cut:]]) == out, (at, cut)


def test_secret_with_something_invisible_between_all_characters_is_masked() -> None:
    rainbow = b"".join(b"\x1b[3%dm%c" % (i % 8, byte) for i, byte in enumerate(SECRET))
    for data in rainbow, b"\xe2\x80\x8b".join(SECRET[i : i + 1] for i in range(len(SECRET))):
        for chunks in [data], list(pieces_of_one(data)):
            out = fed(Redactor([SECRET]), chunks)
            assert b"***" in out
            assert not set(b"tokXYZ") & set(out.replace(b"m", b""))


def test_secret_in_a_title_or_link_is_masked() -> None:
    for data in b"\x1b]0;" + SECRET + b"\x07x\n", b"\x1b]8;;http://h/" + SECRET + b"\x1b\\link\x1b]8;;\x1b\\\n":
        for chunks in [data], list(pieces_of_one(data)):
            assert fed(Redactor([SECRET]), chunks) == data.replace(SECRET, b"***")


def test_colours_and_zero_width_characters_elsewhere_stay() -> None:
    data = "\x1b[32mok\x1b[0m a\u200bb \u2019quoted\u2019 \u2014 \x1b]0;title\x07\x00 tok_\x1b[1m0123\n".encode()
    assert fed(Redactor([SECRET]), [data]) == data
    assert fed(Redactor([SECRET]), list(pieces_of_one(data))) == data


@pytest.mark.parametrize("seed", range(40))
def test_result_does_not_depend_on_how_any_mixture_is_cut(seed: int) -> None:
    rng = random.Random(seed)
    values = [SECRET, b"other secret/value", b"0123456789abcdefXYZ-and-more"]
    encoded = base64.b64encode(b"u:" + SECRET)
    parts = [*values, SECRET[:9], SECRET[5:], encoded, encoded[:12], quote(values[1].decode(), safe="").encode(),
             *INVISIBLE, b"sk-proj-", b"abcdefghij", b"?token=", b"Authorization: Bearer ", b" ", b"\n", b"\r", b"=",
             b"a0", b"-----BEGIN PRIVATE KEY-----\n", b"MIIEvQIBADANBgkqhkiG9w0B\n", b"-----END PRIVATE"]  # fmt: skip
    for _ in range(60):
        data = b"".join(rng.choices(parts, k=rng.randint(1, 14)))
        whole = fed(Redactor(values), [data])
        for value in *values, encoded[2:-4]:
            assert value not in whole
        cuts = sorted(rng.choices(range(len(data) + 1), k=rng.randint(0, 6)))
        chunks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        cut = fed(Redactor(values), chunks)
        for value in *values, encoded[2:-4]:
            assert value not in cut
        assert plain(cut) == plain(whole), (data, chunks)


def plain(data: bytes) -> bytes:
    """Without what a mask may keep or drop, and with masks in a row as one."""
    for inside in INVISIBLE:
        data = data.replace(inside, b"")
    while b"******" in data:
        data = data.replace(b"******", b"***")
    return data


def test_short_end_is_released_and_the_rest_of_a_secret_still_masked() -> None:
    redactor = Redactor([SECRET])
    assert redactor.feed(b"Name: t") == b"Name: "
    assert redactor.release() == b"t"
    assert redactor.release() == b""
    assert redactor.feed(SECRET[1:] + b"\n") == b"***\n"
    assert redactor.feed(b"Name: tok_") == b"Name: "
    assert redactor.release() == b""  # four characters can give away something
    assert redactor.feed(b"x\n") == b"tok_x\n"
    assert redactor.masked == 1


def test_secret_that_comes_letter_by_letter_is_masked_although_its_first_letters_were_released() -> None:
    redactor, out = Redactor([SECRET]), b""
    for piece in pieces_of_one(b"a " + SECRET + b" b\n"):
        out += redactor.feed(piece) + redactor.release()
    assert out == b"a tok*** b\n"


def test_configured_masks_are_values_and_patterns() -> None:
    masks = parse_masks(["hunter2-hunter2", "/ACME-[0-9]{6}/", r"/pin is (\d+)/", "/(?i)codename \\S+/"])
    text = "hunter2-hunter2 ACME-123456 the pin is 1234 Codename Zeus. ACME-12345\n"
    shown = "*** *** the pin is *** *** ACME-12345\n"
    redactor = Redactor(masks.values, masks.patterns)
    assert (redactor.mask(text), redactor.masked) == (shown, 4)
    data = text.encode()
    for cut in range(len(data)):
        assert SECRET not in fed(Redactor(masks.values, masks.patterns), [data[:cut], data[cut:]])
        out = fed(Redactor(masks.values, masks.patterns), [data[:cut], data[cut:]]).decode()
        assert not [secret for secret in ("hunter2-hunter2", "123456", "1234 ", "Zeus") if secret in out], cut


@pytest.mark.parametrize(("entries", "problem"), [
    (["fine-value", "short"], r"\[1\] is too short"), ([8], r"\[0\] must be a string, not int"),
    (["/(/"], r"\[0\] is not a regular expression: "), (["/a*/"], r"\[0\] matches the empty text"),
    (["/" + "a" * 1001 + "/"], r"\[0\] has more than 1000 characters"), ([b"bytes-value"], r"a string, not bytes"),
])  # fmt: skip
def test_invalid_mask_is_refused_by_its_position(entries: list[str], problem: str) -> None:
    with pytest.raises(BadMask, match=problem):
        parse_masks(entries)
