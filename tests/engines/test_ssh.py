"""Workloads over ssh: the same run, log, input, cancel and end as on this machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from support.process_table import command_line, with_argument
from support.waiting import eventually

from jupyter_logstream.model.spec import SpecError
from jupyter_logstream.wire.delivery import Order


async def test_workload_runs_there_and_its_log_and_end_are_here(over_ssh):
    server = over_ssh()
    workload = await server.run("echo out; echo err >&2; exit 3")
    status = server.engine.get(workload).status
    assert (status.state, status.exit_code, status.node) == ("failed", 3, os.uname().nodename)
    assert sorted(server.lines(workload)) == ["err", "out"]
    assert server.engine.get(workload).lines == 2


async def test_lines_are_here_while_it_runs(over_ssh):
    server = over_ssh()
    workload = await server.start("echo first; read x; echo $x", stdin=True)
    await eventually(lambda: server.lines(workload) == ["first"])
    assert server.engine.get(workload).status.state == "running"
    await server.engine.send(workload, b"second\n", eof=True)
    assert (await server.end(workload)).state == "succeeded"
    assert server.lines(workload) == ["first", "second"]


async def test_nothing_of_its_log_is_left_there_after_the_verified_end(over_ssh):
    server = over_ssh()
    workload = await server.run("echo done")
    await eventually(lambda: not (server.there / "jobs" / workload).exists())


async def test_command_has_terminals_or_pipes_as_requested(over_ssh):
    server = over_ssh()
    command = "test -t 1 && echo terminal || echo pipe"
    assert server.lines(await server.run(command)) == ["terminal"]
    assert server.lines(await server.run(command, tty=False)) == ["pipe"]


async def test_cancel_ends_the_whole_process_tree_there(over_ssh):
    server = over_ssh()
    workload = await server.start("sleep 4711.5 & sh -c 'trap \"\" TERM; sleep 4711.5; sleep 4711.5'")
    await eventually(lambda: len(with_argument("sleep 4711.5")) >= 2)
    await server.engine.cancel(workload)
    assert (await server.end(workload)).state == "cancelled"
    await eventually(lambda: not [pid for pid in with_argument("4711.5") if "sleep" in command_line(pid)])


async def test_timeout_ends_it_there(over_ssh):
    server = over_ssh()
    assert (await server.end(await server.start("sleep 600", timeout=0.3))).state == "timed_out"


async def test_command_that_does_not_exist_there_is_failed_with_the_reason(over_ssh):
    server = over_ssh()
    status = await server.end(await server.start(["no-such-program"]))
    assert (status.state, status.error) == ("failed", "no-such-program: command not found")


async def test_directory_and_setup_are_those_of_that_machine(over_ssh, tmp_path):
    activate = tmp_path / "activate"
    activate.write_text("export ACTIVATED=yes\n")
    server = over_ssh(setup=f"source {activate}")
    workload = await server.run("pwd; echo $ACTIVATED", cwd=str(tmp_path))
    assert server.lines(workload) == [str(tmp_path), "yes"]
    assert server.lines(await server.run("pwd")) == [str(Path.home())]


async def test_failed_setup_does_not_run_the_command(over_ssh):
    server = over_ssh(setup="source /no/such/file")
    workload = await server.run("echo ran")
    assert server.engine.get(workload).status.exit_code == 125
    assert "ran" not in server.lines(workload)


async def test_variables_are_in_no_command_line_and_in_files_of_the_user_only(over_ssh):
    server = over_ssh()
    workload = await server.start(
        "echo length ${#API_TOKEN} $API_TOKEN; read x", stdin=True, env={"API_TOKEN": "s3cr3t-5"}
    )
    await eventually(lambda: server.lines(workload) == ["length 8 [masked]"] or server.lines(workload))
    assert "s3cr3t-5" not in server.text(workload)
    assert with_argument("s3cr3t-5") == []
    for path in [server.there, *server.there.rglob("*")]:
        assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0 or "__pycache__" in path.parts, path
    await server.engine.send(workload, b"", eof=True)
    await server.end(workload)


async def test_variables_of_the_server_stay_here(over_ssh):
    os.environ["ONLY_HERE"] = "1"
    server = over_ssh()
    assert server.lines(await server.run("echo [$ONLY_HERE]")) == ["[]"]


async def test_second_launch_finds_the_first(over_ssh, tmp_path):
    server = over_ssh()
    workload = await server.start(f"echo ran >> {tmp_path}/runs; read x", stdin=True)
    await eventually((tmp_path / "runs").exists)
    spec = server.registry.load(workload).spec
    assert await server.backend.launch(workload, spec) == server.registry.load(workload).handle
    await server.engine.send(workload, b"", eof=True)
    await server.end(workload)
    assert (tmp_path / "runs").read_text() == "ran\n"


async def test_files_are_the_work_folder_and_the_directory(over_ssh, tmp_path):
    here = tmp_path / "project"
    for name in (
        "train.py",
        "src/a.py",
        "src/.git/x",
        "src/__pycache__/a.pyc",
        ".venv/y",
        "src/.ipynb_checkpoints/z",
        "big",
    ):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)
    (here / "src" / "run.sh").write_text("echo $0; find . -type f | sort; cat src/a.py")
    (here / "src" / "run.sh").chmod(0o755)
    server = over_ssh()
    workload = await server.run("src/run.sh", files=["*.py", "src/"], files_from=str(here))
    assert server.lines(workload) == ["src/run.sh", "./src/a.py", "./src/run.sh", "./train.py", "src/a.py"]


async def test_only_changed_files_are_sent_again(over_ssh, tmp_path):
    (tmp_path / "data").write_bytes(os.urandom(100_000))
    (tmp_path / "code").write_text("1")
    server = over_ssh()
    files = {"files": ["data", "code"], "files_from": str(tmp_path)}
    await server.run("true", **files)
    cached = {path.name: path.stat().st_ino for path in (server.there / "files").iterdir()}
    (tmp_path / "code").write_text("2")
    assert server.lines(await server.run("cat code", **files)) == ["2"]
    again = {path.name: path.stat().st_ino for path in (server.there / "files").iterdir()}
    assert cached.items() < again.items()
    assert len(again) == len(cached) + 1


async def test_glob_without_a_file_names_the_field(over_ssh, tmp_path):
    with pytest.raises(SpecError, match=r"files: .*no_such.*matches no file"):
        await over_ssh().start("true", files=["no_such*"], files_from=str(tmp_path))


async def test_forget_deletes_its_files_there(over_ssh, tmp_path):
    (tmp_path / "a").write_text("a")
    server = over_ssh()
    workload = await server.run("echo result > b", files=["a"], files_from=str(tmp_path))
    assert (server.there / "work" / workload / "b").exists()
    await server.engine.forget(workload)
    assert not (server.there / "work" / workload).exists()


async def test_leftovers_of_unknown_workloads_are_listed(over_ssh, tmp_path):
    (tmp_path / "a").write_text("a")
    server = over_ssh()
    known = await server.run("true", files=["a"], files_from=str(tmp_path))
    unknown = await server.run("true", files=["a"], files_from=str(tmp_path))
    assert await server.backend.leftovers([known]) == [f"{server.there}/{{jobs,work}}/{unknown}"]


async def test_doctor_names_what_works_and_what_to_do(over_ssh):
    server = over_ssh()
    assert all(check.ok for check in await server.backend.check())
    await server.stop()
    *_, last = await over_ssh(python="python-that-is-not-there").backend.check()
    assert not last.ok
    assert "python-that-is-not-there" in last.found
    assert "`python`" in last.advice


async def test_order_survives_the_wire():
    order = Order("start", "id", spec={"command": "x"}, setup="y")
    assert Order.from_json(order.to_json()) == order
