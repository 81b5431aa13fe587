"""The peer that everybody writes first: a Tornado handler that sends one event per line of its child, and flushes.

python naive.py PORT; then `/?count=N` streams `emit.py N`, `/?rate=R&seconds=S` `ticks.py R S`, `/?file=PATH` a file.
"""

import asyncio
import sys
from pathlib import Path

from tornado.web import Application, RequestHandler

HERE = Path(__file__).parent


class Naive(RequestHandler):
    """One child, one event and one flush per line."""

    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        argument = self.get_query_argument
        if path := argument("file", ""):
            command = ["cat", path]
        elif rate := argument("rate", ""):
            command = [sys.executable, str(HERE / "ticks.py"), rate, argument("seconds")]
        else:
            command = [sys.executable, str(HERE / "emit.py"), argument("count")]
        child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
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
