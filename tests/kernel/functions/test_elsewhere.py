"""A function's process on another machine refuses a call of other versions with a sentence, before it loads it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jupyter_logstream.backends.archive import NAME, runner_archive
from jupyter_logstream.kernel.functions.pickling import versions
from jupyter_logstream.model.protocol import CALL_VARIABLE
from jupyter_logstream.runner.localize import call_command
from jupyter_logstream.wire.envelope import pack

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("package", "other", "words"),
    [
        ("python", "2.7.18", "the call was pickled by Python 2.7.18, and"),
        ("cloudpickle", "0.1.0", "the call was pickled with cloudpickle 0.1.0, and"),
    ],
)
def test_call_of_another_version_is_refused_unread(package: str, other: str, words: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(runner_archive())
    (tmp_path / "call").write_bytes(b"".join(pack({**versions(), package: other, "call": "f()"}, [b"no pickle"])))
    env = {**os.environ, CALL_VARIABLE: f"1000:{tmp_path}"}
    command = call_command(sys.executable, str(tmp_path / NAME))
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert words.encode() in (tmp_path / "result").read_bytes()
