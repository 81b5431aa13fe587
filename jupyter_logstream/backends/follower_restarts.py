"""When the killed runner of a workload that follows files is started again. Server."""

from __future__ import annotations

import time
from collections import deque

from ..store.disk.folder import Folder

_MAX_RESTARTS = 10
_RESTARTS_WINDOW_S = 10.0


class Restarts:
    """The last restarts of one runner. More than _MAX_RESTARTS in _RESTARTS_WINDOW_S are not allowed: no loop."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_MAX_RESTARTS)

    def allow(self, folder: Folder) -> bool:
        """Whether to start it again now; not after a fault of its own, which would come back."""
        now = time.monotonic()
        is_loop = len(self._times) == _MAX_RESTARTS and now - self._times[0] < _RESTARTS_WINDOW_S
        if is_loop or folder.last_error():
            return False
        self._times.append(now)
        return True
