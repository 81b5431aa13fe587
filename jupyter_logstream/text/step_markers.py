"""Step markers: the lines by which a workload begins and ends its steps. Any process; stdlib, no I/O."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..model.steps import step_name
from .lines import SGR, clean

# Compiled at the first use: most workloads have no markers.
_MARKER = r"(?s)::(?:(?P<begin>step|group)|end(?:step|group))::(?P<rest>.*)"
_FAILURES = frozenset({"failed", "failure", "fail", "error"})


class Marker(NamedTuple):
    """A marker line: it begins the step `name`, or ends the open step (None), which has failed or not."""

    name: str | None
    failed: bool = False


def marker_in(text: bytes) -> Marker | None:
    """The marker that a line is: `::step:: NAME`, `::group::NAME`, `::endstep::`, `::endstep:: failed`, `::endgroup::`.

    None for every other line, and for a step without a name. The page has the same rule (js/src/log/steps.ts);
    tests/vectors/step_markers.json tests both.
    """
    found = re.match(_MARKER, SGR.sub("", clean(text.decode("utf-8", "replace"))))
    if found is None:
        return None
    rest = found["rest"].strip()
    if not found["begin"]:
        return Marker(None, rest.lower() in _FAILURES)
    return Marker(name) if (name := step_name(rest)) else None
