"""Cost of calls: price tables of the upstream and the user, and list prices. Server; reads files, no HTTP.

A table maps a model's name, or a pattern with `*`, to US dollars per million tokens: `{"gpt-4o*": {"input": 2.5,
"cached": 1.25, "output": 10}}`. `cached` and `cache_writes` (input read from and written to a provider's cache) cost
as much as `input` by default. The upstream's own table comes first, then the user's file, then the list prices of
`list_prices.py`; within a table the longest matching pattern wins. The cost of a model without a price is None
(unknown), not 0.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ...wire.llm_dialects import Tokens
from .list_prices import ListPrices

_MILLION = 1_000_000
_PARTS = ("input", "output", "cached", "cache_writes")


class PriceError(ValueError):
    """A price table is invalid; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float
    cached: float
    cache_writes: float

    def of(self, tokens: Tokens) -> float:
        """The cost of these tokens in US dollars."""
        total_input = tokens.input or 0
        cached = min(tokens.cached or 0, total_input)
        written = min(tokens.cache_writes or 0, total_input - cached)
        plain = total_input - cached - written
        total = plain * self.input + cached * self.cached + written * self.cache_writes
        return (total + (tokens.output or 0) * self.output) / _MILLION


Table = Mapping[str, Price]


def check_table(value: Any) -> Table:
    """A validated price table. Raises PriceError."""
    if not isinstance(value, dict):
        raise PriceError('a price table must be {"model or pattern": {"input": dollars per million tokens, ...}}')
    return {str(name): _price(str(name), given) for name, given in value.items()}


def _price(name: str, given: Any) -> Price:
    if not isinstance(given, dict) or not given or set(given) - set(_PARTS):
        raise PriceError(f"the price of {name!r} must be an object with any of: {', '.join(_PARTS)}")
    for part, dollars in given.items():
        is_number = isinstance(dollars, int | float) and not isinstance(dollars, bool)
        if not is_number or not math.isfinite(dollars) or dollars < 0:
            raise PriceError(f"the price of {name!r}: {part} must be a number of dollars, not {dollars!r}")
    per_input = float(given.get("input", 0))
    return Price(
        per_input,
        float(given.get("output", 0)),
        float(given.get("cached", per_input)),
        float(given.get("cache_writes", per_input)),
    )


def price_in(table: Table, model: str) -> Price | None:
    """The price of a model in a table: by its name, else by the longest matching pattern."""
    if model in table:
        return table[model]
    matching = [pattern for pattern in table if fnmatchcase(model, pattern)]
    return table[max(matching, key=len)] if matching else None


class Prices:
    """The table of this package, and the user's in `path`, which is read again after it changed.

    An invalid file is reported in the log, at once at the start; the last valid table stays in use.
    """

    def __init__(self, path: Path, log: logging.Logger) -> None:
        self._path, self._log = path, log
        self._list_prices = ListPrices()
        self._version: tuple[int, int] | None = None
        self._user_table: Table = {}
        self._read()

    def load(self) -> None:
        """Start to load the list prices; returns at once. Costs are computed without them until they are loaded."""
        self._list_prices.load()

    async def ready(self, own: Table, *models: str | None) -> None:
        """Wait until the list prices are loaded, if the cost of these models needs them."""
        if self._price(own, models) is None:
            await self._list_prices.ready()

    def cost(self, own: Table, tokens: Tokens, *models: str | None, provider: str | None = None) -> float | None:
        """US dollars by the first of `models` (responding, requested) that has a price; None: unknown."""
        if tokens.input is None:
            return None
        if (price := self._price(own, models)) is not None:
            return price.of(tokens)
        costs = (self._list_prices.cost(provider, tokens, model) for model in models if model)
        return next((cost for cost in costs if cost is not None), None)

    def _price(self, own: Table, models: Iterable[str | None]) -> Price | None:
        self._read()
        tables, names = (own, self._user_table), [name for model in models for name in _names(model)]
        found = (price_in(table, name) for table in tables for name in names)
        return next((price for price in found if price is not None), None)

    def _read(self) -> None:
        try:
            stat = self._path.stat()
        except OSError:
            self._version, self._user_table = None, {}
            return
        version = (stat.st_mtime_ns, stat.st_size)
        if version == self._version:
            return
        self._version = version
        try:
            self._user_table = check_table(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            table = "the prices that it had before" if self._user_table else "list prices"
            self._log.error("The price file %s is not used: %s. Costs are computed with %s.", self._path, error, table)


def _names(model: str | None) -> list[str]:
    """A model's name, and the name without the vendor that gateways prepend (`openai/gpt-4o`)."""
    if not model:
        return []
    return [model] if "/" not in model else [model, model.rpartition("/")[2]]
