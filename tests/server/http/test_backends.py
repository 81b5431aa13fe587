"""Backends over HTTP: what they support, a dry run, and the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.web import Site


async def test_info_lists_backends_and_what_each_supports(site: Site) -> None:
    info = await site.get("v1/info")
    assert info["backends"] == ["external", "local"]
    assert set(info["supports"]) == set(info["backends"])
    assert {"stdin", "tty", "timeout", "call", "files"} < set(info["supports"]["local"])


async def test_an_unknown_backend_is_422_and_the_known_ones_are_named(site: Site) -> None:
    for dry_run in False, True:
        answer = await site.request(
            "POST", "v1/workloads", json={"command": "ls", "backend": "gpu9", "dry_run": dry_run}
        )
        assert answer.status == 422
        assert answer.json["message"] == "backend: must be one of external, local"


async def test_a_dry_run_answers_the_plan_and_creates_nothing(site: Site) -> None:
    body = {"command": "train --key sk-abcdefghijklmnopqrstuvwx123", "cwd": "/tmp", "env": {"API_TOKEN": "canary-7731"}}
    answer = await site.request("POST", "v1/workloads", json={**body, "dry_run": True, "key": "once"})
    assert (answer.status, set(answer.json)) == (200, {"plan"})
    assert answer.json["plan"] == "cd /tmp && train --key sk-***"
    assert (await site.get("v1/workloads"))["workloads"] == []
    for wrong, field in (
        ({**body, "dry_run": "yes"}, "dry_run"),
        ({**body, "dry_run": True, "timeout": -1}, "timeout"),
        ({"backend": "external", "dry_run": True}, "dry_run"),
    ):
        refused = await site.request("POST", "v1/workloads", json=wrong)
        assert refused.status == 422
        assert refused.json["message"].startswith(f"{field}: ")


async def test_files_that_are_wrong_are_422_and_local_runs_where_they_are(site: Site) -> None:
    wrong = await site.request("POST", "v1/workloads", json={"command": "ls", "files": ["../x"], "files_from": "/"})
    assert (wrong.status, wrong.json["message"].partition(":")[0]) == (422, "files[0]")
    workload_id = await site.run("true", files=["train.py"], files_from="/tmp")
    assert (await site.workload(workload_id))["state"] == "succeeded"


async def test_the_doctor_reports_each_check_and_does_not_know_other_names(site: Site) -> None:
    found = (await site.request("POST", "v1/backends/local/check")).json
    assert (found["backend"], found["ok"], found["leftovers"]) == ("local", True, [])
    assert [check["what"] for check in found["checks"]] == [
        "start a process",
        "write to the folder of logs",
        "disk space for logs",
    ]
    unknown = await site.request("POST", "v1/backends/gpu9/check")
    assert (unknown.status, unknown.json) == (
        404,
        {"message": "there is no backend 'gpu9'; configured: local", "reason": "unknown_backend"},
    )
