"""Handle on a workload: its state, its records, commands to it. Runs in kernels, in user code.

A handle is an id and the source that has the workload; nearly every access is a request, so a handle stays valid after
a restart of kernel or server. The readers of text are imported where they are used: `run()` needs none of them. This
file must not know how a workload is displayed (display.py, widgets.py), nor HTTP.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..model.protocol import FINAL, PROTOCOL, now_ms
from ..model.records import Record
from .connection import call
from .errors import LogStreamError
from .event_loop import run_async, run_sync
from .reader import Reader
from .source import LogSource, OwnServer

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

MIME = "application/vnd.jupyter-logstream.v1+json"
"""Media type of the output that the labextension shows live in JupyterLab and Notebook 7, without a kernel."""

STATES = ("queued", "running", *sorted(FINAL))
"""All states of workloads, in the order of the page's filter."""

PAGE_WORKLOADS = 100
"""Workloads per request: the server's maximum."""


class WorkloadHandle:
    """A handle on the workload `id` at `source` (default: this Jupyter server); see `client.Workload`.

    `info`: the workload as just listed by the server, which saves the first request where its state is final.
    """

    __slots__ = ("_final", "_listed", "_source", "id")

    def __init__(
        self,
        id: str,  # noqa: A002 - the protocol's own name
        source: LogSource | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        self.id = id
        self._source: LogSource = source or OwnServer()
        self._listed = (repr(info.get("name")), info["state"]) if info else ()  # for the repr only
        self._final = dict(info) if info and info["state"] in FINAL else None  # a final state never changes

    def __repr__(self) -> str:
        name = self.id if self.upstream is None else f"{self.upstream}:{self.id}"
        return f"Workload({', '.join([repr(name), *self._listed])})"

    def __str__(self) -> str:
        """Command, state, duration, number of lines and id in one line; sends a request, as `info` does."""
        try:
            from .snapshot import as_text  # noqa: PLC0415 - see the module's docstring

            return as_text(self.info, [])
        except LogStreamError as error:
            return f"{self!r}: {error}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorkloadHandle) and (other.id, other.upstream) == (self.id, self.upstream)

    def __hash__(self) -> int:
        return hash((self.id, self.upstream))

    @property
    def upstream(self) -> str | None:
        """Name of the upstream that has the workload, as `c.LogStream.upstreams` calls it; None for this server."""
        return self._source.upstream

    @property
    def info(self) -> dict[str, Any]:
        """All fields of the workload; a request each time until the state is final.

        `id`, `name`, `backend`, `state`, `command` (one string), `cwd`, `created`, `started`, `ended` (Unix ms or
        None), `exit_code`, `signal`, `error`, `reason` and `node` (the properties), `link` (of a connection to its
        machine that is lost: `state`, `since`, `cancel_pending`; else None), `lines`, `bytes`, `levels` (records by
        level), `masked` (secrets replaced), `steps` (`name`, `state`, `started`, `ended` of each) and `tags`.
        """
        if self._final is None:
            info = self._source.info(self.id)
            if info["state"] not in FINAL:
                return info
            self._final = info
        return dict(self._final)

    @property
    def name(self) -> str | None:
        """The name that was given to it, by default its command."""
        return self.info["name"]  # type: ignore[no-any-return]

    @property
    def state(self) -> str:
        """One of `queued`, `running`, `succeeded`, `failed`, `cancelled`, `timed_out`, `lost`.

        The last five are final. `lost`: the server cannot find out how the workload ended.
        """
        return self.info["state"]  # type: ignore[no-any-return]

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs, when a signal ended it and when it could not be started."""
        return self.info["exit_code"]  # type: ignore[no-any-return]

    @property
    def signal(self) -> int | None:
        """The number of the signal that ended it, or None."""
        return self.info["signal"]  # type: ignore[no-any-return]

    @property
    def error(self) -> str | None:
        """Why it could not be started, or None."""
        return self.info["error"]  # type: ignore[no-any-return]

    @property
    def backend(self) -> str:
        """Where it runs: a name in `c.LogStream.backends`, or `external`."""
        return self.info["backend"]  # type: ignore[no-any-return]

    @property
    def node(self) -> str | None:
        """The machine that runs it; None where the backend does not report it, as the local one."""
        return self.info["node"]  # type: ignore[no-any-return]

    @property
    def reason(self) -> str | None:
        """Why it is in its state, in the words of its backend: why it waits (`Resources`) or why it ended; or None."""
        return self.info["reason"]  # type: ignore[no-any-return]

    @property
    def lines(self) -> int:
        """Number of records in its log so far."""
        return self.info["lines"]  # type: ignore[no-any-return]

    def wait(self, timeout: float | None = None) -> Self:
        """Block until the workload has ended, and return the handle, whether it succeeded or not: check `.state`.

        `timeout`: seconds; None waits forever, 0 only checks. Raises TimeoutError, NotFound when it is deleted, and
        NoServer after ten minutes without contact. Timeout and interrupt leave the workload running.
        """
        if timeout is not None and timeout <= 0 and self.state in FINAL:
            return self
        try:
            return run_sync(self._wait(), timeout)
        except TimeoutError:
            raise TimeoutError(f"{self!r} has not ended within {timeout} s; it is still running") from None

    def __await__(self) -> Generator[Any, None, Self]:
        return run_async(self._wait()).__await__()

    async def _wait(self) -> Self:
        if self._final is None:
            # Only `done` matters: no history, and of new records the rarest source.
            async for kind, data in self._source.frames(self.id, tail=0, source="system"):
                if kind == "done":
                    self._final = {field: value for field, value in data.items() if field not in {"stream", "cursor"}}
        return self

    def cancel(self) -> Self:
        """Request the end of the workload and return at once: TERM to all its processes, KILL after the grace time.

        The state becomes `cancelled`. Raises Rejected where the workload cannot be cancelled from here.
        """
        self._source.request("POST", self.id, "/cancel")
        return self

    def send(self, text: str | bytes = "", *, eof: bool = False) -> None:
        """Write to the workload's standard input; returns when its pipe accepted every byte.

        `text`: a str is encoded as UTF-8. `eof`: close the input afterwards. Raises Rejected unless it was started
        with `run(..., stdin=True)` and still runs.
        """
        raw = text.encode() if isinstance(text, str) else text
        self._source.request("POST", self.id, "/input", params={"eof": 1} if eof else None, raw=raw)

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
        """The records written so far that match all conditions, oldest first; does not wait for more.

        `after`: only records with a greater `seq` (the cursor is exclusive: `after=16` starts with 17). `tail`: only
        the last so many of those that match. `level`: this level and above, of `trace`, `debug`, `info`, `warn`,
        `error`, `fatal`. `levels`: exactly these. `step`: only records of this step. `source`: `stdout`, `stderr`,
        `log` (published) or `system`. `q`: only records with this text, or matching `/regular expression/`. `exclude`:
        only records without it. "Copy as Python" in the log view produces such a call.

        Raises Rejected for a filter that is wrong, and NotFound, NoServer.
        """
        given = _given(level=level, levels=levels, step=step, source=source, q=q, exclude=exclude)
        return self._source.records(self.id, after, tail, given)

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        after: int | None = None,
        tail: int | None = None,
        level: str | None = None,
        levels: Sequence[str] | None = None,
        step: str | None = None,
        source: str | None = None,
        q: str | None = None,
        exclude: str | None = None,
    ) -> Path:
        """Write the records so far to a file, and return its path; see `logs()` for the conditions.

        `path`: its ending selects the format: `.parquet` (typed columns, as those of `df()`), `.jsonl` (OpenTelemetry's
        log data model, a record per line), `.html` (one page to read, search and print) or `.txt` (without colours). A
        file of that name is replaced when the export is complete. It is written as it arrives, so a log can be larger
        than this machine's memory. `after`, `tail`, `level`, `levels`, `step`, `source`, `q`, `exclude`: conditions.

        Raises ValueError for another ending, OSError if the file cannot be written, Rejected for a filter that is wrong
        and where the server lacks pyarrow (`.parquet`), and NotFound, NoServer.
        """
        from .export import export  # noqa: PLC0415 - see the module's docstring

        given = _given(
            after=after, tail=tail, level=level, levels=levels, step=step, source=source, q=q, exclude=exclude
        )
        return export(self._source, self.id, path, given)

    def follow(self, after: int = 0) -> Reader:
        """The records in order, as they are written, until the workload ends: `for record in ...` or `async for`.

        `after`: start after this `seq` (exclusive; 0: from the beginning). See Reader.
        """
        return Reader(self.id, after, self._source.frames)

    def wait_for(self, pattern: str | re.Pattern[str], timeout: float | None = None) -> Record:
        """Block until a line matches the regular expression `pattern`, and return the first record that does.

        Lines already written count, too. The pattern is searched anywhere in the line, colour codes removed. A line
        still being written, such as a prompt, counts as well: its record has `part=True` and the `seq` it will get.
        `timeout`: seconds; None waits until the workload ends. Raises TimeoutError, and LogStreamError when the
        workload ends without such a line.
        """
        try:
            found = run_sync(self._search(re.compile(pattern)), timeout)
        except TimeoutError:
            raise TimeoutError(f"{self!r} wrote no line that matches {pattern!r} within {timeout} s") from None
        if found is None:
            raise LogStreamError(f"{self!r} has ended ({self.state}) without a line that matches {pattern!r}")
        return found

    async def _search(self, pattern: re.Pattern[str]) -> Record | None:
        from ..text.terminal import plain_text  # noqa: PLC0415 - see the module's docstring

        last_seq = 0
        async for kind, data in self._source.frames(self.id, after=0):
            if kind == "logs":
                for record in data["logs"]:
                    last_seq = record["seq"]
                    if pattern.search(plain_text(record["message"])):
                        return Record.from_json(record)
            elif kind == "progress" and pattern.search(plain_text(data["message"])):
                source = data.get("source", "stdout")
                return Record(last_seq + 1, now_ms(), "unknown", data["message"], source=source, part=True)
        return None

    def text(self) -> str:
        """The whole output so far as one string, decoded as UTF-8; other bytes become U+FFFD."""
        return self._source.text(self.id)

    def df(self) -> Any:
        """The records so far, oldest first, as a pandas DataFrame; without pandas as a list of dicts.

        Columns: `seq`, `ts` (UTC; without pandas Unix ms), `level`, `message`, `step`, `source`, `part`, `fields`;
        a column without any value is left out.
        """
        rows = [record.to_json() for record in self.logs()]
        try:
            import pandas as pd  # noqa: PLC0415 - optional
        except ModuleNotFoundError:
            return rows
        frame = pd.DataFrame(rows, columns=["seq", "ts", "level", "message", "step", "source", "part", "fields"])
        frame["ts"] = pd.to_datetime(frame["ts"], unit="ms", utc=True)
        return frame.dropna(axis="columns", how="all")

    def metrics(self, *names: str) -> Any:
        """Numbers named in the lines (`loss=0.21`, `acc: 0.93`, `12.3it/s`) as a pandas DataFrame, a column per name.

        `names`: only these. One row per line that names at least one, oldest first, with the columns `seq`, `ts` (UTC)
        and `step`, and `worker` if lines name any (`rank=3`); NaN where a line lacks a number or it is not finite.
        Without pandas: a dict of lists, `ts` in Unix ms, None for NaN. Of a progress bar only the last update counts.
        """
        from ..text.metrics import columns  # noqa: PLC0415 - see the module's docstring

        table = columns(self.logs(), names)
        try:
            import pandas as pd  # noqa: PLC0415 - optional
        except ModuleNotFoundError:
            return table
        frame = pd.DataFrame(table)
        frame["ts"] = pd.to_datetime(frame["ts"], unit="ms", utc=True)
        return frame

    def snapshot(self) -> dict[str, Any]:
        """The workload as static output by media type, as a notebook saves it: text, HTML and our own JSON.

        With the last 50 lines once the workload has ended. Raises nothing: a failed request becomes part of the text.
        """
        from ..text.first_error import first_error  # noqa: PLC0415 - see the module's docstring
        from .snapshot import LINES, as_final, as_html, as_text  # noqa: PLC0415 - as above

        known = link_to(self)[MIME]
        error, records = None, []
        try:
            info = self.info
            if info["state"] in FINAL:
                records = self.logs(tail=LINES)
                error = first_error(info, self._get_json)
        except LogStreamError as failure:  # a handle can always be displayed
            info = {"command": repr(self), "state": str(failure), "id": self.id}
        if info["state"] in FINAL:
            known["final"] = as_final(info, records, error)
        return {MIME: known, "text/plain": as_text(info, records, error), "text/html": as_html(info, records, error)}

    def _get_json(self, path: str, **params: Any) -> Any:
        return self._source.request("GET", self.id, path, params=params).json()


def _given(levels: Sequence[str] | None = None, **filters: Any) -> dict[str, Any]:
    """The filters that are not None, by the names of `logs()`."""
    filters["levels"] = None if levels is None else ",".join(levels)
    return {name: value for name, value in filters.items() if value is not None}


def link_to(workload: WorkloadHandle) -> dict[str, Any]:
    """A workload by media type without its state: what the labextension needs to show it. Sends no request."""
    known: dict[str, Any] = {"workload": workload.id, "protocol": PROTOCOL, "version": __version__}
    if workload.upstream is not None:
        known["upstream"] = workload.upstream
    return {MIME: known, "text/plain": repr(workload)}


def list_workloads(state: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest `limit` workloads of this server, newest first, as the protocol writes them; `state`: only those."""
    found: list[dict[str, Any]] = []
    params: dict[str, Any] = {} if state is None else {"state": state}
    while len(found) < limit:
        page = call("GET", "workloads", params={**params, "limit": min(limit - len(found), PAGE_WORKLOADS)}).json()
        found += page["workloads"]
        if page["next"] is None:
            break
        params["after"] = page["next"]
    return found
