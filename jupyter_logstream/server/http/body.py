"""Strict JSON parser for request bodies: UTF-8 only, no NaN, no duplicate key, no lone surrogate. Server; no I/O.

A text that is not JSON, or that the parser refuses, is BadJson. A number that could not be served again is BadNumber.
"""

from __future__ import annotations

import json
import math
import re
from itertools import islice
from typing import Any

from ...text.strict_json import depth
from ..params import printable

MAX_DEPTH = 110
"""Objects and arrays inside each other in a body; `fields` of a record have a smaller limit of their own."""

_MAX_INT_DIGITS = 308  # longer ones are infinite where numbers are IEEE doubles
_MAX_PARSED_DIGITS = 4300  # Python's own limit: the time to convert a number is quadratic
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]')
_MAX_TOKENS = 1_000_000


class BadJson(ValueError):
    """The text is not strict JSON; the message is the reason."""


class TooDeep(BadJson):
    """The text is nested more than MAX_DEPTH levels deep. `member`: in which member, as `[3].fields`."""

    def __init__(self, member: str) -> None:
        super().__init__(f"is nested more than {MAX_DEPTH} levels deep")
        self.member = member


class BadNumber(ValueError):
    """A number that is infinite as an IEEE double: it could not be served again. `member`: which, as `[3].fields.a`."""

    def __init__(self, member: str) -> None:
        super().__init__(f"{member}: the number is out of range")
        self.member = member


def parse_json(data: bytes, *, any_bytes: bool = False) -> Any:
    """Parse a JSON text (RFC 8259; duplicate keys, NaN and lone surrogates are errors). Raises BadJson, BadNumber.

    `any_bytes`: accept U+DC80 to U+DCFF, which stand for bytes that are not UTF-8 (PEP 383).
    """
    errors = "surrogateescape" if any_bytes else "strict"
    try:
        text = data.decode()
        value = json.loads(text, parse_constant=_reject_constant, parse_int=_parse_int, object_pairs_hook=_unique_keys)
        if depth(value, MAX_DEPTH) > MAX_DEPTH:
            raise TooDeep(_deep_member(text))
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode(
            "utf-8", errors
        )  # fails on infinity and on a lone surrogate
    except BadJson:
        raise
    except RecursionError:
        raise _too_deep(text) from None
    except ValueError as error:
        if str(error).startswith("Out of range"):
            raise BadNumber(_infinite_member(value)) from None
        raise BadJson(_problem(error)) from None
    return value


def _parse_int(text: str) -> int | float:
    """Infinity where a number exceeds the range of IEEE doubles, as for a float."""
    if len(text) > _MAX_PARSED_DIGITS:
        raise ValueError(f"contains a number of more than {_MAX_PARSED_DIGITS} digits")
    return int(text) if len(text) <= _MAX_INT_DIGITS else math.inf


def _reject_constant(name: str) -> Any:
    raise ValueError(f"contains {name}, which is not JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("contains a duplicate key")
    return value


def _problem(error: ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "is not UTF-8" if isinstance(error, UnicodeDecodeError) else "contains a lone surrogate"
    text = str(error)
    return text if text.startswith("contains ") else "is not JSON"


# --- which member is wrong --------------------------------------------------------------------------------------------


def _infinite_member(value: Any) -> str:
    """The path of the first infinite number in a value."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, float) and not math.isfinite(item):
            return path.removeprefix(".") or "the body"
        if isinstance(item, dict):
            waiting += [(f"{path}.{printable(name)}", inner) for name, inner in reversed(item.items())]
        elif isinstance(item, list):
            waiting += [(f"{path}[{i}]", inner) for i, inner in reversed(list(enumerate(item)))]
    return "the body"


def _too_deep(text: str) -> BadJson:
    """The error for a text at which the parser gave up: with unmatched brackets it cannot be JSON.

    Bound: beyond _MAX_TOKENS brackets in strings count, too. Step by step, so that other threads can run meanwhile.
    """
    number = open_brackets = 0
    for token in islice(_TOKEN.finditer(text), _MAX_TOKENS):
        number += 1
        open_brackets += (token[0] in {"[", "{"}) - (token[0] in {"]", "}"})
    if number == _MAX_TOKENS:
        open_brackets = sum(map(text.count, "[{")) - sum(map(text.count, "]}"))
    return BadJson("is not JSON") if open_brackets else TooDeep(_deep_member(text))


def _deep_member(text: str) -> str:
    """The path, at most two steps long, of the member in which a text is nested more than MAX_DEPTH levels deep."""
    path: list[int | str] = []  # in each open array or object: the position or the name of the current member
    string = ""
    for token in islice(_TOKEN.finditer(text), _MAX_TOKENS):
        mark = token[0]
        if mark in {"[", "{"}:
            path.append(0 if mark == "[" else "")
            if len(path) > MAX_DEPTH:
                break
        elif mark in {"]", "}"}:
            del path[-1:]
        elif mark == "," and path and isinstance(path[-1], int):
            path[-1] += 1
        elif mark == ":" and path:
            path[-1] = string
        else:
            string = printable(mark[1:].removesuffix('"'))
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[:2]).removeprefix(".")
