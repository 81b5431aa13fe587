"""Results of functions: `result()`, `exception()` of a handle. Runs in kernels, in user code.

Loading a result executes code of its pickle, so it happens here only, never in the server.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from ...text.wording import state_summary
from ...wire.envelope import BadEnvelope, unpack
from ..errors import LogStreamError, NotFound, Rejected, WorkloadFailed
from ..event_loop import run_async
from ..handle import WorkloadHandle

if TYPE_CHECKING:
    from collections.abc import Mapping


class ResultHandle(WorkloadHandle):
    """A handle whose workload can be a function."""

    __slots__ = ()

    def result(self, timeout: float | None = None) -> Any:
        """Block until the function has ended, and return its value, or raise the exception that ended it.

        `timeout`: seconds; None waits forever. An exception has the type it had in its process, with the traceback from
        there as a note; where its type cannot be rebuilt it is WorkloadFailed, with the type's name, the message and
        the traceback. Raises WorkloadFailed too if it was cancelled, timed out, was lost or killed; TimeoutError;
        NotFound when the workload was removed, and its result with it; LogStreamError if it is not a function, or
        its result needs other versions of Python or cloudpickle. Each call fetches and loads the result anew.
        """
        self.wait(timeout)
        return self._load_result()

    async def result_async(self) -> Any:
        """`result()` for `await`: the event loop stays free."""
        await self
        return await run_async(self._load_in_thread())

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Block until the function has ended; return the exception that `result()` would raise, None if it succeeded.

        `timeout` and other exceptions as for `result()`.
        """
        self.wait(timeout)
        header, value = self._outcome()
        return None if header["kind"] == "value" else value

    async def _load_in_thread(self) -> Any:
        import asyncio  # noqa: PLC0415 - only here

        return await asyncio.to_thread(self._load_result)

    def _load_result(self) -> Any:
        header, value = self._outcome()
        if header["kind"] != "value":
            raise value
        return value

    def _outcome(self) -> tuple[Mapping[str, Any], Any]:
        """Header and value (or exception) of the ended workload's result."""
        try:
            data = self._source.result(self.id)
        except NotFound:
            return {"kind": "missing"}, self._without_result()
        except Rejected as error:
            raise LogStreamError(str(error)) from None
        try:
            header, parts = unpack(data)
        except BadEnvelope as error:
            raise LogStreamError(f"the result of {self.id} is damaged: it {error}") from None
        if header["kind"] == "text":
            return header, WorkloadFailed(header["message"], header["type"], header["traceback"])
        from .pickling import check_versions  # noqa: PLC0415 - cloudpickle is only needed for functions

        check_versions(header, f"the result of {self.id}")
        try:
            value = pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301 - written by the user's own function
        except Exception as error:
            raise LogStreamError(
                f"the result of {self.id} ({header['type']}) cannot be loaded here: {type(error).__name__}: {error}"
            ) from error
        if header["kind"] == "exception":
            _add_note(value, f"In the process of the workload {self.id}:\n\n{header['traceback']}")
        return header, value

    def _without_result(self) -> LogStreamError:
        """Why there is no result. Raises NotFound if the workload is gone, LogStreamError if it is no function."""
        try:
            info = self._source.info(self.id)
        except NotFound:
            raise NotFound(f"The workload {self.id} was removed, and its result with it.") from None
        if info.get("call") is None:
            raise LogStreamError(f"{self.id} is a command, which has no result; see .exit_code and .text()")
        summary, error = state_summary(info), info.get("error") or ""
        why = summary if error in summary else f"{summary}: {error}"
        return WorkloadFailed(f"{info['call']} gave no result: {why}", "", "")


def _add_note(error: BaseException, note: str) -> None:
    """PEP 678, also before Python 3.11, where only IPython and our log show it."""
    error.__dict__.setdefault("__notes__", []).append(note.rstrip())
