"""`runner.pyz`: the runner as one file for other machines, built from the package's sources. Server; stdlib.

Deterministic: the same sources make the same bytes, so its name can be its hash. It is built when it is first needed.
"""

from __future__ import annotations

import ast
import hashlib
import io
import zipfile
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

NAME = "runner.pyz"
_PACKAGE = "jupyter_logstream"
_ROOTS = (f"{_PACKAGE}.runner.command", f"{_PACKAGE}.runner.serve")
# What a function's process there needs, besides its own modules.
_FUNCTIONS = (f"{_PACKAGE}.kernel.functions.elsewhere", f"{_PACKAGE}.kernel.publish.step")
_CLOUDPICKLE = "cloudpickle"
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = f"""\
import sys
if sys.version_info < (3, 9):
    sys.exit("{NAME} needs Python 3.9 or newer, this is " + sys.version.split()[0])
import os
archive = os.path.dirname(os.path.abspath(__file__))
from {_PACKAGE}.runner.command import main
sys.exit(main(sys.argv[1:], archive))
"""


@lru_cache(maxsize=1)
def runner_archive() -> bytes:
    """The bytes of `runner.pyz`, built once per process."""
    return build_archive(Path(__file__).resolve().parents[2])


def archive_name() -> str:
    """The name of this version's archive, which contains its hash."""
    return f"runner-{hashlib.sha256(runner_archive()).hexdigest()[:16]}.pyz"


def unpacked_name() -> str:
    """The name of the folder in which this version's archive is unpacked on another machine."""
    return archive_name().removesuffix(".pyz")


def build_archive(root: Path) -> bytes:
    """Build `runner.pyz` from the package in `root`."""
    data = io.BytesIO(_SHEBANG)
    data.seek(0, io.SEEK_END)
    with zipfile.ZipFile(data, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(_entry("__main__.py"), _MAIN)
        for path in sorted(modules(root)):
            archive.writestr(_entry(path.relative_to(root).as_posix()), path.read_bytes())
        for name, content in _cloudpickle():
            archive.writestr(_entry(name), content)
    return data.getvalue()


def modules(root: Path) -> set[Path]:
    """The files that the runner imports, anywhere in its code, and the packages that they are in."""
    found: set[Path] = set()
    waiting = [*_ROOTS, *_FUNCTIONS]
    while waiting:
        path = _file_of(waiting.pop(), root)
        if path is None or path in found:
            continue
        found.add(path)
        found |= {folder / "__init__.py" for folder in path.parents if root in folder.parents}
        waiting += _imports(path, root)
    return found


def _cloudpickle() -> list[tuple[str, bytes]]:
    """This server's cloudpickle, in a folder named by its version: a function's process may find none there."""
    try:
        folder = f"{_CLOUDPICKLE}-{version(_CLOUDPICKLE)}"
    except PackageNotFoundError:
        return []
    spec = find_spec(_CLOUDPICKLE)
    places = (spec and spec.submodule_search_locations) or []
    return [
        (f"{folder}/{_CLOUDPICKLE}/{path.name}", path.read_bytes())
        for place in places
        for path in sorted(Path(place).glob("*.py"))
    ]


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIMESTAMP)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    entry.create_system = 3  # whatever system builds it
    return entry


def _file_of(module: str, root: Path) -> Path | None:
    """The file of a module of the package; None for attributes and other packages."""
    if module.split(".", maxsplit=1)[0] != _PACKAGE:
        return None
    path = root.joinpath(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def _imports(path: Path, root: Path) -> list[str]:
    """Names that a file imports when it runs: not those for type checkers, nor those of a package's lazy names."""
    if path.parent == root / _PACKAGE:
        return []
    package = list(path.relative_to(root).parts[:-1])
    found: list[str] = []
    for node in _run_time_nodes(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return found


def _run_time_nodes(tree: ast.AST) -> list[ast.AST]:
    nodes, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        is_typing = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        if isinstance(node, ast.If) and is_typing:
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)
    return nodes
