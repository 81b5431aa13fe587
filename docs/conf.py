"""Configuration of the documentation site: Sphinx, MyST, PyData theme. Build time, by `make docs`.

`index.md` lists all pages in a table for each kind (Diataxis). The navigation is made from these tables, so the pages
need no directives that GitHub would show as text. A page that no table names is an error (no toctree has it).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_logstream import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "jupyter-logstream"
author = "jupyter-logstream contributors"
copyright = author  # noqa: A001 - Sphinx's name
release = version = __version__

extensions = [
    "myst_nb",  # the pages in Markdown, the notebooks with their outputs
    "sphinx.ext.autodoc",  # the API from docstrings
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
default_role = "code"  # docstrings have names in single backticks
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # signatures name types of private modules, which have no page
toc_object_entries = False
autodoc_member_order = "bysource"

myst_heading_anchors = 4  # those of GitHub
myst_enable_extensions = ["attrs_inline"]
nb_execution_mode = "off"  # execute_notebooks.py has run them
nb_mime_priority_overrides = [("html", "text/html", 0), ("html", "text/markdown", 1)]  # static forms before widgets

html_theme = "pydata_sphinx_theme"
html_title = "jupyter-logstream"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["site.css"]
html_sidebars = {"**": ["navigation.html"]}
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navbar_center": [],
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

KINDS = ("Tutorials", "How-to guides", "Reference", "Explanation")
"""The headings of the tables in index.md, and the captions of the navigation."""
_OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+[A-Z_]+\.md[^)]*\)")
"""Links to files at the root of the repository, which are no pages of the site."""
_PICTURE = re.compile(r"!\[([^\]]*)\]\((images/[\w-]+)\.png\)")
_PAGE = re.compile(r"\]\(([\w/.-]+)\.(?:md|ipynb)\)")


def navigation(index: str) -> str:
    """The toctrees of the pages that the tables in `index` name, one for each kind."""
    trees = []
    for section in index.split("\n## ")[1:]:
        kind, *lines = section.splitlines()
        if kind in KINDS:
            names = _PAGE.findall("\n".join(line for line in lines if line.startswith("|")))
            trees += ["", "```{toctree}", ":hidden:", f":caption: {kind}", "", *names, "```"]
    return "\n".join([*trees, ""])


def _in_both_themes(image: re.Match[str]) -> str:
    """A picture that also exists in dark, once for each theme; GitHub shows the light one."""
    text, path = image.groups()
    if not Path(__file__).parent.joinpath(f"{path}-dark.png").is_file():
        return image[0]
    return f"![{text}]({path}.png){{.only-light}}![{text}]({path}-dark.png){{.only-dark}}"


def _adapt(_: Sphinx, name: str, source: list[str]) -> None:
    """Point links to notebooks at their executed copies, pair pictures, and add the navigation to the index."""
    source[0] = _PICTURE.sub(_in_both_themes, source[0])
    source[0] = _OUTSIDE.sub(r"`\1`", source[0].replace("](../notebooks/", "](tutorials/"))
    if name == "index":
        source[0] += navigation(source[0])


def setup(app: Sphinx) -> None:
    """Register the change of the sources; fail early if the notebooks are not there."""
    if not list(Path(app.srcdir, "tutorials").glob("*.ipynb")):
        raise FileNotFoundError("docs/tutorials has no notebooks: run `make docs`, which executes them.")
    app.connect("source-read", _adapt)
