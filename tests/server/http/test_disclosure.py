"""Secrets of a workload's environment in what the server shows of it: masked everywhere, kept for "run again"."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from support.web import Site

SECRET = "sk-live-0123456789abcdef"
ENV = {"STRIPE_API_KEY": SECRET}


async def shown(site: Site, workload_id: str) -> str:
    """All that the server answers about an ended workload."""
    paths = ("v1/workloads", *(f"v1/workloads/{workload_id}{end}" for end in ("", "/records", "/summary", "/log.txt")))
    return "\n".join([(await site.request("GET", path)).body.decode() for path in paths])


@pytest.mark.parametrize("command", [f"true {SECRET}", ["true", SECRET], ["true", f"it's {SECRET}"], [SECRET]])
async def test_secrets_in_command_name_tags_and_error_are_masked(site: Site, command: str | list[str]) -> None:
    spec = {"name": f"n {SECRET}", "tags": {"t": SECRET, SECRET: "v"}, "env": ENV}
    answer = await site.request("POST", "v1/workloads", json={"command": command, **spec})
    assert SECRET not in answer.body.decode()
    workload_id = answer.json["id"]
    end = await site.state(workload_id)
    assert end["state"] == ("failed" if command == [SECRET] else "succeeded")
    assert SECRET not in json.dumps(end)
    assert (end["name"], end["tags"]) == ("n ***", {"t": "***", "***": "v"})
    assert "***" in end["command"]
    assert SECRET not in await shown(site, workload_id)


async def test_secret_in_the_working_directory_is_masked(site: Site, jp_root_dir: Path) -> None:
    (jp_root_dir / SECRET).mkdir()
    workload_id = await site.run("true", cwd=SECRET, env=ENV)
    assert (await site.state(workload_id))["cwd"].endswith("/***")
    assert SECRET not in await shown(site, workload_id)


async def test_running_again_uses_the_original_command(site: Site) -> None:
    first = await site.run(f"test {SECRET} = $STRIPE_API_KEY", env=ENV)
    assert (await site.state(first))["state"] == "succeeded"
    answer = await site.request("POST", "v1/workloads", json={"again": first})
    assert SECRET not in answer.body.decode()
    assert (await site.state(answer.json["id"]))["state"] == "succeeded"


async def test_secrets_in_published_steps_and_external_names_are_masked(site: Site) -> None:
    secret = site.services.secret
    spec = {"backend": "external", "name": f"n {secret}", "tags": {"t": secret}}
    workload_id = (await site.request("POST", "v1/workloads", json=spec)).json["id"]
    items = [{"message": "m", "step": f"load {secret}"}, {"state": "succeeded"}]
    assert (await site.request("POST", f"v1/workloads/{workload_id}/logs", json=items)).status == 202
    end = await site.state(workload_id)
    assert [step["name"] for step in end["steps"]] == ["load ***"]
    assert end["name"] == "n ***"
    assert secret not in await shown(site, workload_id)
