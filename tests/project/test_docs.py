"""The documentation site: it builds without warnings, and its navigation has every page."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from support.paths import ROOT

import jupyter_logstream

DOCS = ROOT / "docs"
KINDS = ["Tutorials", "How-to guides", "Reference", "Explanation"]


@pytest.mark.slow
@pytest.mark.timeout(600)  # half a minute on an idle machine, minutes on a busy one
def test_the_site_builds_without_warnings(tmp_path):
    """With the notebooks as they are committed: `make docs` executes them, which takes minutes."""
    if not list((DOCS / "tutorials").glob("*.ipynb")):
        subprocess.run([sys.executable, str(DOCS / "execute_notebooks.py"), "--copy"], check=True)
    build = ["make", "--no-print-directory", "site", f"SITE={tmp_path}"]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "html" / "index.html").read_text()
    captions = re.findall(r'class="caption-text">([^<]+)', home)
    assert captions[:4] == KINDS
    assert "Raises NoServer" in (tmp_path / "html" / "reference" / "docstrings.html").read_text(), "from docstrings"


def test_the_index_names_each_page_once_in_the_table_of_its_kind():
    sections = (DOCS / "index.md").read_text().split("\n## ")[1:]
    tables = {section.splitlines()[0]: re.findall(r"^\|.*", section, re.MULTILINE) for section in sections}
    assert [kind for kind, rows in tables.items() if rows] == KINDS
    named = re.findall(r"\]\(([\w/-]+\.md)\)", "".join(row for rows in tables.values() for row in rows))
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if "_build" not in path.parts]
    assert sorted(named) == sorted(set(pages) - {"index.md"})


def test_the_docstrings_of_all_public_names_are_in_the_reference():
    page = (DOCS / "reference" / "docstrings.md").read_text()
    members = re.search(r":members: (\w.*)", page)
    assert members
    named = {*members[1].split(", "), *re.findall(r":: jupyter_logstream\.(\w+)", page)}
    assert named == set(jupyter_logstream.__all__) - {"__version__"}


def test_each_page_has_one_title_on_its_first_line():
    for path in [*DOCS.glob("*.md"), *(DOCS / "reference").glob("*.md")]:
        text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
        assert re.findall(r"^# ", text, re.MULTILINE) == ["# "], path
        assert text.startswith("# "), path
