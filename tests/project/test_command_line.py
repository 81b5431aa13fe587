"""The command line is documented as it is, and starts without what it does not need."""

from __future__ import annotations

import re
import subprocess
import sys

from support.cli_reference import FILE, reference, verbs
from support.paths import ROOT

SLOW = {"asyncio", "http.client", "httpx", "jupyter_core", "jupyter_server", "ssl", "argcomplete", "msgspec"}


def test_the_reference_is_made_from_the_parser() -> None:
    how = "run: PYTHONPATH=tests .venv/bin/python tests/support/cli_reference.py"
    assert FILE.read_text(encoding="utf-8") == reference(), how


def test_every_verb_and_argument_has_a_help_text() -> None:
    for parser, _ in verbs():
        assert parser.description
        assert [action.dest for action in parser._actions if not action.help] == [], parser.prog


def test_the_exit_codes_of_the_program_are_those_of_the_page() -> None:
    code = (ROOT / "jupyter_logstream" / "kernel" / "cli" / "exit_codes.py").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| (\d+) \|", page, re.MULTILINE))
    assert set(re.findall(r"^[A-Z_]+ = (\d+)$", code, re.MULTILINE)) <= documented


def test_help_imports_no_client_code() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "jupyter_logstream", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "jupyter_logstream.kernel.cli.parser" in imported
    assert imported & SLOW == set()
    assert "usage: jupyter logstream" in done.stdout
