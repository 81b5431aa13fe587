"""`jupyter-logstream` runs, lists, waits for and cancels workloads, and exits as they did."""

from __future__ import annotations

import json
import os
import resource
from typing import TYPE_CHECKING

import pytest
from support.process_table import with_argument
from support.running import kill_runners
from support.waiting import until

from jupyter_logstream.text.cell_width import cell_width

if TYPE_CHECKING:
    from support.cli import Cli


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "kill -9 $$"], 137),
        (["no-such-program"], 127),
        (["--timeout", "0.3", "--", "sleep", "600"], 124),
    ],
)
def test_exit_codes_are_those_of_the_workload(jupyter: Cli, command: list[str], code: int) -> None:
    arguments = command if "--" in command else ["--", *command]
    assert jupyter("run", *arguments).returncode == code
    assert jupyter("wait" if code % 2 else "logs", *(["last"] if code % 2 else ["-f", "last"])).returncode == code


def test_cancel_ends_the_whole_process_tree(jupyter: Cli) -> None:
    mark = f"{6_000_000 + os.getpid()}"
    job = jupyter.started("--", "sh", "-c", f"sleep {mark} & sleep {mark}.5; wait")
    until(lambda: len(with_argument(mark)) >= 3)
    assert jupyter.out("cancel", job).strip() == job
    assert jupyter("wait", job).returncode == 143
    assert with_argument(mark) == []
    assert jupyter.json("ps", "--all")[0]["state"] == "cancelled"


def test_wait_for_several_exits_as_the_first_that_failed(jupyter: Cli) -> None:
    jobs = [jupyter.started("--", f"sleep 0.{n}; exit {n}") for n in (0, 4, 3)]
    waited = jupyter("wait", *jobs)
    assert waited.returncode == 4
    assert sorted(line[-26:] for line in waited.stdout.decode().splitlines()) == sorted(jobs)
    finals = [json.loads(line) for line in jupyter("wait", "--json", *jobs).stdout.splitlines()]
    assert sorted(final["exit_code"] for final in finals) == [0, 3, 4]


def test_wait_gives_up_after_its_timeout_and_names_what_still_runs(jupyter: Cli) -> None:
    job = jupyter.started("sleep", "600")
    waited = jupyter("wait", "--timeout", "0.2s", job)
    assert waited.returncode == 125
    assert job in waited.stderr.decode()
    jupyter.out("cancel", job)


def test_ps_lists_active_workloads_or_all_as_table_ids_or_json_lines(jupyter: Cli) -> None:
    ended = jupyter.started("--name", "ünïcode 名前", "--", "true")
    jupyter("wait", ended)
    job = jupyter.started("--name", "sleeper", "--tag", "model=small", "--", "sleep", "600")
    active = jupyter.json("ps")
    assert [info["name"] for info in active] == ["sleeper"]
    assert active[0]["tags"] == {"model": "small"}
    assert jupyter.out("ps", "-q").split() == [job]
    assert [info["id"] for info in jupyter.json("ps", "--all")][:2] == [job, ended]
    assert len(jupyter.json("ps", "-n", "1")) == 1
    table = jupyter.out("ps", "-a").splitlines()
    assert table[0].split()[:3] == ["ID", "NAME", "STATE"]
    assert "sleeper" in table[1]
    assert "Running" in table[1]
    assert "ünïcode 名前" in table[2]
    assert jupyter.out("logs", "ünïcode 名前") == ""
    jupyter.out("cancel", job)


def test_a_workload_is_found_by_name_and_by_the_beginning_of_its_id(jupyter: Cli) -> None:
    name = f"only-{os.getpid()}"
    job = jupyter.started("--name", name, "--", "echo", "found")
    jupyter("wait", job)
    assert jupyter.out("logs", name) == jupyter.out("logs", job[:-2]) == jupyter.out("logs", "last") == "found\n"


def test_an_ambiguous_name_is_refused_with_the_ids_to_choose_from(jupyter: Cli) -> None:
    jobs = [jupyter.started("--name", "twice", "--", "true") for _ in range(2)]
    refused = jupyter("logs", "twice")
    assert refused.returncode == 1
    assert [job for job in jobs if job in refused.stderr.decode()] == jobs
    assert b"stands for 2 workloads" in refused.stderr
    assert jupyter("cancel", jobs[0][:5]).returncode == 1


def test_an_unknown_workload_is_reported_with_what_lists_them(jupyter: Cli) -> None:
    for verb, code in (("logs", 1), ("cancel", 1), ("wait", 125)):
        refused = jupyter(verb, "nothing-of-that-name")
        assert refused.returncode == code
        assert b"nothing-of-that-name" in refused.stderr
        assert b"ps --all" in refused.stderr
        assert b"Traceback" not in refused.stderr


def test_wrong_arguments_exit_with_2_and_are_named(jupyter: Cli) -> None:
    for arguments, named in (
        (["run"], b"name a command"),
        (["frobnicate"], b"frobnicate"),
        (["run", "--env", "=x", "true"], b"NAME=VALUE"),
        (["run", "--timeout", "soon", "true"], b"soon"),
        (["logs"], b"WORKLOAD"),
        (["logs", "last", "--after", "1", "--tail", "2"], b"--tail"),
        (["logs", "last", "--tail", "-3"], b"--tail"),
        (["run", "--bogus", "--", "true"], b"usage: jupyter logstream run"),
    ):
        refused = jupyter(*arguments)
        assert refused.returncode == 2, arguments
        assert named in refused.stderr


def test_run_passes_environment_directory_backend_and_options(jupyter: Cli, tmp_path) -> None:
    script = "echo $GREETING $FROM_SHELL $PWD; test -t 1 && echo terminal"
    environment = ("--env", "GREETING=hello=there", "-e", "FROM_SHELL")
    done = jupyter("run", *environment, "--cwd", str(tmp_path), "--tty", "--", "sh", "-c", script, FROM_SHELL="kept")
    assert done.stdout.decode().split() == ["hello=there", "kept", str(tmp_path), "terminal"]
    assert jupyter("run", "--no-tty", "-d", "--", "sh", "-c", "test -t 1 && echo terminal").returncode == 0
    assert jupyter("logs", "-f", "last").stdout == b""
    refused = jupyter("run", "--backend", "moon", "--", "true")
    assert refused.returncode == 125
    assert b"backend: must be one of" in refused.stderr
    refused = jupyter("run", "--option", "gpus=2", "--", "true")
    assert refused.returncode == 125
    assert b"options.gpus" in refused.stderr


def test_a_command_keeps_its_own_options_and_double_dashes(jupyter: Cli) -> None:
    assert jupyter.out("run", "echo", "-d", "--name", "x", "--", "y") == "-d --name x -- y\n"
    assert jupyter.out("run", "--", "echo", "--", "-f") == "-- -f\n"
    assert jupyter.out("run", "--", "echo one && echo two") == "one\ntwo\n"


def test_run_with_stdin_sends_ours(jupyter: Cli) -> None:
    data = bytes(range(256)) * 50
    assert jupyter("run", "-i", "--", "cat", given=data).stdout == data


def test_send_writes_lines_bytes_and_the_end(jupyter: Cli) -> None:
    job = jupyter.started("--stdin", "--no-tty", "--", "cat")
    jupyter.out("send", job, "hello", "wörld")
    jupyter.out("send", job, "-n", "no line end, ")
    jupyter.out("send", job, given=b"\x00\xff\r\n")
    jupyter.out("send", job, "--eof")
    assert jupyter("wait", job).returncode == 0
    assert jupyter("logs", job).stdout == "hello wörld\nno line end, ".encode() + b"\x00\xff\r\n"
    late = jupyter("send", job, "too late")
    assert late.returncode == 1
    assert late.stderr


def test_rm_deletes_what_has_ended_and_with_force_what_runs(jupyter: Cli) -> None:
    ended, running = jupyter.started("--", "true"), jupyter.started("--", "sleep", "600")
    jupyter("wait", ended)
    refused = jupyter("rm", ended, running)
    assert (refused.stdout.decode().split(), refused.returncode) == ([ended], 1)
    assert b"--force" in refused.stderr
    assert jupyter.out("rm", running, "-f").split() == [running]
    assert jupyter("logs", running).returncode == 1
    assert not {ended, running} & {info["id"] for info in jupyter.json("ps", "-a")}


def test_a_workload_that_is_named_twice_is_deleted_once_and_no_other(jupyter: Cli) -> None:
    kept, deleted = jupyter.started("--", "true"), jupyter.started("--", "true")
    jupyter("wait", kept, deleted)
    assert jupyter.out("rm", "last", "last", deleted).split() == [deleted]
    assert jupyter.json("ps", "-n", "1")[0]["id"] == kept


def test_columns_stay_aligned_behind_wide_characters(jupyter: Cli) -> None:
    for name in "名前が長い", "short", "e\u0301\u0301\u0301":
        jupyter("run", "--name", name, "--", "true")
    heading, *rows = jupyter.out("ps", "-n", "3").splitlines()
    before = [row[: row.index("Done")] for row in rows]
    assert [sum(map(cell_width, text)) for text in before] == [heading.index("STATE")] * 3


def test_a_narrow_terminal_shortens_names_before_it_hides_states(jupyter: Cli) -> None:
    name = "a name that is longer than the half of a narrow terminal"
    jupyter("run", "--name", name, "--", "exit 3")
    for columns, shown in (("60", "a name "), ("200", name[:39])):
        with jupyter.on_terminal("ps", "-n", "1", env={"COLUMNS": columns}) as terminal:
            assert terminal.end() == 0
        heading, row = terminal.output.splitlines()
        assert max(len(heading), len(row)) <= int(columns)
        assert f" {shown}… " in row
        assert row[heading.index("STATE") :].startswith("Failed (exit code 3)")


def test_a_lost_workload_gives_its_reason_once(jupyter: Cli) -> None:
    job = jupyter.started("--", "sleep", "600")
    until(lambda: jupyter.json("ps", "-n", "1")[0]["state"] == "running")
    kill_runners(jupyter.home.folder)
    waited, followed = jupyter("wait", job), jupyter("logs", "-f", job)
    assert (waited.returncode, followed.returncode) == (121, 121)
    assert waited.stdout.count(b"its runner was killed") == followed.stderr.count(b"its runner was killed") == 1


def test_cancel_kills_after_the_grace_time(jupyter: Cli) -> None:
    job = jupyter.started("--", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    until(lambda: jupyter.out("logs", job) == "ready\n")
    jupyter.out("cancel", "--grace", "0", job)
    assert json.loads(jupyter("wait", "--json", job).stdout)["signal"] == 9


def test_options_can_stand_between_workloads(jupyter: Cli) -> None:
    jobs = [jupyter.started("--", "true") for _ in range(2)]
    waited = jupyter("wait", jobs[0], "--quiet", jobs[1])
    assert (waited.returncode, waited.stdout) == (0, b"")
    refused = jupyter("wait", jobs[0], "--loud", jobs[1])
    assert refused.returncode == 2
    assert b"usage: jupyter logstream wait" in refused.stderr


def test_export_writes_a_file_in_the_format_of_its_name(jupyter: Cli, tmp_path) -> None:
    jupyter("run", "--", "echo fine; echo ERROR: broken")
    file = tmp_path / "log.txt"
    assert jupyter.out("export", "last", str(file), "--level", "error").strip() == str(file)
    assert file.read_text() == "ERROR: broken\n"
    assert jupyter("export", "last", str(file), "--tail", "1", "--after", "1").returncode == 2
    jupyter.out("export", "last", str(file), "--tail", "2", "--source", "stdout")
    assert file.read_text() == "fine\nERROR: broken\n"
    jupyter.out("export", "last", str(file), "--after", "1")
    assert file.read_text() == "ERROR: broken\n"
    refused = jupyter("export", "last", str(tmp_path / "log.docx"))
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b".parquet" in refused.stderr
    refused = jupyter("export", "last", str(tmp_path / "missing" / "log.txt"))
    assert refused.returncode == 1
    assert refused.stderr.decode() == f"jupyter logstream: No such file or directory: {tmp_path}/missing/log.txt\n"


def test_doctor_reports_the_server_and_its_backends(jupyter: Cli) -> None:
    report = jupyter.out("doctor")
    assert jupyter.server is not None
    assert f":{jupyter.server.port}{jupyter.server.base_url.rstrip('/')}" in report
    assert "local: works" in report
    assert "FAILED" not in report


def test_it_starts_in_less_than_300_ms_of_processor_time(jupyter: Cli) -> None:
    jupyter("run", "--", "true")
    for arguments in (["ps"], ["logs", "last"], ["run", "-d", "true"]):
        costs = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            jupyter.shell(f"exec jupyter logstream {' '.join(arguments)}")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert min(costs) < 0.3, (arguments, costs)
