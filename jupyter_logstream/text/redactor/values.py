"""Which values are secrets: environment variables by name, and the configured masks. Any process; stdlib, pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from fnmatch import translate
from typing import NamedTuple

from ...model.system_text import system_bytes

SECRET_NAMES = (
    "*TOKEN*", "*SECRET*", "*PASSWORD*", "*PASSWD*", "*PASSPHRASE*", "*CREDENTIAL*", "*APIKEY*", "*API_KEY*",
    "*ACCESS_KEY*", "*PRIVATE_KEY*", "*_KEY", "*_PAT", "*_DSN", "*CONNECTION_STRING*", "DATABASE_URL", "PGPASS*",
)  # fmt: skip
"""Globs of the variable names whose values are secrets; case is ignored."""

MIN_SECRET_BYTES = 8
"""Shorter values are not masked: they would match ordinary words."""

MAX_PATTERN_CHARS = 1000
"""Longest pattern of a configured mask."""

_ALWAYS = ("JUPYTER_LOGSTREAM_SECRET",)  # grants access to the server: masked whatever is configured
_TOKENIZER = re.compile(r"TOKENIZER|TOKENS_PER", re.IGNORECASE)  # settings of language models
_TOKEN_COUNT = re.compile(r"TOKENS", re.IGNORECASE)  # a number in such a variable is a count


def secret_values(env: Mapping[str, str], names: Sequence[str] = SECRET_NAMES) -> list[bytes]:
    """The values in `env` to mask, longest first. `names`: globs of variable names, SECRET_NAMES by default.

    White space around a value is ignored, since programs strip it. Values below MIN_SECRET_BYTES are left out.
    """
    named = re.compile("|".join(translate(name) for name in (*names, *_ALWAYS)), re.IGNORECASE)
    secret = [value for name, value in env.items() if named.match(name) and _is_secret(name, value)]
    found = {system_bytes(value).strip() for value in secret}
    return sorted((value for value in found if len(value) >= MIN_SECRET_BYTES), key=lambda value: (-len(value), value))


def _is_secret(name: str, value: str) -> bool:
    return not _TOKENIZER.search(name) and not (_TOKEN_COUNT.search(name) and value.strip().isdecimal())


class BadMask(ValueError):
    """A configured mask is not valid; the text names it, the problem and what to do."""


class Masks(NamedTuple):
    """Configured masks: further secret values, and regular expressions for further secrets."""

    values: tuple[bytes, ...] = ()
    patterns: tuple[re.Pattern[bytes], ...] = ()


def parse_masks(entries: Sequence[str]) -> Masks:
    """Configured masks: `/regular expression/`, or a value. Raises BadMask, which names the entry by its position."""
    values: list[bytes] = []
    patterns: list[re.Pattern[bytes]] = []
    for i, entry in enumerate(entries):
        if not isinstance(entry, str):
            raise BadMask(f"[{i}] must be a string, not {type(entry).__name__}")
        if len(entry) > 2 and entry[0] == entry[-1] == "/":
            patterns.append(_pattern(i, entry[1:-1]))
            continue
        value = os.fsencode(entry.strip())
        if len(value) < MIN_SECRET_BYTES:
            raise BadMask(f"[{i}] is too short: a value needs at least {MIN_SECRET_BYTES} bytes; a pattern is /.../")
        values.append(value)
    return Masks(tuple(values), tuple(patterns))


def _pattern(i: int, text: str) -> re.Pattern[bytes]:
    if len(text) > MAX_PATTERN_CHARS:
        raise BadMask(f"[{i}] has more than {MAX_PATTERN_CHARS} characters")
    try:
        pattern = re.compile(os.fsencode(text))
        is_empty = pattern.search(b"") is not None
    except (re.error, RecursionError, OverflowError) as error:
        raise BadMask(f"[{i}] is not a regular expression: {error}") from None
    if is_empty:
        raise BadMask(f"[{i}] matches the empty text and so would mask everything: let it need a character")
    return pattern
