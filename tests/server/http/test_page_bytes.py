"""A page of long lines is bounded in bytes, and `next` leads through all of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from jupyter_logstream.store.queries.pages import MAX_PAGE_BYTES

if TYPE_CHECKING:
    from support.web import Site

LINES, CHARS = 200, 60_000
WRITE = f"for i in range({LINES}): print(str(i).ljust({CHARS}, 'x'))"


async def test_page_of_long_lines_ends_at_its_byte_bound_and_next_continues(site: Site) -> None:
    workload_id = await site.run([sys.executable, "-c", WRITE])
    for chosen in "", "&q=x", "&level=info&not=x", "&levels=unknown,info":
        after, seqs = 0, []
        while True:
            path = f"v1/workloads/{workload_id}/records?limit=5000&after={after}{chosen}"
            answer = await site.request("GET", path)
            assert (answer.status, len(answer.body) <= MAX_PAGE_BYTES + 64 * 1024) == (200, True), len(answer.body)
            seqs += [record["seq"] for record in answer.json["records"]]
            if answer.json["next"] is None:
                break
            assert answer.json["next"] == seqs[-1] > after
            after = answer.json["next"]
        assert seqs == ([] if "not" in chosen else list(range(1, LINES + 1))), chosen


async def test_page_with_an_offset_ends_at_its_byte_bound(site: Site) -> None:
    workload_id = await site.run([sys.executable, "-c", WRITE])
    page = await site.get(f"v1/workloads/{workload_id}/records?limit=5000&offset=50&q=x")
    seqs = [record["seq"] for record in page["records"]]
    assert (page["total"], seqs[0], page["next"]) == (LINES, 51, seqs[-1])
    assert 1 < len(seqs) <= MAX_PAGE_BYTES / CHARS
