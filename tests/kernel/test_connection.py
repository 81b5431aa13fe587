"""The kernel's calls: finding the server, login by the secret, errors as exceptions, `run` as it is sent."""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from http.client import HTTPConnection

import pytest
from support.scripted import answer, drop, events, serving
from support.waiting import until

import jupyter_logstream
from jupyter_logstream.kernel.client import Workload, attach, run, workloads
from jupyter_logstream.kernel.connection import fetch
from jupyter_logstream.kernel.discovery import find_server
from jupyter_logstream.kernel.errors import LogStreamError, NoServer, NotFound, Rejected, ServerFailed
from jupyter_logstream.kernel.event_loop import _start_loop, run_in_background, run_sync
from jupyter_logstream.kernel.streaming import open_simple

STARTED = answer(201, {"id": "w1", "state": "running"})


@pytest.fixture(autouse=True)
def no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVER", "URL", "SECRET"):
        monkeypatch.delenv(f"JUPYTER_LOGSTREAM_{name}", raising=False)


@pytest.fixture
def place(tmp_path, monkeypatch):
    path = tmp_path / "server.json"
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SERVER", str(path))

    def publish(server) -> None:
        path.write_text(json.dumps({"url": server.url, "secret": "s3"}))

    return publish


def test_error_without_a_server_names_the_next_step():
    with pytest.raises(NoServer, match=r"jupyter server extension list.*restart the server, then this kernel"):
        run("true")


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"url": "http://127.0.0.1:1"}'])
def test_an_unreadable_file_gives_way_to_the_environment(content, tmp_path, monkeypatch):
    path = tmp_path / "server.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SERVER", str(path))
    monkeypatch.setenv("JUPYTER_LOGSTREAM_URL", "http://127.0.0.1:1/b/")
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SECRET", "s")
    assert (find_server().url, find_server().secret) == ("http://127.0.0.1:1/b", "s")


def test_a_server_that_does_not_answer_is_named(place):
    with serving() as server:
        place(server)
    with pytest.raises(NoServer, match=r"127\.0\.0\.1:\d+/base does not answer"):
        run("true")


def test_run_sends_the_kernels_environment_and_directory(place, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERNELS", "own")
    monkeypatch.setenv("TERM", "xterm-color")  # ipykernel's
    monkeypatch.setenv("PAGER", "less")  # the user's
    with serving(STARTED) as server:
        place(server)
        assert run("echo $KERNELS", env={"MORE": "1"}, cwd="sub").id == "w1"
        method, path, headers, body = server.requests[0]
    assert (method, path, headers["Authorization"]) == ("POST", "/base/logstream/v1/workloads", "Bearer s3")
    assert (body["command"], body["cwd"], body["tty"], body["stdin"]) == (
        "echo $KERNELS",
        f"{tmp_path}/sub",
        True,
        False,
    )
    assert (body["env"]["KERNELS"], body["env"]["MORE"], body["env"]["PAGER"]) == ("own", "1", "less")
    assert body["env"]["PATH"].split(os.pathsep)[0] == os.path.dirname(sys.executable)
    assert "TERM" not in body["env"]
    assert not {"name", "timeout", "tags"} & set(body)


def test_variables_that_ipykernel_forces_are_sent_only_on_request(place):
    with serving(STARTED) as server:
        place(server)
        run(["ls"], env={"FORCE_COLOR": "1"}, name="n", timeout=1.5, tty=False, stdin=True, tags={"a": "b"}, key="k")
        body = server.requests[0][3]
    assert body["env"]["FORCE_COLOR"] == "1"
    assert {field: body[field] for field in ("command", "name", "timeout", "tty", "stdin", "tags", "key")} == {
        "command": ["ls"], "name": "n", "timeout": 1.5, "tty": False, "stdin": True, "tags": {"a": "b"}, "key": "k",
    }  # fmt: skip


def test_an_environment_that_is_not_utf8_survives(place, monkeypatch):
    monkeypatch.setitem(os.environb, b"RAW", b"\xff\xfe")
    with serving(STARTED) as server:
        place(server)
        run("true")
        assert os.fsencode(server.requests[0][3]["env"]["RAW"]) == b"\xff\xfe"


def test_a_start_whose_answer_was_lost_is_repeated_with_the_same_key(place):
    with serving(drop, STARTED) as server:
        place(server)
        assert run("true").id == "w1"
        assert server.requests[0][3]["key"] == server.requests[1][3]["key"]


def test_a_log_is_opened_again_when_the_connection_fails_before_an_answer(place):
    simple = events(("reset", {}))
    with serving(drop, simple, drop, drop) as server:
        place(server)

        async def read() -> list[str]:
            async with open_simple("proxy/runs/log") as stream:
                return [event.type async for event in stream]

        assert run_sync(read(), 30) == ["reset"]
        with pytest.raises(NoServer):
            run_sync(read(), 30)
        assert [request[1] for request in server.requests] == ["/base/logstream/proxy/runs/log"] * 4


def test_input_is_never_sent_twice(place):
    with serving(drop, answer(204, b"")) as server:
        place(server)
        with pytest.raises(NoServer):
            Workload("w").send("yes\n")
        assert [request[3] for request in server.requests] == [b"yes\n"]


def test_end_of_input_is_requested_by_name(place):
    with serving(answer(204, b"")) as server:
        place(server)
        Workload("w").send(eof=True)
        assert server.requests[0][1] == "/base/logstream/v1/workloads/w/input?eof=1"


def test_a_proxy_of_the_environment_never_sees_the_secret(place, monkeypatch):
    with serving(answer(200, b"{}")) as proxy, serving(STARTED) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        place(server)
        run("true")
        assert proxy.requests == []


@pytest.mark.parametrize(
    ("status", "body", "error", "text"),
    [
        (422, {"message": "timeout: must be positive", "reason": "invalid"}, Rejected, "timeout: must be positive"),
        (403, {"message": "Forbidden", "reason": "forbidden"}, Rejected, "Forbidden"),
        (404, {"message": "No workload w.", "reason": "unknown_workload"}, NotFound, "No workload w"),
        (503, {"message": "disk full", "reason": "no_space"}, ServerFailed, "The server failed: disk full"),
        (500, b"<html>", ServerFailed, r"workloads/w answered with status 500"),
        (400, b"[]", Rejected, r"workloads/w answered with status 400"),
    ],
)
def test_an_error_of_the_server_becomes_the_exception_it_stands_for(status, body, error, text, place):
    with serving(answer(status, body)) as server:
        place(server)
        with pytest.raises(error, match=text) as caught:
            Workload("w").info  # noqa: B018
    assert isinstance(caught.value, LogStreamError)


def test_attach_to_an_unknown_workload_names_how_to_list_workloads(place):
    with serving(answer(404, {"message": "x", "reason": "y"})) as server:
        place(server)
        with pytest.raises(NotFound, match=r"no workload 'gone'.*workloads\(\)"):
            attach("gone")


def test_an_id_of_any_form_stays_one_part_of_the_path(place):
    with serving(answer(404, {"message": "x", "reason": "y"})) as server:
        place(server)
        with pytest.raises(NotFound):
            attach("../a?b#c")
        assert server.requests[0][1] == "/base/logstream/v1/workloads/..%2Fa%3Fb%23c"


def test_threads_that_start_at_once_share_one_loop(place, monkeypatch):
    start_anew = lru_cache(maxsize=1)(_start_loop.__wrapped__)
    monkeypatch.setattr("jupyter_logstream.kernel.event_loop._start_loop", start_anew)
    with serving(*[STARTED] * 16) as server:
        place(server)
        with ThreadPoolExecutor(16) as threads:
            assert {run.id for run in threads.map(run, ["true"] * 16)} == {"w1"}
    assert start_anew.cache_info().misses == 1


def test_a_forked_child_makes_calls_of_its_own(place):
    with serving(STARTED, STARTED) as server:
        place(server)
        run("true")
        if (child := os.fork()) == 0:
            os._exit(0 if run("true").id == "w1" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_our_calls_do_not_show_in_the_users_log(place, caplog):
    caplog.set_level(logging.DEBUG)
    with serving(STARTED) as server:
        place(server)
        run("true")
    assert [record.name for record in caplog.records if record.name.startswith("http")] == []


def test_interpreter_that_ends_while_reading_prints_nothing(place):
    code = "from jupyter_logstream import Workload\nfor record in Workload('w').follow():\n print(record.seq); break"
    record = {"seq": 1, "ts": 1, "level": "info", "message": "m"}
    frame = ("logs", {"stream": "workload/w", "cursor": 1, "logs": [record]})
    with serving(events(frame)) as server:
        place(server)
        result = subprocess.run(
            [sys.executable, "-W", "default", "-c", code], capture_output=True, text=True, check=True
        )
    assert (result.stdout, result.stderr) == ("1\n", "")


def test_workloads_are_listed_page_by_page(place):
    pages = [
        answer(200, {"workloads": [{"id": "c", "state": "running"}, {"id": "b", "state": "lost"}], "next": "b"}),
        answer(200, {"workloads": [{"id": "a", "state": "failed"}], "next": None}),
    ]
    with serving(*pages) as server:
        place(server)
        assert [workload.id for workload in workloads(limit=10)] == ["c", "b", "a"]
        assert [request[1].partition("?")[2] for request in server.requests] == ["limit=10", "after=b&limit=8"]


def test_final_state_is_requested_once_and_a_running_one_again(place):
    running, ended = {"id": "w", "state": "running"}, {"id": "w", "state": "failed", "exit_code": 3}
    with serving(answer(200, running), answer(200, ended)) as server:
        place(server)
        workload = Workload("w")
        assert [workload.state, workload.state, workload.state, workload.exit_code] == [
            "running",
            "failed",
            "failed",
            3,
        ]


def test_logs_are_fetched_page_by_page_and_tail_by_offset(place):
    def page(*seqs, total=7, after=None):
        records = [{"seq": seq, "ts": 1, "level": "info", "message": "m"} for seq in seqs]
        return answer(200, {"records": records, "total": total, "next": after, "state": "running"})

    with serving(page(1, 2, after=2), page(3), page(1, after=1), page(6, 7, 8)) as server:
        place(server)
        assert [record.seq for record in Workload("w").logs(level="warn")] == [1, 2, 3]
        assert [record.seq for record in Workload("w").logs(tail=2)] == [7, 8]
        assert [request[1].partition("?")[2] for request in server.requests] == [
            "level=warn&limit=5000", "level=warn&after=2&limit=5000", "limit=1", "offset=5&limit=5000",
        ]  # fmt: skip


def test_importing_the_package_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import jupyter_logstream; print(*(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(result.stdout.split()) == {"jupyter_logstream", "jupyter_logstream._version", "__future__"}


def test_a_start_imports_no_module_that_only_streams_and_widgets_need(place):
    code = (
        "import sys; from jupyter_logstream import run; run('true')\n"
        "print(*{'anywidget', 'cloudpickle', 'httpx', 'IPython', 'ipywidgets', 'traitlets'} & set(sys.modules))"
    )
    with serving(STARTED) as server:
        place(server)
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "\n"


def test_requests_use_one_connection_and_a_new_one_when_the_server_closed_it(place, monkeypatch):
    opened = []
    connect = HTTPConnection.connect
    monkeypatch.setattr(HTTPConnection, "connect", lambda self: (opened.append(self), connect(self))[1])
    monkeypatch.setattr("support.scripted._Handler.protocol_version", "HTTP/1.1")

    def answer_and_close(handler):
        STARTED(handler)
        handler.close_connection = True

    with serving(STARTED, answer_and_close, STARTED) as server:
        place(server)
        run("true")
        run("true")
        assert len(opened) == 1
        until(lambda: closed_by_peer(opened[0]))
        run("true")
        assert len(opened) == 2
        assert len(server.requests) == 3


def closed_by_peer(connection: HTTPConnection) -> bool:
    return bool(select.select([connection.sock], [], [], 0)[0]) and connection.sock.recv(1, socket.MSG_PEEK) == b""


def test_interrupted_request_is_disconnected(place):
    received, released = threading.Event(), threading.Event()
    gone = []

    def hang(handler):
        received.set()
        gone.append(handler.connection.recv(1))
        released.set()

    with serving(hang, STARTED) as server:
        place(server)
        request = run_in_background(fetch("GET", "info"))
        assert received.wait(30)
        request.cancel()
        assert released.wait(30)
        assert gone == [b""]
        assert run("true").id == "w1"


def test_debug_output_of_http_client_never_shows_the_secret(place, monkeypatch, capsys):
    monkeypatch.setattr(HTTPConnection, "debuglevel", 1)
    with serving(STARTED) as server:
        place(server)
        run("true")
    assert "s3" not in capsys.readouterr().out


def test_every_public_name_is_there_and_others_are_not():
    assert [name for name in jupyter_logstream.__all__ if not hasattr(jupyter_logstream, name)] == []
    assert set(jupyter_logstream.__all__) <= set(dir(jupyter_logstream))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        jupyter_logstream.nothing  # noqa: B018
