"""The local backend without its runner: what it resolves and plans."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT

from jupyter_logstream.backends.context import BackendContext
from jupyter_logstream.backends.environment import child_environment
from jupyter_logstream.backends.local import LocalBackend
from jupyter_logstream.backends.protocol import check_supported
from jupyter_logstream.model.spec import SpecError, check_spec

if TYPE_CHECKING:
    from pathlib import Path


def test_given_variables_win_over_the_terminals_and_those_over_the_ambient_ones() -> None:
    made = child_environment({"A": "1", "TERM": "dumb", "PAGER": "less"}, {"A": "2", "PAGER": "more"}, tty=True)
    assert (made["A"], made["TERM"], made["PAGER"]) == ("2", "xterm-256color", "more")
    made = child_environment({"A": "1", "TERM": "dumb"}, {}, tty=False)
    assert (made["A"], made["TERM"], made["PYTHONUNBUFFERED"]) == ("1", "dumb", "1")
    assert child_environment({}, {"PYTHONUNBUFFERED": ""}, tty=False)["PYTHONUNBUFFERED"] == ""


def test_resolve_makes_the_directory_absolute_and_adds_the_servers_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT", "1")
    (tmp_path / "sub dir").mkdir()
    backend = LocalBackend("local", BackendContext(tmp_path, tmp_path))
    spec = backend.resolve(check_spec({"command": ["echo", "a b"], "cwd": "sub dir", "env": {"GIVEN": "2"}}))
    assert spec.cwd == str(tmp_path / "sub dir")
    assert (spec.env["AMBIENT"], spec.env["GIVEN"]) == ("1", "2")
    assert backend.plan(spec) == f"cd '{tmp_path}/sub dir' && echo 'a b'"


def test_a_directory_that_cannot_be_used_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for cwd, problem in ("none", "does not exist"), ("file", "is not a directory"), ("x" * 5000, "name too long"):
        with pytest.raises(SpecError) as error:
            LocalBackend("local", BackendContext(tmp_path, tmp_path)).resolve(
                check_spec({"command": "true", "cwd": cwd})
            )
        assert error.value.field == "cwd"
        assert problem in str(error.value).lower()


def test_an_option_that_the_backend_does_not_support_is_refused_by_name(tmp_path: Path) -> None:
    backend = LocalBackend("local", BackendContext(tmp_path))
    check_supported(check_spec({"command": "true", "stdin": True, "timeout": 5}), backend)
    with pytest.raises(SpecError) as error:
        check_supported(check_spec({"command": "true", "options": {"gpus\x1b": 1}}), backend)
    assert error.value.field == "options.gpus\N{REPLACEMENT CHARACTER}"
    assert "is not supported by the backend 'local': it has no options" in str(error.value)


def test_a_feature_that_the_backend_does_not_support_is_refused_by_name(tmp_path: Path) -> None:
    class Restricted(LocalBackend):
        supports = frozenset({"tty", "options:gpus", "options:queue"})

    backend = Restricted("local", BackendContext(tmp_path))
    check_supported(check_spec({"command": "true", "options": {"gpus": 1}}), backend)
    for field, value in ("stdin", True), ("timeout", 5):
        with pytest.raises(SpecError) as error:
            check_supported(check_spec({"command": "true", field: value}), backend)
        assert error.value.field == field
    with pytest.raises(SpecError, match="it supports gpus, queue"):
        check_supported(check_spec({"command": "true", "options": {"partition": "x"}}), backend)


IN_C_LOCALE = """
import asyncio, sys
from pathlib import Path
from support.running import Bench
from jupyter_logstream.model.spec import check_spec
root = Path(sys.argv[1])
bench = Bench(root / "store")
spec = bench.backend.resolve(check_spec({"command": "x", "cwd": str(root) + "/\\xfc", "env": {"API_KEY": "\\xfc" * 8}}))
job = asyncio.run(bench.run("pwd; echo $V", cwd=spec.cwd, env={**spec.env, "V": "\\xfc"}, tty=False))
print(sys.getfilesystemencoding(), ascii(job.bytes()))
bench.close()
"""


def test_a_server_in_a_c_locale_finds_directories_of_any_name(tmp_path: Path) -> None:
    (tmp_path / "ü").mkdir()
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    env = {**os.environ, **locale, "PYTHONPATH": os.pathsep.join(["tests", *sys.path])}
    command = [sys.executable, "-c", IN_C_LOCALE, str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=100)
    encoding, _, written = ran.stdout.partition(" ")
    assert encoding == "ascii"
    assert ast.literal_eval(written) == f"{tmp_path}/ü\nü\n".encode()
