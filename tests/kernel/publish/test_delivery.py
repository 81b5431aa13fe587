"""Delivery under answers that a real server rarely gives: lost ones, refusals, logs that have become shorter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.scripted import answer, drop, serving

from jupyter_logstream.kernel.publish.delivery import Delivery, Outcome
from jupyter_logstream.kernel.publish.outbox import Outbox, spool_folder
from jupyter_logstream.kernel.publish.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

MADE = answer(201, {"id": "w1", "state": "running"})


def refuses(status: int, reason: str):
    return answer(status, {"message": f"it is {reason}", "reason": reason})


def last(seq: int):
    return answer(202, {"last": seq})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "server.json"
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SERVER", str(path))

    def publish(server) -> None:
        path.write_text(json.dumps({"url": server.url, "secret": "s3"}))

    return publish


@pytest.fixture
def spool(tmp_path):
    made = Spool.create(tmp_path / "spool", "k1", {"backend": "external", "name": "x", "key": "k1"})
    for i in range(4):
        made.append(b'{"message":"%d"}\n' % i)
    yield made
    made.remove()


def outcomes(delivery: Delivery) -> list[Outcome]:
    found = [delivery.attempt()]
    while found[-1] is Outcome.SENT:
        found.append(delivery.attempt())
    return found


def requests(server) -> list[tuple[str, str, bytes]]:
    return [(method, path.removeprefix("/base/logstream/v1/"), body) for method, path, _, body in server.requests]


LINES = b'{"message":"0"}\n{"message":"1"}\n{"message":"2"}\n{"message":"3"}\n'


def test_workload_is_created_with_the_spools_key_and_a_batch_names_the_end_of_the_log(place, spool):
    with serving(MADE, last(4), last(5)) as server:
        place(server)
        delivery = Delivery(spool)
        assert outcomes(delivery) == [Outcome.SENT, Outcome.EMPTY]
        spool.append(b"{}\n")
        assert outcomes(delivery) == [Outcome.SENT, Outcome.EMPTY]
        assert requests(server) == [
            ("POST", "workloads", {"backend": "external", "name": "x", "key": "k1"}),
            ("POST", "workloads/w1/logs?after=0", LINES),
            ("POST", "workloads/w1/logs?after=4", b"{}\n"),
        ]
        assert server.requests[1][2]["Content-Type"] == "application/x-ndjson"


def test_a_batch_whose_answer_was_lost_is_sent_again_from_the_same_place(place, spool):
    with serving(MADE, drop, last(4)) as server:
        place(server)
        delivery = Delivery(spool)
        assert delivery.attempt() is Outcome.AWAY
        assert outcomes(delivery) == [Outcome.SENT, Outcome.EMPTY]
        assert requests(server)[1] == requests(server)[2] == ("POST", "workloads/w1/logs?after=0", LINES)


@pytest.mark.parametrize("act", [drop, refuses(503, "no_room"), refuses(500, "internal"), refuses(403, "forbidden")])
def test_while_the_server_cannot_or_will_not_nothing_is_lost(act, place, spool, recwarn):
    with serving(MADE, act, act, last(4)) as server:
        place(server)
        delivery = Delivery(spool)
        assert [delivery.attempt(), delivery.attempt()] == [Outcome.AWAY] * 2
        assert outcomes(delivery) == [Outcome.SENT, Outcome.EMPTY]
    # Without ResourceWarning: it can come from an earlier test.
    messages = [str(warning.message) for warning in recwarn if warning.category is RuntimeWarning]
    assert len(messages) == ("rejected" in "".join(messages))


def test_refused_record_is_the_only_one_lost_and_is_reported(place, spool):
    bad = refuses(422, "invalid_field")
    with serving(MADE, bad, last(2), bad, bad, last(3)) as server:
        place(server)
        with pytest.warns(RuntimeWarning, match="rejected a record, which is skipped: it is invalid_field"):
            assert outcomes(Delivery(spool))[-1] is Outcome.EMPTY
        bodies = [body for _, path, body in requests(server) if "logs" in path]
    lines = LINES.splitlines(keepends=True)
    assert bodies == [LINES, b"".join(lines[:2]), b"".join(lines[2:]), lines[2], lines[3]]


def test_server_that_lost_records_receives_the_others_and_the_loss_is_reported(place, spool):
    shorter = answer(200, {"id": "w1", "lines": 7})
    spool.note("w1")
    spool.last = 9
    with serving(refuses(409, "ahead_of_end"), shorter, last(11)) as server:
        place(server)
        with pytest.warns(RuntimeWarning, match="it had 9 and now has 7"):
            assert outcomes(Delivery(spool)) == [Outcome.SENT, Outcome.SENT, Outcome.EMPTY]
        assert requests(server)[-1] == ("POST", "workloads/w1/logs?after=7", LINES)


@pytest.mark.parametrize("act", [refuses(409, "ended"), refuses(404, "unknown_workload"), refuses(409, "not_external")])
def test_workload_that_accepts_no_records_is_reported_once(act, place, spool):
    with serving(MADE, act) as server:
        place(server)
        with pytest.warns(RuntimeWarning, match=r"'x': the workload .* dropped") as warned:
            assert outcomes(Delivery(spool)) == [Outcome.OVER]
    assert len([one for one in warned if one.category is RuntimeWarning]) == 1  # others are of other tests' leftovers


@pytest.mark.filterwarnings("error")
def test_where_warnings_are_errors_sending_goes_on(place, spool):
    bad = refuses(422, "invalid_field")
    with serving(MADE, bad, bad, last(1), last(2)) as server:
        place(server)
        delivery = Delivery(spool)
        delivery._most = 1
        assert outcomes(delivery) == [Outcome.SENT] * 4 + [Outcome.EMPTY]


def test_workload_that_cannot_be_created_is_reported(place, spool):
    with serving(refuses(422, "invalid_field")) as server:
        place(server)
        with pytest.warns(RuntimeWarning, match="it is invalid_field"):
            assert outcomes(Delivery(spool)) == [Outcome.OVER]


def test_requesting_the_workload_creates_it_once(place):
    with serving(MADE, last(1)) as server:
        place(server)
        outbox = Outbox("x", {"a": "b"})
        assert [outbox.workload_id, outbox.workload_id] == ["w1", "w1"]
        outbox.end("succeeded")
        assert [path for _, path, _ in requests(server)] == ["workloads", "workloads/w1/logs?after=0"]
        assert server.requests[1][3] == b'{"state":"succeeded"}\n'
        assert server.requests[0][3]["tags"] == {"a": "b"}


def test_names_are_made_fit_and_tags_are_checked(place):
    with serving(MADE, last(1)) as server:
        place(server)
        outbox = Outbox("a\nb\x1b" + "x" * 300)
        assert outbox.workload_id == "w1"
        outbox.end("succeeded")
        assert server.requests[0][3]["name"] == "a b " + "x" * 196
    with pytest.raises(TypeError, match="tags must map strings to strings, not 'n': 1"):
        Outbox("x", {"n": 1})  # type: ignore[dict-item]


def test_where_the_servers_folder_is_not_ours_spools_lie_in_jupyters_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SERVER", str(tmp_path / "nowhere" / "server.json"))
    one = spool_folder()
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SERVER", "")
    monkeypatch.setenv("JUPYTER_LOGSTREAM_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SECRET", "s")
    two = spool_folder()
    assert one != two
    assert one.parent == two.parent == tmp_path / "data" / "logstream" / "spool"
