"""Logs on a terminal and in pipes: exact bytes, harmless control sequences, Ctrl-C, closed pipes, resumption."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.waiting import until

if TYPE_CHECKING:
    from support.cli import Cli

ALL_BYTES = r"""
import os
for i in range(40):
    os.write(1, bytes(range(256)) + b"\r\n")
    os.write(2, bytes(reversed(range(256))))
os.write(1, b"no line end")
"""
ATTACK = (
    r"printf 'a\033]0;title\007b\033[2J\033[H\033]52;c;aGk=\007\033[?1049h\033P1$tx\033\\c\n';"
    r"printf '\033[31mred\033[0m\n'; printf '\033[6n\033c\033#8end\n'"
)


@pytest.fixture(scope="module")
def expected() -> subprocess.CompletedProcess[bytes]:
    """What the program writes."""
    return subprocess.run([sys.executable, "-c", ALL_BYTES], capture_output=True, check=True)


def test_run_prints_what_the_command_printed_and_nothing_else(cli: Cli) -> None:
    done = cli("run", "--", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 0)


def test_run_detached_prints_the_id_that_wait_and_logs_take(cli: Cli) -> None:
    started = cli.out("run", "-d", "--name", "seven", "--", "echo lucky; exit 7")
    assert re.fullmatch(r"[0-9A-Z]{26}\n", started)
    waited = cli("wait", started.strip())
    assert waited.returncode == 7
    assert b"exit code 7" in waited.stdout
    assert cli("logs", "-f", started.strip()).returncode == 7
    assert cli.out("logs", "seven") == "lucky\n"


def test_pipes_get_all_bytes_of_each_output_as_written(cli: Cli, expected: subprocess.CompletedProcess[bytes]) -> None:
    for how in "--tty", "--no-tty":
        done = cli("run", how, "--", sys.executable, "-c", ALL_BYTES)
        assert (done.stdout, done.stderr) == (expected.stdout, expected.stderr)
        for arguments in (["logs", "last"], ["logs", "-f", "last"]):
            read = cli(*arguments)
            assert (read.stdout, read.stderr) == (expected.stdout, expected.stderr)
    assert cli("logs", "last", "--source", "stderr").stderr == expected.stderr


def test_files_get_all_bytes_and_joined_outputs_keep_their_order(private: Cli) -> None:
    script = "for i in 1 2 3; do echo out $i; sleep 0.1; echo err $i >&2; sleep 0.1; done"
    private.shell(f"jupyter logstream run -- '{script}' > both 2>&1")
    order = "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"
    assert (private.home.folder / "both").read_text() == order
    assert private.shell("jupyter logstream logs last 2>&1 | cat").stdout.decode() == order
    assert private.shell("jupyter logstream logs last >> both 2>> both").returncode == 0
    assert len((private.home.folder / "both").read_text()) == 2 * len(order)


def test_after_and_tail_select_exact_lines(private: Cli) -> None:
    private("run", "--", "sh", "-c", r"printf 'one\r\ntwo\0\nthree\nfour'")
    assert private("logs", "last", "--after", "2").stdout == b"three\nfour"
    assert private("logs", "last", "-f", "--after", "1").stdout == b"two\0\nthree\nfour"
    assert private("logs", "last", "-n", "3").stdout == b"two\0\nthree\nfour"
    assert private("logs", "last", "-f", "--tail", "1").stdout == b"four"
    assert private("logs", "last", "--tail", "0").stdout == b""
    assert private("logs", "last", "--tail", "all").stdout == b"one\r\ntwo\0\nthree\nfour"


def test_filters_choose_lines_as_text_or_json(private: Cli) -> None:
    private("run", "--", "printf 'INFO fine\\nERROR: \\033[31mbroken\\033[0m\\nWARN hm\\n'; echo ERROR other >&2")
    assert private.out("logs", "last", "--grep", "broken") == "ERROR: broken\n"
    assert private.out("logs", "last", "--grep", "/br.k|fine/", "--exclude", "ERROR") == "INFO fine\n"
    found = private.json("logs", "last", "--level", "error", "--source", "stdout")
    assert [(record["seq"], record["level"], record["source"]) for record in found] == [(2, "error", "stdout")]
    assert private.json("logs", "last", "-f", "--level", "error", "--source", "stdout") == found
    timed = private.out("logs", "last", "-t", "--grep", "fine")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO fine\n", timed)
    for option, follow, code in (("--grep", (), 1), ("--exclude", ("-f",), 125)):
        refused = private("logs", "last", *follow, option, "/(/")
        assert (refused.returncode, refused.stdout) == (code, b"")
        assert refused.stderr.decode().startswith(f"jupyter logstream: {option} is not a regular expression: ")


def test_json_cursor_resumes_exactly(private: Cli) -> None:
    private("run", "--", "seq", "12000")
    first = private.json("logs", "last")
    assert [record["message"] for record in first] == [str(n) for n in range(1, 12001)]
    rest = private.json("logs", "last", "--after", str(first[6999]["seq"]))
    assert rest == first[7000:]


def test_a_reader_that_ends_early_ends_the_command_quietly(private: Cli) -> None:
    for command in ("run -- seq 300000", "logs last", "logs -f last", "logs last --json", "ps -a --json"):
        done = private.shell(f"set -o pipefail; jupyter-logstream {command} | head -1; echo ${{PIPESTATUS[0]}} >&2")
        assert done.stderr.decode().strip() in {"141", "0"}, command
        assert len(done.stdout.splitlines()) == 1


def test_a_terminal_gets_colours_but_nothing_that_changes_it(private: Cli) -> None:
    with private.on_terminal("run", "--", ATTACK) as screen:
        assert screen.end() == 0
    assert "\x1b[31mred\x1b[0m" in screen.output
    left = re.sub(r"\x1b\[[0-9;]*m", "", screen.output.replace("\r\x1b[2K", ""))
    assert "\x1b" not in left
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x9b]", left)
    with private.on_terminal("logs", "last", env={"NO_COLOR": "1"}) as screen:
        assert screen.end() == 0
    assert "\x1b" not in screen.output
    assert "red\r\n" in screen.output


def test_a_program_has_a_terminal_if_its_output_is_shown_on_one(private: Cli) -> None:
    test = "test -t 1 && echo yes || echo no"
    with private.on_terminal("run", "--", test) as screen:
        screen.wait_for(r"yes\r\n")
    assert private.out("run", "--", test) == "no\n"


def test_a_progress_bar_replaces_itself(private: Cli) -> None:
    bar = r"for i in 10 50 90; do printf '\r%s%%' $i; sleep 0.3; done; printf '\rdone\n'"
    with private.on_terminal("run", "--", bar) as screen:
        assert screen.end() == 0
    assert "90%\r\x1b[2K" in screen.output
    assert re.sub(r"\x1b\[0?m", "", screen.output).count("done\r\n") == 1


def test_ctrl_c_detaches_and_the_printed_command_comes_back(cli: Cli) -> None:
    with cli.on_terminal("run", "--name", "long", "--", "echo first; sleep 600") as screen:
        screen.wait_for("first")
        screen.send("\x03")
        command = screen.wait_for(r"jupyter logstream (logs -f (\w+))")
        assert screen.end() == 130
    assert "Traceback" not in screen.output
    assert [info["state"] for info in cli.json("ps")] == ["running"]
    with cli.on_terminal(*command[1].split()) as screen:
        screen.wait_for("first")
        cli.out("cancel", command[2])
        assert screen.end() == 143
        assert "Cancelled" in screen.output


def test_ctrl_c_while_waiting_leaves_the_workload_running(private: Cli) -> None:
    job = private.started("--", "sleep", "600")
    with private.on_terminal("wait", job) as screen:
        until(lambda: int(json.loads(private.out("ps", "--json"))["started"] or 0))
        screen.send("\x03")
        assert screen.end() == 130
        assert "Traceback" not in screen.output
    private.out("cancel", job)


def test_a_log_that_is_read_while_it_runs_ends_at_its_present_end(private: Cli) -> None:
    job = private.started("--", "echo first; sleep 600")
    until(lambda: private.out("logs", job) == "first\n")
    assert [record["message"] for record in private.json("logs", job)] == ["first"]
    private.out("cancel", job)


def test_published_records_are_lines_of_standard_output(private: Cli) -> None:
    script = "from jupyter_logstream import LogHandler; import logging; log = logging.getLogger('x')\n"
    script += (
        "handler = LogHandler(name='published'); log.addHandler(handler); log.warning('ünder way'); handler.close()"
    )
    done = private.home.python(script)
    assert done.returncode == 0, done.stderr
    assert "ünder way\n" in private.out("logs", "published")


def test_ascii_locales_print_names_and_lines(private: Cli) -> None:
    private("run", "--name", "n\N{SNOWMAN}", "--", "echo \N{SNOWMAN}")
    for arguments in (["ps", "-a"], ["logs", "last", "--grep", "\N{SNOWMAN}"], ["logs", "last", "--json"]):
        done = private(*arguments, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        assert (done.returncode, done.stderr) == (0, b"")
    assert private("logs", "last", PYTHONIOENCODING="ascii").stdout == "\N{SNOWMAN}\n".encode()


def test_names_and_json_do_nothing_to_a_terminal(private: Cli) -> None:
    command = "printf 'a\\302\\233mb\\n'; exit 3 # \x1b]0;title\x07\x9b2J\u202e\x1b[31mred"
    with private.on_terminal("run", "--", command) as screen:
        assert screen.end() == 3
    for arguments in (["ps", "-a"], ["ps", "-a", "--json"], ["logs", "last", "--json"], ["wait", "last"]):
        with private.on_terminal(*arguments) as shown:
            shown.end()
        screen.output += shown.output
    left = re.sub(r"\x1b\[[0-9;]*m", "", screen.output)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", left), left
    assert "\x1b[31mred" not in screen.output


def test_run_prints_records_as_json_lines(private: Cli) -> None:
    done = private("run", "--json", "--", "echo one; echo two")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(record["seq"], record["message"]) for record in records] == [(1, "one"), (2, "two")]
    (info,) = map(json.loads, private("run", "-d", "--json", "--", "true").stdout.splitlines())
    assert info["command"] == "true"
