"""Steps: the named parts of a workload's run, and the marker lines that begin and end them. Any process; stdlib.

Steps are flat and belong to the workload, whichever source names them: a new one ends the one before. Bytes of a line
in, values out. This file must not know where lines are kept, nor how a workload ends: an open step is `running` here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

from .lines import clean

LONGEST_NAME = 200
"""Characters of a step's name; what goes beyond is cut."""

MOST = 1000
"""Names of steps in one workload; lines of steps beyond these carry no step."""

# Compiled when the first marker comes: most workloads have none.
_MARKER = r"(?s)::(?:(?P<begin>step|group)|end(?:step|group))::(?P<rest>.*)"
_SGR = r"\x1b\[[\d;:]*m"
_FAILURES = frozenset({"failed", "failure", "fail", "error"})


class Marker(NamedTuple):
    """A marker line: it begins the step `name`, or ends the one that is open (None), which has failed or not."""

    name: str | None
    failed: bool = False


def marker_in(text: bytes) -> Marker | None:
    """The marker that a line is: `::step:: NAME`, `::group::NAME`, `::endstep::`, `::endstep:: failed`, `::endgroup::`.

    None for every other line, also for a beginning without a name.
    """
    found = re.match(_MARKER, re.sub(_SGR, "", clean(text.decode("utf-8", "replace"))))
    if found is None:
        return None
    rest = found["rest"].strip()
    if not found["begin"]:
        return Marker(None, rest.lower() in _FAILURES)
    return Marker(name) if (name := step_name(rest)) else None


def step_name(name: str) -> str:
    """A step's name as it is kept: trimmed and cut."""
    return name.strip()[:LONGEST_NAME].rstrip()


@dataclass(frozen=True, slots=True)
class Step:
    """One step by its latest run. Times are Unix ms; `ended` is None while it runs.

    `state`: running, succeeded, failed - or the workload's own final state, where that ended inside the step.
    """

    name: str
    state: str
    started: float
    ended: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As the protocol writes it."""
        return {"name": self.name, "state": self.state, "started": self.started, "ended": self.ended}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Step:
        """Read what `to_json` wrote. KeyError, TypeError."""
        return cls(value["name"], value["state"], value["started"], value["ended"])

    def closed(self, state: str, ended: float | None) -> Step:
        """The step when its workload has ended: an open one ends with it."""
        return replace(self, state=state, ended=ended) if self.state == "running" else self


Key = TypeVar("Key")


class Timeline(Generic[Key]):
    """Steps as they begin and end, by name or number. `open`: the one that runs, None where none does."""

    def __init__(self) -> None:
        self.open: Key | None = None
        self._steps: dict[Key, Step] = {}  # in order of their first start; their names come at the end

    def begin(self, key: Key, time: float) -> None:
        """A step begins (again); the one that is open has succeeded."""
        self.end(time)
        self._steps[key] = Step("", "running", time)
        self.open = key

    def end(self, time: float, *, failed: bool = False) -> None:
        """The open step ends, if there is one."""
        if self.open is not None:
            self._steps[self.open] = self._steps[self.open].closed("failed" if failed else "succeeded", time)
            self.open = None

    def __bool__(self) -> bool:
        """Whether there was any step."""
        return bool(self._steps)

    def steps(self, names: Mapping[Key, str]) -> tuple[Step, ...]:
        """All of them, in order of their first start; those without a name are left out."""
        return tuple(replace(step, name=names[key]) for key, step in self._steps.items() if key in names)
