"""Which string commands the shell executes in its own process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jupyter_logstream.runner.child import exec_simple

if TYPE_CHECKING:
    from support.running import Bench

SIMPLE = ["python3 -u w.py", "sleep 600", "./run.sh --lr=0.1 'a b'", 'prog -c "x y" a=b', "/usr/bin/env x", "ls  -l"]
NOT_SIMPLE = [
    "a; b", "a && b", "a | b", "a &", "A=1 prog", "$PROG x", "prog $(x)", "prog `x`", "prog > f", "prog $HOME",
    "cd /tmp", "echo hi", "exec prog", "kill 1", "if x", "prog\nother", "prog *.py", "~/prog", "prog ~/x", "prog #c",
    "(prog)",    "{ prog; }", "time prog", "! prog", "prog 'a", 'prog "$x"', "prog \\; x", "", "prog\ta", "'my prog' x",
    "trap '' TERM",
]  # fmt: skip


@pytest.mark.parametrize("command", SIMPLE)
def test_one_external_program_replaces_the_shell(command: str) -> None:
    assert exec_simple(["/bin/sh", "-c", command]) == ["/bin/sh", "-c", "exec " + command]


@pytest.mark.parametrize("command", NOT_SIMPLE)
def test_any_other_command_is_left_to_the_shell(command: str) -> None:
    assert exec_simple(["/bin/sh", "-c", command]) == ["/bin/sh", "-c", command]


def test_a_list_is_never_changed() -> None:
    for argv in ["ls"], ["sh", "-c", "ls"], ["/bin/sh", "-c", "ls", "x"]:
        assert exec_simple(argv) == argv


async def test_the_program_is_the_direct_child_of_the_runner(bench: Bench) -> None:
    job = await bench.run("readlink /proc/self")
    assert job.lines() == [str(job.status.pid)]
