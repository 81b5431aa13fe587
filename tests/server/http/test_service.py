"""The Jupyter server's own log as a stream: permissions, records, masked secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING, Any

from jupyter_server.auth import Authorizer
from support.fixtures import TOKEN

from jupyter_logstream.server.service_log import MAX_RECORDS

if TYPE_CHECKING:
    from support.web import Site, Stream

SERVICE = "v1/logs/stream?scope=service"


def messages(stream: Stream) -> list[str]:
    return [r["message"] for r in stream.records()]


async def test_server_log_is_a_stream_of_records(site: Site) -> None:
    stream = await site.stream(f"{SERVICE}&level=info")
    site.app.log.warning("disk at %d %%", 91)
    logging.getLogger("some.library").error("it failed")
    await stream.until(lambda s: any("it failed" in m for m in messages(s)))
    by_text = {r["message"]: r for r in stream.records()}
    record = by_text["disk at 91 %"]
    assert (record["level"], record["source"], record["fields"]) == ("warn", "log", {"logger": "ServerApp"})
    assert by_text["it failed"]["fields"] == {"logger": "some.library"}
    assert {frame["job_id"] for frame in stream.data("logs")} == {None}
    assert not stream.data("status")
    seqs = [r["seq"] for r in stream.records()]
    assert seqs == sorted(set(seqs))


async def test_reader_of_the_server_log_resumes_at_its_cursor(site: Site) -> None:
    for i in range(20):
        site.app.log.warning("line %d", i)
    first = await site.stream(f"{SERVICE}&limit=5&q=/^line/")
    await first.until(lambda s: len(s.records()) >= 5)
    assert messages(first) == [f"line {i}" for i in range(15, 20)]
    epoch, _, seq = first.events[-1].id.partition(".")
    assert epoch
    assert int(seq) >= first.records()[-1]["seq"]
    first.close()
    site.app.log.warning("line 20")
    for start in {"headers": {"Last-Event-ID": first.events[-1].id}}, {}:
        query = "" if start else f"&after={first.events[-1].id}"
        again = await site.stream(f"{SERVICE}&q=/^line/{query}", **start)
        await again.until(lambda s: s.records())
        assert messages(again) == ["line 20"]


async def test_cursor_of_another_epoch_is_reset(site: Site) -> None:
    site.app.log.warning("here")
    for stale in "0badcafe.3", "nonsense", "17":
        stream = await site.stream(SERVICE, headers={"Last-Event-ID": stale})
        assert (await stream.event("reset"))["reason"] == "unknown_cursor"
        await stream.until(lambda s: any("here" in m for m in messages(s)))


async def test_only_the_newest_records_are_retained_and_a_gap_reports_the_others(site: Site) -> None:
    logger = logging.getLogger("flood")
    stream = await site.stream(SERVICE)
    await stream.until(lambda s: s.events)
    log = site.services.service_log
    for i in range(2 * MAX_RECORDS):
        logger.error("%d", i)
    assert log.store.read(log.stream, 0, 0).first > MAX_RECORDS / 2
    late = await site.stream(f"{SERVICE}&after={log.epoch}.1")
    gap = await late.event("gap")
    await late.until(lambda s: str(2 * MAX_RECORDS - 1) in messages(s))
    assert (gap["from"], gap["to"] + 1) == (2, late.records()[0]["seq"])
    seqs = [r["seq"] for r in late.records()]
    assert seqs == list(range(seqs[0], seqs[-1] + 1))


async def test_server_log_stream_contains_no_secret(serve: Any) -> None:
    os.environ["SOME_API_KEY"] = "sk-live-0123456789"
    site = await serve()
    secrets = [site.services.secret, TOKEN, os.environ["SOME_API_KEY"], "hunter2-of-another", "abcdef0123456789"]
    log = site.app.log
    log.warning("kernel %s token %s key %s", *secrets[:3])
    log.warning("GET /lab?token=%s&x=1 HTTP", secrets[3])
    log.error("Authorization: Bearer %s", secrets[4])
    log.error("it failed with _xsrf=%s", secrets[3], exc_info=RuntimeError(secrets[2]))
    stream = await site.stream(SERVICE)
    await stream.until(lambda s: any("it failed" in m for m in messages(s)))
    assert any("RuntimeError: ***" in m for m in messages(stream))
    assert not [secret for secret in secrets if secret.encode() in bytes(stream.raw)]


async def test_server_log_shares_a_connection_with_workloads(site: Site) -> None:
    workload_id = await site.start("echo a; sleep 30")
    streams = [{"stream": "service", "tail": 0, "level": "warn"}, {"stream": f"workload/{workload_id}"}]
    stream = await site.stream("v1/events", "POST", json={"streams": streams})
    await stream.until(lambda s: s.records(f"workload/{workload_id}"))
    site.app.log.info("quiet")
    site.app.log.warning("loud")
    await stream.until(lambda s: s.records("service"))
    assert [r["message"] for r in stream.records("service")] == ["loud"]
    await site.request("POST", f"v1/workloads/{workload_id}/cancel")
    await stream.event("done")
    site.app.log.warning("after the end")  # an endless stream keeps it open
    await stream.until(lambda s: len(s.records("service")) == 2)
    ping = await stream.event("ping")
    assert ping["cursors"]["service"].startswith(site.services.service_log.epoch)


async def test_configured_log_level_applies_to_the_stream(serve: Any) -> None:
    site = await serve({"Application": {"log_level": "INFO"}})
    site.app.log.debug("chatter")
    site.app.log.info("hello")
    stream = await site.stream(SERVICE)
    await stream.until(lambda s: "hello" in messages(s))
    assert "chatter" not in messages(stream)


async def test_records_of_other_threads_stay_in_order(site: Site) -> None:
    logger = logging.getLogger("threads")
    await asyncio.gather(
        *(asyncio.to_thread(lambda n=n: [logger.error("%d:%d", n, i) for i in range(50)]) for n in range(4))
    )
    stream = await site.stream(f"{SERVICE}&limit=500&q=/^[0-3]:/")
    await stream.until(lambda s: len(s.records()) >= 200)
    for n in range(4):
        assert [m for m in messages(stream) if m.startswith(f"{n}:")] == [f"{n}:{i}" for i in range(50)]


async def test_log_record_with_wrong_arguments_is_skipped(site: Site, monkeypatch: Any) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)  # as pytest's own handler sees it too
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%d things", ("no number",), None)
    site.services.service_log.handle(record)
    site.app.log.warning("next")
    stream = await site.stream(SERVICE)
    await stream.until(lambda s: "next" in messages(s))


async def test_what_is_wrong_is_refused(site: Site) -> None:
    for query in "&limit=0", "&limit=501", "&job_id=x", "&after=3", "&after=x.y", "&level=loud", "&foo=1", "&tail=501":
        assert (await site.request("GET", SERVICE + query)).status == 400, query
    assert (await site.request("GET", "v1/logs/stream?scope=all")).status == 400


class NoService(Authorizer):
    """Allows everything but the server's own log."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:  # noqa: ARG002
        return resource != "logstream:service"


async def test_permission_for_logs_does_not_include_the_server_log(serve: Any) -> None:
    site = await serve(
        {"ServerApp": {"authorizer_class": NoService, "jpserver_extensions": {"jupyter_logstream": True}}}
    )
    workload_id = await site.run("echo a")
    assert (await site.request("GET", SERVICE)).status == 403
    both = {"streams": [{"stream": "service"}, {"stream": f"workload/{workload_id}"}]}
    refused = await site.request("POST", "v1/events", json=both)
    assert refused.status == 403
    assert "service" in json.loads(refused.body)["message"]
    assert (await site.request("GET", f"v1/events?stream=workload/{workload_id}")).status == 200


async def test_log_handler_is_removed_at_shutdown(serve: Any) -> None:
    site = await serve()
    logger, log = site.app.log, site.services.service_log
    assert log in logger.handlers
    await site.stop()
    assert log not in logger.handlers + logging.getLogger().handlers
