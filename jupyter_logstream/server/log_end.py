"""The end of a log whose runner cannot write it: a killed runner, a workload that never ran. Server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from typing import Any

from ..store.errors import BadIndex, StreamEnded, UnknownStream
from ..store.protocol import LogStore

_LACKING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.EROFS}


async def close_log(store: LogStore, workload_id: str, log: logging.Logger) -> dict[str, Any]:
    """End a log that no runner writes; returns its totals, none if its files cannot be read or written.

    Raises OSError or BadIndex if the system lacks something for it.
    """
    try:
        with contextlib.suppress(BadIndex):  # to be repaired
            store.read(workload_id, 0, 0)
        with contextlib.suppress(StreamEnded):  # a killed runner may have ended the log before
            await asyncio.to_thread(store.finish, workload_id)  # it may read every line
        return store.read(workload_id, 0, 0).tally().summary()
    except UnknownStream:  # there is none, or its folder was removed: do not make one
        return {}
    except (OSError, BadIndex) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(cause, OSError) and cause.errno in _LACKING:
            raise
        log.warning("the log of workload %s cannot be closed: %s", workload_id, error)
        return {}
