"""What a request asks of streams: names, cursors, filters; or the parameter that is wrong. Server side.

Parsing only: this file must not know what the streams hold, nor how they are told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..model.ids import ID
from ..model.records import LEVELS, SOURCES
from ..store.queries.filters import Filter
from .http.base import Refused, number, printable
from .subscriptions.protocol import Start

FILTERS = ("step", "level", "levels", "source", "q", "not")
ENDLESS = frozenset({"workloads", "service", "requests"})
"""Streams that never end; their cursors are `<epoch>.<seq>`."""

_WORKLOAD = re.compile(rf"workload/({ID})")
_NAME = re.compile(r"[A-Za-z0-9_./:=-]{1,64}")
_SEQ = re.compile(r"[0-9]{1,18}")
_OPTIONS = {"stream", "id", "after", "tail", *FILTERS}


@dataclass(frozen=True, slots=True)
class Asked:
    """One stream of a request. `stream`: an endless one's name, else "" and `workload_id` says which log.

    `name`: what its frames shall call it.
    """

    name: str
    stream: str
    workload_id: str
    start: Start
    chosen: Filter = field(default_factory=Filter)


def chosen_filter(given: Mapping[str, str]) -> Filter:
    """The filter that parameters ask for; a value that is none is refused."""
    levels = frozenset(given["levels"].split(",")) if "levels" in given else None
    for name, values, allowed in (
        ("level", {given["level"]} if "level" in given else set(), LEVELS[1:]),
        ("levels", levels or set(), LEVELS),
        ("source", {given["source"]} if "source" in given else set(), SOURCES),
    ):
        for value in values - set(allowed):
            raise Refused(400, "invalid_parameter", f"{name} must be of {', '.join(allowed)}, not {printable(value)}")
    chosen = Filter(
        given.get("level"), levels, given.get("step"), given.get("source"), given.get("q"), given.get("not")
    )
    chosen.compile()  # a malformed expression is refused before anything is sent
    return chosen


def single_start(given: Mapping[str, str], last_id: str, limit: int, *, endless: bool) -> Start:
    """Where a single stream begins; by precedence: Last-Event-ID, after, tail or limit."""
    if last_id:
        if endless:
            return Start.at(last_id) or Start(stale=True)
        return Start(after=int(last_id)) if _SEQ.fullmatch(last_id) else Start(stale=True)
    return _start(given, endless=endless) or Start(tail=limit)


def endless_start(given: Mapping[str, str], last_id: str) -> Start:
    """Where the single stream of an endless one begins; without a cursor: at its beginning."""
    if last_id:
        return Start.at(last_id) or Start(stale=True)
    return _start(given, endless=True) or Start()


def asked_by_name(text: str) -> Asked:
    """A stream of the query: `workload/ID`, `workload/ID@17`, `service@epoch.17`."""
    stream, at, cursor = text.partition("@")
    return asked_by_object({"stream": stream, "after": cursor} if at else {"stream": stream})


def asked_by_object(value: Any) -> Asked:
    """A stream of a body: its name and options."""
    given = _options(value)
    stream = given.get("stream", "")
    workload = _WORKLOAD.fullmatch(stream)
    if not workload and stream not in ENDLESS:
        raise Refused(400, "invalid_parameter", f"{printable(stream)} is not the name of a stream")
    name = given.get("id", stream)
    if not _NAME.fullmatch(name):
        raise Refused(400, "invalid_parameter", "id must have 1 to 64 letters, digits or ._/:=-")
    for option in FILTERS if stream in {"workloads", "requests"} else ():
        if option in given:
            raise Refused(400, "unknown_parameter", f"{option} is not an option of the stream {stream}")
    start = _start(given, endless=not workload) or Start()
    return Asked(name, "" if workload else stream, workload[1] if workload else "", start, chosen_filter(given))


def _start(given: Mapping[str, str], *, endless: bool) -> Start | None:
    if "after" in given and endless:
        if given["after"] == "0":
            return Start()  # of any epoch
        if found := Start.at(given["after"]):
            return found
        raise Refused(400, "invalid_parameter", "after must be a cursor of the stream: <epoch>.<seq>")
    if "after" in given:
        return Start(after=number(given, "after", 0))
    return Start(tail=number(given, "tail", 0)) if "tail" in given else None


def _options(value: Any) -> dict[str, str]:
    """A stream's options with numbers and lists of levels as parameters have them."""
    if not isinstance(value, dict):
        raise Refused(400, "invalid_body", "a stream must be an object")
    found: dict[str, str] = {}
    for name, option in value.items():
        if name not in _OPTIONS:
            raise Refused(400, "unknown_parameter", f"{printable(name)} is not an option of a stream")
        if option is None:
            continue
        if name in {"after", "tail"} and (not isinstance(option, int | str) or isinstance(option, bool)):
            raise Refused(400, "invalid_parameter", f"{name} must be a whole number or a cursor")
        is_list = name == "levels" and isinstance(option, list)
        if name not in {"after", "tail"} and not isinstance(option, str) and not is_list:
            raise Refused(400, "invalid_parameter", f"{name} must be a string")
        found[name] = ",".join(map(str, option)) if is_list else str(option)
    return found
