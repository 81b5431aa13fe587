"""Program of a function's process on another machine: check the versions, then run the call. Child process of a runner.

It runs from `runner.pyz`, with the interpreter of the backend's configuration. Nothing is unpickled before Python and
cloudpickle are known to be those that pickled the call. Starts on Python 3.9, to report that it is another version.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ...model.protocol import CALL_VARIABLE
from ...wire.envelope import pack, read_header

_PACKAGE = "jupyter_logstream"
_EXTENDED = ("kernel", "kernel.publish", "kernel.functions", "model", "text", "wire")


def main() -> int:
    """Run the call of this process's workload; returns the exit code."""
    _, _, folder = os.environ[CALL_VARIABLE].partition(":")
    with open(os.path.join(folder, "call"), "rb") as file:
        header = read_header(file)
    # The archive has the cloudpickle of its server; if the kernel has another version, this folder does not exist.
    archive = os.path.dirname(import_module(_PACKAGE).__path__[0])
    sys.path.insert(1, os.path.join(archive, f"cloudpickle-{header.get('cloudpickle')}"))
    if problem := _mismatch(header):
        _refuse(problem, os.path.join(folder, "result"))
        return 1
    _add_installed()
    from .child import run_call  # noqa: PLC0415 - it needs cloudpickle

    return run_call(keep_path=True)


def _mismatch(header: Mapping[str, Any]) -> str:
    """Why the call cannot be loaded by this interpreter; "" if it can."""
    theirs, ours = str(header.get("python")), platform.python_version()
    node = platform.node()
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        return (
            f"the call was pickled by Python {theirs}, and {sys.executable} on {node} is Python {ours}: name an "
            f"interpreter of the same version as `python` of this backend in c.LogStream.backends"
        )
    wanted = header.get("cloudpickle")
    try:
        import cloudpickle  # noqa: PLC0415 - it can be missing here
    except ImportError:
        return (
            f"functions need cloudpickle {wanted} on {node}: {sys.executable} -m pip install cloudpickle=={wanted}, or "
            "name an interpreter that has it as `python` of this backend in c.LogStream.backends"
        )
    if str(cloudpickle.__version__) != wanted:
        return (
            f"the call was pickled with cloudpickle {wanted}, and {node} has {cloudpickle.__version__}: "
            f"{sys.executable} -m pip install cloudpickle=={wanted}"
        )
    return ""


def _add_installed() -> None:
    """Let what the archive lacks (LogHandler, capture) come from an installed package of the same version."""
    package = import_module(_PACKAGE)
    for entry in sys.path:
        folder = os.path.join(entry, _PACKAGE)
        if folder not in package.__path__ and os.path.isfile(os.path.join(folder, "kernel", "client.py")):
            with open(os.path.join(folder, "_version.py"), encoding="utf-8") as file:
                is_same = f'"{package.__version__}"' in file.read()
            for name in _EXTENDED if is_same else ():
                import_module(f"{_PACKAGE}.{name}").__path__.append(os.path.join(folder, *name.split(".")))
            return


def _refuse(problem: str, path: str) -> None:
    """Report the problem in the log, and as the result."""
    print(problem, file=sys.stderr)  # noqa: T201 - the log of the workload
    header = {"kind": "text", "type": "LogStreamError", "repr": problem[:200], "message": problem, "traceback": ""}
    fd = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as file:
        file.writelines(pack(header, []))
    os.replace(path + ".new", path)
