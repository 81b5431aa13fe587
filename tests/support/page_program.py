"""Programs that serve pages of their own: marimo, Voila, Solara. Test support."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextmanager
def page_program(folder: Path, env: Mapping[str, str], module: str, *arguments: str) -> Iterator[str]:
    """Run `python -m module arguments` in a folder during the block; its URL. `{port}` stands for a free port."""
    port = free_port()
    command = [sys.executable, "-m", module, *(argument.replace("{port}", str(port)) for argument in arguments)]
    log_file = folder / f"{module}.log"
    url = f"http://127.0.0.1:{port}/"
    with log_file.open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=dict(env), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait_until_serving(url, process, log_file)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait_until_serving(url: str, process: subprocess.Popen[bytes], log_file: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, log_file.read_text()
        try:
            httpx.get(url, trust_env=False, timeout=30)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log_file.read_text())
