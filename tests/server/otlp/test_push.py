"""Push to OpenTelemetry from a served extension: what a collector receives, through its failures and our restarts."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.collector import Collector  # noqa: TC002 - annotations of fixtures
from support.exported import attributes_of, value_of
from support.waiting import eventually

from jupyter_logstream.server.otlp import cursors, exporter
from jupyter_logstream.store.disk.writer import LogWriter

if TYPE_CHECKING:
    from support.web import Site

SECRET = "a-secret-key-of-the-collector"


@pytest.fixture
def push(serve: Any, collector: Collector, caplog: pytest.LogCaptureFixture) -> Any:
    """Serve the extension with the collector as its endpoint; its own log goes into `caplog`."""

    async def start(**options: Any) -> Site:
        headers = {"Authorization": f"Bearer {SECRET}"}
        site = await serve(otlp_endpoint=collector.endpoint, **{"otlp_headers": headers, **options})
        site.extension.log.addHandler(caplog.handler)
        return site

    return start


def refused(status: int) -> tuple[int, dict[str, str], Any]:
    return status, {}, {"code": 3, "message": f"refused, and here is your {SECRET}"}


async def test_records_arrive_with_resource_severity_and_header(push: Any, collector: Collector) -> None:
    site = await push(otlp_resource={"service.name": "training", "team": "a"})
    workload_id = await site.run(
        "printf '\\033[31mINFO one\\033[0m\\n'; echo ERROR two >&2", name="train", tags={"lr": "0.1"}
    )
    await collector.has(2)
    resource, first = next(pair for pair in collector.accepted if "one" in str(pair[1]))
    assert {name: resource[name] for name in ("service.name", "team", "logstream.workload.id", "logstream.tag.lr")} == {
        "service.name": "training",
        "team": "a",
        "logstream.workload.id": workload_id,
        "logstream.tag.lr": "0.1",
    }
    assert (resource["logstream.workload.name"], resource["logstream.backend"]) == ("train", "local")
    assert resource["host.name"]
    assert (value_of(first.body), first.severity_number) == ("INFO one", 9)
    assert sorted(record.severity_text for _, record in collector.accepted) == ["ERROR", "INFO"]
    request = collector.requests[0]
    assert request["Authorization"] == f"Bearer {SECRET}"
    assert (request["Content-Type"], request["Content-Encoding"]) == ("application/json", "gzip")


async def test_lines_of_a_running_workload_arrive_before_its_end(push: Any, collector: Collector) -> None:
    site = await push()
    workload_id = await site.start("echo first; read x; echo second", stdin=True)
    await collector.has(1)
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1")
    await collector.has(2)
    assert collector.seqs(workload_id) == [1, 2]


async def test_rows_of_the_request_log_arrive_once_when_their_call_has_ended(push: Any, collector: Collector) -> None:
    site = await push()
    row = {"provider": "openai", "model": "gpt-5", "operation": "chat", "input_tokens": 7}
    answer = await site.request("POST", "v1/requests", json=row)
    await site.run("echo after")
    await collector.has(1)
    assert not [uid for uid in collector.uids() if uid.startswith("request:")]  # it is still open
    ended = {"status": "completed", "cost_usd": 0.5, "output_tokens": 3, "duration_ms": 1500.0, "finish_reason": "stop"}
    await site.request("PATCH", f"v1/requests/{answer.json['id']}", json=ended)
    await collector.has(2)
    resource, record = collector.accepted[-1]
    found = attributes_of(record)
    assert record.event_name == "gen_ai.client.inference.operation.details"
    assert (found["gen_ai.operation.name"], found["gen_ai.provider.name"]) == ("chat", "openai")
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (7, 3)
    assert found["gen_ai.response.finish_reasons"] == ["stop"]
    assert (found["gen_ai.client.operation.duration"], found["logstream.cost.usd"]) == (1.5, 0.5)
    assert (resource["service.name"], value_of(record.body)) == ("jupyter-logstream", "chat gpt-5: completed")
    await site.request("DELETE", "v1/requests")
    await site.request("POST", "v1/requests", json={**row, "status": "error", "error": "timeout"})
    await collector.has(3)
    assert collector.accepted[-1][1].severity_text == "ERROR"
    assert len(set(collector.uids())) == 3


async def test_nothing_is_lost_or_doubled_while_the_collector_is_away(
    push: Any, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    site = await push()
    first = await site.run("seq 1 5")
    await collector.has(5)
    await collector.stop()
    second = await site.run("seq 1 2500")
    await eventually(lambda: "the collector is not available" in caplog.text)
    await collector.start()
    await collector.has(2505)
    assert collector.seqs(first) == [1, 2, 3, 4, 5]
    assert collector.seqs(second) == list(range(1, 2501))
    assert caplog.text.count("the collector is not available") == 1
    await eventually(lambda: "the collector answers again" in caplog.text)


async def test_retry_after_is_respected(push: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    original = exporter.Exporter._pause

    async def paused(self: Any, seconds: float) -> None:
        pauses.append(seconds)
        await original(self, min(seconds, 0.02))

    monkeypatch.setattr(exporter.Exporter, "_pause", paused)
    collector.answers = [(429, {"Retry-After": "17"}, {}), (503, {"Retry-After": "99999"}, {}), (502, {}, {})]
    site = await push()
    workload_id = await site.run("echo a")
    await collector.has(1)
    assert [pause for pause in pauses if pause > 1] == [17.0, 3600.0]
    assert collector.seqs(workload_id) == [1]


async def test_partial_success_is_reported_and_not_repeated(
    push: Any, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    answer = {"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": f"too old, {SECRET}"}}
    collector.answers = [(200, {}, answer)]
    site = await push()
    workload_id = await site.run("seq 1 3; sleep 0.1; echo 4")
    await collector.has(4)
    assert collector.seqs(workload_id) == [1, 2, 3, 4]
    await eventually(lambda: "rejected 2 of" in caplog.text)
    assert "too old, ***" in caplog.text
    assert SECRET not in caplog.text


async def test_refused_batch_is_dropped_with_its_count_and_others_follow(
    push: Any, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    site = await push()
    collector.answers = [refused(400)]
    await site.run("seq 1 3", tty=False)
    await eventually(lambda: "the collector refused" in caplog.text)
    dropped = collector.sizes[0]
    assert f"refused {dropped} records" in caplog.text
    workload_id = await site.run("echo next")
    await eventually(lambda: collector.seqs(workload_id) == [1])
    assert SECRET not in caplog.text


@pytest.mark.parametrize("status", [401, 404, 301])
async def test_wrong_configuration_keeps_the_records_and_is_reported_once(
    status: int, push: Any, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.answers = [refused(status)] * 8
    site = await push()
    workload_id = await site.run("seq 1 3")
    await collector.has(3)
    assert collector.seqs(workload_id) == [1, 2, 3]
    assert caplog.text.count("Check otlp_endpoint and otlp_headers") == 1
    assert SECRET not in caplog.text


async def test_batch_that_the_collector_fails_at_is_given_up_after_five_attempts(
    push: Any, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    site = await push()
    collector.answers = [refused(500)] * 5
    await site.run("echo poison")
    await eventually(lambda: "the collector refused 1 records" in caplog.text)
    workload_id = await site.run("echo next")
    await eventually(lambda: collector.seqs(workload_id) == [1])


async def test_too_large_batch_is_sent_in_parts(push: Any, collector: Collector) -> None:
    def small(found: list[Any]) -> tuple[int, Any]:
        return (413 if len(found) > 10 else 200), {}

    collector.answers = [(200, {}, small) for _ in range(1000)]
    site = await push()
    workload_id = await site.run("seq 1 60")
    await collector.has(60)
    assert collector.seqs(workload_id) == list(range(1, 61))


async def test_restarted_server_continues_where_it_was(push: Any, collector: Collector) -> None:
    site = await push()
    first = await site.run("seq 1 5")
    running = await site.start("echo one; while [ ! -e go ]; do sleep 0.05; done; echo two")
    await collector.has(6)
    await collector.stop()
    unsent = await site.run("seq 1 5")
    assert site.stop
    await site.stop()
    root = Path(site.app.root_dir)
    (root / "go").touch()
    await collector.start()
    site = await push(base_url="/")
    last = await site.run("echo new")
    await collector.has(13)
    assert len(set(collector.uids())) == len(collector.uids()) == 13
    assert [collector.seqs(w) for w in (first, running, unsent, last)] == [
        [1, 2, 3, 4, 5],
        [1, 2],
        [1, 2, 3, 4, 5],
        [1],
    ]


async def test_lost_position_sends_again_with_the_same_identifiers(push: Any, collector: Collector) -> None:
    site = await push()
    workload_id = await site.run("seq 1 3")
    await collector.has(3)
    folder = site.services.store.folder(workload_id).path
    assert site.stop
    await site.stop()
    assert json.loads((folder / cursors.FILE).read_bytes()) == {"sent": 3}
    (folder / cursors.FILE).write_text("damaged")
    await push()
    await collector.has(6)
    assert collector.uids()[3:] == collector.uids()[:3]


async def test_workloads_that_ended_before_the_first_push_are_not_sent(
    serve: Any, push: Any, collector: Collector
) -> None:
    site = await serve()
    await site.run("echo old")
    await site.request("POST", "v1/requests", json={"status": "completed", "model": "old"})
    running = await site.start("echo before; while [ ! -e go ]; do sleep 0.05; done; echo after")
    await site.wait_for_line(running, "before")
    assert site.stop
    await site.stop()
    site = await push()
    (Path(site.app.root_dir) / "go").touch()
    await collector.has(2)
    new = await site.run("echo new")
    await collector.has(3)
    assert (collector.seqs(running), collector.seqs(new), len(collector.accepted)) == ([1, 2], [1], 3)


async def test_lines_that_retention_removed_before_they_were_sent_are_a_gap(
    push: Any, collector: Collector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.segments import shrink  # noqa: PLC0415 - only here

    site = await push()
    await collector.stop()
    workload_id = await site.run("true")
    shrink(monkeypatch, 1000, 64)
    folder = site.services.store.folder(workload_id).path
    for path in [*folder.glob("*.000"), folder / "end"]:
        path.unlink(missing_ok=True)
    log = LogWriter(folder, keep=8000)
    log.write("stdout", b"".join(b"line %05d\n" % i for i in range(1, 1001)))
    log.close()
    site.services.store._readers.clear()
    await collector.start()
    await eventually(lambda: 1000 in collector.seqs(workload_id))
    first = collector.seqs(workload_id)[0]
    gap = next(record for _, record in collector.accepted if record.event_name == "logstream.gap")
    found = attributes_of(gap)
    assert (found["logstream.gap.from"], found["logstream.gap.to"]) == (1, first - 1)
    assert f"{first - 1} records were deleted by retention" in caplog.text


async def test_last_lines_are_sent_when_the_server_stops(
    push: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await push()
    await site.run("echo first")
    await collector.has(1)
    monkeypatch.setattr(exporter, "POLL_INTERVAL_S", 60.0)
    await asyncio.sleep(0.1)
    workload_id = await site.run("echo last")
    assert site.stop
    await site.stop()
    assert collector.seqs(workload_id) == [1]


async def test_secrets_of_programs_and_headers_are_masked(
    push: Any, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    site = await push()
    key = "sk-abcdefghijklmnopqrstuvwxyz0123456789"
    await site.run(f"echo {key}")
    answer = await site.request("POST", "v1/requests", json={"status": "error", "error": f"bad key {key}"})
    assert answer.status == 201
    await collector.has(2)
    assert key not in str(collector.accepted)
    assert SECRET not in str(collector.accepted) + caplog.text
