"""Workloads that follow files over HTTP: which paths are allowed, what is refused, what is shown."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import eventually

if TYPE_CHECKING:
    from support.web import Answer, Site


def root_of(site: Site) -> Path:
    return Path(site.app.root_dir)


async def follow(site: Site, *paths: str, **given: Any) -> Answer:
    return await site.request("POST", "v1/workloads", json={"follow": {"paths": list(paths)}, **given})


async def messages(site: Site, workload_id: str) -> list[str]:
    return [record["message"] for record in (await site.get(f"v1/workloads/{workload_id}/records"))["records"]]


async def test_a_file_below_the_root_is_followed_until_it_is_cancelled(site: Site) -> None:
    created = await follow(site, "logs/train.log")
    assert created.status == 201
    job = created.json
    assert (job["name"], job["command"]) == ("logs/train.log", "jupyter logstream follow logs/train.log")

    async def waits() -> bool:
        return bool((await site.workload(job["id"]))["reason"] == "waiting for logs/train.log")

    await eventually(waits)
    (root_of(site) / "logs").mkdir()
    (root_of(site) / "logs" / "train.log").write_text("ERROR out of memory\n")

    async def shown() -> bool:  # the runner reports the end of the wait after it has stored the line
        now = await site.workload(job["id"])
        return (now["state"], now["levels"], now["reason"]) == ("running", {"error": 1}, None)

    await eventually(shown)
    assert await messages(site, job["id"]) == ["ERROR out of memory"]
    assert (await site.request("POST", f"v1/workloads/{job['id']}/input", body=b"x")).status == 409
    assert (await site.request("POST", f"v1/workloads/{job['id']}/cancel")).status in {200, 202}

    async def ended() -> bool:
        return bool((await site.workload(job["id"]))["state"] == "cancelled")

    await eventually(ended)
    again = await site.request("POST", "v1/workloads", json={"again": job["id"]})
    assert again.status == 201
    await site.request("POST", f"v1/workloads/{again.json['id']}/cancel")


@pytest.mark.parametrize(
    "path", ["../x.log", "/etc/hostname", "link", "link/x.log", "/etc/*", "deep/link2", "a/../../x"]
)
async def test_paths_that_lead_outside_the_roots_are_422(site: Site, path: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.log").write_text("secret\n")
    (root_of(site) / "deep").mkdir()
    (root_of(site) / "link").symlink_to(outside)
    (root_of(site) / "deep" / "link2").symlink_to(outside / "x.log")
    refused = await follow(site, "ok.log", path)
    assert refused.status == 422
    assert refused.json["message"].startswith(
        "follow.paths[1]: leads outside the folders in which files may be followed"
    )
    assert str(tmp_path) not in refused.json["message"]
    assert (await site.get("v1/workloads"))["workloads"] == []


async def test_a_glob_with_dots_is_422(site: Site) -> None:
    refused = await follow(site, "logs/*/../../../x")
    assert (refused.status, refused.json["message"]) == (422, "follow.paths[0]: must not hold .. in a glob")


async def test_directories_pipes_sockets_and_devices_are_422(
    serve: Callable[..., Awaitable[Site]], tmp_path: Path
) -> None:
    site = await serve(follow_roots=["/dev"])
    root = root_of(site)
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(root)
        listener.bind("socket")
        for path, problem in (
            ("folder", "is a directory"),
            ("pipe", "is a pipe, socket or device"),
            ("socket", "is a pipe, socket or device"),
            ("/dev/null", "is a pipe, socket or device"),
        ):
            refused = await follow(site, path)
            assert refused.status == 422
            assert refused.json["message"].startswith(f"follow.paths[0]: {problem}")


async def test_configured_roots_are_allowed_and_links_into_them(
    serve: Callable[..., Awaitable[Site]], tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.log").write_text("one\n")
    site = await serve(follow_roots=[str(outside)])
    (root_of(site) / "link.log").symlink_to(outside / "x.log")
    for path in (str(outside / "x.log"), "link.log"):
        created = await follow(site, path)
        assert created.status == 201

        async def shown(workload_id: str = created.json["id"]) -> bool:
            return await messages(site, workload_id) == ["one"]

        await eventually(shown)


async def test_a_visitor_cannot_follow_files(serve: Callable[..., Awaitable[Site]]) -> None:
    site = await serve(owner="somebody else")
    assert (await follow(site, "a.log")).status == 403


async def test_an_external_or_remote_backend_refuses_to_follow(serve: Callable[..., Awaitable[Site]]) -> None:
    site = await serve(backends={"local": {"type": "local"}, "gpu1": {"type": "ssh", "host": "gpu1"}})
    for backend, field in ("gpu1", "follow"), ("external", "follow"):
        refused = await follow(site, "a.log", backend=backend)
        assert (refused.status, refused.json["message"].partition(":")[0]) == (422, field)


async def test_a_dry_run_creates_nothing(site: Site) -> None:
    answer = await follow(site, "a.log", dry_run=True)
    assert (answer.status, answer.json["plan"].partition(" && ")[2]) == (200, "jupyter logstream follow a.log")
