"""What calls cost: price tables, ours and the user's, and the sum. Server side; reads files, no HTTP.

A table maps a model's name, or a pattern with `*`, to US dollars per million tokens:
`{"gpt-4o*": {"input": 2.5, "cached": 1.25, "output": 10}}`. `cached` and `cache_writes` (input read from and written to
a provider's cache) cost as `input` unless said. First looked at is the upstream's own table, then the user's file, then
`prices.json` beside this file; in a table the longest pattern that fits wins. A model that is in none costs None: not
known, which is not nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ...wire.llm_usage import Tokens

_OURS = Path(__file__).with_name("prices.json")
_MILLION = 1_000_000
_PARTS = ("input", "output", "cached", "cache_writes")


class PriceError(ValueError):
    """A price table is none; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float
    cached: float
    cache_writes: float

    def of(self, tokens: Tokens) -> float:
        """What these tokens cost."""
        asked = tokens.input or 0
        cached = min(tokens.cached or 0, asked)
        written = min(tokens.cache_writes or 0, asked - cached)
        plain = asked - cached - written
        total = plain * self.input + cached * self.cached + written * self.cache_writes
        return (total + (tokens.output or 0) * self.output) / _MILLION


Table = Mapping[str, Price]


def check_table(value: Any) -> Table:
    """A table as users write it, checked. Raises PriceError."""
    if not isinstance(value, dict):
        raise PriceError('a price table must be {"model or pattern": {"input": dollars per million tokens, ...}}')
    return {str(name): _price(str(name), given) for name, given in value.items()}


def _price(name: str, given: Any) -> Price:
    if not isinstance(given, dict) or not given or set(given) - set(_PARTS):
        raise PriceError(f"the price of {name!r} must have of: {', '.join(_PARTS)}")
    for part, dollars in given.items():
        is_number = isinstance(dollars, int | float) and not isinstance(dollars, bool)
        if not is_number or not math.isfinite(dollars) or dollars < 0:
            raise PriceError(f"the price of {name!r}: {part} must be a number of dollars, not {dollars!r}")
    asked = float(given.get("input", 0))
    return Price(
        asked,
        float(given.get("output", 0)),
        float(given.get("cached", asked)),
        float(given.get("cache_writes", asked)),
    )


def price_in(table: Table, model: str) -> Price | None:
    """The price of a model in a table: by its name, else by the longest pattern that fits."""
    if model in table:
        return table[model]
    fitting = [pattern for pattern in table if fnmatchcase(model, pattern)]
    return table[max(fitting, key=len)] if fitting else None


class Prices:
    """Our table, and the user's in `path`, which is read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ours = check_table(json.loads(_OURS.read_text(encoding="utf-8")))
        self._stamp: tuple[int, int] | None = None
        self._users: Table = {}
        self.problem: str | None = None  # what is wrong with the user's file; its former table stays in force

    def cost(self, own: Table, tokens: Tokens, *models: str | None) -> float | None:
        """Dollars, by the first of the models that has a price (the one that answered, the one asked for)."""
        if tokens.input is None and tokens.output is None:
            return None
        self._read()
        for table in (own, self._users, self._ours):
            for model in models:
                for name in _names(model):
                    if (price := price_in(table, name)) is not None:
                        return price.of(tokens)
        return None

    def _read(self) -> None:
        try:
            stat = self._path.stat()
        except OSError:
            self._stamp, self._users, self.problem = None, {}, None
            return
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._users = check_table(json.loads(self._path.read_text(encoding="utf-8")))
            self.problem = None
        except (OSError, ValueError) as error:
            self.problem = f"{self._path.name} is not used: {error}"


def _names(model: str | None) -> list[str]:
    """A model's name, and without the vendor that gateways put before it (`openai/gpt-4o`)."""
    if not model:
        return []
    return [model] if "/" not in model else [model, model.rpartition("/")[2]]
