"""Plain language: the dialect words that an earlier version was full of stay out of sources, tests and documents."""

from __future__ import annotations

import re

import pytest
from support.paths import ROOT

WORDS = (
    r"tell|tells|told|say|says|said|ask|asks|asked|asking|whoever|nobody|somebody|lets? go of|takes? in|taken in"
    r"|mend|mends|mended|mending|proven|sign of life|what comes|what came|as it may|words of ours"
)
HUMPS = r"(?<=[a-z])(?:Tell|Tells|Told|Say|Says|Said|Ask|Asks|Asked|Mend|Mended)(?![a-z])"
"""Words inside a camel-case name: `isTold`."""

DIALECT = re.compile(rf"(?<![A-Za-z])(?i:{WORDS})(?![a-z])|{HUMPS}")
"""Dialect -> standard: told, said -> sent, reported; asked -> requested; whoever -> the caller; nobody -> no client;
take in -> ingest; let go of -> close; mend -> repair; proven -> verified; sign of life -> liveness."""

# Folder -> how often the words may occur: standard uses ("ask for confirmation", "what a program says").
ALLOWED = {
    "jupyter_logstream": 14,
    "js/src": 18,
    "tests": 55,
    "js/test": 12,
    "docs": 5,
    "notebooks": 2,
    "benchmarks": 6,
}


def occurrences(folder: str) -> list[str]:
    """`file:line: word` for every occurrence in Python, TypeScript, CSS, Markdown and notebooks below a folder."""
    found = []
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix not in {".py", ".ts", ".css", ".md", ".ipynb"} or path.name == "test_language.py":
            continue
        if {"static", "labextension", "node_modules", "fixtures", "vectors"} & set(path.parts):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found += [f"{path.relative_to(ROOT)}:{number}: {word}" for word in DIALECT.findall(line)]
    return found


@pytest.mark.parametrize("folder", ALLOWED)
def test_dialect_words_stay_rare(folder: str) -> None:
    found = occurrences(folder)
    assert len(found) <= ALLOWED[folder], "\n".join(found)


def test_dialect_is_found_in_names_and_prose() -> None:
    assert DIALECT.findall("Whoever asked was told; it is mended.") == ["Whoever", "asked", "told", "mended"]
    assert DIALECT.findall("self._told = asked_for") == ["told", "asked"]
    assert DIALECT.findall("isTold(askedFor, lastSaid)") == ["Told", "asked", "Said"]
    assert DIALECT.findall("a retold task, masked and saying nothing") == []
