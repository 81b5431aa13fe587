"""Push to OpenTelemetry: sends batches one after the other, retries, and reports trouble in the server's log. Server.

Delivery is at least once: a position moves after its batch was accepted, so a batch whose answer was lost is sent
again. Every record has a `log.record.uid` by which doubles can be removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable

from .client import Outcome, Sender, Verdict
from .feed import Feed, PushBatch
from .records import logs_data

MAX_BATCH_RECORDS = 1000
POLL_INTERVAL_S = 1.0
BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Pauses after failures in a row, each with up to 25 % of jitter; the last repeats. Retry-After takes precedence."""

MAX_ATTEMPTS = 5
"""Attempts with a batch at which the collector itself fails (500): it is given up then, so that others get through."""

CLOSE_TIMEOUT_S = 3.0


class Exporter:
    """Sends what `feed` has by `sender`, for as long as `run` runs. `mask`: hides secrets in a collector's answers."""

    def __init__(self, feed: Feed, sender: Sender, log: logging.Logger, mask: Callable[[str], str]) -> None:
        self._feed, self._sender, self._log, self._mask = feed, sender, log, mask
        self._limit = MAX_BATCH_RECORDS
        self._closing, self._finished = asyncio.Event(), asyncio.Event()
        self._finished.set()
        self._down_since: float | None = None
        self._cursors_fail = False

    async def run(self) -> None:
        """Send until it is cancelled or `close` is called."""
        self._finished.clear()
        try:
            while True:
                batch = await self._feed.next(self._limit)
                if batch is None:
                    if self._closing.is_set():
                        return
                    await self._pause(POLL_INTERVAL_S)
                elif not await self._deliver(batch):
                    return
        finally:
            self._finished.set()
            self._sender.close()

    async def close(self) -> None:
        """Let `run` send what is left, within CLOSE_TIMEOUT_S and without retries; the rest follows after a restart."""
        self._closing.set()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._finished.wait(), CLOSE_TIMEOUT_S)

    async def _deliver(self, batch: PushBatch) -> bool:
        """Send a batch until it is accepted, given up, or too large: then the next one is smaller.

        Returns False if that failed and the server stops.
        """
        if batch.skipped:
            self._log.warning("OTLP: %d records were deleted by retention before they were sent", batch.skipped)
        body, failures = logs_data(batch.groups), 0
        while not self._settle(batch, sent := await self._sender.send(body)):
            failures += 1
            if sent.verdict is Verdict.FAILED and failures >= MAX_ATTEMPTS:
                self._give_up(batch, sent)
                return True
            self._report_down(sent)
            pause = BACKOFF_S[min(failures, len(BACKOFF_S)) - 1] * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
            await self._pause(pause if sent.retry_after_s is None else sent.retry_after_s)
            if self._closing.is_set():
                return False
        return True

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until `close`."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def _settle(self, batch: PushBatch, sent: Outcome) -> bool:
        """Whether nothing more is to be done with a batch."""
        if sent.verdict is Verdict.ACCEPTED:
            self._report_up()
            if sent.rejected or sent.problem:
                self._log.warning(
                    "OTLP: the collector rejected %d of %d records: %s", sent.rejected, batch.count, self._shown(sent)
                )
            self._limit = min(self._limit + self._limit // 8 + 1, MAX_BATCH_RECORDS)
            self._move(batch)
            return True
        if sent.verdict is Verdict.TOO_LARGE and batch.count > 1:
            self._limit = max(batch.count // 2, 1)
            return True
        if sent.verdict in {Verdict.REFUSED, Verdict.TOO_LARGE}:
            self._give_up(batch, sent)
            return True
        return False

    def _give_up(self, batch: PushBatch, sent: Outcome) -> None:
        self._report_up()
        self._log.error("OTLP: the collector refused %d records, they are not sent: %s", batch.count, self._shown(sent))
        self._move(batch)

    def _move(self, batch: PushBatch) -> None:
        try:
            self._feed.accepted(batch)
        except OSError as error:
            if not self._cursors_fail:
                self._log.warning(
                    "OTLP: the position cannot be stored (%s): a restart would send records again", error.strerror
                )
            self._cursors_fail = True
        else:
            self._cursors_fail = False

    def _report_down(self, sent: Outcome) -> None:
        """Report an outage once, however long it takes."""
        if self._down_since is not None:
            return
        self._down_since = time.monotonic()
        if sent.verdict is Verdict.MISCONFIGURED:
            self._log.error(
                "OTLP: the collector answers %s. Check otlp_endpoint and otlp_headers; records wait in their logs",
                self._shown(sent),
            )
        else:
            self._log.warning(
                "OTLP: the collector is not available (%s). Records wait in their logs", self._shown(sent)
            )

    def _report_up(self) -> None:
        if self._down_since is not None:
            self._log.info("OTLP: the collector answers again after %.0f s", time.monotonic() - self._down_since)
            self._down_since = None

    def _shown(self, sent: Outcome) -> str:
        return self._mask(sent.problem)
