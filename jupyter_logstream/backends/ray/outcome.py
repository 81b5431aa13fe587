"""States of Ray jobs in our terms. Server; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ...model.protocol import State
from ..job_queue import GONE, Phase, Report
from ..protocol import Sighting

_PHASES: Mapping[str, Phase] = {"PENDING": "waiting", "RUNNING": "active"}
# By Ray's `error_type`. The job's own process is not known to have ended where they are `lost`.
_FAILURES: Mapping[str, tuple[State, str]] = {
    "RUNTIME_ENV_SETUP_FAILURE": ("failed", "Ray could not set up its runtime environment"),
    "JOB_ENTRYPOINT_COMMAND_START_ERROR": ("failed", "Ray could not start its command"),
    "JOB_SUPERVISOR_ACTOR_START_TIMEOUT": ("failed", "Ray did not start its job in time"),
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE": ("failed", "no node of the Ray cluster can run its job"),
    "JOB_SUPERVISOR_ACTOR_START_FAILURE": ("lost", "Ray lost its job: the cluster's head was restarted, or it failed"),
    "JOB_SUPERVISOR_ACTOR_DIED": ("lost", "Ray lost its job: the node or the process that supervised it died"),
    "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE": ("lost", "Ray lost its job"),
}
_MAX_DETAIL_CHARS = 300
_SIGNALLED, _MAX_SIGNAL = 128, 65  # a shell's exit code for a command that a signal ended is this more than the signal


def to_report(job: Mapping[str, Any]) -> Report:
    """What Ray reports of a job; `job` is the id of the node that runs it, which its log is found by."""
    status, failure = str(job.get("status")), str(job.get("error_type") or "")
    agent = urlsplit(str(job.get("driver_agent_http_address") or ""))
    return Report(
        state=failure or status,
        reason=str(job.get("message") or ""),
        node=agent.hostname or "",
        job=str(job.get("driver_node_id") or ""),
        phase=_PHASES.get(status, "over"),
        exit_code=job.get("driver_exit_code"),
    )


def is_certain(report: Report) -> bool:
    """Whether the process of a job that is over has ended: otherwise its runner can still be there for a while."""
    return report.exit_code is not None or report.state in {"STOPPED", "SUCCEEDED"}


def to_sighting(report: Report, *, was_cancelled: bool) -> Sighting:
    """The final state of a workload whose runner delivered no record, from what Ray reports of its job."""
    if report.state == "SUCCEEDED":
        return Sighting("succeeded", "", report.node, exit_code=0)
    if report.state == "STOPPED" or was_cancelled:
        return Sighting("cancelled", "" if was_cancelled else "stopped in Ray", report.node)
    if report.state == GONE:
        reason = "Ray does not know its job any more: its head was restarted, or the job was deleted"
        return Sighting("lost", reason, report.node)
    state, reason = _FAILURES.get(report.state, ("lost", "Ray lost its job"))
    if report.exit_code is not None:
        code = report.exit_code if report.exit_code >= 0 else _SIGNALLED - report.exit_code
        return Sighting("failed", _signal_text(code), report.node, exit_code=code)
    if state == "lost" and not report.job:  # no node ever ran it
        state, reason = "failed", "Ray could not start its job"
    detail = " ".join(report.reason.partition("Full traceback")[0].split())[-_MAX_DETAIL_CHARS:]
    return Sighting(state, f"{reason}: {detail}" if detail else reason, report.node)


def _signal_text(exit_code: int) -> str:
    """What an exit code of a shell reports about a signal; "" for none."""
    signal = exit_code - _SIGNALLED
    return f"its process was killed by signal {signal}" if 0 < signal < _MAX_SIGNAL else ""
