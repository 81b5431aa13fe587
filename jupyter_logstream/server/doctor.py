"""Doctor: the self-test of a backend and what is left over on its machine, bounded in time. Server; no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..backends.protocol import Backend, CannotReach, Check, HasLeftovers

CHECK_TIMEOUT_S = 25.0  # clients wait 30 s for an answer
LEFTOVERS_TIMEOUT_S = 4.0
MAX_LEFTOVERS = 1000
MAX_TEXT_CHARS = 2000
"""Of what a check found: ssh can print a lot."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What the doctor found. `leftovers`: where files of workloads are that this server does not know."""

    backend: str
    checks: tuple[Check, ...]
    leftovers: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """As in the protocol."""
        checks = [asdict(check) for check in self.checks]
        return {"backend": self.backend, "ok": self.ok, "checks": checks, "leftovers": list(self.leftovers)}


async def examine(backend: Backend, known: Collection[str]) -> Examination:
    """Test a backend, then search for leftovers of workloads other than `known` if it works.

    A test that does not end within CHECK_TIMEOUT_S is a failed check. Bounds: MAX_LEFTOVERS and MAX_TEXT_CHARS; the
    rest is left out.
    """
    try:
        checks = await asyncio.wait_for(backend.check(), CHECK_TIMEOUT_S)
    except asyncio.TimeoutError:
        advice = "check that its machine answers, then try again"
        checks = [Check("answer in time", ok=False, found=f"nothing within {CHECK_TIMEOUT_S:g} s", advice=advice)]
    found: list[str] = []
    if isinstance(backend, HasLeftovers) and all(check.ok for check in checks):
        try:
            found = await asyncio.wait_for(backend.leftovers(known), LEFTOVERS_TIMEOUT_S)
        except (asyncio.TimeoutError, CannotReach) as error:
            problem = str(error) or f"no answer within {LEFTOVERS_TIMEOUT_S:g} s"
            checks = [*checks, Check("list leftovers", ok=False, found=problem, advice="try again")]
    shown = tuple(replace(check, found=check.found[:MAX_TEXT_CHARS]) for check in checks)
    return Examination(backend.name, shown, tuple(found[:MAX_LEFTOVERS]))
