"""The documentation site: it builds without warnings, and its navigation has every page."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from support.paths import ROOT

DOCS = ROOT / "docs"
KINDS = {"tutorial", "how-to", "reference", "explanation"}


@pytest.mark.slow
def test_the_site_builds_without_warnings(tmp_path):
    """With the notebooks as they are committed: `make docs` executes them, which takes minutes."""
    if not list((DOCS / "tutorials").glob("*.ipynb")):
        subprocess.run([sys.executable, str(DOCS / "execute_notebooks.py"), "--copy"], check=True)
    options = ["-b", "html", "-W", "--keep-going", "-n", "-q", "-d", str(tmp_path / "doctrees")]
    build = [sys.executable, "-m", "sphinx", *options, str(DOCS), str(tmp_path / "html")]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "html" / "index.html").read_text()
    captions = re.findall(r'class="caption-text">([^<]+)', home)
    assert captions[:4] == ["Tutorials", "How-to guides", "Reference", "Explanation"]
    assert "Raises NoServer" in (tmp_path / "html" / "reference" / "docstrings.html").read_text(), "from docstrings"


def test_the_index_names_each_page_once_with_its_kind():
    rows = [row.split("|") for row in (DOCS / "index.md").read_text().splitlines() if row.startswith("| ")][1:]
    assert {row[3].strip() for row in rows} == KINDS
    named = re.findall(r"\]\(([\w/-]+\.md)\)", "".join(row[2] for row in rows))
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if "_build" not in path.parts]
    assert sorted(named) == sorted(set(pages) - {"index.md"})


def test_each_page_has_one_title_on_its_first_line():
    for path in [*DOCS.glob("*.md"), *(DOCS / "reference").glob("*.md")]:
        text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
        assert re.findall(r"^# ", text, re.MULTILINE) == ["# "], path
        assert text.startswith("# "), path
