"""A workload as static text and HTML: what a notebook keeps."""

from __future__ import annotations

from jupyter_logstream.records import Record
from jupyter_logstream.snapshot import BYTES, LINES, as_html, as_text, list_as_html, list_as_text

INFO = {"id": "w1", "command": "make <all>", "state": "failed", "exit_code": 2, "signal": None, "error": None}


def records(*messages: str) -> list[Record]:
    return [Record(seq, 0.0, "info", message) for seq, message in enumerate(messages, start=1)]


def test_the_title_says_command_state_exit_code_and_id():
    assert as_text(INFO, []) == "make <all> [failed, exit code 2] w1"


def test_why_it_could_not_start_and_which_signal_ended_it_are_said():
    info = {**INFO, "command": ["no", "such"], "exit_code": None, "signal": 9, "error": "not found"}
    assert as_text(info, []) == "no such [failed, signal 9, not found] w1"


def test_what_has_no_command_is_called_by_its_name():
    assert as_text({**INFO, "command": "", "name": "my log"}, []) == "my log [failed, exit code 2] w1"


LISTED = {
    **INFO, "name": "<b>fit</b>", "lines": 12_000, "levels": {"error": 3, "fatal": 1, "info": 7},
    "started": 1000, "ended": 2500,
}  # fmt: skip


def test_a_list_of_workloads_is_a_table_of_text():
    text = list_as_text([LISTED, {**INFO, "state": "running", "id": "w2", "name": "x"}])
    assert [line.split() for line in text.splitlines()] == [
        ["state", "name", "lines", "errors", "duration", "id"],
        ["failed", "<b>fit</b>", "12,000", "4", "1.5", "s", "w1"],
        ["running", "x", "0", "w2"],
    ]
    assert list_as_text([]) == "No workloads."


def test_a_list_of_workloads_is_escaped_and_has_a_bound():
    page = list_as_html([LISTED] * 5000)
    assert "&lt;b&gt;fit&lt;/b&gt;" in page
    assert "<b>" not in page
    assert len(page.encode()) <= BYTES
    assert page.endswith("</td></tr></table>")
    assert len(list_as_text([LISTED] * 5000).encode()) <= BYTES
    assert list_as_html([]) == "<pre>No workloads.</pre>"


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
