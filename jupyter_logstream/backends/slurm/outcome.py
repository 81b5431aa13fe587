"""Final states of Slurm jobs in our terms. Server; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...model.protocol import State
from ..job_queue import GONE, Report
from ..protocol import Sighting

_ENDS: Mapping[str, tuple[State, str]] = {
    "TIMEOUT": ("timed_out", "reached the time limit of its Slurm job"),
    "DEADLINE": ("timed_out", "reached the deadline of its Slurm job"),
    "OUT_OF_MEMORY": ("failed", "out of memory: Slurm ended the job"),
    "CANCELLED": ("cancelled", "cancelled in Slurm"),
    "PREEMPTED": ("lost", "preempted by another Slurm job"),
    "NODE_FAIL": ("lost", "its node failed"),
    "BOOT_FAIL": ("lost", "its node did not boot"),
    "REVOKED": ("lost", "its Slurm job was revoked"),
}
"""Slurm's final states that decide a workload's, whatever the runner could record before it was killed."""


def from_lost(sighting: Sighting, report: Report, *, was_cancelled: bool) -> Sighting:
    """The final state of a workload whose runner left no record."""
    if report.state in _ENDS:
        state, reason = _ENDS[report.state]
        return replace(sighting, state=state, reason=reason if state != "cancelled" or not was_cancelled else "")
    if was_cancelled:
        return replace(sighting, state="cancelled", reason="")
    if report.state in {"", GONE}:
        return replace(sighting, reason=f"{sighting.reason}; Slurm does not know its job any more")
    return replace(sighting, reason=f"{sighting.reason}; its Slurm job: {report.words}")


def from_record(status: dict[str, Any], report: Report) -> dict[str, Any]:
    """The runner's record of a command that was ended from outside, with the reason that Slurm knows."""
    if report.state not in _ENDS:
        return status
    state, reason = _ENDS[report.state]
    return {**status, "state": state, "error": reason}
