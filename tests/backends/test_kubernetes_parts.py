"""What the Kubernetes backend creates and how it reads Kubernetes' reports, without a cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_logstream.backends.job_queue import GONE, Report
from jupyter_logstream.backends.kubernetes.log import StampedLines
from jupyter_logstream.backends.kubernetes.manifest import (
    ID_LABEL,
    NO_PYTHON,
    checked_options,
    job_manifest,
    merge,
    secret_manifest,
)
from jupyter_logstream.backends.kubernetes.outcome import needs_events, to_reports, to_sighting
from jupyter_logstream.model.spec import SpecError


def manifest(**options: Any) -> dict[str, Any]:
    given = {"image": "python:3.12", **options}
    return job_manifest("jls-a", {ID_LABEL: "A"}, given, python="python3", argv=["echo", "hi"], env=["LR"], grace_s=20)


def container(job: dict[str, Any]) -> dict[str, Any]:
    (found,) = job["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_options_stand_where_kubernetes_looks_for_them() -> None:
    job = manifest(cpu="500m", memory="2Gi", gpus=2, node_selector={"disk": "ssd"}, service_account="trainer")
    pod = job["spec"]["template"]["spec"]
    limits = {"cpu": "500m", "memory": "2Gi", "nvidia.com/gpu": "2"}
    assert container(job)["resources"] == {"limits": limits, "requests": limits}
    assert (pod["nodeSelector"], pod["serviceAccountName"]) == ({"disk": "ssd"}, "trainer")
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")


def test_a_value_of_the_environment_is_only_in_the_secret() -> None:
    secret = secret_manifest("jls-a", {}, {"env.LR": b"a-secret-value"}, job_uid="1-2")
    assert container(manifest())["env"][0]["valueFrom"] == {"secretKeyRef": {"name": "jls-a", "key": "env.LR"}}
    assert secret["data"] == {"env.LR": "YS1zZWNyZXQtdmFsdWU="}


def test_a_secret_belongs_to_its_job_and_both_have_an_end() -> None:
    (owner,) = secret_manifest("jls-a", {}, {}, job_uid="1-2")["metadata"]["ownerReferences"]
    assert owner == {"apiVersion": "batch/v1", "kind": "Job", "name": "jls-a", "uid": "1-2"}
    assert manifest()["spec"]["ttlSecondsAfterFinished"] == 7 * 86400
    assert manifest(manifest={"spec": {"ttlSecondsAfterFinished": 5}})["spec"]["ttlSecondsAfterFinished"] == 5


def test_own_parts_of_a_manifest_are_merged_into_it() -> None:
    own = {
        "spec": {
            "template": {
                "spec": {
                    "volumes": [{"name": "data"}],
                    "containers": [{"volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
                }
            }
        }
    }
    job = manifest(manifest=own)
    assert container(job)["image"] == "python:3.12"
    assert [one["name"] for one in container(job)["volumeMounts"]] == ["package", "log", "data"]
    assert [one["name"] for one in job["spec"]["template"]["spec"]["volumes"]] == ["package", "log", "data"]


def test_merging_changes_neither_side() -> None:
    base, change = {"a": [{"name": "x", "b": 1}], "c": 2}, {"a": [{"name": "x", "d": 3}, {"name": "y"}], "c": 4}
    before = json.dumps([base, change])
    assert merge(base, change) == {"a": [{"name": "x", "b": 1, "d": 3}, {"name": "y"}], "c": 4}
    assert json.dumps([base, change]) == before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("cpu", "many"),
        ("memory", True),
        ("gpus", -1),
        ("gpus", 1.5),
        ("image", ""),
        ("image", "a b"),
        ("node_selector", {"a": 1}),
        ("manifest", "text"),
        ("partition", "gpu"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(option: str, value: Any) -> None:
    with pytest.raises(SpecError) as refused:
        checked_options({"image": "python:3.12", option: value}, {})
    assert str(refused.value).startswith(f"options.{option}")


def test_an_image_is_needed() -> None:
    with pytest.raises(SpecError, match=r"options\.image"):
        checked_options({}, {"cpu": "1"})
    assert checked_options({}, {"image": "a"}) == {"image": "a"}


# --- reports ----------------------------------------------------------------------------------------------------------


def job(**status: Any) -> dict[str, Any]:
    metadata = {"name": "jls-a", "labels": {ID_LABEL: "A"}, "creationTimestamp": "2026-11-29T06:00:00Z"}
    return {"kind": "Job", "metadata": metadata, "status": status}


def pod(phase: str, state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    metadata = {"name": "jls-a-x1", "labels": {ID_LABEL: "A"}, "creationTimestamp": "2026-11-29T06:00:01Z"}
    containers = [{"name": "main", "state": state}] if state is not None else []
    status = {"phase": phase, "containerStatuses": containers, **status}
    return {"kind": "Pod", "metadata": metadata, "spec": {"nodeName": "node1"}, "status": status}


def failed(reason: str) -> dict[str, Any]:
    return job(conditions=[{"type": "Failed", "status": "True", "reason": reason}], startTime="2026-11-29T06:00:00Z")


NO_GPU = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
UNSCHEDULED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_GPU}
PULL = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x:1"'}}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([job(active=1), pod("Pending", conditions=[UNSCHEDULED])], ("Pending", NO_GPU, "waiting", None)),
        (
            [job(active=1), pod("Pending", PULL)],
            ("ImagePullBackOff", 'ImagePullBackOff: Back-off pulling image "x:1"', "waiting", None),
        ),
        ([job(active=1), pod("Running", {"running": {}})], ("Running", "", "active", None)),
        (
            [job(), pod("Succeeded", {"terminated": {"reason": "Completed", "exitCode": 0}})],
            ("Completed", "", "over", 0),
        ),
        (
            [job(), pod("Failed", {"terminated": {"reason": "OOMKilled", "exitCode": 137}})],
            ("OOMKilled", "", "over", 137),
        ),
        (
            [job(), pod("Failed", reason="Evicted", message="The node was low on resource: memory.")],
            ("Evicted", "The node was low on resource: memory.", "over", None),
        ),
        ([failed("DeadlineExceeded")], ("DeadlineExceeded", "", "over", None)),
        ([failed("DeadlineExceeded"), pod("Running", {"running": {}})], ("DeadlineExceeded", "", "active", None)),
        ([job()], ("Pending", "", "waiting", None)),
    ],
)
def test_reports_have_kubernetes_words_and_our_phases(items: list[dict[str, Any]], expected: tuple[Any, ...]) -> None:
    report = to_reports(items)["A"]
    assert (report.state, report.reason, report.phase, report.exit_code) == expected


def test_a_pod_that_replaces_that_of_the_command_is_none() -> None:
    items = [job(active=1), pod("Pending")]
    assert to_reports(items, pods={"A": "jls-a-x1"})["A"].phase == "waiting"
    report = to_reports(items, pods={"A": "jls-a-x0"})["A"]
    assert (report.state, report.phase, report.job) == (GONE, "over", "jls-a-x0")
    assert to_reports([failed("DeadlineExceeded")], pods={"A": "jls-a-x0"})["A"].state == "DeadlineExceeded"


def test_a_volume_that_cannot_be_mounted_is_the_reason_unless_it_comes_at_once() -> None:
    items = [job(active=1), pod("Pending", {"waiting": {"reason": "ContainerCreating"}})]
    event = {"type": "Warning", "reason": "FailedMount", "message": "not found", "involvedObject": {"name": "jls-a-x1"}}
    assert to_reports(items, [{**event, "count": 2}])["A"].reason == "ContainerCreating"
    assert to_reports(items, [{**event, "count": 9}])["A"].reason == "FailedMount: not found"


def test_a_quota_that_keeps_a_job_without_a_pod_is_the_reason() -> None:
    event = {"type": "Warning", "reason": "FailedCreate", "message": "exceeded quota", "lastTimestamp": "2026"}
    assert needs_events(to_reports([job()]).values())
    reports = to_reports([job()], [{**event, "involvedObject": {"name": "jls-a"}}])
    assert reports["A"].reason == "FailedCreate: exceeded quota"


@pytest.mark.parametrize(
    ("report", "state", "words"),
    [
        (Report("OOMKilled", "", phase="over", exit_code=137), "failed", "OOMKilled"),
        (Report("Evicted", "low on memory", phase="over"), "failed", "Evicted: low on memory"),
        (Report("DeadlineExceeded", "", phase="over"), "timed_out", "DeadlineExceeded"),
        (Report(GONE, phase="over"), "lost", "its pod was deleted"),
        (Report("Completed", "", phase="over", exit_code=0), "lost", "before the end of its log was copied"),
        (Report("Completed", NO_PYTHON, phase="over", exit_code=0), "succeeded", ""),
        (Report("Error", NO_PYTHON, phase="over", exit_code=5), "failed", ""),
        (Report("Error", "setup: not found", phase="over", exit_code=3), "failed", "setup: not found"),
        (Report("Completed", '{"state": "failed", "exit_code": 7, "reason": ""}', phase="over"), "failed", ""),
        (Report("ContainerCannotRun", "no /bin/sh", phase="over", exit_code=127), "failed", "no /bin/sh"),
    ],
)
def test_an_end_without_the_runners_record_is_what_kubernetes_reports(report: Report, state: str, words: str) -> None:
    sighting = to_sighting(report, was_cancelled=False)
    assert (sighting.state, words in sighting.reason) == (state, True)
    assert to_sighting(report, was_cancelled=True).state == "cancelled"


# --- the pod's own log ------------------------------------------------------------------------------------------------


def stamped(*lines: tuple[int, str]) -> bytes:
    return b"".join(b"2026-11-29T06:00:%02d.5Z %s\n" % (second, text.encode()) for second, text in lines)


def test_lines_that_are_repeated_after_a_reconnect_are_left_out() -> None:
    first = StampedLines(b"", 0, 0)
    assert first.feed(stamped((1, "a"), (2, "b"), (2, "c"))) == b"a\nb\nc\n"
    again = StampedLines(first.last, first.count, 0)
    assert again.feed(stamped((1, "a"), (2, "b"), (2, "c"), (2, "d"), (3, "e"))) == b"d\ne\n"
    assert (again.last, again.count) == (b"2026-11-29T06:00:03.5Z", 1)


def test_a_server_that_was_restarted_leaves_out_what_is_stored() -> None:
    lines = StampedLines(b"", 0, len(b"a\nb\n"))
    assert lines.feed(stamped((1, "a"), (2, "b"), (3, "c"))) == b"c\n"


def test_a_cut_while_stored_lines_are_read_again_doubles_none() -> None:
    stored = len(b"a\nb\nc\n")
    first = StampedLines(b"", 0, stored)
    assert first.feed(stamped((1, "a"))) == b""
    again = StampedLines(first.last, first.count, first.skip)
    assert again.feed(stamped((1, "a"), (2, "b"), (3, "c"), (4, "d"))) == b"d\n"


def test_a_carriage_return_ends_no_line() -> None:
    first = StampedLines(b"", 0, 0)
    assert first.feed(stamped((1, "p1\rp2"), (2, "q"))) == b"p1\rp2\nq\n"
    assert StampedLines(first.last, first.count, 0).feed(stamped((1, "p1\rp2"), (2, "q"), (3, "r"))) == b"r\n"


def test_fractions_of_different_lengths_are_compared_as_numbers() -> None:
    first = StampedLines(b"", 0, 0)
    assert first.feed(b"2026-11-29T06:00:01.1Z a\n") == b"a\n"
    again = StampedLines(first.last, first.count, 0)
    assert again.feed(b"2026-11-29T06:00:01.1Z a\n2026-11-29T06:00:01.12Z b\n") == b"b\n"


def test_lines_are_whole_however_the_stream_is_cut() -> None:
    data, lines = stamped((1, "first"), (2, "second")) + b"2026-11-29T06:00:03.5Z no end", StampedLines(b"", 0, 0)
    found = b"".join(lines.feed(data[i : i + 7]) for i in range(0, len(data), 7)) + lines.feed(b"")
    assert found == b"first\nsecond\nno end"
