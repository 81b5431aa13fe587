"""Steps: the named parts of a workload's run, as values and as a timeline. Any process; stdlib, no I/O.

Steps are flat and belong to the workload, whichever source names them: a new step ends the previous one. An open step
is `running` here; the workload closes it when it ends. Marker lines are parsed in `text/step_markers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from .slots import SLOTS

MAX_STEP_NAME_CHARS = 200
"""Longest name of a step; longer names are truncated."""

MAX_STEPS = 1000
"""Most step names of one workload; lines of further steps carry no step."""


def step_name(name: str) -> str:
    """A step's name as it is stored: trimmed and truncated to MAX_STEP_NAME_CHARS."""
    return name.strip()[:MAX_STEP_NAME_CHARS].rstrip()


@dataclass(frozen=True, **SLOTS)
class Step:
    """The latest run of one step. Times are Unix milliseconds; `ended` is None while it runs.

    `state`: running, succeeded, failed - or the workload's own final state, if that ended inside the step.
    """

    name: str
    state: str
    started: float
    ended: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The step as in the protocol."""
        return {"name": self.name, "state": self.state, "started": self.started, "ended": self.ended}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Step:
        """Read the output of `to_json`. Raises KeyError, TypeError."""
        return cls(value["name"], value["state"], value["started"], value["ended"])

    def closed(self, state: str, ended: float | None) -> Step:
        """The step after its workload has ended: an open step ends with it, a closed one is unchanged."""
        return replace(self, state=state, ended=ended) if self.state == "running" else self


Key = TypeVar("Key")


class Timeline(Generic[Key]):
    """Steps in order of their first start, by name or number. `open`: the key of the running step, or None.

    Unbounded here; writers open at most MAX_STEPS keys.
    """

    def __init__(self) -> None:
        self.open: Key | None = None
        self._steps: dict[Key, Step] = {}  # without names: a key's name may be known later

    def begin(self, key: Key, time: float) -> None:
        """Start a step (again) at `time`; the open step has succeeded."""
        self.end(time)
        self._steps[key] = Step("", "running", time)
        self.open = key

    def end(self, time: float, *, failed: bool = False) -> None:
        """End the open step, if there is one."""
        if self.open is not None:
            self._steps[self.open] = self._steps[self.open].closed("failed" if failed else "succeeded", time)
            self.open = None

    def __bool__(self) -> bool:
        """Whether there was any step."""
        return bool(self._steps)

    def steps(self, names: Mapping[Key, str]) -> tuple[Step, ...]:
        """All steps in order of their first start, without those that have no name."""
        return tuple(replace(step, name=names[key]) for key, step in self._steps.items() if key in names)
