"""The kernel's API against real servers, from real kernels: every login, any base URL, a second environment."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.serving import Server, jupyter
from support.waiting import until

from jupyter_logstream import attach, run, workloads
from jupyter_logstream.kernel.errors import LogStreamError, NotFound, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = "JUPYTER_LOGSTREAM_SERVER"
ANSWERED = """
import os, time
for i in range({n}):
    print('line', i, flush=True)
    while not os.path.exists({folder!r} + f'/line {{i}}'): time.sleep(0.01)
"""
EVERY_100_MS = "import time\nfor i in range({n}): print('line', i, flush=True); time.sleep(0.1)"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("server"), base_url="/user/x%40y/") as server:
        yield server


@pytest.fixture(scope="module")
def place(server: Server) -> str:
    with server.kernel() as kernel:
        return kernel.json(f"__import__('os').environ['{PLACE}']")


@pytest.fixture
def here(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process a client of `server`, in a folder of its own."""
    monkeypatch.setenv(PLACE, place)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    return tmp_path


def test_slow_modules_are_imported_after_the_cell_that_imports_the_package(server: Server) -> None:
    names = "{'httpx', 'jupyter_logstream.kernel.display'} <= set(sys.modules)"
    with server.kernel() as kernel:
        assert kernel.run(f"import sys, jupyter_logstream; print({names})") == "False\n"
        until(lambda: kernel.run(f"print({names})") == "True\n")


def test_bytes_that_are_not_utf8_pass_unchanged_in_environment_directory_and_arguments(
    here: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = b"caf\xe9 \xc3\xbc \xff"
    monkeypatch.setenv("ODD", os.fsdecode(odd))
    monkeypatch.setenv(os.fsdecode(b"N\xe9"), "named")
    folder = os.path.join(os.fsencode(here), odd)
    os.mkdir(folder)
    os.chdir(folder)
    list_job = run(["sh", "-c", 'printf "%s\\n%s\\n%s\\n" "$ODD" "$PWD" "$1"', "sh", odd], tty=False)
    string_job = run(f"printf '%s\\n' {os.fsdecode(odd)!s} | head -1", tty=False)
    environment = run(["env"], tty=False)  # a shell would leave such names out
    missing = run([os.fsdecode(odd)])
    for job in list_job, string_job, environment, missing:
        job.wait(30)
        json.dumps(job.info, ensure_ascii=False).encode()
    log = server.http.get(f"{server.url}logstream/v1/workloads/{list_job.id}/log.txt").content
    assert log == b"%s\n%s\n%s\n" % (odd, folder, odd)
    log = server.http.get(f"{server.url}logstream/v1/workloads/{string_job.id}/log.txt").content
    assert log == b"caf\xe9\n"
    log = server.http.get(f"{server.url}logstream/v1/workloads/{environment.id}/log.txt").content
    assert b"\nN\xe9=named\n" in b"\n" + log
    assert missing.state == "failed"
    assert "not found" in missing.error
    again = server.http.post(f"{server.url}logstream/v1/workloads", json={"again": list_job.id}).json()
    assert attach(again["id"]).wait(30).state == "succeeded"
    assert server.http.get(f"{server.url}logstream/v1/workloads/{again['id']}/log.txt").content.endswith(odd + b"\n")


@pytest.mark.parametrize("field", ["name", "key", "tags"])
def test_names_must_be_text(here: Path, field: str) -> None:
    value = {"a": "caf\udce9"} if field == "tags" else "caf\udce9"
    with pytest.raises(Rejected, match=field):
        run("true", **{field: value})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("auth", "base_url"),
    [("token", "/"), ("password", "/"), ("none", "/"), ("password", "/user/a%20b/"), ("none", "/x/")],
)
def test_a_kernel_runs_a_workload_whatever_the_login(auth, base_url, tmp_path):
    with jupyter(tmp_path, auth=auth, base_url=base_url) as server, server.kernel() as kernel:
        kernel.run("from jupyter_logstream import run\njob = run('echo hello; exit 3').wait(20)")
        assert kernel.json("[job.state, job.exit_code, job.text()]") == ["failed", 3, "hello\n"]
        secret = kernel.json(f"json.load(open(__import__('os').environ['{PLACE}']))['secret']")
        assert secret not in server.log


@pytest.mark.slow
def test_a_kernel_of_another_environment_runs_its_own_python(tmp_path):
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(other)], check=True)
    python = other / "bin" / "python"
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # Its packages are those of this environment: quick, and what is tested is which Python runs.
    borrowed = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    Path(packages, "borrowed.pth").write_text(borrowed, encoding="utf-8")
    spec = tmp_path / "data" / "kernels" / "other"
    spec.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "other", "language": "python"}))
    with jupyter(tmp_path) as server, server.kernel("other") as kernel:
        kernel.run("import sys\nfrom jupyter_logstream import run")
        assert kernel.json("sys.prefix") == str(other)
        kernel.run("job = run(\"python -c 'import sys; print(sys.prefix)'\").wait(20)")
        assert kernel.json("job.text()").strip() == str(other)


def test_a_workload_runs_where_the_kernel_is_with_its_environment(here, monkeypatch):
    (here / "sub").mkdir()
    monkeypatch.setenv("FROM_KERNEL", "yes")
    job = run("pwd; echo $FROM_KERNEL $ADDED", cwd="sub", env={"ADDED": "too"}).wait(20)
    assert job.text().split() == [os.path.realpath(here / "sub"), "yes", "too"]
    assert run(["pwd"]).wait(20).text().strip() == os.path.realpath(here)


def test_lines_are_followed_as_they_are_written(here, tmp_path):
    """The program writes a line once the one before was seen."""
    job = run([sys.executable, "-c", ANSWERED.format(n=5, folder=str(tmp_path))])
    seen = []
    for record in job.follow():
        seen.append(record.message)
        (tmp_path / record.message).touch()
    assert seen == [f"line {i}" for i in range(5)]


def test_a_block_buffered_program_writes_live_all_the_same(here):
    job = run([sys.executable, "-c", "import time; print('now'); time.sleep(30)"])
    before = time.monotonic()
    assert job.wait_for("now", timeout=20).source == "stdout"
    assert time.monotonic() - before < 25  # not at its end
    job.cancel()


def test_following_from_a_cursor_starts_behind_it(here):
    job = run("seq 1 10").wait(20)
    assert [record.message for record in job.follow(after=7)] == ["8", "9", "10"]


def test_async_following_and_awaiting(here):
    async def both() -> tuple[list[str], str]:
        job = run([sys.executable, "-c", EVERY_100_MS.format(n=3)])
        lines = [record.message async for record in job.follow()]
        return lines, (await job).state

    assert asyncio.run(both()) == (["line 0", "line 1", "line 2"], "succeeded")


def test_wait_for_finds_what_was_written_before_and_what_comes(here):
    job = run([sys.executable, "-c", EVERY_100_MS.format(n=8)])
    assert job.wait_for(r"line (5)", timeout=20).seq == 6
    assert job.wait_for(re.compile("LINE 2", re.IGNORECASE), timeout=20).seq == 3
    with pytest.raises(LogStreamError, match="without a line that matches"):
        job.wait_for("never")


def test_waiting_times_out_and_leaves_the_workload_running(here):
    job = run("sleep 30")
    for waiting in (job.wait, lambda timeout: job.wait_for("x", timeout)):
        before = time.monotonic()
        with pytest.raises(TimeoutError):
            waiting(0.5)
        assert time.monotonic() - before < 20
    with pytest.raises(TimeoutError):
        job.wait(timeout=0)
    assert job.state == "running"
    assert job.cancel().wait(20).state == "cancelled"
    assert attach(job.id).wait(timeout=0).state == "cancelled"


@pytest.mark.parametrize("how", ["job.wait()", "list(job.follow())", "job.wait_for('x')"])
def test_an_interrupted_cell_lets_go_and_the_workload_goes_on(how, here, server):
    job = run("sleep 30")
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        eval(how, {"job": job})
    deadline = time.monotonic() + 20
    while server.get("info")["connections"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert server.get("info")["connections"] == 0
    assert job.state == "running"
    job.cancel()


def test_input_is_sent_and_ended(here):
    job = run("cat", stdin=True, tty=False)
    job.send("héllo\n")
    job.wait_for("héllo", timeout=10)
    job.send(b"raw\n", eof=True)
    assert job.wait(20).text() == "héllo\nraw\n"
    with pytest.raises(Rejected):
        job.send("late")


def test_logs_are_filtered_and_cut(here):
    job = run("for i in 1 2 3; do echo INFO $i; echo ERROR $i; done").wait(20)
    assert [record.message for record in job.logs(level="error")] == ["ERROR 1", "ERROR 2", "ERROR 3"]
    assert [record.seq for record in job.logs(after=4)] == [5, 6]
    assert [record.seq for record in job.logs(tail=2)] == [5, 6]
    assert [record.message for record in job.logs(tail=1, level="error")] == ["ERROR 3"]
    assert job.logs(tail=0) == []
    assert len(job.logs(tail=100)) == job.lines == 6
    assert [record.seq for record in job.logs(q="/[23]$/", levels=["error", "fatal"])] == [
        record.seq for record in job.logs(level="error") if record.message[-1] in "23"
    ]
    assert [record.message for record in job.logs(level="error", exclude="2")] == ["ERROR 1", "ERROR 3"]
    assert job.logs(source="stderr", step="none") == []


def test_all_pages_of_a_long_log_are_fetched(here):
    job = run("seq 1 12345", tty=False).wait(30)
    assert [record.message for record in job.logs()] == [str(i) for i in range(1, 12346)]
    assert len(list(job.follow())) == 12345


def test_a_data_frame_has_a_row_per_record(here):
    frame = run("echo INFO a; echo b").wait(20).df()
    assert list(frame["message"]) == ["INFO a", "b"]
    assert list(frame["level"]) == ["info", "unknown"]
    assert str(frame["ts"].dtype.tz) == "UTC"


def test_without_pandas_a_data_frame_is_a_list_of_dicts(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    rows = run("echo a").wait(20).df()
    assert [(row["seq"], row["message"]) for row in rows] == [(1, "a")]


def test_numbers_that_lines_name_are_a_data_frame(here):
    frame = run("for i in 1 2 3; do echo epoch $i/3 loss=0.$i; done; echo acc: 0.9; echo done").wait(20).metrics()
    assert list(frame.columns) == ["seq", "ts", "step", "epoch", "loss", "acc"]
    assert frame["loss"].tolist()[:3] == [0.1, 0.2, 0.3]
    assert frame["acc"].notna().tolist() == [False, False, False, True]
    assert str(frame["ts"].dtype.tz) == "UTC"


def test_without_pandas_numbers_are_a_dict_of_lists(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    job = run("echo loss=1; echo acc=2").wait(20)
    assert job.metrics("loss")["loss"] == [1.0]
    assert job.metrics()["acc"] == [None, 2.0]


def test_text_is_what_was_written_and_not_utf8_is_shown_as_such(here):
    assert run(r"printf 'a\377b\r\nc'").wait(20).text() == "a\ufffdb\r\nc"


def test_a_workload_is_found_again(here):
    job = run("echo x", name="named", tags={"k": "v"}).wait(20)
    again = attach(job.id)
    assert (again == job, again.name, again.info["tags"]) == (True, "named", {"k": "v"})
    assert workloads(limit=1)[0] == job
    assert job in workloads(state="succeeded", limit=1000)
    with pytest.raises(NotFound, match="no workload 'nope'"):
        attach("nope")


def test_the_same_key_starts_one_workload(here):
    assert run("echo x", key="only-once-1") == run("echo x", key="only-once-1")


def test_command_that_cannot_be_started_fails_with_the_reason(here):
    job = run(["no-such-binary-anywhere"]).wait(20)
    assert (job.state, job.exit_code) == ("failed", None)
    assert job.error
    with pytest.raises(LogStreamError, match="cwd"):
        run("true", cwd="no-such-folder")


def test_bad_arguments_are_named(here):
    for bad in ({"timeout": -1}, {"tags": {"a": 1}}, {"name": 5}):
        with pytest.raises(Rejected, match=next(iter(bad))):
            run("true", **bad)


def test_timeout_and_signal_are_distinguished(here):
    assert run("sleep 30", timeout=0.5).wait(20).state == "timed_out"
    killed = run("kill -KILL $$").wait(20)
    assert (killed.state, killed.exit_code) == ("failed", None)
    assert killed.signal


def test_a_finished_workload_is_shown_with_its_last_lines_escaped(here):
    snapshot = run("echo '<b>bold</b>'").wait(20).snapshot()
    assert snapshot["text/plain"].splitlines()[1:] == ["<b>bold</b>"]
    assert "&lt;b&gt;bold&lt;/b&gt;" in snapshot["text/html"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_of_the_server_loses_and_doubles_nothing(how, tmp_path, monkeypatch):
    with jupyter(tmp_path) as server:
        with server.kernel() as kernel:
            monkeypatch.setenv(PLACE, kernel.json(f"__import__('os').environ['{PLACE}']"))
        job = run([sys.executable, "-c", EVERY_100_MS.format(n=60)], cwd=tmp_path)
        records = job.follow()
        seen = iter(records)
        lines = [next(seen).message for _ in range(5)]
        server.stop(how)
        server.start()
        lines += [record.message for record in seen]
        assert lines == [f"line {i}" for i in range(60)]
        assert job.wait(20).state == "succeeded"
