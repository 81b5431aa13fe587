"""HTTP errors: one table from exceptions of the server to status codes and stable reasons. Server.

Only `server/http/` knows status codes. Every error body is `{"message", "reason"}`, without traceback or path.
"""

from __future__ import annotations

from tornado.web import HTTPError

from ...model.spec import SpecError
from ...store.errors import BadIndex, NotWriter, StreamEnded, UnknownStream, Unreadable
from ...store.pattern import BadPattern
from ...store.queries.budget import SearchCancelled, SlowPattern
from ..engine import CannotReach, CannotSend, NoRoom, QueueFull, StillRunning, UnknownBackend, UnknownWorkload
from ..export.export import FormatUnavailable
from ..open_streams import TooManyReaders
from ..params import BadBody, BadParameter, UnknownParameter
from ..payloads import TooManyPayloads
from ..publishing import AheadOfEnd, NotExternal, TooManyItems
from ..request_log.log import RowEnded, UnknownRow
from ..request_log.row import RowError
from ..search_pool import TooManyExports, TooManySearches


class Refused(HTTPError):
    """A rejected request. `reason` is a stable snake_case code; `headers` are response headers (`_` stands for `-`)."""

    def __init__(self, status: int, reason: str, message: str, **headers: str) -> None:
        super().__init__(status, "%s", message)
        self.code = reason
        self.text = message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


ERRORS: dict[type[Exception], tuple[int, str]] = {
    UnknownWorkload: (404, "unknown_workload"),
    UnknownStream: (404, "unknown_workload"),
    UnknownBackend: (404, "unknown_backend"),
    UnknownRow: (404, "unknown_request"),
    SpecError: (422, "invalid_field"),
    RowError: (422, "invalid_field"),
    UnknownParameter: (400, "unknown_parameter"),  # before its base class
    BadParameter: (400, "invalid_parameter"),
    BadBody: (400, "invalid_body"),
    BadPattern: (400, "invalid_parameter"),
    FormatUnavailable: (422, "format_unavailable"),
    SlowPattern: (422, "pattern_too_slow"),
    SearchCancelled: (408, "cancelled"),  # the client has gone: only the access log shows it
    StillRunning: (409, "still_running"),
    StreamEnded: (409, "ended"),
    RowEnded: (409, "ended"),
    NotWriter: (409, "not_writer"),
    NotExternal: (409, "not_external"),
    TooManyItems: (413, "too_large"),
    AheadOfEnd: (409, "ahead_of_end"),
    CannotSend: (409, "no_input"),
    CannotReach: (503, "runner_unreachable"),
    QueueFull: (429, "queue_full"),
    TooManyReaders: (429, "too_many_listeners"),
    TooManyPayloads: (429, "too_many_payloads"),
    TooManySearches: (429, "too_many_searches"),
    TooManyExports: (429, "too_many_exports"),
    NoRoom: (503, "no_room"),
    Unreadable: (503, "log_unreadable"),
    BadIndex: (503, "log_damaged"),
}
"""Exception -> (status, reason); the first entry that matches counts."""

_MESSAGES = {
    UnknownWorkload: "there is no such workload",
    UnknownStream: "there is no such workload",
    UnknownRow: "there is no such request",
    Unreadable: "the log cannot be read",
    BadIndex: "the log is damaged and could not be repaired",
}
"""Messages for exceptions whose own text is an id, or could name a path."""

_NO_INPUT = {
    "no_stdin": "the workload was started without stdin, so it accepts no input",
    "stdin_closed": "the workload's input is closed",
    "ended": "the workload is not running, so it accepts no input",
    "no_connection": "its log comes from its engine: its runner did not connect to this server, so it accepts no input",
}


def to_http(error: BaseException) -> Refused | None:
    """The HTTP error for an exception; None if the table has no entry (an unexpected fault: 500)."""
    if isinstance(error, Refused):
        return error
    for kind, (status, reason) in ERRORS.items():
        if isinstance(error, kind):
            message = _NO_INPUT.get(error.reason) if isinstance(error, CannotSend) else _MESSAGES.get(kind)
            return Refused(status, reason, message or str(error))
    return None
