"""The kernel's API: start a workload, find it again, ask and follow it. Runs in kernels, in user code.

A `Workload` is an id and nothing else: every question is asked of the server, so a handle is as good after a restart of
the kernel as before. This file speaks HTTP only (connection.py) and must not import the server side nor any widget.
"""

from __future__ import annotations

import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

from .._version import __version__
from ..model.protocol import FINAL, PROTOCOL
from ..model.records import Record
from ..text.first_error import first_error
from ..text.metrics import columns
from ..text.terminal import plain_text
from .connection import LogStreamError, NoServer, NotFound, Rejected, ServerFailed, across, block, call
from .reader import Reader, frames
from .snapshot import LINES, as_final, as_html, as_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping, Sequence

    import httpx

    from .widgets import LogView

__all__ = [
    "LogStreamError",
    "NoServer",
    "NotFound",
    "Reader",
    "Record",
    "Rejected",
    "ServerFailed",
    "Workload",
    "attach",
    "run",
    "workloads",
]

MIME = "application/vnd.jupyter-logstream.v1+json"
"""What JupyterLab and Notebook 7 show live, without a kernel."""

"""States that never change again."""

PAGE = 5000
"""Records asked for at a time: the most that the server gives."""

# What ipykernel and IPython put into the environment for themselves. A workload has a terminal of its own.
_KERNELS_OWN = {
    "CLICOLOR": "1",
    "CLICOLOR_FORCE": "1",
    "FORCE_COLOR": "1",
    "GIT_PAGER": "cat",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PAGER": "cat",
    "TERM": "xterm-color",
}


def run(
    command: str | Sequence[str | os.PathLike[str]],
    *,
    name: str | None = None,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tty: bool = True,
    stdin: bool = False,
    tags: Mapping[str, str] | None = None,
    key: str | None = None,
) -> Workload:
    """Start `command` and return at once; it outlives the cell, the kernel and the server.

    A string goes through `/bin/sh`, a list is run as it is; both with this kernel's environment, its Python first in
    PATH, and `env` merged over it. `cwd`: by default, and if relative: from the kernel's working directory. `timeout`:
    seconds after which it is ended. `tty`: give it terminals, so that it writes line by line, in colour; False: pipes.
    `stdin`: let `send()` write to it. `key`: the same key again returns the first workload instead of starting another.

    Raises NoServer, and Rejected naming the argument that is wrong. A command that cannot be started is no error here:
    the workload has failed, and `.error` says why.
    """
    asked = {
        "command": command if isinstance(command, str) else [os.fspath(part) for part in command],
        # Not Path.resolve(): a symlink stays the path that the user knows.
        "cwd": os.path.abspath(os.path.expanduser(cwd or ".")),
        "env": {**_kernel_env(), **(env or {})},
        "tty": tty,
        "stdin": stdin,
        "key": key or uuid4().hex,  # makes the call safe to repeat
        "name": name,
        "timeout": timeout,
        "tags": None if tags is None else dict(tags),
    }
    answer = call("POST", "workloads", body={field: value for field, value in asked.items() if value is not None})
    return Workload(answer.json()["id"])


def _kernel_env() -> dict[str, str]:
    env = {key: value for key, value in os.environ.items() if _KERNELS_OWN.get(key) != value}
    env["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), env.get("PATH", os.defpath)])
    return env


def workloads(state: str | None = None, limit: int = 50) -> list[Workload]:
    """The newest workloads first, at most `limit`; `state`: only those in it."""
    found: list[Workload] = []
    params: dict[str, Any] = {} if state is None else {"state": state}
    while len(found) < limit:
        page = call("GET", "workloads", params={**params, "limit": min(limit - len(found), 100)}).json()
        found += [Workload(info["id"], info) for info in page["workloads"]]
        if page["next"] is None:
            break
        params["after"] = page["next"]
    return found


def attach(id: str) -> Workload:  # noqa: A002 - the protocol's own name
    """Get a workload back by its id, in any kernel. Raises NotFound.

    `"runs:ID"`: the workload ID of another log server, which this server's configuration calls the upstream `runs`.
    """
    upstream, is_remote, remote_id = id.partition(":")
    if is_remote:
        from .remote import attach_remote  # noqa: PLC0415 - for those who have one

        return attach_remote(upstream, remote_id)
    workload = Workload(id)
    try:
        workload.info  # noqa: B018 - asks the server
    except NotFound:
        raise NotFound(f"There is no workload {id!r} on this server; workloads() lists those there are.") from None
    return workload


class Workload:
    """A handle on a workload. As the last line of a cell it shows the live log; `await` it or `wait()` for its end."""

    __slots__ = ("_final", "_seen", "id", "upstream")

    def __init__(
        self,
        id: str,  # noqa: A002 - as above
        info: Mapping[str, Any] | None = None,
        upstream: str | None = None,
    ) -> None:
        self.id = id
        self.upstream = upstream  # whose workload it is: None for this server's own
        self._seen = (repr(info.get("name")), info["state"]) if info else ()  # when it was listed; for its repr only
        self._final = dict(info) if info and info["state"] in FINAL else None  # never changes again, so may be kept

    def __repr__(self) -> str:
        name = self.id if self.upstream is None else f"{self.upstream}:{self.id}"
        return f"Workload({', '.join([repr(name), *self._seen])})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workload) and (other.id, other.upstream) == (self.id, self.upstream)

    def __hash__(self) -> int:
        return hash((self.id, self.upstream))

    @property
    def _root(self) -> str:
        return "v1" if self.upstream is None else f"proxy/{self.upstream}/v1"

    def _call(self, method: str, rest: str = "", **given: Any) -> httpx.Response:
        return call(method, f"workloads/{quote(self.id, safe='')}{rest}", root=self._root, **given)

    def _frames(self, **start: Any) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        return frames(self.id, self._root, **start)

    @property
    def info(self) -> dict[str, Any]:
        """All that the server knows, as the protocol has it; asked anew until it is final."""
        if self._final is None:
            info: dict[str, Any] = self._call("GET").json()
            if info["state"] not in FINAL:
                return info
            self._final = info
        return dict(self._final)

    @property
    def name(self) -> str | None:
        """The name it was given."""
        return self.info["name"]  # type: ignore[no-any-return]

    @property
    def state(self) -> str:
        """queued, running, succeeded, failed, cancelled, timed_out or lost (nobody knows any more)."""
        return self.info["state"]  # type: ignore[no-any-return]

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs, when a signal ended it or when it could not be started."""
        return self.info["exit_code"]  # type: ignore[no-any-return]

    @property
    def signal(self) -> int | str | None:
        """The signal that ended it, or None."""
        return self.info["signal"]  # type: ignore[no-any-return]

    @property
    def error(self) -> str | None:
        """Why it could not be started, or None."""
        return self.info["error"]  # type: ignore[no-any-return]

    @property
    def lines(self) -> int:
        """How many records its log has by now."""
        return self.info["lines"]  # type: ignore[no-any-return]

    def wait(self, timeout: float | None = None) -> Workload:
        """Block until it has ended; raises TimeoutError after `timeout` seconds. An interrupt leaves it running."""
        if timeout is not None and timeout <= 0 and self.state in FINAL:
            return self  # a question rather than a wait
        try:
            return block(self._end(), timeout)
        except TimeoutError:
            raise TimeoutError(f"{self!r} has not ended within {timeout} s") from None

    def __await__(self) -> Generator[Any, None, Workload]:
        return across(self._end()).__await__()

    async def _end(self) -> Workload:
        if self._final is None:
            # Only the end matters: no history, and of what comes the rarest there is.
            async for kind, data in self._frames(tail=0, source="system"):
                if kind == "done":
                    self._final = {field: value for field, value in data.items() if field not in {"stream", "cursor"}}
        return self

    def cancel(self) -> Workload:
        """Ask it to end (TERM to all its processes, KILL after the grace time); returns at once."""
        self._call("POST", "/cancel")
        return self

    def send(self, text: str | bytes = "", *, eof: bool = False) -> None:
        """Write to its standard input; `eof` closes that. Needs `run(..., stdin=True)`, else raises Rejected."""
        raw = text.encode() if isinstance(text, str) else text
        self._call("POST", "/input", params={"eof": 1} if eof else None, raw=raw)

    def logs(
        self,
        after: int | None = None,
        tail: int | None = None,
        level: str | None = None,
        *,
        levels: Sequence[str] | None = None,
        step: str | None = None,
        source: str | None = None,
        q: str | None = None,
        exclude: str | None = None,
    ) -> list[Record]:
        """Records written so far that match: those after a cursor, the last `tail`, those of `level` and above.

        `levels`: of exactly these; `source`: stdout or stderr; `q`: with this text, or `/regular expression/`;
        `exclude`: without it. The log view in the page shows its own filter as such a call.
        """
        chosen = {"level": level, "step": step, "source": source, "q": q, "not": exclude}
        params: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
        if levels is not None:
            params["levels"] = ",".join(levels)
        if after is not None:
            params["after"] = after
        if tail is not None:
            matching = self._page(**params, limit=1)["total"]
            params["offset"] = max(0, matching - tail)
        records: list[Record] = []
        while True:
            page = self._page(**params, limit=PAGE)
            records += [Record.from_json(record) for record in page["records"]]
            if page["next"] is None or not page["records"]:
                return records if tail is None else records[len(records) - min(tail, len(records)) :]
            params.pop("offset", None)
            params["after"] = page["next"]

    def _page(self, **params: Any) -> dict[str, Any]:
        return self._call("GET", "/records", params=params).json()  # type: ignore[no-any-return]

    def follow(self, after: int = 0) -> Reader:
        """Its records as they come, up to its end: `for record in ...` or `async for`. See Reader."""
        return Reader(self.id, after, self._root)

    def wait_for(self, pattern: str | re.Pattern[str], timeout: float | None = None) -> Record:
        """Block until a line matches the regular expression `pattern` (earlier ones count); returns its record.

        A line still being written, such as a prompt, counts too: its record has `part` set and the seq it will get.
        Raises TimeoutError, and LogStreamError when the workload ends without such a line.
        """
        try:
            found = block(self._find(re.compile(pattern)), timeout)
        except TimeoutError:
            raise TimeoutError(f"{self!r} has written no line like {pattern!r} within {timeout} s") from None
        if found is None:
            raise LogStreamError(f"{self!r} has ended ({self.state}) without a line like {pattern!r}")
        return found

    async def _find(self, pattern: re.Pattern[str]) -> Record | None:
        last = 0
        async for kind, data in self._frames(after=0):
            if kind == "logs":
                for record in data["logs"]:
                    last = record["seq"]
                    if pattern.search(plain_text(record["message"])):
                        return Record.from_json(record)
            elif kind == "progress" and pattern.search(plain_text(data["message"])):
                source = data.get("source", "stdout")
                return Record(last + 1, time.time() * 1000, "unknown", data["message"], source=source, part=True)
        return None

    def text(self) -> str:
        """All output as it was written, decoded as UTF-8; what is not UTF-8 becomes U+FFFD."""
        return self._call("GET", "/log.txt").content.decode("utf-8", "replace")

    def df(self) -> Any:
        """The records as a pandas DataFrame (`ts` as UTC times); without pandas: as a list of dicts."""
        rows = [record.to_json() for record in self.logs()]
        try:
            import pandas as pd  # noqa: PLC0415 - optional
        except ModuleNotFoundError:
            return rows
        frame = pd.DataFrame(rows, columns=["seq", "ts", "level", "message", "step", "source", "part", "fields"])
        frame["ts"] = pd.to_datetime(frame["ts"], unit="ms", utc=True)
        return frame.dropna(axis="columns", how="all")

    def metrics(self, *names: str) -> Any:
        """Numbers that its lines name (`loss=0.21`, `acc: 0.93`, `12.3it/s`) as a pandas DataFrame, a column per name.

        `names`: only these. One row per line that names any, with its `seq`, `ts` (UTC) and `step`; NaN where a line
        has none. Without pandas: as a dict of lists, `ts` in Unix ms, None for none. Of a progress bar its last line
        counts.
        """
        table = columns(self.logs(), names)
        try:
            import pandas as pd  # noqa: PLC0415 - optional
        except ModuleNotFoundError:
            return table
        frame = pd.DataFrame(table)
        frame["ts"] = pd.to_datetime(frame["ts"], unit="ms", utc=True)
        return frame

    def show(self, height: int | None = None) -> LogView:
        """A view of its log, `height` pixels high (default: as the page likes)."""
        from .widgets import LogView  # noqa: PLC0415 - widgets are for those who show something

        return LogView(self, height=height or 0)

    def snapshot(self) -> dict[str, Any]:
        """What a notebook keeps of it: text, HTML and our own JSON, with the last lines once it has ended."""
        known: dict[str, Any] = {"workload": self.id, "protocol": PROTOCOL, "version": __version__}
        if self.upstream is not None:
            known["upstream"] = self.upstream
        error, records = None, []
        try:
            info = self.info
            if info["state"] in FINAL:
                records = self.logs(tail=LINES)
                error = first_error(info, lambda path, **params: self._call("GET", path, params=params).json())
        except LogStreamError as failure:  # a handle can always be shown
            info = {"command": repr(self), "state": str(failure), "id": self.id}
        if info["state"] in FINAL:
            known["final"] = as_final(info, records, error)
        return {MIME: known, "text/plain": as_text(info, records, error), "text/html": as_html(info, records, error)}

    def _ipython_display_(self) -> None:
        from .display import show  # noqa: PLC0415 - as above

        show(self)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return self.snapshot()  # for those who ask for a value rather than a display
