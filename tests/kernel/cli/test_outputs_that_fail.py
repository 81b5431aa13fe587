"""Outputs that are closed or full, and an interrupt before anything has begun."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.cli import PROGRAM

if TYPE_CHECKING:
    from support.cli import Cli

FULL = Path("/dev/full")


def test_closed_streams_change_neither_the_run_nor_its_exit_code(private: Cli) -> None:
    for redirection in (">&-", "2>&-", "<&- >&- 2>&-"):
        done = private.shell(f"jupyter-logstream run -- sh -c 'echo out; echo err >&2; exit 3' {redirection}")
        assert done.returncode == 3, (redirection, done.stderr.decode())
        assert b"Traceback" not in done.stderr
        assert private("logs", "last").stdout == b"out\n"


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")
def test_a_full_disk_is_named_and_the_exit_code_is_that_of_a_failure(private: Cli) -> None:
    private("run", "--", "seq", "1", "20000")
    for verb, code in (("ps --all", 1), ("logs last", 1), ("logs -f last", 125), ("run -- seq 1 20000", 125)):
        done = private.shell(f"jupyter-logstream {verb} > {FULL}")
        assert (done.returncode, done.stderr) == (code, b"jupyter logstream: No space left on device\n"), verb


def test_an_interrupt_while_it_starts_ends_it_quietly(private: Cli, tmp_path: Path) -> None:
    (tmp_path / "argparse.py").write_text("raise KeyboardInterrupt\n")
    env = {**private.env, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([PROGRAM, "ps"], env=env, capture_output=True, timeout=100, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
