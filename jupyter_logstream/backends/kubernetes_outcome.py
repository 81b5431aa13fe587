"""States of a workload's Job and pod in our terms. Server; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .job_queue import GONE, Report
from .kubernetes_manifest import CONTAINER, ID_LABEL, NO_PYTHON
from .protocol import Sighting

IMAGE_PROBLEMS = frozenset(
    {
        "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError",
        "RegistryUnavailable", "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
    }
)  # fmt: skip
"""Reasons for which a pod waits that seldom go away by themselves: we give up after some time."""

RUNNING = "Running"
_MAX_REASON_CHARS = 300
_REFUSED = 3  # of `runner.pyz hold`: it did not start the workload, and wrote the reason


def to_reports(items: Iterable[Mapping[str, Any]], events: Iterable[Mapping[str, Any]] = ()) -> dict[str, Report]:
    """Reports by id label, from Jobs, pods and warning events as `kubectl get -o json` lists them."""
    jobs: dict[str, Mapping[str, Any]] = {}
    pods: dict[str, Mapping[str, Any]] = {}
    for item in items:
        key = item["metadata"].get("labels", {}).get(ID_LABEL, "")
        newest = jobs if item["kind"] == "Job" else pods
        if key not in newest or item["metadata"]["creationTimestamp"] > newest[key]["metadata"]["creationTimestamp"]:
            newest[key] = item
    warnings = _last_warnings(events)
    return {key: _report(jobs.get(key), pods.get(key), warnings) for key in jobs.keys() | pods.keys()}


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
    if report.state == GONE:
        return Sighting("lost", "its pod was deleted, or its node is gone, before the end of its log was copied", node)
    if report.exit_code == _REFUSED and report.reason:
        return Sighting("failed", report.reason, node)
    if NO_PYTHON in report.reason and report.exit_code is not None:
        return Sighting("succeeded" if report.exit_code == 0 else "failed", "", node, exit_code=report.exit_code)
    if report.state in {"ContainerCannotRun", "StartError"}:
        return Sighting("failed", report.words_as_is, node, exit_code=report.exit_code)
    return Sighting("lost", f"its pod ended ({report.words_as_is}) before the end of its log was copied", node)


def _report(job: Mapping[str, Any] | None, pod: Mapping[str, Any] | None, warnings: Mapping[str, str]) -> Report:
    if pod is None:
        return _without_pod(job or {}, warnings)
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


def _without_pod(job: Mapping[str, Any], warnings: Mapping[str, str]) -> Report:
    if word := _failure(job):
        return Report(word, "", phase="over")
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
        if event.get("type") == "Warning":
            found[event["involvedObject"]["name"]] = f"{event.get('reason', '')}: {event.get('message', '')}"
    return found


def _short(text: str) -> str:
    return " ".join(text.split())[:_MAX_REASON_CHARS]
