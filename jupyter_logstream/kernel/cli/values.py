"""Parsers of argument values: `K=V` pairs, durations, line counts. Command line; values only."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


def duration(text: str) -> float:
    """A positive duration in seconds: `90`, `1.5h`, `10m`. Raises ArgumentTypeError."""
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else math.inf
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write seconds, or 10m, 2h, 1d")
    return seconds


def grace(text: str) -> int:
    """A duration of zero or more whole seconds. Raises ArgumentTypeError."""
    return 0 if text == "0" else math.ceil(duration(text))


def count(text: str) -> int | None:
    """A number of lines; None for `all`. Raises ArgumentTypeError."""
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines: write 100, or all")
    return int(text)


def cursor(text: str) -> int:
    """The number of a record. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"{text!r} is no record number: write the seq of the last record you have")
    return int(text)


def pair(text: str) -> tuple[str, str]:
    """`NAME=VALUE`. Raises ArgumentTypeError."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} must be NAME=VALUE")
    return name, value


def variable(text: str) -> tuple[str, str]:
    """`NAME=VALUE`, or `NAME` for its value in this process, which then is in no command line. ArgumentTypeError."""
    if "=" in text:
        return pair(text)
    if text not in os.environ:
        raise argparse.ArgumentTypeError(f"the variable {text!r} is not set here: write NAME=VALUE")
    return text, os.environ[text]


def option(text: str) -> tuple[str, Any]:
    """`NAME=VALUE`, whose value is JSON where it is valid JSON (`gpus=2`), else text. Raises ArgumentTypeError."""
    name, value = pair(text)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def as_dict(pairs: Sequence[tuple[str, Any]] | None) -> dict[str, Any] | None:
    """Repeated pairs as a dict, the last value of a name; None if there are none."""
    return dict(pairs) if pairs else None
