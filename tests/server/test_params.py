"""Parsing of stream names, cursors and filters without HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_logstream.server.params import (
    BadBody,
    BadParameter,
    StreamQuery,
    UnknownParameter,
    number,
    parse_filter,
    parse_stream,
    parse_stream_name,
    parse_streams,
    single_start,
)
from jupyter_logstream.server.subscriptions.protocol import Start


def test_a_stream_name_can_carry_a_cursor() -> None:
    (query,) = parse_streams([parse_stream_name("workload/a")])
    assert query == StreamQuery("workload/a", "", "a", Start(), parse_filter({}))
    assert parse_stream(parse_stream_name("workload/a@17")).start == Start(after=17)
    service = parse_stream(parse_stream_name("service@ab12.17"))
    assert (service.stream, service.start) == ("service", Start(after=17, epoch="ab12"))


def test_a_stream_object_has_the_options_of_the_query_parameters() -> None:
    query = parse_stream({"stream": "workload/a", "id": "x", "tail": 5, "levels": ["warn", "error"], "q": None})
    assert (query.name, query.start) == ("x", Start(tail=5))
    assert query.filter.levels == frozenset({"warn", "error"})


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (5, BadBody, "a stream must be an object"),
        ({"stream": "nowhere\x1b"}, BadParameter, "nowhere\N{REPLACEMENT CHARACTER} is not the name of a stream"),
        ({"stream": "service", "x": 1}, UnknownParameter, "x is not an option of a stream"),
        ({"stream": "workloads", "q": "a"}, UnknownParameter, "q is not an option of the stream workloads"),
        ({"stream": "service", "after": "17"}, BadParameter, "after must be a cursor of the stream: <epoch>.<seq>"),
        ({"stream": "workload/a", "after": True}, BadParameter, "after must be a whole number or a cursor"),
        ({"stream": "workload/a", "after": "x"}, BadParameter, "after must be a whole number of 0 or more"),
        ({"stream": "workload/a", "q": 5}, BadParameter, "q must be a string"),
        ({"stream": "workload/a", "id": "a b"}, BadParameter, "id must have 1 to 64 letters"),
    ],
)
def test_an_invalid_stream_is_refused_with_the_name_of_what_is_wrong(
    value: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        parse_stream(value)
    assert type(caught.value) is error
    assert str(caught.value).startswith(text)


def test_a_number_out_of_range_is_refused_and_never_clamped() -> None:
    assert number({}, "limit", 100, 1, 1000) == 100
    for text in "0", "1001", "-1", "1.5", "1" * 30:
        with pytest.raises(BadParameter) as caught:
            number({"limit": text}, "limit", 100, 1, 1000)
        assert (caught.value.name, caught.value.problem) == ("limit", "must be a whole number from 1 to 1000")


def test_last_event_id_takes_precedence_over_after_and_tail() -> None:
    given = {"after": "3", "tail": "5"}
    assert single_start(given, "17", 100, endless=False) == Start(after=17)
    assert single_start(given, "foreign", 100, endless=False) == Start(stale=True)
    assert single_start(given, "", 100, endless=False) == Start(after=3)
    assert single_start({}, "", 100, endless=False) == Start(tail=100)
