"""Programs that a backend runs to their end: `squeue`, `scancel`. Server; stdlib."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Ended(NamedTuple):
    """How a program ended. `code`: its exit code, negative after a signal; `output`, `errors`: its text."""

    code: int
    output: str
    errors: str


async def run_program(
    argv: Sequence[str], timeout_s: float, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> Ended:
    """Run a program with this input, in a thread. Raises OSError, TimeoutError (it was killed)."""
    return await asyncio.to_thread(_run, argv, timeout_s, env, stdin)


def _run(argv: Sequence[str], timeout_s: float, env: Mapping[str, str] | None, stdin: bytes) -> Ended:
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, env=env, timeout=timeout_s, check=False,
            start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{argv[0]} did not answer within {timeout_s:g} s") from None
    return Ended(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
