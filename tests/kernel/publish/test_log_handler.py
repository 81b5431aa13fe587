"""LogHandler against real servers: every record once and in order, after any kill; the caller never waits."""

from __future__ import annotations

import json
import logging
import logging.config
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.published import PLACE, messages, named, place_of, spools, until
from support.serving import Server, jupyter

from jupyter_logstream import LogHandler, step
from jupyter_logstream.kernel.errors import NoServer
from jupyter_logstream.kernel.publish import spool as spool_module
from jupyter_logstream.kernel.publish.outbox import BATCH_INTERVAL_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("server"), base_url="/user/x%40y/") as server:
        yield server


@pytest.fixture(scope="module")
def place(server: Server) -> Path:
    return place_of(server)


@pytest.fixture
def logger(place, monkeypatch) -> logging.Logger:
    monkeypatch.setenv(PLACE, str(place))
    return logging.Logger("app")  # noqa: LOG001 - one for each test


@pytest.fixture
def handler(logger, request) -> Iterator[LogHandler]:
    made = LogHandler(request.node.name)
    logger.addHandler(made)
    yield made
    made.close()


@pytest.fixture
def own_server(tmp_path) -> Iterator[Server]:
    """One to be killed."""
    with jupyter(tmp_path) as server:
        yield server


def test_level_time_text_and_place_of_a_record_are_kept(logger, handler):
    before = time.time() * 1000
    for level in (5, 10, 15, 20, 25, 30, 40, 50, 60):
        logger.log(level, "at %d", level)
    handler.close()
    found = handler.workload.logs()
    assert [record.message for record in found] == [f"at {n}" for n in (5, 10, 15, 20, 25, 30, 40, 50, 60)]
    assert [record.level for record in found] == (
        ["trace", "debug", "debug", "info", "info", "warn", "error", "fatal", "fatal"]
    )
    assert all(before - 1 <= record.ts <= time.time() * 1000 and record.source == "log" for record in found)
    assert found[0].fields["logger"] == "app"
    assert found[0].fields["file"].rpartition(":")[0] == __file__


def test_a_traceback_is_part_of_its_record(logger, handler):
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logger.exception("it went wrong")
    handler.flush()
    (record,) = handler.workload.logs()
    assert record.message.startswith("it went wrong\nTraceback (most recent call last):\n")
    assert record.message.endswith("ZeroDivisionError: division by zero")
    assert record.level == "error"


def test_a_formatter_of_the_users_is_respected(logger, handler):
    handler.setFormatter(logging.Formatter("<%(levelname)s> %(message)s"))
    logger.info("x")
    handler.flush()
    assert [record.message for record in handler.workload.logs()] == ["<INFO> x"]


class Odd:
    def __repr__(self) -> str:
        return "<odd>"


def test_extras_become_fields_whatever_they_are(logger, handler):
    recursive: list = []
    recursive.append(recursive)
    extra = {
        "number": 3, "none": None, "nan": float("nan"), "big": 1 << 80, "nested": {"a": [1, (2,)], 5: {1 }},
        "odd": Odd(), "recursive": recursive, "long": "x" * 100_000, "many": list(range(100_000)), "half": "\ud800",
        "huge": 10**5000, "huge inside": {10**5000: {-(10**5000)}}}  # fmt: skip
    logger.info("x", extra=extra)
    handler.flush()
    fields = handler.workload.logs()[0].fields
    assert (fields["number"], fields["none"], fields["nan"], fields["odd"]) == (3, None, "nan", "<odd>")
    assert fields["big"] == str(1 << 80)
    assert "-0x" in str(fields["huge inside"])
    assert fields["nested"] == {"a": [1, [2]], "5": "{1}"}
    assert "[...]" in json.dumps(fields["recursive"])
    assert len(fields["long"]) < 2100
    assert fields["many"][:3] == [0, 1, 2]
    assert len(json.dumps(fields)) < 40_000


def test_record_that_cannot_be_formatted_is_reported_and_no_other_is_lost(logger, handler, capsys):
    class Broken:
        def __repr__(self) -> str:
            raise OSError("no")

    logger.info("%d", "not a number")
    logger.info("x", extra={"broken": Broken()})
    logger.info("after")
    handler.flush()
    assert [record.message for record in handler.workload.logs()] == ["%d ('not a number',)", "after"]
    assert capsys.readouterr().err.count("--- Logging error ---") == 1


def test_text_that_is_no_utf8_and_texts_that_are_very_long_arrive(logger, handler):
    logger.info("half \ud800 of a pair")
    logger.info("y" * 300_000)
    handler.flush()
    found = handler.workload.logs()
    assert "half" in found[0].message
    assert found[0].message.endswith("of a pair")
    whole = "".join(record.message for record in found[1:])
    assert whole.startswith("y" * (1 << 18))
    assert whole.endswith(f"... ({300_000 - (1 << 18)} more characters)")


def test_its_own_calls_are_not_logged_by_it(handler):
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(1)
    try:
        for name in ("httpx", "httpcore", "asyncio"):
            logging.getLogger(name).setLevel(1)
        logging.getLogger("httpx").info("of the user's own call")
        for _ in range(5):
            logging.getLogger("user").info("x")
            handler.flush()
        time.sleep(0.5)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for name in ("httpx", "httpcore", "asyncio"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    handler.flush()
    assert [record.message for record in handler.workload.logs()] == ["of the user's own call", *["x"] * 5]


def test_logging_while_a_record_is_formatted_does_not_hang(logger, handler):
    class Chatty:
        def __str__(self) -> str:
            logger.info("from inside")
            return "chatty"

    logger.info("%s", Chatty())
    handler.flush()
    assert [record.message for record in handler.workload.logs()] == ["from inside", "chatty"]


def test_ten_thousand_records_of_eight_threads_arrive_once_and_in_order(logger, handler, server, request):
    def work(thread: int) -> None:
        for i in range(1250):
            logger.info("%d:%d", thread, i)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()
    found = messages(server, request.node.name)
    for n in range(8):
        assert [m for m in found if m.startswith(f"{n}:")] == [f"{n}:{i}" for i in range(1250)]
    assert len(found) == 10_000


def test_a_lone_record_is_sent_unasked_and_many_in_few_batches(logger, handler):
    handler.workload  # noqa: B018 - made now
    logger.info("lone")
    until(lambda: handler.workload.lines == 1)
    sent = []
    acknowledge = handler._outbox._spool.acknowledge
    handler._outbox._spool.acknowledge = lambda *args: (sent.append(args), acknowledge(*args))
    began = time.monotonic()
    for i in range(300):
        logger.info("%d", i)
        time.sleep(0.001)
    handler.flush()
    assert len(sent) < min(5 + (time.monotonic() - began) * 2 / BATCH_INTERVAL_S, 200)
    assert handler.workload.lines == 301


def test_secrets_of_the_environment_reach_neither_disk_nor_server(logger, handler, place, monkeypatch):
    secret = json.loads(place.read_text())["secret"]
    monkeypatch.setenv("MY_TOKEN", "geheim-geheim")
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SECRET", secret)
    time.sleep(1.1)  # how long a new one may go unnoticed
    spool, spooled = handler._outbox._spool, []
    append = spool.append
    monkeypatch.setattr(spool, "append", lambda line, **how: spooled.append(line) or append(line, **how))
    logger.info("with geheim-geheim", extra={"nested": {"geheim-geheim": ["x geheim-geheim"]}})
    logger.info("Bearer %s", secret)
    handler.flush()
    first, second = handler.workload.logs()
    assert (first.message, first.fields["nested"]) == ("with ***", {"***": ["x ***"]})
    assert second.message == "Bearer ***"
    assert b"geheim" not in b"".join(spooled)
    assert secret.encode() not in b"".join(spooled)


def test_record_has_the_step_of_its_caller(logger, handler):
    logger.info("before")
    with step("load"):
        logger.info("in load")
        with step("inner"):
            logger.info("in inner")
        logger.info("in load again")
    logger.info("after")
    handler.flush()
    assert [record.step for record in handler.workload.logs()] == [None, "load", "inner", "load", None]


@pytest.mark.parametrize(
    ("error", "state"), [(None, "succeeded"), (ValueError, "failed"), (KeyboardInterrupt, "cancelled")]
)
def test_a_with_block_ends_the_workload_as_it_ended_itself(error, state, logger, request):
    try:
        with LogHandler(request.node.name, tags={"kind": "test"}) as handler:
            logger.addHandler(handler)
            logger.info("x")
            assert handler.workload.state == "running"
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    info = handler.workload.info
    assert (info["state"], info["tags"], info["backend"]) == (state, {"kind": "test"}, "external")
    logger.info("late")
    handler.close()
    assert handler.workload.lines == 1


def test_unused_handler_creates_no_workload(logger, place, server, request):
    before = server.get("info")["workloads"]
    LogHandler(request.node.name).close()
    assert server.get("info")["workloads"] == before
    assert [spool for spool in spools(place) if request.node.name in spool.read_text()] == []


def test_garbage_collected_handler_ends_its_workload(logger, server, request):
    handler = LogHandler(request.node.name)
    logger.addHandler(handler)
    logger.info("x")
    logger.removeHandler(handler)
    del handler
    until(lambda: named(server, request.node.name)["state"] == "succeeded")


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_after_its_workload_was_ended_from_outside_logging_goes_on_unharmed(
    how, logger, handler, server, request, recwarn
):
    logger.info("x")
    handler.flush()
    workload = handler.workload.cancel()
    if how == "delete":
        assert server.http.delete(f"{server.url}logstream/v1/workloads/{workload.id}").status_code == 204
    logger.info("into the void")
    until(lambda: handler._outbox._spool.is_released)
    logger.info("further")
    handler.close()
    warnings = [str(warning.message) for warning in recwarn if "dropped" in str(warning.message)]
    assert len(warnings) == 1
    assert request.node.name in warnings[0]
    if how == "cancel":
        assert (workload.state, workload.lines) == ("cancelled", 1)


def test_it_can_be_configured_by_a_dictionary(logger, server, request):
    handler = {"class": "jupyter_logstream.LogHandler", "level": "WARNING", "name": request.node.name}
    config = {"handlers": {"server": handler}, "loggers": {"configured": {"handlers": ["server"]}}}
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **config})
    configured = logging.getLogger("configured")
    configured.info("no")
    configured.warning("yes")
    (made,) = configured.handlers
    configured.removeHandler(made)
    made.close()
    assert messages(server, request.node.name) == ["yes"]


def test_missing_server_is_reported(monkeypatch):
    for name in ("SERVER", "URL", "SECRET"):
        monkeypatch.delenv(f"JUPYTER_LOGSTREAM_{name}", raising=False)
    with pytest.raises(NoServer, match="jupyter server extension list"):
        LogHandler()


def test_records_beyond_the_capacity_are_counted_in_a_record(logger, monkeypatch, server, request, place):
    away = json.loads(place.read_text())
    own = place.with_name("away.json")
    own.write_text(json.dumps({**away, "url": "http://127.0.0.1:9/"}))
    monkeypatch.setenv(PLACE, str(own))
    monkeypatch.setattr(spool_module, "MAX_SPOOL_BYTES", 4 << 20)
    with LogHandler(request.node.name) as handler:
        logger.addHandler(handler)
        for i in range(10_000):
            logger.info("%d", i, extra={"room": "x" * 800})
        own.write_text(json.dumps(away))
        until(lambda: handler._outbox.flush() and handler._outbox._spool.unsent == 0)
        logger.info("after")
    found = messages(server, request.node.name)
    own.unlink()
    kept = [int(message) for message in found[:-2]]
    assert kept == list(range(len(kept)))
    assert 1000 < len(kept) < 9000
    assert found[-2] == f"{10_000 - len(kept)} records are missing here: the server was away, and the spool was full"
    assert found[-1] == "after"


TIMED = """
import logging, time
def timed(handler, n=3000):
    log = logging.Logger("timed")
    log.addHandler(handler)
    took = []
    for i in range(n):
        began = time.perf_counter()
        log.info("epoch %d loss=%.3f", i, i / 7)
        took.append(time.perf_counter() - began)
    return sorted(took)[n * 99 // 100]
"""


@pytest.mark.alone
def test_in_a_kernel_it_keeps_the_caller_a_small_part_of_the_time_that_printing_does(server):
    with server.kernel() as kernel:
        kernel.run(TIMED + "from jupyter_logstream import LogHandler\nhandler = LogHandler('timed')")
        kernel.run("rounds = [(timed(handler), timed(logging.StreamHandler())) for _ in range(3)]")
        logged, printed = (min(took) for took in zip(*kernel.json("rounds"), strict=True))
        assert logged / printed < 0.5  # about 0.1 where nothing else runs


def test_the_caller_does_not_wait_for_a_server_that_hangs(own_server, monkeypatch):
    monkeypatch.setenv(PLACE, str(place_of(own_server)))
    own_server.process.send_signal(signal.SIGSTOP)
    logger, handler = logging.Logger("app"), LogHandler("hangs")  # noqa: LOG001 - of this test alone
    logger.addHandler(handler)
    slowest = 0.0
    for i in range(5000):
        began = time.perf_counter()
        logger.info("%d", i)
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 2  # a call that waited would take until a timeout of seconds
    own_server.process.send_signal(signal.SIGCONT)
    until(handler._outbox.flush, 60)
    handler.close()
    assert [record.message for record in handler.workload.logs()] == [str(i) for i in range(5000)]


def test_handler_of_a_logger_and_its_parent_publishes_once(logger, server, request):
    parent = logging.getLogger(request.node.name)
    parent.setLevel(logging.INFO)
    child = parent.getChild("child")
    with LogHandler(request.node.name) as handler:
        parent.addHandler(handler)
        child.addHandler(handler)
        for _ in range(3):
            child.info("same")
    assert messages(server, request.node.name) == ["same"] * 3


def test_call_whose_arguments_do_not_fit_is_a_record_with_its_raw_text(logger, server, request, capsys):
    with LogHandler(request.node.name) as handler:
        logger.addHandler(handler)
        logger.info("100% of %s", "it")  # noqa: PLE1206
        logger.info("bad %d", "arg")
        logger.info("few %s %s", "one")  # noqa: PLE1206
        logger.info("many", 1, 2)  # noqa: PLE1205
        logger.info("key %(no)s", {"a": 1})
        logger.info("fine %s", 1)
    raw = ["100% of %s ('it',)", "bad %d ('arg',)", "few %s %s ('one',)", "many (1, 2)", "key %(no)s {'a': 1}"]
    assert messages(server, request.node.name) == [*raw, "fine 1"]
    assert "Logging error" not in capsys.readouterr().err
