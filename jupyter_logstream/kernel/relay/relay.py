"""Relay of one widget: its pages' feeds and requests, and their lifetimes. Runs in kernels.

Messages of pages arrive on the kernel's main thread, so only while it is idle; everything else happens on the
background loop, also while a cell runs. The kernel's secret never reaches a page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..event_loop import background_loop
from .answers import answer
from .feed import Feed
from .messages import Message, main_streams
from .outgoing import Outgoing
from .views import bundle_parts

HEARTBEAT_S = 5.0
"""Interval of heartbeats; a page without one for 15 s reports that the kernel does not answer."""

MAX_SILENT_TICKS = 12
"""Heartbeats, while the kernel was idle, without a message of a page; then its feed is closed."""

MAX_PAGES = 16
"""Pages with a feed; beyond, the one that was silent for longest is dropped. It requests its feed again."""

BUNDLE_INTERVAL_S = 2.0
"""A request for the bundle this soon after it was sent is not answered."""

PUSHED = "pushed"
"""Id of the feed that is sent before any page has requested one."""


class Relay:
    """Relays between the server and the pages that show one widget.

    `push` sends one message to all of them and is called on the background loop. `is_idle` reports whether the kernel's
    main thread has handled messages since the last call.
    """

    def __init__(self, push: Callable[[Message], None], is_idle: Callable[[], bool]) -> None:
        self._is_idle = is_idle
        self._loop = background_loop()
        self._outgoing = Outgoing(push)
        self._feeds: dict[str, tuple[Feed, asyncio.Task[None]]] = {}  # by page
        self._silent_ticks: dict[str, int] = {}
        self._answers: dict[str, asyncio.Task[None]] = {}
        self._heart: asyncio.Task[None] | None = None
        self._bundle_sent_at = float("-inf")
        self._closed = False

    def on_message(self, message: Any) -> None:
        """Handle a message of a page. Called on the main thread; returns at once."""
        if isinstance(message, dict):
            self._loop.call_soon_threadsafe(self._handle, message)

    def push_view(self, traits: dict[str, Any], with_bundle: bool) -> None:
        """Send the view's main streams, and the bundle, before any page requests them: the kernel may stay busy."""
        self._loop.call_soon_threadsafe(self._push, main_streams(traits), with_bundle)

    def close(self) -> None:
        """End all feeds and answers; idempotent, and from any thread."""
        self._loop.call_soon_threadsafe(self._close)

    # --- on the background loop ---------------------------------------------------------------------------------------

    def _push(self, streams: list[dict[str, Any]], with_bundle: bool) -> None:
        if self._closed or self._silent_ticks:
            return
        if with_bundle:
            self._send_bundle()
        if streams:
            self._follow(PUSHED, PUSHED, streams)
        self._beat()

    def _handle(self, message: Message) -> None:
        page, kind = str(message.get("page", "")), message.get("type")
        if self._closed or not page:
            return
        if kind == "cancel":
            if task := self._answers.pop(str(message.get("id")), None):
                task.cancel()
            return
        if kind == "hello" and message.get("transport") == "fetch":
            self._drop(PUSHED)
            return
        self._silent_ticks[page] = 0
        self._beat()
        if kind == "request":
            name = str(message.get("id"))
            self._answers[name] = task = self._start(answer(message, self._outgoing))
            task.add_done_callback(lambda _: self._answers.pop(name, None))
        elif kind == "follow":
            self._drop(PUSHED)
            self._follow(page, str(message["feed"]), message["streams"])
        elif kind in {"hello", "alive"}:
            if kind == "alive":
                known = page in self._feeds and self._feeds[page][0].name == message.get("feed")
                self._outgoing.send({"type": "alive", "page": page, "known": known})
            elif message.get("views"):
                self._send_bundle()

    def _follow(self, page: str, feed: str, streams: list[dict[str, Any]]) -> None:
        self._drop(page)
        if streams:
            opened = Feed(feed, streams, self._outgoing)
            self._feeds[page] = (opened, self._start(opened.run()))

    def _drop(self, page: str) -> None:
        if found := self._feeds.pop(page, None):
            found[1].cancel()

    def _send_bundle(self) -> None:
        if self._loop.time() - self._bundle_sent_at < BUNDLE_INTERVAL_S:
            return  # it is on its way
        self._bundle_sent_at = self._loop.time()
        for part in bundle_parts():
            self._outgoing.send(part)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._loop.create_task(work)

    def _beat(self) -> None:
        if self._heart is None or self._heart.done():
            self._heart = self._start(self._send_heartbeats())

    async def _send_heartbeats(self) -> None:
        while self._silent_ticks or self._feeds:
            await asyncio.sleep(HEARTBEAT_S)
            self._outgoing.send({"type": "heartbeat"})
            if self._is_idle():
                self._drop_silent_pages()

    def _drop_silent_pages(self) -> None:
        for page in self._silent_ticks:
            self._silent_ticks[page] += 1
        by_silence = sorted(self._silent_ticks, key=self._silent_ticks.__getitem__)
        for i, page in enumerate(by_silence):
            if self._silent_ticks[page] > MAX_SILENT_TICKS or i >= MAX_PAGES:
                del self._silent_ticks[page]
                self._drop(page)

    def _close(self) -> None:
        self._closed = True
        for page in list(self._feeds):
            self._drop(page)
        for task in [*self._answers.values(), *([self._heart] if self._heart else [])]:
            task.cancel()
