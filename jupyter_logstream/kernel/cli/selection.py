"""Selection of workloads by id, id prefix, name, `last` or `UPSTREAM:ID`. Command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ...model.ids import ID
from ...model.unprintable import printable
from ...text.terminal import plain_text
from ...text.wording import state_summary
from ..connection import call
from ..errors import NotFound, Rejected
from ..source import LogSource, OwnServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE_WORKLOADS = 1000
"""Workloads per request: the server's maximum."""

_SHOWN_CANDIDATES = 5
_MIN_PREFIX_CHARS = 4


class Ambiguous(Rejected):
    """A name or prefix stands for several workloads; the message lists the newest."""


class Catalogue(Protocol):
    """Where workloads are found: a server, or the local stores."""

    @property
    def source(self) -> LogSource:
        """The source of its workloads."""

    def listed(self, states: str | None = None) -> Iterator[dict[str, Any]]:
        """All workloads, newest first. `states`: only these, separated by commas. Raises LogStreamError."""


class ServerCatalogue:
    """The workloads of the server that this process uses; they are listed page by page."""

    source: LogSource = OwnServer()

    def listed(self, states: str | None = None) -> Iterator[dict[str, Any]]:
        """See Catalogue."""
        params: dict[str, Any] = {"limit": PAGE_WORKLOADS} | ({} if states is None else {"state": states})
        while True:
            page = call("GET", "workloads", params=params).json()
            yield from page["workloads"]
            if page["next"] is None:
                return
            params["after"] = page["next"]


@dataclass(frozen=True, slots=True)
class Target:
    """A selected workload: its id, the source that has it, and how users write it.

    `whole`: its source answers the whole protocol, so that exact bytes and pages can be had.
    """

    id: str
    source: LogSource
    whole: bool = True

    @property
    def label(self) -> str:
        """Its id as an argument of the command line."""
        return self.id if self.source.upstream is None else f"{self.source.upstream}:{self.id}"

    def info(self) -> dict[str, Any]:
        """The workload in the protocol's JSON form. Raises LogStreamError."""
        return self.source.info(self.id)


def find(text: str, catalogue: Catalogue) -> Target:
    """The workload that an argument selects. Raises NotFound, Ambiguous, LogStreamError."""
    upstream, is_remote, remote_id = text.partition(":")
    if is_remote and re.fullmatch(ID, remote_id):
        from ..remote import find_source  # noqa: PLC0415 - only for upstreams

        source = find_source(upstream, remote_id)
        return Target(remote_id, source, isinstance(source, OwnServer))
    if text == "last":
        return Target(_newest(catalogue), catalogue.source)
    if re.fullmatch(ID, text):
        try:
            return Target(catalogue.source.info(text)["id"], catalogue.source)
        except NotFound:
            pass
    return Target(_match(text, list(catalogue.listed())), catalogue.source)


def _newest(catalogue: Catalogue) -> str:
    newest = next(catalogue.listed(), None)
    if newest is None:
        raise NotFound("There are no workloads; start one: jupyter logstream run -- COMMAND")
    return str(newest["id"])


def _match(text: str, infos: list[dict[str, Any]]) -> str:
    named = [info for info in infos if info.get("name") == text]
    if not named and len(text) >= _MIN_PREFIX_CHARS:
        named = [info for info in infos if str(info["id"]).startswith(text)]
    if not named:
        raise NotFound(f"There is no workload {text!r}; `jupyter logstream ps --all` lists them.")
    if len(named) > 1:
        lines = [f"  {_candidate(info)}" for info in named[:_SHOWN_CANDIDATES]]
        lines += [f"  and {len(named) - _SHOWN_CANDIDATES} more"] if len(named) > _SHOWN_CANDIDATES else []
        raise Ambiguous(
            "\n".join([f"{text!r} stands for {len(named)} workloads. Use an id (the newest is first):", *lines]),
            "ambiguous",
        )
    return str(named[0]["id"])


def _candidate(info: Mapping[str, Any]) -> str:
    return printable(f"{info['id']}  {state_summary(info)}  {plain_text(info.get('name') or '')}")
