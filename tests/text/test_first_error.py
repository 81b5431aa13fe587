"""The first error of a log: an exception where there is one, else the line; and how often it came."""

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

    def ask(path: str, **params: Any) -> dict[str, Any]:
        if path == "/summary":
            return {"first_error": lines[seq - 1].to_json()}
        kept = lines[params.get("after", 0) :]
        kept = [line for line in kept if params.get("q", "") in line.message]
        return {"records": [line.to_json() for line in kept[: params["limit"]]], "total": len(kept)}

    return first_error(FAILED, ask)


def test_without_errors_nothing_is_asked():
    def ask(*_, **__):
        raise AssertionError("asked")

    assert first_error({"levels": {"info": 3}}, ask) is None
    assert first_error({}, ask) is None


def test_of_a_traceback_it_is_the_exception_with_its_repeats():
    text = "\n".join([TRACE.format("KeyError: 'a'"), "again", TRACE.format("KeyError: 'a'")])
    assert found(text) == FirstError(1, "KeyError: 'a'", 2)


def test_of_a_logged_exception_it_is_the_exception():
    assert found("ERROR:root:cannot load\n" + TRACE.format("OSError")) == FirstError(1, "OSError", 1)


def test_of_a_line_it_is_the_line_without_its_time():
    assert found("x\n2026-11-20 10:00:01,123 ERROR no such table", 2) == FirstError(2, "ERROR no such table", 1)
    assert found("ERROR no such table") == FirstError(1, "ERROR no such table", 1)


def test_a_long_one_is_cut():
    error = found("ERROR " + "x" * 5000)
    assert error is not None
    assert len(error.title) == MAX_TITLE_CHARS
    assert error.repeats == 1


@pytest.mark.parametrize("why", ["During handling of the above exception, another exception occurred:",
                                 "The above exception was the direct cause of the following exception:"])  # fmt: skip
def test_of_a_chain_it_is_the_last(why):
    text = "\n".join([TRACE.format("KeyError: 'a'"), "", why, "", TRACE.format("app.LoadFailed: orders"), "next"])
    assert exception(records(text)) == "app.LoadFailed: orders"


def test_lines_of_another_source_between_do_not_matter():
    lines = records(TRACE.format("KeyError: 'a'"))
    assert exception([lines[0], Record(9, 0.0, "info", "between"), *lines[1:]]) == "KeyError: 'a'"


@pytest.mark.parametrize("text", ["ERROR x\nnext", TRACE.format("not raised here"), TRACE.format("")])
def test_no_exception_is_seen_where_there_is_none(text):
    assert exception(records(text)) is None
