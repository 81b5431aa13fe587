"""Cost of calls: precedence of tables and patterns, invalid tables, unknown prices."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_logstream.server.request_log.prices import PriceError, Prices, check_table, price_in
from jupyter_logstream.wire.llm_dialects import Tokens

if TYPE_CHECKING:
    from pathlib import Path

MILLION = Tokens(1_000_000, 1_000_000)


def test_cached_tokens_cost_their_own_price_or_that_of_input() -> None:
    table = check_table({"a": {"input": 4, "output": 10, "cached": 1, "cache_writes": 5}, "b": {"input": 4}})
    tokens = Tokens(1_000_000, 100_000, 500_000, 250_000)
    assert table["a"].of(tokens) == pytest.approx(1 + 1 + 0.5 + 1.25)
    assert table["b"].of(tokens) == pytest.approx(4)


def test_a_name_wins_over_patterns_and_the_longest_pattern_over_others() -> None:
    table = check_table({"*": {"input": 1}, "gpt-*": {"input": 2}, "gpt-4*": {"input": 3}, "gpt-4o": {"input": 4}})
    found = [price_in(table, model) for model in ("x", "gpt-3", "gpt-4-mini", "gpt-4o")]
    assert [price.input for price in found if price] == [1, 2, 3, 4]
    assert price_in(check_table({"a": {"input": 1}}), "b") is None


def test_the_upstreams_table_wins_over_the_users_and_that_over_the_packages(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    prices = Prices(path, logging.getLogger("test"))
    ours = prices.cost({}, MILLION, "gpt-4o-mini")
    assert ours is not None
    path.write_text(json.dumps({"gpt-4o-mini": {"input": 100, "output": 0}, "mine": {"output": 7}}))
    assert prices.cost({}, MILLION, "gpt-4o-mini") == 100
    assert prices.cost({}, MILLION, "mine") == 7
    assert prices.cost(check_table({"*": {"input": 0}}), MILLION, "mine") == 0
    assert prices.cost({}, MILLION, "openai/gpt-4o-mini") == 100
    assert prices.cost({}, MILLION, None, "mine") == 7  # the requested model counts if the response named none
    assert prices.cost({}, MILLION, "unknown", None) is None
    assert prices.cost({}, Tokens(), "mine") is None
    path.unlink()
    assert prices.cost({}, MILLION, "gpt-4o-mini") == ours


def test_an_edited_file_counts_at_once_and_a_broken_one_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "prices.json"
    prices = Prices(path, logging.getLogger("test"))
    for number, dollars in enumerate([1, 2]):
        path.write_text(json.dumps({"m": {"input": dollars}}))
        os.utime(path, ns=(number, number))
        assert prices.cost({}, MILLION, "m") == dollars
    path.write_text('{"m": {"input": "much"}}')
    assert [prices.cost({}, MILLION, "m") for _ in range(2)] == [2, 2]
    (message,) = [record.getMessage() for record in caplog.records]
    assert "prices.json" in message
    assert "much" in message
    assert "the prices that it had before" in message


@pytest.mark.parametrize("text", ["{", "[]", '{"m": {"input": -1}}'])
def test_a_broken_file_is_reported_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    Prices(path, logging.getLogger("test"))
    assert f"The price file {path} is not used" in caplog.text
    assert "the list prices of this package" in caplog.text


@pytest.mark.parametrize("table", [[], {"m": 5}, {"m": {}}, {"m": {"in": 1}}, {"m": {"input": "1"}},
    {"m": {"input": -1}},
                                   {"m": {"input": float("nan")}}, {"m": {"input": True}}])  # fmt: skip
def test_a_wrong_table_is_refused(table: Any) -> None:
    with pytest.raises(PriceError):
        check_table(table)
