"""Parsing of stream names, cursors and filters, from query parameters or JSON. Server; no HTTP, no I/O.

HTTP, and any other front end, translates BadParameter, UnknownParameter and BadBody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..model.ids import ID
from ..model.records import LEVELS, SOURCES
from ..store.pattern import BadPattern, Pattern
from ..store.queries.filters import Filter
from .subscriptions.protocol import Start

FILTERS = ("step", "level", "levels", "source", "q", "not")
"""The parameters of a filter."""

ENDLESS = frozenset({"workloads", "service", "requests"})
"""Streams that never end; their cursors are `<epoch>.<seq>`."""

MAX_STREAMS = 500
"""Streams of one request."""

MAX_PATTERN_CHARS = 1000
"""Length of `q` and of `not`: the cost of compiling an expression grows with it."""

MAX_PATTERNS_CHARS = 20_000
"""Length of the different texts and expressions of one request with many streams."""

_WORKLOAD = re.compile(rf"workload/({ID})")
_NAME = re.compile(r"[A-Za-z0-9_./:=-]{1,64}")
_SEQ = re.compile(r"[0-9]{1,18}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_UNBOUNDED = 10**18
_MAX_ECHOED_CHARS = 60
_MAX_ECHOED_ERROR_CHARS = 200
_PATTERNS = ("q", "not")
_CURSORS = frozenset({"after", "tail"})
_STREAM_OPTIONS = frozenset({"stream", "id", *_CURSORS, *FILTERS})


class BadParameter(ValueError):
    """A parameter has an invalid value: `name` is the parameter, `problem` continues the sentence."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")
        self.name = name
        self.problem = problem


class UnknownParameter(BadParameter):
    """A parameter does not exist here."""


class BadBody(ValueError):
    """The request body has the wrong structure."""


@dataclass(frozen=True, slots=True)
class StreamQuery:
    """A request for one stream. `name`: what its frames call it; `start`: where reading begins.

    `stream`: the name of an endless stream, or "" for the log of the workload `workload_id`.
    """

    name: str
    stream: str
    workload_id: str
    start: Start
    filter: Filter = field(default_factory=Filter)


def number(given: Mapping[str, str], name: str, default: int, least: int = 0, most: int = _UNBOUNDED) -> int:
    """A parameter as a whole number from `least` to `most`; never clamped. Raises BadParameter."""
    if name not in given:
        return default
    text = given[name]
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        bounds = f" from {least} to {most}" if most < _UNBOUNDED else f" of {least} or more"
        raise BadParameter(name, f"must be a whole number{bounds}")
    return int(text)


def printable(text: str, most: int = _MAX_ECHOED_CHARS) -> str:
    """A caller's text for use in an error message: truncated, ASCII without control characters."""
    return re.sub(r"[^ -~]", "\N{REPLACEMENT CHARACTER}", text[:most])


def parse_filter(given: Mapping[str, str]) -> Filter:
    """The filter in these parameters. Raises BadParameter."""
    levels = frozenset(given["levels"].split(",")) if "levels" in given else None
    for name, values, allowed in (
        ("level", {given["level"]} if "level" in given else set(), LEVELS[1:]),
        ("levels", levels or set(), LEVELS),
        ("source", {given["source"]} if "source" in given else set(), SOURCES),
    ):
        for value in values - set(allowed):
            raise BadParameter(name, f"must be of {', '.join(allowed)}, not {printable(value)}")
    for name in _PATTERNS:
        if name in given:
            _check_pattern(name, given[name])
    return Filter(given.get("level"), levels, given.get("step"), given.get("source"), given.get("q"), given.get("not"))


def _check_pattern(name: str, text: str) -> None:
    """So that a malformed expression is an error before the response begins, and names its parameter."""
    if len(text) > MAX_PATTERN_CHARS:
        raise BadParameter(name, f"must have at most {MAX_PATTERN_CHARS} characters")
    try:
        Pattern(text)
    except BadPattern as error:
        raise BadParameter(name, printable(str(error), _MAX_ECHOED_ERROR_CHARS)) from None


def single_start(given: Mapping[str, str], last_id: str, limit: int, *, endless: bool) -> Start:
    """Where a single stream begins. Precedence: `last_id` (Last-Event-ID), after, tail, the last `limit` records.

    A `last_id` that is no cursor of the stream makes the start stale. Raises BadParameter.
    """
    if last_id:
        if endless:
            return Start.at(last_id) or Start(stale=True)
        return Start(after=int(last_id)) if _SEQ.fullmatch(last_id) else Start(stale=True)
    return _start(given, endless=endless) or Start(tail=limit)


def endless_start(given: Mapping[str, str], last_id: str) -> Start:
    """Where a single endless stream begins; without a cursor at its oldest record. Raises BadParameter."""
    if last_id:
        return Start.at(last_id) or Start(stale=True)
    return _start(given, endless=True) or Start()


def parse_stream_name(text: str) -> dict[str, str]:
    """A stream with an optional cursor as the object that `parse_streams` takes: `workload/ID`, `service@epoch.17`."""
    stream, at, cursor = text.partition("@")
    return {"stream": stream, "after": cursor} if at else {"stream": stream}


def parse_streams(values: Sequence[Any]) -> list[StreamQuery]:
    """The streams of one request; see `parse_stream`. Bounds are checked before anything is compiled."""
    _check_number(values)
    options = [value.get(name) for value in values if isinstance(value, dict) for name in _PATTERNS]
    texts = {text for text in options if isinstance(text, str)}
    if sum(map(len, texts)) > MAX_PATTERNS_CHARS:
        raise BadParameter("q", f"and not must have at most {MAX_PATTERNS_CHARS} characters in all streams together")
    return [parse_stream(value) for value in values]


def _check_number(values: Sequence[Any]) -> None:
    if not 0 < len(values) <= MAX_STREAMS:
        raise BadParameter("stream", f"must be given 1 to {MAX_STREAMS} times")


def parse_stream(value: Any) -> StreamQuery:
    """A stream as a JSON object with its name and options. Raises BadParameter, UnknownParameter, BadBody."""
    given = _options(value)
    stream = given.get("stream", "")
    workload = _WORKLOAD.fullmatch(stream)
    if not workload and stream not in ENDLESS:
        raise BadParameter(printable(stream), "is not the name of a stream")
    name = given.get("id", stream)
    if not _NAME.fullmatch(name):
        raise BadParameter("id", "must have 1 to 64 letters, digits or ._/:=-")
    for option in FILTERS if stream in {"workloads", "requests"} else ():
        if option in given:
            raise UnknownParameter(option, f"is not an option of the stream {stream}")
    start = _start(given, endless=not workload) or Start()
    return StreamQuery(name, "" if workload else stream, workload[1] if workload else "", start, parse_filter(given))


def _start(given: Mapping[str, str], *, endless: bool) -> Start | None:
    if "after" in given and endless:
        if given["after"] == "0":
            return Start()  # in any epoch
        if found := Start.at(given["after"]):
            return found
        raise BadParameter("after", "must be a cursor of the stream: <epoch>.<seq>")
    if "after" in given:
        return Start(after=number(given, "after", 0))
    return Start(tail=number(given, "tail", 0)) if "tail" in given else None


def _options(value: Any) -> dict[str, str]:
    """The options of a stream as query parameters have them: numbers and lists of levels become strings."""
    if not isinstance(value, dict):
        raise BadBody("a stream must be an object")
    found: dict[str, str] = {}
    for name, option in value.items():
        if name not in _STREAM_OPTIONS:
            raise UnknownParameter(printable(name), "is not an option of a stream")
        if option is not None:
            found[name] = _option_text(name, option)
    return found


def _option_text(name: str, option: Any) -> str:
    if name in _CURSORS:
        if not isinstance(option, int | str) or isinstance(option, bool):
            raise BadParameter(name, "must be a whole number or a cursor")
        return str(option)
    if name == "levels" and isinstance(option, list):
        return ",".join(map(str, option))
    if not isinstance(option, str):
        raise BadParameter(name, "must be a string")
    return option
