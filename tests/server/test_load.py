"""Streams under load: many workloads, disconnects and readers lose and repeat nothing."""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.tcp_proxy import proxied
from support.waiting import eventually

from jupyter_logstream.kernel import reader
from jupyter_logstream.kernel.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.tcp_proxy import TcpProxy
    from support.web import Site

pytestmark = pytest.mark.slow

PACED = """
import sys, time
name, count, rate, begin = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), time.time()
for i in range(1, count + 1):
    time.sleep(max(0, begin + i / rate - time.time()))
    print(name, i, flush=True)
"""


async def test_twenty_workloads_of_200_lines_a_second_arrive_complete_and_in_order(site: Site) -> None:
    names = [f"load-{n}" for n in range(20)]
    ids = await asyncio.gather(*(site.start([sys.executable, "-c", PACED, name, "1000", "200"]) for name in names))
    stream = await site.stream("v1/events", "POST", json={"streams": [{"stream": f"workload/{id_}"} for id_ in ids]})
    info = await site.get("v1/info")
    assert (info["connections"], info["open_streams"]) == (1, 20)
    await stream.rest()
    for name, id_ in zip(names, ids, strict=True):
        found = [(record["seq"], record["message"]) for record in stream.records(f"workload/{id_}")]
        assert found == [(i, f"{name} {i}") for i in range(1, 1001)]
        assert len(stream.data("done", f"workload/{id_}")) == 1
    frames = len(stream.data("logs"))
    assert 20 * 10 < frames < 20 * 1000  # live, but batched


@contextmanager
def kernel_behind_proxy(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[TcpProxy]:
    """The kernel's client in this process talks to the server through a proxy, and comes back quickly."""
    monkeypatch.setattr(reader, "BACKOFF_S", (0.01,))
    with proxied(site.port) as proxy:
        monkeypatch.delenv("JUPYTER_LOGSTREAM_SERVER")
        monkeypatch.setenv("JUPYTER_LOGSTREAM_URL", f"http://127.0.0.1:{proxy.port}{site.base_url}")
        yield proxy


async def test_short_lived_connections_reach_the_end_of_a_long_log(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workload_id = await site.run("seq -f 'a line of about fifty bytes with its number %g' 1 10000", tty=False)
    with kernel_behind_proxy(site, monkeypatch) as proxy:
        proxy.cut_streams_after([30_000] * 1000)
        assert await asyncio.to_thread(lambda: [r.seq for r in Reader(workload_id)]) == list(range(1, 10_001))
        # Every connection made progress; with frames that outlast a connection, none would.
        assert 30 < proxy.cuts < 300


async def test_hundred_disconnects_during_100000_lines_lose_repeat_and_reorder_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's client behind a proxy that disconnects anywhere: in frames and chunk headers, by FIN and RST."""
    choose = random.Random(4)
    with kernel_behind_proxy(site, monkeypatch) as proxy:
        program = "import time\nfor i in range(1, 100001): print('line', i); time.sleep(0.05 if i % 1000 == 0 else 0)"
        workload_id = await site.start([sys.executable, "-c", program])
        proxy.cut_streams_after(choose.randrange(1000, 180_000) for _ in range(100))
        found = await asyncio.to_thread(lambda: [(r.seq, r.message) for r in Reader(workload_id)])
        assert found == [(i, f"line {i}") for i in range(1, 100_001)]
        assert proxy.cuts == 100
    await eventually(lambda: not site.services.engine._catalogue._wakes)
