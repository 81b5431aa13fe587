"""`show()` and `print()` in scripts and in IPython, on a real terminal (a pty) and through pipes."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.private_home import Home, new_home
from support.pseudo_terminal import Terminal, on_terminal

from jupyter_logstream.kernel.terminal import styled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

CHILD = r"printf '\033[32mgreen\033[0m\n'; printf 'a\033[3Db\033[K\n'; echo 'ERROR: bad' >&2; echo warn: careful; "
BAR = r"for i in 10 50 90; do printf '\r%s%%' $i; sleep 0.3; done; printf '\rdone\n'; "


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    for home in new_home(tmp_path_factory.mktemp("terminal") / "home"):
        assert home.command("server", "start").returncode == 0
        yield home


def terminal(command: list[str], home: Home) -> AbstractContextManager[Terminal]:
    return on_terminal(command, {**home.env, "IPYTHONDIR": str(home.folder / "ipython")}, home.folder)


def script(command: str, then: str = "job.show()") -> list[str]:
    return [sys.executable, "-c", f"from jupyter_logstream import attach, run\njob = run({command!r})\n{then}"]


def test_show_prints_lines_with_the_childs_colours_and_levels_but_no_cursor_movement(home: Home) -> None:
    with terminal(script(CHILD), home) as screen:
        screen.wait_for(r"Done.*\n")
    assert "\x1b[32mgreen\x1b[0m" in screen.output
    assert "\x1b[31mERROR: bad\x1b[0m" in screen.output
    assert "\x1b[33mwarn: careful\x1b[0m" in screen.output
    assert not re.search(r"\x1b\[\d*[ABCDHJ]", screen.output)


def test_a_progress_bar_replaces_itself_and_stays_as_one_line(home: Home) -> None:
    with terminal(script(BAR), home) as screen:
        screen.wait_for("Done")
    assert "\r\x1b[2K90%\r\x1b[2Kdone" in screen.output.replace("\x1b[0m", "")
    assert screen.output.count("done\r\n") == 1


def test_ctrl_c_detaches_and_names_the_way_back_while_the_workload_goes_on(home: Home) -> None:
    with terminal(
        script("echo first; sleep 600", "job.show(); print(job.state, 'after'); job.cancel(); print('over')"), home
    ) as screen:
        screen.wait_for("first")
        screen.send("\x03")
        detached = screen.wait_for(r'attach\("(\w+)"\)\.show\(\)')
        screen.wait_for("running after")
        screen.wait_for("over")
    assert "Traceback" not in screen.output
    again = home.python(f"from jupyter_logstream import attach\nattach({detached[1]!r}).show()")
    assert again.stdout == "first\n"
    assert "Cancelled" in again.stderr


def test_ipython_prints_and_keeps_its_prompt(home: Home) -> None:
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"]
    with terminal(command, home) as screen:
        screen.wait_for(r"In \[1\]")
        screen.send("from jupyter_logstream import run; job = run('echo one; sleep 600')\n")
        screen.wait_for(r"In \[2\]")
        screen.send("job.show()\n")
        screen.wait_for(r"\none\r")
        screen.send("\x03")
        screen.wait_for("Detached")
        screen.wait_for(r"In \[3\]")
        screen.send("print(job.cancel().wait())\n")
        screen.wait_for(r"Cancelled.*1 line.*\n")
    assert "Traceback" not in screen.output


def test_pipes_get_plain_lines_each_on_its_own_stream(home: Home) -> None:
    done = subprocess.run(script(CHILD + BAR), env=home.env, capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.splitlines() == ["green", "b", "warn: careful", "done"]
    assert done.stderr.splitlines()[0] == "ERROR: bad"
    assert len(done.stderr.splitlines()) == 2


def test_a_long_log_begins_with_its_last_lines(home: Home) -> None:
    done = home.python("from jupyter_logstream import run\nrun('seq 3000').wait().show()")
    assert done.stdout.splitlines() == [str(n) for n in range(2001, 3001)]
    assert "2,000 earlier lines" in done.stderr


def test_print_gives_one_line_with_command_state_and_id(home: Home) -> None:
    done = home.python("from jupyter_logstream import run\njob = run('echo hi').wait()\nprint(job)\nprint(job.id)")
    line, job = done.stdout.splitlines()
    assert re.fullmatch(rf"echo hi \[Done.*, 1 line\] {job}", line)


def test_follow_in_a_script_ends_with_the_workload(home: Home) -> None:
    done = home.python("from jupyter_logstream import run\nfor r in run('seq 3').follow(): print(r.message)")
    assert (done.stdout, done.returncode) == ("1\n2\n3\n", 0)


def test_characters_that_act_on_a_terminal_are_shown_as_stand_ins() -> None:
    assert styled("a\x1b]0;title\x07\x1b[1mb\x07\u202ec") == "a\x1b[1mb␇\\u202ec\x1b[0m"
