"""Secrets of a workload's environment reach neither disk nor reader."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.programs import PYTHON
from support.running import Bench
from support.waiting import eventually

from jupyter_logstream.backends.context import BackendContext
from jupyter_logstream.backends.local import LocalBackend
from jupyter_logstream.store.disk.folder import RunParameters

if TYPE_CHECKING:
    from support.web import Site

KEY = "tk-live-0123456789abcdef"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----"


def on_disk(folder: Path) -> bytes:
    """All that lies in a workload's folder but its spec, which only the user can read."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "spec.json")


async def test_masking_is_on_by_default_on_disk_in_the_stream_in_records_and_in_the_download(site: Site) -> None:
    command = (
        "echo before; echo key=$MY_API_KEY; printf '%s' $MY_API_KEY >&2; echo $JUPYTER_LOGSTREAM_SECRET; echo after"
    )
    secret = site.services.secret
    workload_id = await site.run(command, env={"MY_API_KEY": KEY, "JUPYTER_LOGSTREAM_SECRET": secret})
    stream = await (await site.stream(f"v1/events?stream=workload/{workload_id}")).rest()
    simple = await (await site.stream(f"v1/workloads/{workload_id}/logs")).rest()
    records = (await site.request("GET", f"v1/workloads/{workload_id}/records")).json["records"]
    download = (await site.request("GET", f"v1/workloads/{workload_id}/log.txt?source=stdout")).body
    workload = await site.workload(workload_id)
    assert download == b"before\nkey=***\n***\nafter\n"
    assert sorted(r["message"] for r in records) == ["***", "***", "after", "before", "key=***"]
    assert (workload["masked"], workload["lines"], workload["bytes"]) == (3, 5, len(download) + 3)
    folder = site.services.store.folder(workload_id).path
    outputs = [bytes(stream.raw), bytes(simple.raw), json.dumps([records, workload]).encode(), on_disk(folder)]
    for value in KEY.encode(), secret.encode():
        assert not [place for place in outputs if value in place]


async def test_the_secret_variables_are_configurable(serve) -> None:
    site = await serve(secret_names=["MINE"])
    workload_id = await site.run("echo $MINE $MY_API_KEY", env={"MINE": "only-mine", "MY_API_KEY": KEY})
    assert (await site.request("GET", f"v1/workloads/{workload_id}/log.txt")).body == f"*** {KEY}\n".encode()


@pytest.mark.parametrize("tty", [True, False])
async def test_a_secret_written_in_pieces_is_masked_and_counted_while_it_runs(bench: Bench, tty: bool) -> None:
    code = (
        "import os, sys, time\n"
        "key = os.environ['A_TOKEN']\n"
        "for cut in range(1, len(key)):\n"
        "    for piece in '<' + key[:cut], key[cut:] + '>\\n':\n"
        "        os.write(1, piece.encode()); time.sleep(0.002)\n"
        "print(os.environ['PEM_SECRET'], flush=True)\n"
        "sys.stdin.read()\n"
    )
    job = await bench.start([PYTHON, "-c", code], tty=tty, stdin=True, env={"A_TOKEN": KEY, "PEM_SECRET": PEM})
    await eventually(lambda: bench.store.read(job.folder.id, 0, 0).tally().masked == len(KEY))
    await job.send(b"", eof=True)
    await job.end()
    assert job.bytes() == b"<***>\n" * (len(KEY) - 1) + b"***\n"
    _, summary = job.folder.read_status()
    assert summary["masked"] == len(KEY)


@pytest.mark.parametrize("end", ["", "; kill -9 $$", "; exec 1>&-; sleep 0.3", "; sleep 600 & exit 0"])
async def test_a_held_back_prefix_that_is_no_secret_is_written_at_the_end(bench: Bench, end: str) -> None:
    for tty in True, False:
        job = await bench.run(f"printf 'a {KEY[:9]}'{end}", tty=tty, env={"A_TOKEN": KEY})
        assert job.bytes() == f"a {KEY[:9]}".encode()
        assert job.lines("stdout") == [f"a {KEY[:9]}"]


async def test_a_full_disk_loses_and_doubles_nothing_that_was_held_back(tmp_path: Path) -> None:
    import resource  # noqa: PLC0415

    bench = Bench(tmp_path / "store")
    try:
        code = (
            "import os, sys\n"
            "key = os.environ['A_TOKEN']\n"
            "sys.stdin.readline()\n"
            "for i in range(4000): print(i, key, flush=True)\n"
            "os.write(1, key[:11].encode())\n"
        )
        job = await bench.start([PYTHON, "-c", code], tty=False, stdin=True, env={"A_TOKEN": KEY})
        await eventually(lambda: job.status.state == "running")
        before = resource.prlimit(job.runner, resource.RLIMIT_FSIZE)
        resource.prlimit(job.runner, resource.RLIMIT_FSIZE, (20_001, before[1]))
        await job.send(b"\n")
        await asyncio.sleep(1)
        assert job.status.state == "running"
        resource.prlimit(job.runner, resource.RLIMIT_FSIZE, before)
        assert (await job.end()).state == "succeeded"
        assert job.bytes() == b"".join(b"%d ***\n" % i for i in range(4000)) + KEY[:11].encode()
        assert bench.store.read(job.folder.id, 0, 0).tally().masked == 4000
    finally:
        bench.close()


async def test_without_secret_names_our_own_secret_is_still_masked(bench: Bench) -> None:
    bench.backend = LocalBackend("local", BackendContext(bench.store.folders, run=RunParameters(secret_names=())))
    env = {"A_TOKEN": KEY, "JUPYTER_LOGSTREAM_SECRET": "x" * 43}
    job = await bench.run("echo $A_TOKEN $JUPYTER_LOGSTREAM_SECRET", env=env)
    assert job.lines() == [f"{KEY} ***"]
