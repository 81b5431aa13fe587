"""Selection of workloads by id, id prefix, name, `last` or `UPSTREAM:ID`. Command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...model.ids import ID
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


@dataclass(frozen=True, slots=True)
class Target:
    """A selected workload: its id, the server that has it, and how users write it."""

    id: str
    source: LogSource

    @property
    def label(self) -> str:
        """Its id as an argument of the command line."""
        return self.id if self.source.upstream is None else f"{self.source.upstream}:{self.id}"

    def info(self) -> dict[str, Any]:
        """The workload in the protocol's JSON form. Raises LogStreamError."""
        return self.source.info(self.id)


def find(text: str) -> Target:
    """The workload that an argument selects. Raises NotFound, Ambiguous, LogStreamError."""
    upstream, is_remote, remote_id = text.partition(":")
    if is_remote and re.fullmatch(ID, remote_id):
        from ..remote import find_source  # noqa: PLC0415 - only for upstreams

        return Target(remote_id, find_source(upstream, remote_id))
    own = OwnServer()
    if text == "last":
        return Target(_newest(), own)
    if re.fullmatch(ID, text):
        try:
            return Target(own.info(text)["id"], own)
        except NotFound:
            pass
    return Target(_match(text, list(listed())), own)


def listed(states: str | None = None) -> Iterator[dict[str, Any]]:
    """All workloads of the server, newest first, page by page. `states`: only these, separated by commas."""
    params: dict[str, Any] = {"limit": PAGE_WORKLOADS} if states is None else {"limit": PAGE_WORKLOADS, "state": states}
    while True:
        page = call("GET", "workloads", params=params).json()
        yield from page["workloads"]
        if page["next"] is None:
            return
        params["after"] = page["next"]


def _newest() -> str:
    newest = next(listed(), None)
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
    return plain_text(f"{info['id']}  {state_summary(info)}  {info.get('name') or ''}")
