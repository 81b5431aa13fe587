"""Publishing while servers die and disks fill up: each record is stored once, each end completely or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from support.on_disk import Disk

from jupyter_logstream.store.disk import files, index, segments

if TYPE_CHECKING:
    from pathlib import Path

    from support.web import Answer, Site

BATCH = 5


async def external(site: Site) -> str:
    return str((await site.request("POST", "v1/workloads", json={"backend": "external"})).json["id"])


async def publish(site: Site, workload_id: str, items: list[dict[str, Any]], after: int) -> Answer:
    return await site.request("POST", f"v1/workloads/{workload_id}/logs?after={after}", json=items)


def batch(number: int) -> list[dict[str, Any]]:
    return [{"message": f"r{i}"} for i in range(number * BATCH + 1, (number + 1) * BATCH + 1)]


async def messages(site: Site, workload_id: str) -> list[str]:
    found = (await site.get(f"v1/workloads/{workload_id}/records?limit=5000"))["records"]
    return [r["message"] for r in found if r["source"] != "system"]


def cut(path: Path, size: int) -> None:
    os.truncate(path, path.stat().st_size - size)


@pytest.mark.parametrize("missing", [1, 32, 40, 2 * 32, 5 * 32, 7 * 32, 10 * 32])
async def test_a_batch_whose_index_entries_were_lost_with_the_server_is_stored_once(serve: Any, missing: int) -> None:
    site = await serve()
    workload_id = await external(site)
    for number in range(2):
        await publish(site, workload_id, batch(number), number * BATCH)
    folder = site.services.store.folder(workload_id).path
    await site.stop()
    cut(folder / "index.000", missing)
    site = await serve()
    ends = [(await publish(site, workload_id, batch(n), n * BATCH)).json["last"] for n in (1, 2, 3)]
    assert ends == [10, 15, 20]
    assert await messages(site, workload_id) == [f"r{i}" for i in range(1, 21)]


@pytest.mark.parametrize("torn", [1, 40, 200])
async def test_a_torn_batch_is_completed_by_its_repetition(serve: Any, torn: int) -> None:
    site = await serve()
    workload_id = await external(site)
    for number in range(2):
        await publish(site, workload_id, batch(number), number * BATCH)
    folder = site.services.store.folder(workload_id).path
    await site.stop()
    cut(folder / "index.000", BATCH * 32)
    cut(folder / "notes.000", torn)
    site = await serve()
    for number in (1, 2):
        await publish(site, workload_id, batch(number), number * BATCH)
    assert await messages(site, workload_id) == [f"r{i}" for i in range(1, 16)]


async def test_reports_of_damage_do_not_count_as_records_of_a_repeated_batch(serve: Any) -> None:
    site = await serve()
    workload_id = await external(site)
    for number in range(2):
        await publish(site, workload_id, batch(number), number * BATCH)
    folder = site.services.store.folder(workload_id).path
    await site.stop()
    data = (folder / "notes.000").read_bytes()
    (folder / "notes.000").write_bytes(data[: data.index(b'r6"') + 10])  # what a power cut leaves: r6 is torn
    site = await serve()
    answer = await publish(site, workload_id, batch(1), BATCH)
    assert (answer.status, answer.json["last"]) == (202, 11)  # 5, the report, 5
    assert await messages(site, workload_id) == [f"r{i}" for i in range(1, 11)]


async def test_an_end_that_was_not_stored_with_the_workload_is_no_end(serve: Any) -> None:
    """The server was killed after it closed the log and before it stored the state: the end was not confirmed."""
    site = await serve()
    workload_id = await external(site)
    await publish(site, workload_id, batch(0), 0)
    folder = site.services.store.folder(workload_id).path
    await site.stop()
    (folder / "end").touch()
    site = await serve()
    assert (await publish(site, workload_id, batch(1), BATCH)).json == {"last": 10}
    assert (await publish(site, workload_id, [{"state": "failed"}], 10)).status == 202
    assert (await site.workload(workload_id))["state"] == "failed"
    assert await messages(site, workload_id) == [f"r{i}" for i in range(1, 11)]


@pytest.mark.parametrize("half_ended", [False, True])
@pytest.mark.parametrize("missing", [0, 32, 40, 5 * 32, 10 * 32])
@pytest.mark.parametrize("action", ["end", "records and end", "cancel"])
async def test_an_end_or_a_cancel_after_the_server_died_keeps_each_record_once(
    serve: Any, action: str, missing: int, half_ended: bool
) -> None:
    site = await serve()
    workload_id = await external(site)
    for number in range(2):
        await publish(site, workload_id, batch(number), number * BATCH)
    folder = site.services.store.folder(workload_id).path
    await site.stop()
    cut(folder / "index.000", missing)
    if half_ended:  # the log was closed, the state was not stored: the end was not confirmed
        (folder / "end").touch()
    site = await serve()
    items = [*(batch(1) if "records" in action else []), {"state": "failed"}]
    for _ in range(2):  # the answer of the first was lost
        if action == "cancel":
            answer = await site.request("POST", f"v1/workloads/{workload_id}/cancel")
            assert answer.status in {200, 202}
        else:
            answer = await publish(site, workload_id, items, BATCH if "records" in action else 2 * BATCH)
            assert (answer.status, answer.json) == (202, {"last": 10})
    workload = await site.workload(workload_id)
    assert (workload["state"], workload["lines"]) == ("cancelled" if action == "cancel" else "failed", 10)
    assert await messages(site, workload_id) == [f"r{i}" for i in range(1, 11)]
    assert (await publish(site, workload_id, batch(2), 10)).status == 409


@pytest.mark.parametrize("fail_at", [1, 2, 3])
@pytest.mark.parametrize("action", ["records", "end", "cancel"])
async def test_a_full_disk_refuses_and_changes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, action: str, fail_at: int
) -> None:
    workload_id = await external(site)
    await publish(site, workload_id, batch(0), 0)

    async def act() -> Answer:
        if action == "cancel":
            return await site.request("POST", f"v1/workloads/{workload_id}/cancel")
        return await publish(site, workload_id, batch(1) if action == "records" else [{"state": "failed"}], BATCH)

    disk = Disk(fail_at)
    with monkeypatch.context() as patch:
        for module in (segments, index, files):
            patch.setattr(module, "os", disk)
        answer = await act()
    if disk.calls < fail_at:
        assert answer.status == 202
        return
    assert (answer.status, answer.json["reason"]) == (503, "no_room")
    assert (await site.workload(workload_id))["state"] == "running"
    assert await messages(site, workload_id) == [f"r{i}" for i in range(1, 6)]
    if action == "records":
        assert (await act()).status == 202
    else:
        assert (await publish(site, workload_id, batch(1), BATCH)).json == {"last": 10}
        assert (await publish(site, workload_id, [{"state": "succeeded"}], 10)).status == 202
        assert (await site.workload(workload_id))["state"] == "succeeded"
    assert await messages(site, workload_id) == [f"r{i}" for i in range(1, 11)]


async def test_a_full_disk_during_the_repair_does_not_lock_the_log(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site = await serve()
    workload_id = await external(site)
    await publish(site, workload_id, batch(0), 0)
    folder = site.services.store.folder(workload_id).path
    await site.stop()
    cut(folder / "index.000", 64)
    site = await serve()
    with monkeypatch.context() as patch:
        for module in (segments, index, files):
            patch.setattr(module, "os", Disk(1))
        assert (await publish(site, workload_id, batch(1), BATCH)).status == 503
    assert (await publish(site, workload_id, batch(1), BATCH)).json == {"last": 10}
    assert await messages(site, workload_id) == [f"r{i}" for i in range(1, 11)]
