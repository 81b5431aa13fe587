"""The peer that everybody writes first: a Tornado handler that sends one event per line of its child, and flushes.

python naive.py PORT; then `GET /?count=N` streams `emit.py N`.
"""

import asyncio
import sys
from pathlib import Path

from tornado.web import Application, RequestHandler


class Naive(RequestHandler):
    """One child, one event and one flush per line."""

    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        emit = str(Path(__file__).with_name("emit.py"))
        child = await asyncio.create_subprocess_exec(
            sys.executable, emit, self.get_argument("count"), stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        async for line in child.stdout:
            self.write(b"data: " + line + b"\n")
            await self.flush()
        self.write(b"event: done\ndata: {}\n\n")


async def main(port: int) -> None:
    Application([("/", Naive)]).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
