"""A canary on a real Jupyter server: its workload, the readers that follow it during faults, and their results.

    with flying(server) as canary:
        ... break something ...
        canary.land()                 # the writer ends; every reader reads to `done`

`land` fails unless each reader - `v1/events` by a raw client, `follow()` of the kernel client, `records`, `log.txt` -
has got every line once, in order and unchanged. Readers go on by cursor, as clients must; nothing else is forgiven.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
from support.canary.comparing import Verdict, compare
from support.serving import TOKEN, Server
from support.waiting import until

from jupyter_logstream.wire.sse import Decoder

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITER = Path(__file__).with_name("writer.py")
FINAL = {"succeeded", "failed", "cancelled", "timed_out", "lost"}
FOLLOW = """
import sys, time
from jupyter_logstream.kernel.client import Workload
for record in Workload(sys.argv[1]).follow():
    sys.stdout.write(f"{record.seq} {time.monotonic_ns()} {record.message}\\n")
    sys.stdout.flush()
"""


class Stream(threading.Thread):
    """Reads `v1/events` to `done`, reconnecting at its cursor. `events`: the types of all events received."""

    def __init__(self, server: Server, workload: str, after: int = 0) -> None:
        super().__init__(name=f"canary {workload}", daemon=True)
        self.server, self.workload, self.cursor = server, workload, after
        self.lines: list[str] = []
        self.arrivals: list[int] = []
        self.seqs: list[int] = []
        self.events: list[str] = []
        self.refused: list[int] = []
        self.done: dict[str, Any] | None = None
        self.left = False
        self.start()

    def run(self) -> None:
        with httpx.Client(trust_env=False, timeout=20, headers={"Authorization": f"token {TOKEN}"}) as http:
            while self.done is None and not self.left:
                with contextlib.suppress(httpx.HTTPError):  # disconnected: resume at the cursor
                    self._read(http)
                time.sleep(0.05)

    def _read(self, http: httpx.Client) -> None:
        params = {"stream": f"workload/{self.workload}@{self.cursor}"}
        with http.stream("GET", f"{self.server.url}logstream/v1/events", params=params) as answer:
            if answer.status_code != 200:
                self.refused.append(answer.status_code)
                time.sleep(0.2)
                return
            decoder = Decoder()
            for piece in answer.iter_raw():
                now = time.monotonic_ns()
                for event in decoder.feed(piece):
                    self._take(event.type, json.loads(event.data), now)
                if self.left:
                    return

    def _take(self, kind: str, data: dict[str, Any], now: int) -> None:
        self.events.append(kind)
        self.cursor = data.get("cursors", {}).get(f"workload/{self.workload}", data.get("cursor", self.cursor))
        for record in data.get("logs", []):
            self.lines.append(record["message"])
            self.seqs.append(record["seq"])
            self.arrivals.append(now)
        if kind == "done":
            self.done = data

    def end(self, patience: float = 60) -> None:
        """Wait for `done`."""
        self.join(patience)
        assert self.done is not None, f"no done after {patience} s; at {self.cursor}, {self.events[-5:]}"


class Canary:
    """One run of the writer on `server`, listened to from its start. `spec`: further fields of the workload."""

    def __init__(self, server: Server, rate: float, count: int, width: int, follow: bool, **spec: Any) -> None:
        self.server, self.run = server, f"run-{uuid4().hex[:6]}"
        self._stop, self._sent = server.folder / f"{self.run}.stop", server.folder / f"{self.run}.sent"
        arguments = [str(part) for part in (self.run, count, rate, width, self._stop, self._sent)]
        self.workload = start(server, [sys.executable, "-S", str(WRITER), *arguments], **{"tty": False, **spec})
        self.stream = Stream(server, self.workload)
        self._followed = server.folder / f"{self.run}.followed"
        self._follower = self._follow() if follow else None

    def _follow(self) -> subprocess.Popen[bytes]:
        address = next((self.server.folder / "data" / "logstream").glob("*/server.json"))
        env = {**os.environ, "JUPYTER_LOGSTREAM_SERVER": str(address)}
        with self._followed.open("wb") as out:
            return subprocess.Popen([sys.executable, "-c", FOLLOW, self.workload], env=env, stdout=out)

    def wait_for_lines(self, count: int) -> None:
        """Wait until the stream has received `count` more lines."""
        wanted = len(self.stream.lines) + count
        until(lambda: len(self.stream.lines) >= wanted, 60)

    def info(self) -> dict[str, Any]:
        """The workload as it is now."""
        found: dict[str, Any] = self.server.get(f"workloads/{self.workload}")
        return found

    def stop(self) -> None:
        """Let the writer end."""
        self._stop.touch()

    def sent(self) -> int:
        """Number of lines that the writer reports."""
        until(self._sent.exists, 60)
        return int(self._sent.read_text())

    def land(self, patience: float = 60) -> dict[str, Verdict]:
        """End the writer, let everybody read to the end, and judge. AssertionError with all verdicts if any is bad."""
        self.stop()
        sent = self.sent()
        self.stream.end(patience)
        verdicts = {
            "events": compare(self.run, sent, self.stream.lines, self.stream.arrivals),
            "records": compare(self.run, sent, [r["message"] for r in records(self.server, self.workload)]),
            "log.txt": compare(self.run, sent, download(self.server, self.workload).decode().splitlines()),
        }
        if self._follower is not None:
            assert self._follower.wait(patience) == 0
            lines = [line.split(" ", 2) for line in self._followed.read_text().splitlines()]
            arrivals = [int(ns) for _, ns, _ in lines]
            verdicts["follow()"] = compare(self.run, sent, [text for _, _, text in lines], arrivals)
        bad = {name: str(verdict) for name, verdict in verdicts.items() if verdict.faults}
        assert not bad, "\n".join(f"{name}: {verdict}" for name, verdict in bad.items())
        assert (self.info()["state"], self.info()["lines"]) == ("succeeded", sent)
        assert self.stream.seqs == list(range(1, sent + 1))
        return verdicts

    def leave(self) -> None:
        """Stop the writer and all readers."""
        self.stop()
        self.stream.left = True
        if self._follower is not None and self._follower.poll() is None:
            self._follower.kill()
            self._follower.wait(10)


@contextmanager
def flying(
    server: Server, *, rate: float = 500, count: int = 0, width: int = 60, follow: bool = True, **spec: Any
) -> Iterator[Canary]:
    """A canary for the time of the block."""
    canary = Canary(server, rate, count, width, follow, **spec)
    try:
        yield canary
    finally:
        canary.leave()


def start(server: Server, command: Any, **spec: Any) -> str:
    """Start a workload; its id."""
    response = server.http.post(f"{server.url}logstream/v1/workloads", json={"command": command, **spec})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def end(server: Server, workload: str, patience: float = 60) -> dict[str, Any]:
    """Wait for a workload's end; as it is then."""
    found: dict[str, Any] = until(
        lambda: (w := server.get(f"workloads/{workload}"))["state"] in FINAL and w, patience=patience
    )
    return found


def records(server: Server, workload: str) -> list[dict[str, Any]]:
    """All of them, page by page, as the polling fallback reads them."""
    found: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = server.get(f"workloads/{workload}/records", limit=5000, after=after)
        found += page["records"]
        after = page["next"]
    return found


def download(server: Server, workload: str) -> bytes:
    """The bytes of `log.txt`."""
    response = server.http.get(f"{server.url}logstream/v1/workloads/{workload}/log.txt")
    assert response.is_success, response.text
    return response.content


def folder_of(server: Server, workload: str) -> Path:
    """Where a workload lies on disk."""
    return next((server.folder / "data" / "logstream").glob(f"*/streams/{workload}"))
