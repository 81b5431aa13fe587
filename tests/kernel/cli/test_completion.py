"""Completion of verbs, options and workloads in real shells."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from support.cli import PROGRAM
from support.pseudo_terminal import on_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Cli

BASH = r"""
eval "$(jupyter-logstream completion bash)"
COMP_TYPE=9
for COMP_LINE in "$@"; do
  COMP_POINT=${#COMP_LINE}; COMPREPLY=()
  _python_argcomplete ${COMP_LINE%% *} "" ""
  echo "${COMPREPLY[@]}"
done
"""


def complete(cli: Cli, *lines: str, **env: str) -> list[list[str]]:
    """What bash offers for each line."""
    words = " ".join(f"'{line}'" for line in lines)
    done = cli.shell(f"set -- {words}\n{BASH}", **env)
    assert done.returncode == 0, done.stderr.decode()
    return [line.split() for line in done.stdout.decode().splitlines()]


def test_bash_completes_verbs_options_values_and_workloads(private: Cli) -> None:
    job = private.started("--name", "unmistakable", "--", "true")
    private("wait", job)
    verb, option, name, by_id, level, backend, checked, newest = complete(
        private,
        "jupyter-logstream can",
        "jupyter-logstream logs --fol",
        "jupyter-logstream logs unm",
        f"jupyter-logstream cancel {job[:20]}",
        "jupyter-logstream logs last --level e",
        "jupyter-logstream run --backend lo",
        "jupyter-logstream backends --check lo",
        "jupyter-logstream wait ",
    )
    assert (verb, option, name, by_id) == (["cancel"], ["--follow"], ["unmistakable"], [job])
    assert (level, backend, checked) == (["error"], ["local"], ["local"])
    assert {"last", "unmistakable", job} <= set(newest)


def test_bash_completes_behind_the_jupyter_command(private: Cli) -> None:
    assert complete(private, "jupyter logstream expo", "jupyter logstream ps --al") == [["export"], ["--all"]]


def test_completing_starts_no_server(private: Cli, tmp_path: Path) -> None:
    env = {"JUPYTER_DATA_DIR": str(tmp_path)}
    assert complete(private, "jupyter-logstream logs la", **env) == [["last"]]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("shell", "options", "script"),
    [
        ("bash", ["--norc", "-i"], 'eval "$(jupyter-logstream completion bash)"'),
        ("zsh", ["-f", "-i"], 'autoload -U compinit; compinit -D; eval "$(jupyter-logstream completion zsh)"'),
        ("fish", ["--no-config", "-i"], "jupyter-logstream completion fish | source"),
    ],
)
def test_a_key_press_completes_a_name_in_an_interactive_shell(
    private: Cli, shell: str, options: list[str], script: str
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    private("run", "--name", f"{shell}-key", "--", "echo", "by key")
    path = f"{PROGRAM.rpartition('/')[0]}:{private.env['PATH']}"
    with on_terminal([shell, *options], {**private.env, "PATH": path}, private.home.folder) as screen:
        screen.send(f"{script}; echo rea''dy\r")
        screen.wait_for("ready")
        screen.send(f"jupyter-logstream logs {shell}-k\t")
        screen.wait_for(f"{shell}-key")
        screen.send("\r")
        screen.wait_for("by key")
    assert not re.search("command not found|Traceback", screen.output)
