"""What all our handlers share: who may, how requests are read strictly, and the one table from errors to HTTP.

Server side. Only this package knows status codes. Errors are `{"message", "reason"}`: no traceback, no path.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from jupyter_server.auth import User
from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError

from ...model.spec import SpecError
from ...store.disk.file_store import FileStore
from ...store.errors import BadIndex, NotWriter, StreamEnded, UnknownStream, Unreadable
from ...store.queries.filters import BadPattern, SlowPattern
from ..engine import CannotReach, CannotSend, Engine, NoRoom, QueueFull, StillRunning, UnknownWorkload
from ..params import BadBody, BadParameter, UnknownParameter, printable
from ..publishing import AheadOfEnd, NotExternal, Publisher
from ..request_log.log import RowEnded, UnknownRow
from ..request_log.row import RowError
from ..service_log import ServiceLog
from ..workload_feed import WorkloadFeed
from .body import BadJson, parse_json

LARGEST_BODY = 10 * 1024 * 1024
RESOURCE = "logstream"
_EVERYWHERE = {"token", "_xsrf", "no_track_activity"}  # Jupyter's own parameters
_NDJSON = {"application/x-ndjson", "application/ndjson", "application/jsonl"}
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Refused(HTTPError):
    """A request that is answered with an error: `reason` is a stable snake_case code."""

    def __init__(self, status: int, reason: str, message: str, **headers: str) -> None:
        super().__init__(status, "%s", message)
        self.code = reason
        self.text = message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


# The one table from errors to HTTP: (status, reason).
ERRORS: dict[type[Exception], tuple[int, str]] = {
    UnknownWorkload: (404, "unknown_workload"),
    UnknownStream: (404, "unknown_workload"),
    UnknownRow: (404, "unknown_request"),
    SpecError: (422, "invalid_field"),
    RowError: (422, "invalid_field"),
    UnknownParameter: (400, "unknown_parameter"),  # before its base class
    BadParameter: (400, "invalid_parameter"),
    BadBody: (400, "invalid_body"),
    BadPattern: (400, "invalid_parameter"),
    SlowPattern: (422, "pattern_too_slow"),
    StillRunning: (409, "still_running"),
    StreamEnded: (409, "ended"),
    RowEnded: (409, "ended"),
    NotWriter: (409, "not_writer"),
    NotExternal: (409, "not_external"),
    AheadOfEnd: (409, "ahead_of_end"),
    CannotSend: (409, "no_input"),
    CannotReach: (503, "runner_unreachable"),
    QueueFull: (429, "queue_full"),
    NoRoom: (503, "no_room"),
    Unreadable: (503, "log_unreadable"),
    BadIndex: (503, "log_damaged"),
}
_SAID = {
    UnknownWorkload: "there is no such workload",
    UnknownStream: "there is no such workload",
    UnknownRow: "there is no such request",
    BadPattern: "q is not a regular expression",
    Unreadable: "the log cannot be read",
    BadIndex: "the log is damaged and could not be mended",
}


class LogStreamHandler(APIHandler):
    """A handler of ours. Jupyter's login or the kernel's secret; every method says what it needs by `@authorized`."""

    _is_kernel = False

    @property
    def engine(self) -> Engine:
        engine: Engine = self.settings["logstream"].engine
        return engine

    @property
    def store(self) -> FileStore:
        store: FileStore = self.settings["logstream"].store
        return store

    @property
    def publisher(self) -> Publisher:
        publisher: Publisher = self.settings["logstream"].publisher
        return publisher

    @property
    def workload_list(self) -> WorkloadFeed:
        listed: WorkloadFeed = self.settings["logstream"].workload_list
        return listed

    @property
    def service_log(self) -> ServiceLog:
        log: ServiceLog = self.settings["logstream"].service_log
        return log

    # --- who ----------------------------------------------------------------------------------------------------------

    async def prepare(self, **_: Any) -> None:
        """Recognise a kernel by its secret - here and nowhere else - or leave it to Jupyter's login."""
        if self._has_secret():
            self._is_kernel = True
            if not self.check_host():
                raise HTTPError(403)
            self.current_user = self._jupyter_current_user = User(username="kernel")
            self._token_authenticated = True
        else:
            await super().prepare()
            self._check_site()
        self._track_activity = self.request.method != "GET"  # looking at a log keeps nobody's server alive

    def check_xsrf_cookie(self) -> None:
        """Jupyter's check; a kernel has no cookie that could be ridden on."""
        if not self._has_secret():
            super().check_xsrf_cookie()

    def credentials(self) -> list[str]:
        """Where a kernel may have put its secret."""
        scheme, _, given = self.request.headers.get("Authorization", "").partition(" ")
        return [given.strip()] if scheme.lower() == "bearer" else []

    def _has_secret(self) -> bool:
        secret: str = self.settings["logstream"].secret
        return any(hmac.compare_digest(given.encode(), secret.encode()) for given in self.credentials())

    def _check_site(self) -> None:
        """A page of another site must not read what our cookie opens (Jupyter checks this for writes only)."""
        if self.token_authenticated or self.request.method not in {"GET", "HEAD"}:
            return
        headers = self.request.headers
        foreign = headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"} and "Origin" not in headers
        if foreign or ("Referer" in headers and not self.check_referer()):
            raise Refused(403, "foreign_site", "the request comes from a page of another site")

    # --- what is asked ------------------------------------------------------------------------------------------------

    def parameters(self, *known: str, many: str = "") -> dict[str, str]:
        """The query's parameters; what is unknown, given twice or malformed is refused, what is empty is absent.

        `many`: the one that may be given often; it is left to the caller.
        """
        if _BAD_ESCAPE.search(self.request.query):
            raise Refused(400, "invalid_parameter", "the query holds a % that begins no escape")
        found: dict[str, str] = {}
        for name, values in self.request.query_arguments.items():
            if name in _EVERYWHERE or name == many:
                continue
            if name not in known:
                raise Refused(400, "unknown_parameter", f"{printable(name)} is not a parameter of this request")
            if len(values) > 1:
                raise Refused(400, "invalid_parameter", f"{name} is given twice")
            try:
                text = values[0].decode()
            except UnicodeDecodeError:
                raise Refused(400, "invalid_parameter", f"{name} is not UTF-8") from None
            if text:
                found[name] = text
        return found

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object."""
        self._check_body({"application/json"})
        value = _parsed(self.request.body)
        if not isinstance(value, dict):
            raise Refused(400, "invalid_json", "the body must be a JSON object")
        return value

    def json_items(self) -> list[Any]:
        """The body as a list: a JSON array, or NDJSON (a value on each line)."""
        kind = self._check_body({"application/json", *_NDJSON})
        if kind in _NDJSON:
            lines = [line for line in self.request.body.split(b"\n") if line.strip()]
            return [_parsed(line, f"line {i} of the body") for i, line in enumerate(lines, 1)]
        value = _parsed(self.request.body)
        if not isinstance(value, list):
            raise Refused(400, "invalid_json", "the body must be a JSON array (or be sent as application/x-ndjson)")
        return value

    def raw_body(self) -> bytes:
        """The body as it came."""
        self._check_body(None)
        return bytes(self.request.body)

    def _check_body(self, types: set[str] | None) -> str:
        headers = self.request.headers
        if len(self.request.body) > LARGEST_BODY:
            raise Refused(413, "too_large", f"the body is larger than {LARGEST_BODY} bytes")
        if headers.get("Content-Encoding", "identity") != "identity":
            raise Refused(415, "unsupported_encoding", "the body must not be compressed")
        kind = headers.get("Content-Type", "application/json").partition(";")[0].strip().lower()
        if types is not None and kind not in types:
            raise Refused(415, "unsupported_type", f"the body must be {' or '.join(sorted(types))}")
        return kind

    # --- what is answered ---------------------------------------------------------------------------------------------

    def answer(self, value: Mapping[str, Any], status: int = 200) -> None:
        """Finish with a JSON object."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def answer_nothing(self) -> None:
        """204."""
        self.set_status(204)
        self.finish()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every error as `{"message", "reason"}`."""
        self.finish(self.error_body(status_code, kwargs.get("exc_info", (None, None, None))[1]))

    def error_body(self, status_code: int, error: BaseException | None) -> str:
        """An error's `{"message", "reason"}`; sets the headers that go with it."""
        message, reason = HTTPStatus(status_code).phrase, HTTPStatus(status_code).name.lower()
        if isinstance(error, Refused):
            message, reason = error.text, error.code
            for name, value in error.headers.items():
                self.set_header(name, value)
        elif isinstance(error, HTTPError) and error.log_message and status_code < 500:
            message = error.log_message % error.args if error.args else error.log_message
        if status_code == 429:
            self.set_header("Retry-After", "5")
        return json.dumps({"message": message, "reason": reason}, ensure_ascii=False)

    def _handle_request_exception(self, e: BaseException) -> None:
        """Errors of ours are answered by the table; all others are Tornado's to log and answer (500)."""
        known = e if isinstance(e, Refused) else refusal(e)
        if known is None or self._headers_written:
            super()._handle_request_exception(e)
        else:
            self.send_error(known.status_code, exc_info=(Refused, known, None))


_NO_INPUT = {
    "no_stdin": "the workload was started without stdin, so it takes no input",
    "stdin_closed": "the workload's input is closed",
    "ended": "the workload does not run, so it takes no input",
}


def refusal(error: BaseException) -> Refused | None:
    """The error as an answer, by the table; None where it is not in it (then it is a fault of ours: 500)."""
    for kind, (status, reason) in ERRORS.items():
        if isinstance(error, kind):
            said = _NO_INPUT.get(error.reason) if isinstance(error, CannotSend) else _SAID.get(kind)
            return Refused(status, reason, said or str(error))
    return None


def _parsed(data: bytes, what: str = "the body") -> Any:
    try:
        return parse_json(data)
    except BadJson as error:
        raise Refused(400, "invalid_json", f"{what} {error}") from None
