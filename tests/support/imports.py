"""Import graphs of the package and of the page, read from the source text. Test support.

Every form counts: absolute, relative, inside functions, type-only (`if TYPE_CHECKING`, `import type`) and dynamic
(`import("./x.js")`), so that no cycle hides behind a lazy import.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from support.paths import ROOT

PACKAGE = ROOT / "jupyter_logstream"
PAGE = ROOT / "js" / "src"

Graph = Mapping[str, frozenset[str]]


def module_name(path: Path) -> str:
    """The dotted name below the package: `store.disk.writer`; a package's `__init__` has the name of its folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def python_modules() -> dict[str, Path]:
    return {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported_names(path: Path, text: str | None = None) -> set[str]:
    """Full dotted names that a file imports, wherever in it and for whatever purpose."""
    package = [PACKAGE.name, *path.relative_to(PACKAGE).parent.parts]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8") if text is None else text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - (node.level - 1)] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def python_graph() -> Graph:
    """Module -> modules of the package that it imports."""
    modules = python_modules()

    def resolve(name: str) -> str | None:
        inside = name.removeprefix(f"{PACKAGE.name}.") if name != PACKAGE.name else ""
        while inside and inside not in modules:  # an attribute of a module
            inside = inside.rpartition(".")[0]
        return inside

    graph = {}
    for module, path in modules.items():
        ours = {name for name in imported_names(path) if name.split(".")[0] == PACKAGE.name}
        graph[module] = frozenset(found for name in ours if (found := resolve(name)) is not None) - {module}
    return graph


def foreign_packages(path: Path) -> set[str]:
    """Third-party packages that a file imports."""
    return {name.partition(".")[0] for name in imported_names(path)} - set(sys.stdlib_module_names) - {PACKAGE.name}


_JS_IMPORT = re.compile(r"""(?:\bfrom|^import|\bimport\()\s*["']([^"']+)["']""", re.MULTILINE)


def page_imports(text: str) -> list[str]:
    """The specifiers that a TypeScript file imports, types included."""
    return _JS_IMPORT.findall(text)


def page_graph() -> Graph:
    """File below js/src -> files there that it imports."""
    graph = {}
    for path in sorted(PAGE.rglob("*.ts")):
        found = set()
        for name in page_imports(path.read_text(encoding="utf-8")):
            if name.startswith(".") and name.endswith(".js"):
                found.add(Path(os.path.normpath(path.parent / name)).with_suffix(".ts").relative_to(PAGE).as_posix())
        graph[path.relative_to(PAGE).as_posix()] = frozenset(found)
    return graph


def cycles(graph: Graph) -> list[list[str]]:
    """Strongly connected components of more than one node (Tarjan's algorithm), each sorted, and sorted as a list."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = []
            while not component or component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for node in graph:
        if node not in index:
            visit(node)
    return sorted(found)


def upward(graph: Graph, folder_of: Mapping[str, str], allowed: Mapping[str, Iterable[str]]) -> list[str]:
    """The imports that no rule allows, as `from -> to`."""
    return sorted(
        f"{module} -> {other}"
        for module, others in graph.items()
        for other in others
        if folder_of[other] != folder_of[module] and folder_of[other] not in allowed[folder_of[module]]
    )
