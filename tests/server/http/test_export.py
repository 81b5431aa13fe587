"""`GET v1/workloads/{id}/export`: files of a log, with filters, safe names and headers; clients that leave."""

from __future__ import annotations

import asyncio
import io
import json
import re
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.exported import attributes_of, parsed
from support.fixtures import serve, site
from support.waiting import eventually
from support.web import Site  # noqa: TC002 - an annotation of fixtures

from jupyter_logstream.server import search_pool
from jupyter_logstream.server.export import export as module
from jupyter_logstream.store.errors import BadIndex

__all__ = ["serve", "site"]

LONG = "seq -f 'line %.0f of a log that is long' 150000"
pytestmark = pytest.mark.timeout(240)


async def file_of(site: Site, workload_id: str, query: str) -> Any:
    answer = await site.request("GET", f"v1/workloads/{workload_id}/export?{query}")
    assert answer.status == 200, answer.body
    return answer


async def test_every_format_has_every_line(site: Site) -> None:
    workload_id = await site.run("printf '\\033[31mINFO one\\033[0m\\nERROR two\\n'; exit 3", name='train/1 "ü"')
    text = await file_of(site, workload_id, "format=txt")
    assert text.body == b"INFO one\nERROR two\n"
    table = pq.read_table(io.BytesIO((await file_of(site, workload_id, "format=parquet")).body))
    assert table["message"].to_pylist() == ["\x1b[31mINFO one\x1b[0m", "ERROR two"]
    lines = (await file_of(site, workload_id, "format=jsonl")).body.splitlines()
    assert [parsed(line).resource_logs[0].scope_logs[0].log_records[0].severity_number for line in lines] == [9, 17]
    assert attributes_of(parsed(lines[0]).resource_logs[0].resource)["logstream.workload.name"] == 'train/1 "ü"'
    page = await file_of(site, workload_id, "format=html")
    assert b'<span class="f1">INFO one</span>' in page.body
    assert b"Failed (exit code 3)" in page.body
    assert b"train/1 &quot;\xc3\xbc&quot;" in page.body


async def test_headers_make_every_file_a_harmless_attachment(site: Site) -> None:
    workload_id = await site.run("echo a", name='x"; filename=../../é')
    kinds = {"parquet": "application/vnd.apache.parquet", "jsonl": "application/jsonl; charset=utf-8"}
    kinds |= {"html": "text/html; charset=utf-8", "txt": "text/plain; charset=utf-8"}
    for name, media_type in kinds.items():
        headers = (await file_of(site, workload_id, f"format={name}")).headers
        assert headers["content-type"].lower() == media_type
        assert re.fullmatch(rf'attachment; filename="[\w.-]+-{workload_id}\.{name}"', headers["content-disposition"])
        assert "sandbox" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


async def test_filters_are_those_of_the_other_routes(site: Site) -> None:
    workload_id = await site.run("seq 1 50; echo ERROR 51 >&2")
    for query, expected in {
        "after=48": ["49", "50", "ERROR 51"],
        "tail=2": ["50", "ERROR 51"],
        "level=error": ["ERROR 51"],
        "levels=error": ["ERROR 51"],
        "source=stderr": ["ERROR 51"],
        "q=/^4[0-2]$/": ["40", "41", "42"],
        "not=1&after=45": ["46", "47", "48", "49", "50"],
    }.items():
        found = (await file_of(site, workload_id, f"format=txt&{query}")).body.decode().splitlines()
        assert sorted(found) == sorted(expected), query


async def test_wrong_requests_name_the_parameter(site: Site) -> None:
    workload_id = await site.run("echo a")
    for query, problem in {
        "": "format must be of parquet, jsonl, html, txt",
        "format=csv": "format must be of parquet, jsonl, html, txt, not csv",
        "format=txt&after=x": "after must be a whole number of 0 or more",
        "format=txt&level=loud": "level must be of",
        "format=txt&q=/(/": "q ",
        "format=txt&limit=3": "limit is not a parameter",
    }.items():
        answer = await site.request("GET", f"v1/workloads/{workload_id}/export?{query}")
        assert answer.status == 400
        assert problem in answer.json["message"]
    answer = await site.request("GET", "v1/workloads/nothing/export?format=txt")
    assert (answer.status, answer.json["reason"]) == (404, "unknown_workload")


async def test_missing_pyarrow_names_what_to_install(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workload_id = await site.run("echo a")
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    answer = await site.request("GET", f"v1/workloads/{workload_id}/export?format=parquet")
    assert (answer.status, answer.json["reason"]) == (422, "format_unavailable")
    assert "pip install 'jupyter-logstream[parquet]'" in answer.json["message"]


async def test_running_workload_is_exported_up_to_now(site: Site) -> None:
    workload_id = await site.start("echo first; read x; echo second", stdin=True)
    await site.wait_for_line(workload_id, "first")
    assert (await file_of(site, workload_id, "format=txt")).body == b"first\n"
    assert b"<dd>Running</dd>" in (await file_of(site, workload_id, "format=html")).body
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1")


async def test_secrets_are_masked_in_every_format(site: Site) -> None:
    secret = "sk-abcdefghijklmnopqrstuvwxyz0123456789"
    workload_id = await site.run("echo key $MY_TOKEN", env={"MY_TOKEN": secret}, name=f"with {secret}")
    for name in "parquet", "jsonl", "html", "txt":
        body = (await file_of(site, workload_id, f"format={name}")).body
        assert secret.encode() not in body
        if name == "parquet":
            assert secret not in json.dumps(pq.read_table(io.BytesIO(body)).drop_columns(["ts"]).to_pylist())


async def test_long_log_is_streamed_while_the_server_answers_others(site: Site) -> None:
    workload_id = await site.run(LONG, tty=False)
    stream = await site.stream(f"v1/workloads/{workload_id}/export?format=jsonl")
    await stream.until(lambda s: s.raw)
    for _ in range(3):
        assert (await site.request("GET", "v1/info")).status == 200
    assert not stream.ended  # the server waits for this reader
    await stream.rest()
    assert stream.whole
    assert stream.raw.count(b"\n") == 150_000


async def test_client_that_leaves_ends_the_work(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workload_id = await site.run(LONG, tty=False)
    pieces: list[int] = []
    original = module.TextFormat.records

    def counted(self: Any, records: Any) -> bytes:
        pieces.append(len(records))
        return original(self, records)

    monkeypatch.setattr(module.TextFormat, "records", counted)
    stream = await site.stream(f"v1/workloads/{workload_id}/export?format=txt")
    await stream.until(lambda s: s.raw)
    stream.close()
    pool = site.services.search_pool
    await eventually(lambda: not pool._exports)
    before = len(pieces)
    await asyncio.sleep(0.3)
    assert len(pieces) == before < 150


async def test_failure_in_the_middle_does_not_look_like_the_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workload_id = await site.run("seq 5000")
    original = module.TextFormat.records

    def failing(self: Any, records: Any) -> bytes:
        if records[-1].seq > 3000:
            raise BadIndex("damaged")
        return original(self, records)

    monkeypatch.setattr(module.TextFormat, "records", failing)
    stream = await site.stream(f"v1/workloads/{workload_id}/export?format=txt")
    await stream.rest()
    assert stream.raw.startswith(b"1\n2\n")
    assert not stream.whole
    answer = await site.request("GET", f"v1/workloads/{workload_id}/export?format=txt&after=3000")
    assert (answer.status, answer.json["reason"]) == (503, "log_damaged")


async def test_exports_beyond_the_maximum_are_refused_until_one_ends(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_pool, "MAX_EXPORTS", 1)
    workload_id = await site.run(LONG, tty=False)
    path = f"v1/workloads/{workload_id}/export?format=jsonl"
    stream = await site.stream(path)
    answer = await site.request("GET", path)
    assert (answer.status, answer.json["reason"], "retry-after" in answer.headers) == (429, "too_many_exports", True)
    stream.close()

    async def accepted() -> bool:
        return (await site.request("GET", f"{path}&tail=1")).status == 200

    await eventually(accepted)


async def test_cursor_beyond_the_end_selects_nothing(site: Site) -> None:
    workload_id = await site.run("echo a")
    answer = await file_of(site, workload_id, "format=txt&after=7")
    assert answer.body == b""
