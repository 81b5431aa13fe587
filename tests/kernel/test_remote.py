"""Workloads of other log servers: one that speaks our protocol, and one that speaks the simple form only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.foreign_logs import Foreign, foreign_logs
from support.serving import TOKEN, Server, jupyter

from jupyter_logstream import attach
from jupyter_logstream.kernel.errors import LogStreamError, NotFound, Rejected, ServerFailed


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    with foreign_logs() as runs, jupyter(tmp_path_factory.mktemp("other"), base_url="/other/") as other:
        upstreams = {
            "lab": {"url": f"{other.url}logstream", "headers": {"Authorization": f"token {TOKEN}"}},
            "runs": runs,
            "gone": "http://127.0.0.1:1",
        }
        options = (f"--LogStream.upstreams={upstreams!r}",)
        with jupyter(tmp_path_factory.mktemp("server"), options=options) as server:
            yield server, other


@pytest.fixture
def other(here: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch) -> Server:
    """The other server; this process is a client of the first."""
    (address,) = (Path(here[0].folder) / "data").glob("logstream/*/server.json")
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SERVER", str(address))
    Foreign.tries = 0
    return here[1]


def test_a_workload_of_another_server_of_ours_is_as_good_as_a_local_one(other: Server, tmp_path: Path) -> None:
    body = {"command": "echo one; echo two >&2; exit 3"}
    workload_id = other.http.post(f"{other.url}logstream/v1/workloads", json=body).json()["id"]
    job = attach(f"lab:{workload_id}")
    assert repr(job) == f"Workload('lab:{workload_id}')"
    assert job.wait(20).state == "failed"
    assert (job.exit_code, job.lines) == (3, 2)
    assert sorted(record.message for record in job.logs()) == ["one", "two"]
    assert sorted(record.message for record in job.follow()) == ["one", "two"]
    assert job.wait_for("t.o", 10).source == "stderr"
    assert "one\n" in job.text()
    assert job.export(tmp_path / "run.txt", source="stdout").read_text() == "one\n"
    assert job == attach(f"lab:{workload_id}")
    sleeping = other.http.post(f"{other.url}logstream/v1/workloads", json={"command": "sleep 60"}).json()["id"]
    assert attach(f"lab:{sleeping}").cancel().wait(30).state == "cancelled"


@pytest.mark.parametrize("name", ["plain", "cut", "steady"])
def test_a_log_in_the_simple_form_is_read_to_its_end_through_cuts(other: Server, name: str) -> None:
    job = attach(f"runs:{name}")
    assert [record.message for record in job.follow()] == [f"line {number}\nand more" for number in range(9)]
    assert [record.seq for record in job.follow(after=5)] == [6, 7, 8, 9]
    assert (job.wait(20).state, job.exit_code, job.lines) == ("failed", 3, 9)
    assert job.wait_for("line 4", 5).seq == 5
    assert [record.seq for record in job.logs(tail=2)] == [8, 9]


def test_a_log_in_the_simple_form_that_goes_on_is_running(other: Server) -> None:
    job = attach("runs:quiet")
    assert (job.state, job.lines, job.exit_code) == ("running", 9, None)
    assert job.text().startswith("line 0\nand more\nline 1")
    with pytest.raises(TimeoutError):
        job.wait(0.5)
    for refused in job.cancel, lambda: job.logs(level="warn"), lambda: job.send("x"), lambda: job.export("x.txt"):
        with pytest.raises(Rejected):
            refused()


def test_errors_of_the_other_server_are_reported(other: Server) -> None:
    with pytest.raises(NotFound, match="no workload 'none' at the upstream 'runs'"):
        attach("runs:none")
    with pytest.raises(ServerFailed, match="500"):
        attach("runs:broken")
    with pytest.raises(NotFound, match="no such upstream"):
        attach("unknown:x")
    with pytest.raises(NotFound):
        attach("lab:none")
    with pytest.raises(LogStreamError, match="gone"):
        attach("gone:x")
