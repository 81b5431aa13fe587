"""What tests of publishing share: programs that publish, and what the server has of it in the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.serving import Server

PLACE = "JUPYTER_LOGSTREAM_SERVER"


def place_of(server: Server) -> Path:
    """The file with a server's address."""
    with server.kernel() as kernel:
        return Path(kernel.json(f"__import__('os').environ['{PLACE}']"))


def program(code: str, place: Path, **variables: str) -> subprocess.Popen[str]:
    """Start a Python program that knows the server, as a script of the user's would."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER_LOGSTREAM")}
    env.pop("PYTHONUNBUFFERED", None)
    path = place.parent.parent / f"script-{time.monotonic_ns()}.py"
    path.write_text(textwrap.dedent(code), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, str(path)],
        env={**env, PLACE: str(place), **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def completed(code: str, place: Path, **variables: str) -> tuple[int, str, str]:
    """Run it to its end: exit code, stdout, stderr."""
    process = program(code, place, **variables)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def logs_until(holds: Callable[[], Any], code: str, place: Path) -> None:
    """Run a program until something has become true: then it may end."""
    process = program(code + "\nimport sys; sys.stdin.readline()", place)
    try:
        until(holds)
    finally:
        process.communicate("\n", timeout=60)


def named(server: Server, name: str) -> dict[str, Any]:
    """The workload of this name, or nothing; there must not be two."""
    found = [w for w in server.get("workloads", limit=1000)["workloads"] if w["name"] == name]
    assert len(found) < 2
    return found[0] if found else {"lines": None, "state": None}


def records(server: Server, workload_id: str) -> list[dict[str, Any]]:
    """All its records; their numbers have no hole."""
    found: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = server.get(f"workloads/{workload_id}/records", limit=5000, after=after)
        found += page["records"]
        after = page["next"]
    assert [record["seq"] for record in found] == list(range(1, len(found) + 1))
    return found


def messages(server: Server, name: str) -> list[str]:
    """The messages of the workload of this name."""
    return [record["message"] for record in records(server, named(server, name)["id"])]


def until(holds: Callable[[], Any], patience: float = 30) -> Any:
    """Wait for something to become true."""
    deadline = time.monotonic() + patience
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return found


def spools(place: Path) -> list[Path]:
    """What waits to be sent."""
    folder = place.with_name("spool")
    return sorted(folder.glob("*.spool")) if folder.is_dir() else []


def head(spool: Path) -> dict[str, Any]:
    """The header of a spool."""
    found: dict[str, Any] = json.loads(spool.read_bytes()[:512])
    return found
