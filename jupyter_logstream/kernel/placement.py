"""Directory and environment of a new workload: the kernel's, or another machine's. Runs in kernels."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from .connection import call

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

LOCAL = "local"
"""The default backend."""

# What ipykernel and IPython set for themselves. A workload has a terminal of its own.
_KERNEL_VARIABLES = {
    "CLICOLOR": "1",
    "CLICOLOR_FORCE": "1",
    "FORCE_COLOR": "1",
    "GIT_PAGER": "cat",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PAGER": "cat",
    "TERM": "xterm-color",
}


def place(backend: str | None, cwd: str | os.PathLike[str] | None, env: Mapping[str, str] | None) -> dict[str, Any]:
    """The fields `cwd` and `env` of a specification; elsewhere only what was given. Raises LogStreamError."""
    features = _features(backend)
    if "kernel_environment" in features:
        return _place_here(cwd, env)
    if "kernel_directory" in features:
        return {**_place_here(cwd, None), "env": None if env is None else dict(env)}
    return _place_there(cwd, env)


def _features(backend: str | None) -> Collection[str]:
    """What a backend gives its workloads of the kernel's."""
    local = ("kernel_environment",)
    if backend in {None, LOCAL}:
        return local
    supports: Mapping[str, list[str]] = call("GET", "info").json().get("supports", {})
    return supports.get(str(backend), local)  # the server names an unknown one


def _place_here(cwd: str | os.PathLike[str] | None, env: Mapping[str, str] | None) -> dict[str, Any]:
    # Not Path.resolve(): a symlink stays the path that the user knows.
    folder = os.path.abspath(os.path.expanduser(os.fsdecode(cwd or ".")))
    return {"cwd": folder, "env": {**_kernel_env(), **(env or {})}}


def _place_there(cwd: str | os.PathLike[str] | None, env: Mapping[str, str] | None) -> dict[str, Any]:
    """Another machine's directory and environment: nothing of the kernel's leaves this one."""
    return {"cwd": None if cwd is None else os.fsdecode(cwd), "env": None if env is None else dict(env)}


def _kernel_env() -> dict[str, str]:
    env = {key: value for key, value in os.environ.items() if _KERNEL_VARIABLES.get(key) != value}
    env["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), env.get("PATH", os.defpath)])
    return env
