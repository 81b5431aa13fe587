"""Copy of Ray's log of a job, for jobs whose runner cannot connect. Server; stdlib."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from ..engine_log import EngineLog
from ..job_queue import Report
from ..protocol import CannotReach
from .api import RayApi

_FIRST_RETRY_S, _MAX_RETRY_S = 0.2, 10.0
_POLL_S = 0.2
_LAST_TIMEOUT_S = 60.0


async def follow_job_log(api: RayApi, job_id: str, report: Callable[[], Report], log: EngineLog) -> None:
    """Copy a job's log until the job is over and the rest is read. OSError: of the log here.

    The stream of a job does not end by itself, and can end at any time: its end means that it is opened again, where
    it begins anew and what is here is left out. What cannot be read after the job's end is reported in the log.
    """
    following = asyncio.get_running_loop().create_task(_follow(api, job_id, report, log))
    try:
        while not report().is_over and not following.done():  # noqa: ASYNC110 - the reports are polled, too
            await asyncio.sleep(_POLL_S)
        if following.done():
            await following  # raises what ended it
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
    if not (node := report().job):
        return  # it never ran
    try:
        await asyncio.wait_for(_copy(api, job_id, node, log, follow=False), _LAST_TIMEOUT_S)
    except (CannotReach, asyncio.TimeoutError) as error:
        log.note("error", f"the rest of Ray's log could not be read: {str(error) or 'no answer'}")


async def _follow(api: RayApi, job_id: str, report: Callable[[], Report], log: EngineLog) -> None:
    pause_s = _FIRST_RETRY_S
    while True:
        before = log.position
        if node := report().job:
            with suppress(CannotReach):
                await _copy(api, job_id, node, log, follow=True)
        pause_s = _FIRST_RETRY_S if log.position > before else min(2 * pause_s, _MAX_RETRY_S)
        await asyncio.sleep(pause_s)


async def _copy(api: RayApi, job_id: str, node: str, log: EngineLog, *, follow: bool) -> None:
    offset = 0
    async for data in api.log(job_id, node, follow=follow):
        log.append(offset, data)
        offset += len(data)
