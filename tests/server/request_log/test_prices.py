"""Cost of calls: precedence of tables and patterns, invalid tables, unknown prices."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_logstream.server.request_log import list_prices
from jupyter_logstream.server.request_log.list_prices import ListPrices
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


def test_the_upstreams_table_wins_over_the_users_and_that_over_list_prices(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    prices = Prices(path, logging.getLogger("test"))
    asyncio.run(prices.ready({}, "gpt-4o-mini"))
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


@pytest.mark.parametrize("text", ["{", "[]", '{"m": {"input": -1}}', "[" * 100_000])
def test_a_broken_file_is_reported_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    Prices(path, logging.getLogger("test"))
    assert f"The price file {path} is not used" in caplog.text
    assert "Costs are computed with list prices" in caplog.text


@pytest.mark.parametrize("table", [[], {"m": 5}, {"m": {}}, {"m": {"in": 1}}, {"m": {"input": "1"}},
    {"m": {"input": -1}},
                                   {"m": {"input": float("nan")}}, {"m": {"input": True}}])  # fmt: skip
def test_a_wrong_table_is_refused(table: Any) -> None:
    with pytest.raises(PriceError):
        check_table(table)


@pytest.fixture(scope="module")
def listed() -> ListPrices:
    prices = ListPrices()
    prices.load().result(60)
    return prices


@pytest.mark.parametrize(("provider", "model", "same_as"), [
    ("openai", "gpt-4o-mini-2024-07-18", ("openai", "gpt-4o-mini")),
    ("openrouter", "openai/gpt-4o-mini", ("openai", "gpt-4o-mini")),
    ("azure.ai.openai", "gpt-4o", ("openai", "gpt-4o")),
    (None, "gpt-4o", ("openai", "gpt-4o")),
    ("openai", "anthropic/claude-sonnet-4-20250514", ("anthropic", "claude-sonnet-4-20250514")),  # a gateway
    ("aws.bedrock", "anthropic.claude-sonnet-4-20250514-v1:0", ("anthropic", "claude-sonnet-4-20250514")),
    ("gcp.vertex_ai", "gemini-2.5-flash", ("gcp.gemini", "gemini-2.5-flash")),
])  # fmt: skip
def test_list_prices_know_a_model_by_the_name_its_provider_uses(
    listed: ListPrices, provider: str | None, model: str, same_as: tuple[str, str]
) -> None:
    cost = listed.cost(provider, MILLION, model)
    assert cost is not None
    assert cost > 0
    assert cost == listed.cost(same_as[0], MILLION, same_as[1])


@pytest.mark.parametrize(("provider", "model"), [("ollama", "mistral:7b"), ("llama_cpp", "gpt-4o"), ("openai", "tiny"),
    ("openai", "mistralai/Mistral-7B-Instruct-v0.2"), ("openai", "")])  # fmt: skip
def test_model_on_ones_own_machine_has_no_list_price(listed: ListPrices, provider: str, model: str) -> None:
    assert listed.cost(provider, MILLION, model) is None


def test_cached_tokens_have_their_list_price_whatever_their_number(listed: ListPrices) -> None:
    full, cached, more = (
        listed.cost("openai", Tokens(1_000_000, 0, count), "gpt-4o") for count in (0, 1_000_000, 9_000_000)
    )
    assert full is not None
    assert cached is not None
    assert 0 < cached < full
    assert more == cached


def test_costs_are_unknown_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_prices, "_PACKAGE", "a_package_that_is_not_installed")
    prices = Prices(tmp_path / "prices.json", logging.getLogger("test"))
    asyncio.run(prices.ready({}, "gpt-4o"))
    assert prices.cost({}, MILLION, "gpt-4o") is None
