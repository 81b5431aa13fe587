"""Python interpreters of this machine, for what must run on others than the server's. Test support."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

WANTED = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
"""Versions that a runner can meet on other machines; those that are missing are named in the tests' summary."""

_VERSION = re.compile(r"Python (3\.\d+)\.")


@lru_cache(maxsize=1)
def interpreters() -> dict[str, str]:
    """Version (3.9) -> path of each interpreter that is found and starts: on PATH, of pyenv, conda and uv."""
    found: dict[str, str] = {}
    for path in _candidates():
        version = _version(path)
        if version in WANTED:
            found.setdefault(version, path)
    return found


def interpreter(version: str) -> str:
    """The interpreter of a version; the test does not run without it, and the summary says so."""
    if version not in interpreters():
        pytest.skip(f"there is no Python {version} on this machine")
    return interpreters()[version]


def _candidates() -> list[str]:
    folders = [Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"]
    folders += [Path(path).expanduser() for path in ("~/.local/share/uv/python", "/opt/python", "~/miniconda3/envs")]
    in_folders = [str(path) for folder in folders if folder.is_dir() for path in sorted(folder.glob("*/bin/python3"))]
    on_path = [path for version in WANTED if (path := shutil.which(f"python{version}"))]
    return [*in_folders, *on_path]


def _version(path: str) -> str:
    """The version of an interpreter; "" if it does not start, as a shim of a version that is not selected."""
    try:
        ran = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    match = _VERSION.match(ran.stdout)
    return match[1] if match and ran.returncode == 0 else ""
