"""Unreadable logs: their readers receive gaps or errors, all other requests continue."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_logstream.store.disk import download, index, segments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.web import Site


BLOCK = 4096
ENTRIES = BLOCK // 32


class BadDisk:
    """An `os` whose reads of one file fail if they touch a block for which `bad` returns True."""

    def __init__(self, path: Path, bad: Callable[[int], bool] = lambda _: True) -> None:
        self.path, self.bad = path, bad
        self.failed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def pread(self, fd: int, size: int, at: int) -> bytes:
        ours = os.path.exists(self.path) and os.path.samestat(os.fstat(fd), os.stat(self.path))
        if ours and any(map(self.bad, range(at // BLOCK, (at + size - 1) // BLOCK + 1))):
            self.failed += 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return os.pread(fd, size, at)


@pytest.fixture
def bad(site: Site, monkeypatch: pytest.MonkeyPatch) -> Any:
    def spoil(workload_id: str, *of: Callable[[int], bool], name: str = "stdout") -> BadDisk:
        disk = BadDisk(site.services.store.folder(workload_id).path / f"{name}.000", *of)
        for module in segments, download, index:
            monkeypatch.setattr(module, "os", disk)
        return disk

    return spoil


def unreadable(records: list[dict[str, Any]]) -> list[int]:
    found = [r for r in records if r.get("fields") == {"unreadable": True}]
    assert all(r["message"].startswith("unreadable: a line of stdout") and r["source"] == "system" for r in found)
    return [r["seq"] for r in found]


async def test_unreadable_lines_are_reported_and_other_streams_continue(site: Site, bad: Any) -> None:
    first, broken, last = [await site.run(f"for i in $(seq 500); do echo {name} $i; done") for name in "abc"]
    bad(broken)
    names = [f"workload/{i}" for i in (broken, first, last)]
    stream = await site.stream("v1/events", "POST", json={"streams": [{"stream": name} for name in names]})
    await stream.rest()
    for name in names[1:]:
        assert [r["seq"] for r in stream.records(name)] == list(range(1, 501))
    assert unreadable(stream.records(names[0])) == list(range(1, 501))
    assert {d["stream"] for d in stream.data("done")} == set(names)


async def test_records_before_and_behind_a_bad_block_are_delivered(site: Site, bad: Any) -> None:
    workload_id = await site.run("seq 100000 150000")  # 7 bytes each
    bad(workload_id, lambda block: block in {20, 21, 60})
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await stream.rest()
    gone = {*range(20 * BLOCK // 7 + 1, -(-22 * BLOCK // 7) + 1), *range(60 * BLOCK // 7 + 1, -(-61 * BLOCK // 7) + 1)}
    found = stream.records()
    assert [r["seq"] for r in found] == list(range(1, 50002))
    assert set(unreadable(found)) == gone
    assert all(r["message"] == str(99999 + r["seq"]) for r in found if r["seq"] not in gone)
    assert (len(stream.data("done")), stream.data("gap")) == (1, [])


async def test_unreadable_index_range_is_a_gap(site: Site, bad: Any) -> None:
    workload_id = await site.run("seq 100000 150000")
    bad(workload_id, lambda block: block in {20, 21, 60}, name="index")
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await stream.rest()
    gone = [range(20 * ENTRIES, 22 * ENTRIES), range(60 * ENTRIES, 61 * ENTRIES)]
    gaps = [(gap["from"], gap["to"], gap["reason"]) for gap in stream.data("gap")]
    assert gaps == [(lost.start, lost.stop - 1, "unreadable") for lost in gone]
    found = stream.records()
    assert [r["seq"] for r in found] == [i for i in range(1, 50002) if not any(i in lost for lost in gone)]
    assert all(r["message"] == str(99999 + r["seq"]) for r in found)
    assert len(stream.data("done")) == 1


@pytest.mark.parametrize("name", ["stdout", "index"])
async def test_completely_bad_disk_is_not_read_record_by_record(site: Site, bad: Any, name: str) -> None:
    workload_id = await site.run("seq 100000 150000")
    last = site.services.store.folder(workload_id).path.joinpath(f"{name}.000").stat().st_size // BLOCK
    disk = bad(workload_id, lambda block: block % 2 == 1 and block < last - 32, name=name)
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await stream.rest()
    found = [(r["seq"], r["seq"]) for r in stream.records()]
    found += [(gap["from"], gap["to"]) for gap in stream.data("gap")]
    found.sort()
    assert [begin for begin, _ in found] == [1, *[end + 1 for _, end in found[:-1]]]  # each record, or that it is lost
    assert found[-1][1] == 50001
    assert len(stream.records()) - len(unreadable(stream.records())) > 50001 // 8
    assert disk.failed < 5000


async def test_pages_searches_and_ranges_of_a_log_with_a_bad_block_are_served(site: Site, bad: Any) -> None:
    workload_id = await site.run("seq 100000 150000")
    bad(workload_id, lambda block: block == 20)
    for path in "records?after=0&limit=1000", "records?offset=49000&limit=1000", "records?after=20000&limit=5000":
        found = (await site.get(f"v1/workloads/{workload_id}/{path}"))["records"]
        assert [r["message"] for r in found] == [str(99999 + r["seq"]) for r in found], path
        assert len(found) == int(path.rpartition("=")[2])
    gone = list(range(20 * BLOCK // 7 + 1, -(-21 * BLOCK // 7) + 1))
    found = (await site.get(f"v1/workloads/{workload_id}/records?after=11000&limit=1000"))["records"]
    assert unreadable(found) == [seq for seq in gone if seq <= 12000]
    assert len(found) == 1000
    found = await site.get(
        f"v1/workloads/{workload_id}/records?q=1117&limit=5000"
    )  # 111 700 is unreadable, 111 17x not
    wanted = [i for i in range(100000, 150001) if "1117" in str(i) and i - 99999 not in gone]
    assert [r["message"] for r in found["records"]] == [str(i) for i in wanted]
    found = await site.get(f"v1/workloads/{workload_id}/matches?q=unreadable:&limit=5000")
    assert found["seqs"] == gone
    answer = await site.request("GET", f"v1/workloads/{workload_id}/log.txt", headers={"Range": f"bytes={21 * BLOCK}-"})
    assert answer.status == 206
    assert len(answer.body) == 7 * 50001 - 21 * BLOCK
    assert answer.body.endswith(b"149999\n150000\n")


async def test_unreadable_index_refuses_reads_and_downloads_but_lists_continue(site: Site, bad: Any) -> None:
    fine, broken = await site.run("echo a"), await site.run("echo b")
    bad(broken)
    site.services.store._readers.clear()
    for path in "log.txt", "log.txt?source=stdout":
        assert (await site.request("GET", f"v1/workloads/{broken}/{path}")).status == 503
    bad(broken, name="index")
    site.services.store._readers.clear()
    site.services.store._cache.forget(broken)
    for path in "records", "records?q=b", "marks?q=b&buckets=3", "matches?q=b":
        answer = await site.request("GET", f"v1/workloads/{broken}/{path}")
        assert (answer.status, answer.json["reason"]) == (503, "log_unreadable"), path
        assert str(site.services.store.root).encode() not in answer.body
    assert (await site.get(f"v1/workloads/{fine}/records"))["total"] == 1
    assert {w["id"] for w in (await site.get("v1/workloads"))["workloads"]} == {fine, broken}
    listed = await site.stream("v1/events?stream=workloads")
    await listed.until(lambda s: {d["id"] for d in s.data("workload")} == {fine, broken})
    assert (await site.request("DELETE", f"v1/workloads/{broken}")).status == 204


async def test_read_only_disk_refuses_starts_and_serves_existing_logs(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload_id = await site.run("echo a")

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    for body in {"command": "true"}, {"backend": "external"}, {"again": workload_id}:
        answer = await site.request("POST", "v1/workloads", json=body)
        assert (answer.status, answer.json["reason"]) == (503, "no_room"), body
        assert "Read-only" in answer.json["message"]
        assert str(site.services.store.root) not in answer.json["message"]
    assert (await site.get("v1/info"))["workloads"] == 1
    assert (await site.get(f"v1/workloads/{workload_id}/records"))["total"] == 1


async def test_log_truncated_while_it_is_read_reports_each_lost_line_and_continues(site: Site) -> None:
    workload_id = await site.start("seq 1 300; read x; seq 301 400; read x", stdin=True, tty=False)
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await stream.until(lambda s: len(s.records()) == 300)
    path = site.services.store.folder(workload_id).path / "stdout.000"
    os.truncate(path, 0)
    await asyncio.sleep(0.6)  # the runner looks twice a second
    await site.request("POST", f"v1/workloads/{workload_id}/input", b"\n")
    await stream.until(lambda s: [r["message"] for r in s.records()][-1:] == ["400"])
    site.services.store._cache.forget(workload_id)  # else what was read lately is still had
    late = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await late.until(lambda s: [r["message"] for r in s.records()][-1:] == ["400"])
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1", b"\n")
    for one in stream, late:
        await one.rest()
        assert len(one.data("done")) == 1
    assert [r["seq"] for r in stream.records()] == list(range(1, 402))
    assert [r["message"] for r in stream.records() if r["source"] == "stdout"] == [str(i) for i in range(1, 401)]
    assert late.data("gap") == []
    assert [r["seq"] for r in late.records()] == list(range(1, 402))
    lost = [r for r in late.records() if r.get("fields") == {"lost": True}]
    assert [r["seq"] for r in lost] == list(range(1, 301))
    assert {r["source"] for r in lost} == {"system"}
    assert late.records()[300:] == stream.records()[300:]
    found = late.records()[300]["message"]
    assert found.endswith(" bytes of 300 records are lost")
