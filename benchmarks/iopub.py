"""The same lines as Jupyter itself takes them: printed in a cell, over IOPub and into JupyterLab's output; beside ours.

Over the kernel's WebSocket, as a page reads it, at the server's default rate limits: how many lines come, how fast,
how late. And in JupyterLab: how long until the last line is there, and how long the page stood still meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import uuid
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

from .fanout import connect
from .latency import RATE, SECONDS, waits
from .machine import HERE, TOKEN, Server, jupyter
from .page import lab
from .throughput import LINES, ours

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from support.serving import Server as LabServer

FLOOD, SHOWN = 300_000, 20_000
_FLOOD = f"for i in range({FLOOD}): print('line', i, 'x' * 80)"
_TICKS = f"""
import time
begin = time.perf_counter()
for i in range({RATE * SECONDS}):
    time.sleep(max(begin + i / {RATE} - time.perf_counter(), 0))
    print(time.time_ns(), '%06d' % i)
"""
_STANDING_STILL = """() => {
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) window.longest = Math.max(window.longest, one.duration);
  }).observe({ type: "longtask" });
}"""


async def printed(server: Server, code: str) -> tuple[list[tuple[int, str]], float]:
    """What a cell prints, piece by piece with the time it came (Unix ns), and the seconds until the kernel was idle."""
    kernel = server.call("POST", "api/kernels")["id"]
    url = f"ws://127.0.0.1:{server.port}/api/kernels/{kernel}/channels?token={TOKEN}"
    socket = await websocket_connect(url, max_message_size=1 << 30)
    await _run(socket, "pass")
    begin = time.perf_counter()
    pieces = await _run(socket, code)
    taken = time.perf_counter() - begin
    socket.close()
    return pieces, taken


async def _run(socket: WebSocketClientConnection, code: str) -> list[tuple[int, str]]:
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "session": "benchmark",
        "username": "",
        "date": "",
    }
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    message = {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": [],
    }
    await socket.write_message(json.dumps(message))
    pieces: list[tuple[int, str]] = []
    while True:
        data = await asyncio.wait_for(socket.read_message(), 120)
        assert isinstance(data, str), "the server closed the connection"
        now, got = time.time_ns(), json.loads(data)
        if got["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        if got["msg_type"] == "stream" and got["content"]["name"] == "stdout":
            pieces.append((now, got["content"]["text"]))
        if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
            return pieces


def over_the_wire() -> dict[str, float]:
    with jupyter() as server:
        ours(server)
        rate, data = ours(server)
        pieces, taken = asyncio.run(printed(server, _FLOOD))
        came = sum(text.count("\n") for _, text in pieces)
        ticks, _ = asyncio.run(printed(server, _TICKS))
        late = [(at - int(one)) / 1e6 for at, text in ticks for one in re.findall(r"\b\d{19}\b", text)][RATE:]
        command = [sys.executable, str(HERE / "ticks.py"), str(RATE), str(SECONDS)]
        job = server.call("POST", "logstream/v1/workloads", {"command": command, "tty": False})["id"]
        mine = waits(connect(server.port, f"/logstream/v1/events?stream=workload/{job}"), RATE * SECONDS)[RATE:]
    return {
        f"{FLOOD:,} lines printed in a cell: lost by IOPub, %": 100 * (1 - came / FLOOD),
        f"{LINES:,} lines by v1/events: lost, %": 100 * (1 - data.count(b'{"seq":') / LINES),
        "lines a second that came by IOPub": came / taken,
        "lines a second that came by v1/events / by IOPub": rate * taken / max(came, 1),
        f"{RATE:,} lines/s by IOPub: p50, ms": median(late),
        f"{RATE:,} lines/s by IOPub: p99, ms": quantiles(late, n=100)[98],
        f"{RATE:,} lines/s by v1/events beside it: p50, ms": median(mine),
        f"{RATE:,} lines/s by v1/events beside it: p99, ms": quantiles(mine, n=100)[98],
    }


def in_the_page() -> dict[str, float]:
    results: dict[str, float] = {}
    show = (
        f"from jupyter_logstream import run\nrun([{sys.executable!r}, {str(HERE / 'emit.py')!r}, '{SHOWN}'], tty=False)"
    )
    cells = {
        "JupyterLab's output": (f"for i in range({SHOWN}): print('line', i, 'x' * 80)", f"line {SHOWN - 1} "),
        "the log view": (show, None),
    }
    with lab() as (page, server):
        for name, (cell, last) in cells.items():
            taken, longest = _shown(page, server, cell, last)
            results[f"{SHOWN:,} lines in {name}: until the last is there, ms"] = taken
            results[f"{SHOWN:,} lines in {name}: longest task, ms (0: none over 50)"] = longest
    return results


def _shown(page: Page, server: LabServer, cell: str, last: str | None) -> tuple[float, float]:
    from support.notebook_page import NotebookPage  # noqa: PLC0415 - `page` has added its folder to sys.path

    notebook = NotebookPage(page, server, cell, "pass")
    notebook.run(1)  # the kernel is ready
    page.evaluate(_STANDING_STILL)
    begin = time.perf_counter()
    notebook.start(0)
    if last is None:
        notebook.wait_for("done", lines=SHOWN, timeout=120)
    else:
        text = "[...document.querySelectorAll('.jp-OutputArea-output')].map((e) => e.textContent).join('')"
        page.wait_for_function(f"{text}.includes({last!r})", timeout=120_000, polling=100)
    taken = (time.perf_counter() - begin) * 1000
    page.wait_for_timeout(500)
    longest: Any = page.evaluate("window.longest")
    return taken, float(longest)


def main() -> dict[str, float]:
    return {**over_the_wire(), **in_the_page()}


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
