"""First error of a log: the exception if there is one, else the line; and its repeats."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_logstream.model.records import Record
from jupyter_logstream.text.first_error import MAX_TITLE_CHARS, FirstError, exception, first_error

FAILED = {"levels": {"info": 3, "error": 2}}
TRACE = "Traceback (most recent call last):\n  File 'a.py', line 1, in f\n    f()\n{}"


def records(text: str, source: str = "stderr") -> list[Record]:
    lines = text.split("\n")
    return [Record(seq, 0.0, "error", line, source=source) for seq, line in enumerate(lines, start=1)]


def found(text: str, seq: int = 1) -> FirstError | None:
    lines = records(text)

    def request(path: str, **params: Any) -> dict[str, Any]:
        if path == "/summary":
            return {"first_error": lines[seq - 1].to_json()}
        matching = lines[params.get("after", 0) :]
        matching = [line for line in matching if params.get("q", "") in line.message]
        return {"records": [line.to_json() for line in matching[: params["limit"]]], "total": len(matching)}

    return first_error(FAILED, request)


def test_no_request_without_errors():
    def request(*_, **__):
        raise AssertionError("requested")

    assert first_error({"levels": {"info": 3}}, request) is None
    assert first_error({}, request) is None


def test_traceback_gives_its_exception_and_repeats():
    text = "\n".join([TRACE.format("KeyError: 'a'"), "again", TRACE.format("KeyError: 'a'")])
    assert found(text) == FirstError(1, "KeyError: 'a'", 2)


def test_logged_exception_gives_the_exception():
    assert found("ERROR:root:cannot load\n" + TRACE.format("OSError")) == FirstError(1, "OSError", 1)


def test_line_gives_the_line_without_its_time():
    assert found("x\n2026-11-20 10:00:01,123 ERROR no such table", 2) == FirstError(2, "ERROR no such table", 1)
    assert found("ERROR no such table") == FirstError(1, "ERROR no such table", 1)


def test_long_title_is_truncated():
    error = found("ERROR " + "x" * 5000)
    assert error is not None
    assert len(error.title) == MAX_TITLE_CHARS
    assert error.repeats == 1


@pytest.mark.parametrize("why", ["During handling of the above exception, another exception occurred:",
                                 "The above exception was the direct cause of the following exception:"])  # fmt: skip
def test_chain_gives_its_last_exception(why):
    text = "\n".join([TRACE.format("KeyError: 'a'"), "", why, "", TRACE.format("app.LoadFailed: orders"), "next"])
    assert exception(records(text)) == "app.LoadFailed: orders"


def test_lines_of_other_sources_are_skipped():
    lines = records(TRACE.format("KeyError: 'a'"))
    assert exception([lines[0], Record(9, 0.0, "info", "between"), *lines[1:]]) == "KeyError: 'a'"


@pytest.mark.parametrize("text", ["ERROR x\nnext", TRACE.format("not raised here"), TRACE.format("")])
def test_other_lines_give_no_exception(text):
    assert exception(records(text)) is None
