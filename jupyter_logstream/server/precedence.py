"""Precedence of state reports: the runner's record, then the backend's report. Server; no I/O."""

from __future__ import annotations

from dataclasses import replace

from ..backends.protocol import Sighting
from ..model.protocol import FINAL
from ..model.workload import Status


def merge(recorded: Status, sighting: Sighting, now: float) -> Status:
    """The status from the runner's record and a backend's report. `now`: Unix milliseconds.

    A final record is taken as it is, but for a node that it lacks; a final report ends a record that is not; else the
    report can only add a reason, a node, and that the workload has started.
    """
    node = recorded.node or sighting.node
    if recorded.final:
        return replace(recorded, node=node)
    status = replace(recorded, reason=sighting.reason, node=sighting.node or recorded.node)
    if sighting.state in FINAL:
        error = sighting.reason or None if sighting.state != "succeeded" else None
        return replace(status, state=sighting.state, ended=now, exit_code=sighting.exit_code, error=error)
    if recorded.state == "queued" and sighting.state == "running":
        return status.move("running", started=now)
    return status
