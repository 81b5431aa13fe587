"""States of a workload's Job and pod in our terms. Server; no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ...model.protocol import FINAL
from ..job_queue import GONE, Report
from ..protocol import Sighting
from .manifest import CONTAINER, ID_LABEL, NO_PYTHON

IMAGE_PROBLEMS = frozenset(
    {
        "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError",
        "RegistryUnavailable", "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
    }
)  # fmt: skip
"""Reasons for which a pod waits that seldom go away by themselves: we give up after some time."""

RUNNING = "Running"
_MAX_REASON_CHARS = 300
_MOUNT_ATTEMPTS = 5  # a pod that is faster than its Secret tries again within seconds
_REFUSED = 3  # of `runner.pyz hold`: it did not start the workload, and wrote the reason


def to_reports(
    items: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]] = (),
    pods: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Report]:
    """Reports by id label, from Jobs, pods and warning events as `kubectl get -o json` lists them.

    `pods`: the pod in which a workload runs, by id; others of it are ignored.
    """
    jobs: dict[str, Mapping[str, Any]] = {}
    newest: dict[str, Mapping[str, Any]] = {}
    for item in items:
        meta = item["metadata"]
        key = meta.get("labels", {}).get(ID_LABEL, "")
        if item["kind"] == "Job":
            jobs[key] = item
        elif pods.get(key) in {None, "", meta["name"]} and (
            key not in newest or meta["creationTimestamp"] > newest[key]["metadata"]["creationTimestamp"]
        ):
            newest[key] = item
    warnings = _last_warnings(events)
    return {
        key: _report(jobs.get(key), newest.get(key), warnings, ran_in=pods.get(key, ""))
        for key in jobs.keys() | newest.keys()
    }


def needs_events(reports: Iterable[Report]) -> bool:
    """Whether a job waits for a reason that only events have."""
    return any(report.is_waiting and report.reason in {"", "ContainerCreating"} for report in reports)


def to_sighting(report: Report, *, was_cancelled: bool) -> Sighting:
    """The final state of a workload whose runner delivered no record, from what Kubernetes reports of its pod."""
    node = report.node
    if was_cancelled:
        return Sighting("cancelled", "", node)
    if report.state == "DeadlineExceeded":
        return Sighting("timed_out", f"DeadlineExceeded: {report.reason}".removesuffix(": "), node)
    if report.state in {"OOMKilled", "Evicted"}:
        return Sighting("failed", report.words_as_is, node, exit_code=report.exit_code)
    if record := _record(report):
        reason = "its pod was deleted in Kubernetes" if record["state"] == "cancelled" else record["reason"]
        return Sighting(record["state"], reason, node, exit_code=record["exit_code"])
    if report.state == GONE:
        return Sighting("lost", "its pod was deleted, or its node is gone, before the end of its log was copied", node)
    if report.exit_code == _REFUSED and report.reason:
        return Sighting("failed", report.reason, node)
    if NO_PYTHON in report.reason and report.exit_code is not None:
        return Sighting("succeeded" if report.exit_code == 0 else "failed", "", node, exit_code=report.exit_code)
    if report.state in {"ContainerCannotRun", "StartError"}:
        return Sighting("failed", report.words_as_is, node, exit_code=report.exit_code)
    return Sighting("lost", f"its pod ended ({report.words_as_is}) before the end of its log was copied", node)


def _record(report: Report) -> dict[str, Any] | None:
    """The end that the runner recorded, and left when no server came for the log (runner/hold.py)."""
    try:
        record = json.loads(report.reason)
    except ValueError:
        return None
    return record if isinstance(record, dict) and record.get("state") in FINAL else None


def _report(
    job: Mapping[str, Any] | None, pod: Mapping[str, Any] | None, warnings: Mapping[str, str], *, ran_in: str
) -> Report:
    if pod is None:
        return _without_pod(job or {}, warnings, ran_in)
    name, status = pod["metadata"]["name"], pod.get("status", {})
    node = pod.get("spec", {}).get("nodeName", "")
    container: Mapping[str, Any] = next(
        (one for one in status.get("containerStatuses", []) if one["name"] == CONTAINER), {}
    )
    state = container.get("state", {})
    if (phase := status.get("phase")) in {"Succeeded", "Failed"}:
        ended = state.get("terminated", {})
        word = _failure(job) or status.get("reason") or ended.get("reason") or phase
        reason = ended.get("message") or status.get("message") or ""
        return Report(word, _short(reason), node, name, phase="over", exit_code=ended.get("exitCode"))
    if "running" in state:
        return Report(_failure(job) or RUNNING, "", node, name, phase="active")
    waiting = state.get("waiting", {})
    reason = ": ".join(filter(None, (waiting.get("reason"), waiting.get("message")))) or _unscheduled(status)
    if reason in {"", "ContainerCreating"}:
        reason = warnings.get(name, reason)
    return Report(
        waiting.get("reason") if waiting.get("reason") in IMAGE_PROBLEMS else "Pending", _short(reason), node, name
    )


def _without_pod(job: Mapping[str, Any], warnings: Mapping[str, str], ran_in: str) -> Report:
    if word := _failure(job):
        return Report(word, "", phase="over")
    if ran_in:
        return Report(GONE, "", job=ran_in, phase="over")
    if job.get("status", {}).get("active"):
        return Report("Pending")  # its pod was just created, or is being deleted
    is_new = not job.get("status", {}).get("startTime")
    reason = warnings.get(job["metadata"]["name"], "") if job else ""
    return Report("Pending", _short(reason)) if is_new or reason else Report()


def _failure(job: Mapping[str, Any] | None) -> str:
    """The reason of a Job that Kubernetes has ended itself."""
    conditions = (job or {}).get("status", {}).get("conditions") or []
    reasons = [one.get("reason", "") for one in conditions if one["type"] == "Failed" and one["status"] == "True"]
    return reasons[0] if reasons and reasons[0] != "BackoffLimitExceeded" else ""


def _unscheduled(status: Mapping[str, Any]) -> str:
    for one in status.get("conditions") or []:
        if one["type"] == "PodScheduled" and one["status"] == "False":
            return str(one.get("message") or one.get("reason") or "")
    return ""


def _last_warnings(events: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The newest warning of each object, by name."""
    found: dict[str, str] = {}
    for event in sorted(events, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or "")):
        is_early = event.get("reason") == "FailedMount" and (event.get("count") or 1) < _MOUNT_ATTEMPTS
        if event.get("type") == "Warning" and not is_early:
            found[event["involvedObject"]["name"]] = f"{event.get('reason', '')}: {event.get('message', '')}"
    return found


def _short(text: str) -> str:
    return " ".join(text.split())[:_MAX_REASON_CHARS]
