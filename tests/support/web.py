"""HTTP client without a framework: raw requests, and event streams read frame by frame. Test support."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from support.waiting import PATIENCE, eventually

from jupyter_logstream.wire.sse import Decoder, Event

FINAL = ("succeeded", "failed", "cancelled", "timed_out", "lost")


@dataclass
class Answer:
    """A whole response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Stream:
    """An open response."""

    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    raw: bytearray = field(default_factory=bytearray)
    ended: bool = False
    whole: bool = False  # ended by the framing of HTTP, not by a closed connection
    events: list[Event] = field(default_factory=list)
    decoder: Decoder = field(default_factory=Decoder)
    _chunked: bool = False
    _length: float = float("inf")
    _unread: bytes = b""

    async def more(self, patience: float = PATIENCE) -> bool:
        """Read on; False at the end."""
        if self.ended:
            return False
        try:
            data = await asyncio.wait_for(self.reader.read(65536), patience)
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
            return False
        self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        if not self._chunked:
            self._body(data)
            self.ended = self.whole = len(self.raw) >= self._length
            return
        self._unread += data
        while b"\r\n" in self._unread:
            size_line, _, rest = self._unread.partition(b"\r\n")
            size = int(size_line, 16)
            if size == 0:
                self.ended = self.whole = True
                return
            if len(rest) < size + 2:
                return
            self._body(rest[:size])
            self._unread = rest[size + 2 :]

    def _body(self, data: bytes) -> None:
        self.raw += data
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            self.events += self.decoder.feed(data)

    async def until(self, found: Callable[[Stream], Any], patience: float = PATIENCE) -> Any:
        """Read until `found` is true."""
        while not (value := found(self)):
            assert await self.more(patience), f"the stream ended: {bytes(self.raw[-2000:])!r}"
        return value

    async def event(self, kind: str, patience: float = PATIENCE) -> Any:
        """The data of the first event of this type."""
        event = await self.until(lambda s: [e for e in s.events if e.type == kind], patience)
        return json.loads(event[0].data)

    async def rest(self, patience: float = PATIENCE) -> Stream:
        """Read to the end."""
        while await self.more(patience):
            pass
        return self

    def data(self, kind: str, stream: str | None = None) -> list[Any]:
        """The data of all events of this type (of one stream)."""
        found = [json.loads(e.data) for e in self.events if e.type == kind]
        return [d for d in found if stream is None or d.get("stream") == stream]

    def records(self, stream: str | None = None) -> list[dict[str, Any]]:
        """The records of all `logs` frames."""
        return [record for frame in self.data("logs", stream) for record in frame["logs"]]

    def close(self) -> None:
        """Close the connection."""
        self.writer.close()


@dataclass
class Site:
    """A running server: its address and the headers of a client of it."""

    port: int
    base_url: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    app: Any = None
    extension: Any = None
    services: Any = None
    stop: Callable[[], Awaitable[None]] | None = None
    open: list[Stream] = field(default_factory=list)

    def with_headers(self, **headers: str) -> Site:
        """The same site for a client that sends only these headers (`_` stands for `-`)."""
        return Site(self.port, self.base_url, {k.replace("_", "-"): v for k, v in headers.items()}, open=self.open)

    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, **known: Any
    ) -> Answer:
        """Send one request and read the whole response. `json=`: a JSON body."""
        stream = await self.stream(path, method, body, headers, **known)
        await stream.rest()
        stream.close()
        return Answer(stream.status, stream.headers, bytes(stream.raw))

    async def stream(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        **known: Any,
    ) -> Stream:
        """Send one request; the caller reads the response. A path that begins with `/` is used unchanged."""
        if "json" in known:
            body, headers = json.dumps(known["json"]).encode(), {"Content-Type": "application/json", **(headers or {})}
        fields = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **self.headers, **(headers or {})}
        if body is not None:
            fields.setdefault("Content-Length", str(len(body)))
        target = path if path.startswith("/") else f"{self.base_url}logstream/{path}"
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items() if v != "")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(head.encode("latin-1") + b"\r\n" + (body or b""))
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        first, *lines = answer.decode("latin-1").split("\r\n")[:-2]
        received = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        stream = Stream(int(first.split()[1]), received, reader, writer)
        stream._chunked = received.get("transfer-encoding") == "chunked"
        stream._length = float(received.get("content-length", "inf"))
        if method == "HEAD" or stream.status in {204, 304} or received.get("content-length") == "0":
            stream.ended = stream.whole = True
        self.open.append(stream)
        return stream

    async def start(self, command: Any, **spec: Any) -> str:
        """Start a workload; return its id."""
        answer = await self.request("POST", "v1/workloads", json={"command": command, **spec})
        assert answer.status == 201, answer.body
        return str(answer.json["id"])

    async def get(self, path: str) -> Any:
        """GET JSON."""
        answer = await self.request("GET", path)
        assert answer.status == 200, (path, answer.status, answer.body)
        return answer.json

    async def workload(self, workload_id: str) -> dict[str, Any]:
        """The workload as it is now."""
        found: dict[str, Any] = await self.get(f"v1/workloads/{workload_id}")
        return found

    async def state(self, workload_id: str, *states: str) -> dict[str, Any]:
        """Wait until the workload is in one of these states (default: a final one)."""
        wanted = states or FINAL

        async def reached() -> dict[str, Any] | None:
            found = await self.workload(workload_id)
            return found if found["state"] in wanted else None

        found = await eventually(reached)
        assert found is not None
        return found

    async def run(self, command: Any, **spec: Any) -> str:
        """Start a workload and wait for its end; return its id."""
        workload_id = await self.start(command, **spec)
        await self.state(workload_id)
        return workload_id

    async def wait_for_line(self, workload_id: str, text: str) -> None:
        """Wait until a line of the log contains the text."""

        async def written() -> bool:
            return any(text in r["message"] for r in (await self.get(f"v1/workloads/{workload_id}/records"))["records"])

        await eventually(written)

    def close(self) -> None:
        """Close all open streams."""
        for stream in self.open:
            stream.close()
