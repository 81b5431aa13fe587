"""Functions over HTTP: upload of a call, its use, download of a result, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.called import OCTETS, SCRIPT, run_call

if TYPE_CHECKING:
    from support.web import Site


@pytest.mark.parametrize(
    "body",
    [{"call": "f()"}, {"payload": "0" * 32}, {"call": "f()", "payload": "0" * 32}, {"call": "f()", "payload": "../x"}],
)
async def test_a_call_needs_its_payload_and_a_payload_its_call(site: Site, body: dict[str, str]) -> None:
    answer = await site.request("POST", "v1/workloads", json={"command": "true", **body})
    assert (answer.status, answer.json["reason"]) == (422, "invalid_field")
    assert "payload" in answer.json["message"]


async def test_an_uploaded_call_lies_in_the_folder_of_its_workload_and_its_process_gives_the_result(site: Site) -> None:
    ended = await site.workload(await run_call(site, b"the call"))
    assert ended["call"] == ended["name"] == "f(2)"
    assert ended["result"] == {"kind": "value", "type": "int", "repr": "4", "bytes": 80}
    result = await site.request("GET", f"v1/workloads/{ended['id']}/result")
    assert result.status == 200
    assert result.body.endswith(b"}\nthe call")
    assert result.headers["content-type"] == "application/octet-stream"
    assert result.headers["cache-control"] == "no-store"
    assert result.headers["x-content-type-options"] == "nosniff"


async def test_a_result_is_refused_while_the_workload_runs_and_where_there_is_none(site: Site) -> None:
    running = (await site.request("POST", "v1/workloads", json={"command": "sleep 100"})).json["id"]
    answer = await site.request("GET", f"v1/workloads/{running}/result")
    assert (answer.status, answer.json["reason"]) == (409, "still_running")
    await site.request("POST", f"v1/workloads/{running}/cancel")
    await site.state(running, "cancelled")
    answer = await site.request("GET", f"v1/workloads/{running}/result")
    assert (answer.status, answer.json["reason"]) == (404, "no_result")
    assert (await site.request("GET", "v1/workloads/unknown/result")).status == 404


async def test_only_a_kernel_gets_the_path_of_a_result(site: Site) -> None:
    answer = await site.request("GET", f"v1/workloads/{await run_call(site)}/result?local=1")
    assert answer.headers["content-type"] == "application/octet-stream"


async def test_a_payload_beyond_the_limit_is_refused_with_both_sizes(site: Site) -> None:
    limit = (await site.request("GET", "v1/info")).json["max_payload_bytes"]
    head = {**OCTETS, "Content-Length": str(limit + 1)}
    answer = await site.request("POST", "v1/payloads", body=b"", headers=head)
    assert (answer.status, answer.json["reason"]) == (413, "too_large")
    assert f"{limit + 1:,}" in answer.json["message"]
    assert f"{limit:,}" in answer.json["message"]


async def test_secrets_in_a_call_and_in_the_text_of_its_result_are_masked(site: Site) -> None:
    uploaded = await site.request("POST", "v1/payloads", b"x", OCTETS)
    spec = {
        "command": SCRIPT.replace('"repr": "4"', '"repr": "the-secret-value"'),
        "call": "f(key='the-secret-value')",
        "payload": uploaded.json["id"],
        "env": {"MY_API_KEY": "the-secret-value"},
    }
    created = await site.request("POST", "v1/workloads", json=spec)
    ended = await site.state(created.json["id"], "succeeded")
    assert "the-secret-value" not in str(ended)
    assert ended["result"]["type"] == "int"
