"""A workload as static text and HTML: what a notebook keeps."""

from __future__ import annotations

from jupyter_logstream.records import Record
from jupyter_logstream.snapshot import BYTES, LINES, as_html, as_text

INFO = {"id": "w1", "command": "make <all>", "state": "failed", "exit_code": 2, "signal": None, "error": None}


def records(*messages: str) -> list[Record]:
    return [Record(seq, 0.0, "info", message) for seq, message in enumerate(messages, start=1)]


def test_the_title_says_command_state_exit_code_and_id():
    assert as_text(INFO, []) == "make <all> [failed, exit code 2] w1"


def test_why_it_could_not_start_and_which_signal_ended_it_are_said():
    info = {**INFO, "command": ["no", "such"], "exit_code": None, "signal": 9, "error": "not found"}
    assert as_text(info, []) == "no such [failed, signal 9, not found] w1"


def test_log_text_is_never_markup():
    page = as_html({**INFO, "error": "<b>"}, records("<img src=x onerror=alert(1)>", "</pre><script>"))
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "&lt;/pre&gt;&lt;script&gt;" in page
    assert [tag for tag in ("<img", "<script", "<all", ", <b>") if tag in page] == []


def test_only_the_last_lines_are_kept_without_their_colours():
    text = as_text(INFO, records(*(f"\x1b[3{i % 8}mline {i}\x1b[0m" for i in range(LINES + 10))))
    assert text.splitlines()[1:] == [f"line {i}" for i in range(10, LINES + 10)]


def test_neither_form_grows_beyond_its_bound_whatever_the_lines_hold():
    for message in ("&" * 40_000, "x" * 60_000, "\u00e9" * 30_000, "&" * 900):
        many = records(*[message] * LINES)
        assert len(as_html(INFO, many).encode()) <= BYTES
        assert len(as_text(INFO, many).encode()) <= BYTES


def test_a_command_of_any_length_has_a_title():
    info = {**INFO, "command": "&" * 100_000, "error": "&" * 100_000}
    assert len(as_html(info, records("&" * 1000)).encode()) <= BYTES
