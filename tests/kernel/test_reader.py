"""Reading a workload's stream from a kernel: by cursor, through cuts, to the end."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time

import pytest
from support.scripted import answer, drop, events, serving

from jupyter_logstream.kernel import reader
from jupyter_logstream.kernel.client import Workload
from jupyter_logstream.kernel.errors import LogStreamError, NoServer, NotFound
from jupyter_logstream.kernel.reader import Reader

FINAL = {"id": "w", "state": "succeeded", "exit_code": 0, "command": "x"}


def logs(*seqs: int, stream: str = "workload/w") -> tuple[str, dict]:
    records = [{"seq": seq, "ts": 1.0, "level": "info", "message": f"line {seq}"} for seq in seqs]
    return "logs", {"stream": stream, "cursor": seqs[-1], "job_id": "w", "logs": records, "meta": {}}


def done(last: int) -> tuple[str, dict]:
    return "done", {"stream": "workload/w", "cursor": last, **FINAL}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BACKOFF_S", (0.01,))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Publish the server's address in a file, as a server does."""
    path = tmp_path / "server.json"
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SERVER", str(path))

    def publish(server) -> None:
        path.write_text(json.dumps({"url": server.url, "secret": "s3"}))

    return publish


def requested_streams(server) -> list[dict]:
    return [body["streams"][0] for _, _, _, body in server.requests]


def test_reads_from_the_beginning_to_done(place):
    with serving(events(logs(1, 2), ("status", {"stream": "workload/w", "job": {}}), logs(3), done(3))) as server:
        place(server)
        assert [record.seq for record in Reader("w")] == [1, 2, 3]
        method, path, headers, body = server.requests[0]
    assert (method, path) == ("POST", "/base/logstream/v1/events")
    assert headers["Authorization"] == "Bearer s3"
    assert body == {"streams": [{"stream": "workload/w", "after": 0}]}


def test_a_cut_stream_goes_on_after_the_last_record(place):
    with serving(events(logs(1, 2)), drop, events(logs(3)), events(done(3))) as server:
        place(server)
        assert [record.seq for record in Reader("w")] == [1, 2, 3]
        assert [stream["after"] for stream in requested_streams(server)] == [0, 2, 2, 3]


def test_a_server_restarted_elsewhere_is_found_again(place):
    with serving(events(logs(1))) as first:
        place(first)
        records = iter(Reader("w"))
        assert next(records).seq == 1
    with serving(events(logs(2), done(2))) as second:
        place(second)
        assert [record.seq for record in records] == [2]
        assert requested_streams(second) == [{"stream": "workload/w", "after": 1}]


def test_a_server_that_fails_for_a_while_is_waited_for(place):
    with serving(events(logs(1)), answer(503, b"starting"), events(logs(2), done(2))) as server:
        place(server)
        assert [record.seq for record in Reader("w")] == [1, 2]


def test_a_silent_stream_counts_as_cut(place, monkeypatch):
    monkeypatch.setattr("jupyter_logstream.kernel.streaming.READ_TIMEOUT_S", 0.3)
    hold = threading.Event()
    with serving(events(logs(1), hold=hold), events(logs(2), done(2))) as server:
        place(server)
        assert [record.seq for record in Reader("w")] == [1, 2]
        hold.set()


def test_pings_move_the_cursor_of_a_filtered_stream(place):
    ping = ("ping", {"timestamp": 1, "cursors": {"workload/w": 70}})
    with serving(events(logs(1), ping), events(done(70))) as server:
        place(server)
        list(Reader("w"))
        assert requested_streams(server)[1]["after"] == 70


def test_reset_restarts_at_the_servers_cursor(place):
    reset = ("reset", {"stream": "workload/w", "cursor": 0, "reason": "epoch"})
    with serving(events(reset), events(logs(1), done(1))) as server:
        place(server)
        assert [record.seq for record in Reader("w", after=9)] == [1]
        assert [stream["after"] for stream in requested_streams(server)] == [9, 0]


def test_loss_is_reported(place):
    gap = ("gap", {"stream": "workload/w", "cursor": 40, "from": 1, "to": 40, "reason": "retention"})
    with serving(events(gap, logs(41), done(41))) as server:
        place(server)
        with pytest.warns(RuntimeWarning, match="records 1 to 40 are gone"):
            assert [record.seq for record in Reader("w")] == [41]


def test_a_deleted_workload_ends_the_reading_with_not_found(place):
    gone = answer(404, {"message": "No workload w.", "reason": "unknown_workload"})
    with serving(events(logs(1)), gone) as server:
        place(server)
        records = iter(Reader("w"))
        next(records)
        with pytest.raises(NotFound, match="No workload w"):
            next(records)


def test_without_contact_for_long_it_gives_up(place, monkeypatch):
    monkeypatch.setattr(reader, "RECONNECT_TIMEOUT_S", 0.1)
    with serving() as server:
        place(server)
    with pytest.raises(NoServer, match="does not answer"):
        list(Reader("w"))


async def first_of(reader: Reader) -> None:
    async for _ in reader:
        break


@pytest.mark.parametrize("leave", [lambda reader: next(iter(reader)), lambda reader: asyncio.run(first_of(reader))])
def test_leaving_the_loop_lets_go_of_the_connection(leave, place):
    closed = threading.Event()

    def act(handler):
        events(logs(1, 2))(handler)
        while handler.connection.recv(1):  # b"" when the other side closes
            pass
        closed.set()

    with serving(act) as server:
        place(server)
        leave(Reader("w"))
        assert closed.wait(5)


def test_many_can_be_awaited_at_once(place):
    acts = [events(logs(1, 2), done(2))] * 12
    with serving(*acts) as server:
        place(server)

        async def seqs() -> list[int]:
            return [record.seq async for record in Reader("w")]

        async def all_of_them() -> list[list[int]]:
            return await asyncio.gather(*(seqs() for _ in acts))

        assert asyncio.run(all_of_them()) == [[1, 2]] * 12


def test_awaiting_does_not_hold_up_the_loop_of_the_caller(place):
    hold = threading.Event()
    with serving(events(logs(1), hold=hold), events(done(1))) as server:
        place(server)

        async def beats_while_waiting() -> int:
            waiting = asyncio.ensure_future(_wait())
            for beat in itertools.count():
                if beat == 5:
                    hold.set()
                if waiting.done():
                    return beat
                await asyncio.sleep(0.01)
            raise AssertionError

        async def _wait() -> None:
            await Workload("w")

        assert asyncio.run(beats_while_waiting()) >= 5


def test_wait_returns_at_done_and_keeps_the_final_state(place):
    with serving(events(done(0))) as server:
        place(server)
        workload = Workload("w").wait()
        assert (workload.state, workload.exit_code) == ("succeeded", 0)  # no further request: the script has ended
        assert len(server.requests) == 1


def test_wait_times_out_on_time_whatever_arrives(place):
    hold = threading.Event()
    with serving(events(logs(1), hold=hold)) as server:
        place(server)
        before = time.monotonic()
        with pytest.raises(TimeoutError, match=r"not ended within 0.3 s"):
            Workload("w").wait(timeout=0.3)
        assert 0.25 < time.monotonic() - before < 10
        hold.set()


def test_wait_for_finds_earlier_lines_and_ignores_colours(place):
    frame = logs(1, 2)
    frame[1]["logs"][1]["message"] = "\x1b[32mepoch\x1b[0m 3 loss=0.5"
    with serving(events(frame, done(2))) as server:
        place(server)
        assert Workload("w").wait_for(r"epoch 3 loss=\S+").seq == 2


def test_wait_for_sees_a_prompt_that_has_no_line_end(place):
    hold = threading.Event()
    prompt = ("progress", {"stream": "workload/w", "job_id": "w", "source": "stderr", "message": "Name: "})
    with serving(events(logs(1), prompt, hold=hold)) as server:
        place(server)
        found = Workload("w").wait_for("Name: $", timeout=10)
        hold.set()
    assert (found.seq, found.part, found.source, found.message) == (2, True, "stderr", "Name: ")


def test_wait_for_raises_when_the_workload_ends_without_the_line(place):
    with serving(events(logs(1), done(1)), answer(200, FINAL)) as server:
        place(server)
        with pytest.raises(LogStreamError, match=r"has ended \(succeeded\) without a line that matches 'nope'"):
            Workload("w").wait_for("nope")
