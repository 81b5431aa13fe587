"""A workload as static text, HTML and JSON: what a notebook keeps, and what viewers make of it."""

from __future__ import annotations

import json

import nbconvert
import nbformat
import pytest
from support.hostile_text import HOSTILE, Read

from jupyter_logstream.kernel.snapshot import (
    LINES,
    MAX_FORM_BYTES,
    MAX_LINE_CHARS,
    as_final,
    as_html,
    as_text,
    list_as_html,
    list_as_text,
    requests_as_html,
    requests_as_text,
)
from jupyter_logstream.model.records import Record
from jupyter_logstream.text.first_error import FirstError

INFO = {"id": "w1", "command": "make <all>", "state": "failed", "exit_code": 2, "signal": None, "error": None}
ENDED = {**INFO, "started": 1000, "ended": 13_300, "lines": 1200, "levels": {"info": 1190, "warn": 8, "error": 2}}
ERROR = FirstError(311, "KeyError: '<total>'", 3)
COLOURED = "\x1b[31ma\x1b[0m" * 90
MIME = "application/vnd.jupyter-logstream.v1+json"


def records(*messages: str) -> list[Record]:
    return [Record(seq, 0.0, "info", message) for seq, message in enumerate(messages, start=1)]


def notebook(info, lines, error=None):
    """A notebook that keeps a workload in all its forms, as `Workload.snapshot()` makes them."""
    data = {
        MIME: {"workload": info["id"], "protocol": 1, "version": "0", "final": as_final(info, lines, error)},
        "text/html": as_html(info, lines, error),
        "text/plain": as_text(info, lines, error),
    }
    output = nbformat.v4.new_output("display_data", data)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("job", outputs=[output])])


def test_text_contains_command_state_reason_duration_and_size():
    assert as_text(INFO, []) == "make <all> [Failed (exit code 2)] w1"
    assert as_text(ENDED, []) == "make <all> [Failed (exit code 2), 12 s, 1,200 lines, 8 warn, 2 error] w1"
    info = {**INFO, "command": ["no", "such"], "exit_code": None, "signal": 9, "error": "not found"}
    assert as_text(info, []) == "no such [Failed (SIGKILL), not found] w1"


def test_every_form_contains_another_machine():
    info = {**ENDED, "backend": "cluster", "node": "node17"}
    assert "[Failed (exit code 2), on cluster · node17, 12 s," in as_text(info, [])
    assert "on cluster · node17" in Read(as_html(info, [])).text
    assert as_final(info, [])["job"].items() >= {"backend": "cluster", "node": "node17"}.items()
    assert "backend" not in as_final({**ENDED, "backend": "local", "node": None}, [])["job"]


def test_every_form_contains_the_first_error():
    assert as_text(ENDED, [], ERROR).splitlines()[1] == "First error (line 311, 3 times): KeyError: '<total>'"
    assert "First error (line 311, 3 times): KeyError: '<total>'" in Read(as_html(ENDED, [], ERROR)).text
    assert as_final(ENDED, [], ERROR)["first_error"] == {"seq": 311, "title": "KeyError: '<total>'", "repeats": 3}


def test_the_html_reads_the_same_without_any_style():
    page = as_html(ENDED, records("plain", "\x1b[31mred\x1b[0m <b>"), ERROR)
    assert Read(page).text.split("\n") == [
        "✕ Failed make <all> · exit code 2 · 12 s · 1,200 lines · 8 warn · 2 error",
        "",
        "First error (line 311, 3 times): KeyError: '<total>'",
        "",
        "plain",
        "red <b>",
        "",
        "the last 2 of 1,200 lines · workload w1",
    ]


def test_only_the_last_lines_are_kept_the_text_without_their_colours():
    lines = records(*(f"\x1b[3{i % 8}mline {i}\x1b[0m" for i in range(LINES + 10)))
    assert as_text(INFO, lines).splitlines()[1:] == [f"line {i}" for i in range(10, LINES + 10)]
    assert as_final(INFO, lines)["lines"] == [f"line {i}" for i in range(10, LINES + 10)]
    assert as_html(INFO, lines).count("<span style=") == LINES


def test_of_a_long_line_the_beginning_is_kept():
    (line,) = as_final(INFO, records("x" * 60_000))["lines"]
    assert line == "x" * MAX_LINE_CHARS + "…"


@pytest.mark.parametrize("message", ["&" * 900, "x" * 60_000, *(unit * 900 for unit in 'é"\\\x01\n😀'), "", COLOURED])
def test_the_notebook_grows_by_less_than_50_kb_whatever_the_lines_hold(message):
    info = {**ENDED, "command": message * 50, "error": message * 50, "name": message}
    kept = notebook(info, records(*[message] * LINES), FirstError(1, message[:300], 2))
    assert len(nbformat.writes(kept).encode()) < 50_000


def test_a_handle_that_has_no_server_is_text_too():
    info = {"command": "Workload('w1')", "state": "No <server>", "id": "w1"}
    assert as_text(info, []) == "Workload('w1') [No <server>] w1"
    assert Read(as_html(info, [])).text.strip().startswith("No <server> Workload('w1')")


def test_blank_lines_of_a_log_do_not_end_it_where_html_stands_in_markdown():
    blocks = as_html(ENDED, records("a", "", "b *c* d")).split("\n\n<pre>")
    assert blocks[1].startswith("a\n\nb *c* d</pre>\n\n<div>")


def test_b103_empty_lines_are_lines_like_any_others():
    info = {**ENDED, "lines": 1_000_000}
    empty = records(*[""] * LINES)
    assert as_text(info, empty).split("\n")[1:] == [""] * LINES
    assert as_final(info, empty)["lines"] == [""] * LINES
    page = Read(as_html(info, empty)).text
    assert "1,000,000 lines" in page
    assert f"the last {LINES} of 1,000,000 lines" in page
    assert as_final({**ENDED, "lines": 0}, [])["lines"] == []


def test_of_a_script_the_title_has_the_first_line():
    assert as_text({**INFO, "command": "set -e\nmake"}, []) == "set -e … [Failed (exit code 2)] w1"


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_text_wherever_it_stands(message):
    info = {**ENDED, "command": message, "error": message, "name": message}
    page = as_html(info, records(message, "after"), FirstError(1, message[:300], 1))
    assert {tag for tag, *_ in Read(page).elements} <= {"div", "b", "i", "u", "code", "pre", "small", "span"}
    assert {name for _, *attrs in Read(page).elements for name, _ in attrs} <= {"style"}
    assert "\nafter\n" in Read(page).text
    json.dumps(as_final(info, records(message)))


@pytest.mark.parametrize("exporter", [nbconvert.HTMLExporter, nbconvert.MarkdownExporter])
@pytest.mark.parametrize("message", [HOSTILE["B94 elements"], HOSTILE["B94 inside of colours"]], ids=["B94", "colours"])
def test_nbconvert_shows_it_and_hostile_text_stays_text(exporter, message):
    page, _ = exporter().from_notebook_node(notebook(ENDED, records(message, "the last line"), ERROR))
    output = page[page.index("✕ Failed") :]
    assert "the last line" in output
    assert "First error" in output
    assert "<script>alert" not in output
    assert "<img src=x" not in output
    assert "<svg onload" not in output


def test_what_github_takes_away_is_only_colour():
    """Its viewer strips `style`; the rest has the same content."""
    page = as_html(ENDED, records("\x1b[31mred\x1b[0m", "\x1b[1mbold\x1b[0m"), ERROR)
    stripped = page.replace(' style="color:#ce534e"', "")
    assert "style" not in stripped
    assert "class" not in page
    assert "id=" not in page
    assert "href" not in page
    assert Read(stripped).text == Read(page).text
    assert ("b",) in Read(stripped).elements


LISTED = {
    **INFO, "name": "<b>fit</b>", "lines": 12_000, "levels": {"error": 3, "fatal": 1, "info": 7},
    "started": 1000, "ended": 2500,
}  # fmt: skip


def test_a_list_of_workloads_is_a_table_of_text():
    text = list_as_text([LISTED, {**INFO, "state": "running", "id": "w2", "name": "x"}])
    assert [line.split() for line in text.splitlines()] == [
        ["state", "name", "lines", "errors", "duration", "id"],
        ["Failed", "<b>fit</b>", "12,000", "4", "1.5", "s", "w1"],
        ["Running", "x", "0", "w2"],
    ]
    assert list_as_text([]) == "No workloads."


def test_a_list_of_workloads_is_escaped_and_has_a_bound():
    page = list_as_html([LISTED] * 5000)
    assert "&lt;b&gt;fit&lt;/b&gt;" in page
    assert "<b>" not in page
    assert len(page.encode()) <= MAX_FORM_BYTES
    assert page.endswith("</td></tr></table>")
    assert len(list_as_text([LISTED] * 5000).encode()) <= MAX_FORM_BYTES
    assert list_as_html([]) == "<pre>No workloads.</pre>"


DISGUISED = "\x1b[31ma\u202eb\x07\x1b]0;title\x07"


def test_no_field_of_a_workload_or_a_call_acts_on_the_reader():
    fields = ("id", "state", "command", "name", "error", "reason")
    info = {**ENDED, **dict.fromkeys(fields, DISGUISED), "signal": DISGUISED}
    row = dict.fromkeys(("id", "status", "provider", "upstream", "model"), DISGUISED)
    forms = [
        as_text(info, records(DISGUISED), FirstError(1, DISGUISED, 1)),
        list_as_text([info]),
        requests_as_text([row]),
    ]
    forms += [
        as_html(info, records(DISGUISED), FirstError(1, DISGUISED, 1)),
        list_as_html([info]),
        requests_as_html([row]),
    ]
    for form in forms:
        assert not {"\x1b", "\x07", "\u202e"} & set(form), form
        assert "a\\u202eb" in form
