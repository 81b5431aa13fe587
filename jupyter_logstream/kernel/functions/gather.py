"""`gather`: the results of many workloads, in order, with a progress display. Runs in kernels, in user code."""

from __future__ import annotations

import asyncio
import html
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ...model.protocol import FINAL
from ...text.wording import state_label
from ..errors import LogStreamError
from ..event_loop import run_sync
from ..handle import list_workloads

if TYPE_CHECKING:
    from .result_handle import ResultHandle

REFRESH_INTERVAL_S = 1.0
MAX_ROWS = 20
"""Rows of the display; failures and running workloads come first."""

_BAD = FINAL - {"succeeded"}


def gather(jobs: Iterable[ResultHandle], timeout: float | None = None, *, return_exceptions: bool = False) -> list[Any]:
    """Block until all `jobs` have ended, and return their results in the order of the jobs.

    In a notebook a table with a progress bar is shown meanwhile, failures first. `timeout`: seconds for all of them.
    `return_exceptions`: True puts exceptions into the list; False raises the first one in the order of the jobs, once
    all have ended. Raises TimeoutError, and what `result()` raises. A timeout or an interrupt leaves them running.
    """
    jobs = list(jobs)
    display = _Display(jobs)
    try:
        run_sync(_wait(jobs, display), timeout)
    except TimeoutError:
        raise TimeoutError(f"not all of {len(jobs)} workloads have ended within {timeout} s; they still run") from None
    results: list[Any] = []
    for job in jobs:
        try:
            results.append(job.result())
        except Exception as error:  # noqa: BLE001 - the user's function can raise anything
            results.append(_Failure(error))
    failures = [result.error for result in results if isinstance(result, _Failure)]
    if failures and not return_exceptions:
        raise failures[0]
    return [result.error if isinstance(result, _Failure) else result for result in results]


class _Failure:
    """A result that is an exception, apart from an exception that is a result."""

    def __init__(self, error: Exception) -> None:
        self.error = error


async def _wait(jobs: Sequence[ResultHandle], display: _Display) -> None:
    """Return when all have ended. One stream at a time: the server needs no connection for each."""
    refresh = asyncio.create_task(display.run())
    try:
        for job in jobs:
            await job._wait()  # noqa: SLF001 - the coroutine behind wait() and await
    finally:
        refresh.cancel()
        await asyncio.gather(refresh, return_exceptions=True)
    await asyncio.to_thread(display.update)


class _Display:
    """The table in the cell's output; nothing outside IPython."""

    def __init__(self, jobs: Sequence[ResultHandle]) -> None:
        self._ids = [job.id for job in jobs]
        self._id = uuid4().hex
        self._shown = ""
        self._shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if self._shell is not None and self._ids:
            self._publish(f"<div><progress max={len(self._ids)} value=0></progress> 0 of {len(self._ids)} done</div>")

    async def run(self) -> None:
        """Refresh the table until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_INTERVAL_S)
            await asyncio.to_thread(self.update)

    def update(self) -> None:
        """Fetch the states and show them; a failed request shows nothing new."""
        if self._shell is None or not self._ids:
            return
        try:
            infos = _infos(self._ids)
        except LogStreamError:
            return
        text = as_html(infos, len(self._ids))
        if text != self._shown:
            self._publish(text)

    def _publish(self, text: str) -> None:
        from IPython.display import HTML, display, update_display  # noqa: PLC0415 - only kernels have it

        show = update_display if self._shown else display
        self._shown = text
        show(HTML(text), display_id=self._id)  # type: ignore[no-untyped-call]


def _infos(ids: Sequence[str]) -> list[dict[str, Any]]:
    """The workloads with these ids, of the newest pages that can hold them."""
    wanted = set(ids)
    return [info for info in list_workloads(None, 1000) if info["id"] in wanted]


def as_html(infos: Sequence[dict[str, Any]], total: int) -> str:
    """A bar, the counts by state, and a row each for what needs attention; escaped."""
    states = Counter(str(info["state"]) for info in infos)
    done = sum(states[state] for state in FINAL)
    counts = ", ".join(f"{states[state]} {state_label(state)}" for state in sorted(states, key=_rank))
    rows = sorted(infos, key=lambda info: (_rank(info["state"]), info["id"]))[:MAX_ROWS]
    cells = "\n".join(
        f"<tr><td>{state_label(info['state'])}</td><td><code>{html.escape(str(info['name']))}</code></td>"
        f"<td>{html.escape(str((info.get('result') or {}).get('repr') or info.get('error') or ''))}</td></tr>"
        for info in rows
    )
    bar = f"<progress max={total} value={done}></progress> {done} of {total} done · {html.escape(counts)}"
    more = f"<div>{len(infos) - len(rows)} more</div>" if len(infos) > len(rows) else ""
    return f'<div>{bar}</div>\n<table class="jupyter-logstream">{cells}</table>{more}'


def _rank(state: str) -> int:
    """Failures first, then what runs, what waits, what succeeded."""
    return 0 if state in _BAD else {"running": 1, "queued": 2}.get(state, 3)
