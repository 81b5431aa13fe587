"""Candidates for the completion of arguments, from the server. Command line, while a shell completes."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, Any

from ...model.unprintable import UNPRINTABLE_IN_NAME
from ...text.wording import state_label
from ..connection import call
from ..discovery import PRIVATE_VARIABLE
from ..errors import LogStreamError
from .selection import ServerCatalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CANDIDATES = 200
"""The newest workloads that are offered; a key press must not wait for a long list."""


def workloads(prefix: str) -> dict[str, str]:
    """The ids and names with a prefix, each with a description."""
    found = {"last": "the newest"}
    for info in _newest():
        label, name = state_label(info["state"]), info.get("name") or ""
        found.setdefault(info["id"], f"{name} ({label})")
        if name and not UNPRINTABLE_IN_NAME.search(name):
            found.setdefault(name, label)
    return {word: text for word, text in found.items() if word.startswith(prefix)}


def backends() -> list[str]:
    """The names of the server's backends; none without a server."""
    os.environ.setdefault(PRIVATE_VARIABLE, "existing")  # a key press starts no server
    try:
        return sorted(set(call("GET", "info").json()["supports"]) - {"external"})
    except (LogStreamError, ValueError, LookupError, TypeError):
        return []


def _newest() -> Iterator[dict[str, Any]]:
    os.environ.setdefault(PRIVATE_VARIABLE, "existing")  # as above
    try:
        yield from islice(ServerCatalogue().listed(), MAX_CANDIDATES)
    except (LogStreamError, ValueError, LookupError, TypeError):
        return
