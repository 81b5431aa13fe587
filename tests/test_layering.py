"""The arrows of the design, read off the imports of every file: who may know whom, and how long a file may get."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "jupyter_logstream"

VALUES = {
    *("records", "lines", "levels", "steps", "masking", "sse", "workload", "folder", "control", "skim", "usage"),
}
KERNEL_SIDE = {
    *("ansi", "capturing", "client", "connection", "display", "first_error", "magics", "metrics", "outgoing", "reader"),
    *("recording", "remote", "snapshot", "widgets"),
}

# Part of the package -> the other parts it may import. A part is a file or a folder directly in the package.
MAY_IMPORT = {
    **dict.fromkeys(VALUES, VALUES),
    "store": VALUES,
    "backends": VALUES,
    "runner": {*VALUES, "store"},
    "spec": VALUES,
    "retention": VALUES,
    "engine": {*VALUES, "spec", "store", "backends", "retention"},
    "workload_list": {*VALUES, "engine", "store"},
    "publishing": {*VALUES, "spec", "engine", "store"},
    "service_log": {*VALUES, "store"},
    "calls": VALUES,
    "proxy": {*VALUES, "calls"},
    "handlers": {*VALUES, "spec", "engine", "store", "publishing", "service_log", "workload_list", "calls", "proxy"},
    "extension": {
        *VALUES,
        "calls",
        "proxy",
        "store",
        "backends",
        "retention",
        "engine",
        "handlers",
        "publishing",
        "service_log",
        "workload_list",
    },
    "connection": VALUES,
    "reader": {*VALUES, "connection"},
    "ansi": VALUES,
    "first_error": {*VALUES, "ansi"},
    "snapshot": {*VALUES, "ansi", "first_error"},
    "metrics": VALUES,
    "outgoing": {*VALUES, "connection"},
    "recording": {*VALUES, "connection", "outgoing"},
    # display and widgets: imported only when something is shown
    "client": {
        *VALUES,
        *("ansi", "connection", "first_error", "metrics", "reader", "remote", "snapshot", "display", "widgets"),
    },
    "remote": {*VALUES, "client", "connection", "reader"},
    "widgets": {"client", "connection", "outgoing", "snapshot"},
    "display": {"client", "connection", "widgets"},
    "magics": {*VALUES, "ansi", "client", "snapshot", "widgets"},
    "capturing": {*VALUES, "ansi", "client", "connection"},
}

# The same within capturing/: a record goes log_capture (or output_capture) -> outbox -> spool, delivery -> connection.
CAPTURING = {
    "fields": set(),
    "stdio": set(),
    "spool": set(),
    "marking": {"stdio"},
    "delivery": {"spool"},
    "outbox": {"delivery", "spool"},
    "log_capture": {"fields", "marking", "outbox"},
    "output_capture": {"marking", "outbox", "stdio"},
}

# Part -> packages from elsewhere (besides the standard library) that it may import; absent: as it likes.
MAY_USE: dict[str, set[str]] = {
    **{part: set() for part in VALUES},
    "spec": set(),
    "runner": set(),
    "store": {"msgspec", "regex"},
    "backends": set(),
    "connection": {"httpx"},
    "reader": set(),
    "ansi": set(),
    "first_error": set(),
    "snapshot": set(),
    "metrics": set(),
    "client": {"pandas"},
    "capturing": {"jupyter_core"},
    "calls": set(),
    "proxy": {"aiohttp", "multidict", "yarl"},
    "outgoing": {"pandas", "IPython"},
    "recording": set(),
}

ONLY_IN = {"anywidget": {"widgets"}, "ipywidgets": {"widgets"}, "aiohttp": {"proxy"}, "yarl": {"proxy"}}
"""Packages that must not spread."""

JS = ROOT / "js" / "src"

# The same for the page: who may import whom, and which packages. A part is a file or a folder directly in js/src.
JS_MAY_IMPORT = {
    "core": {"core"},
    "views": {"core", "views"},
    "view": {"core", "views"},
    "table": {"core", "view", "views"},
    "requests": {"core", "views"},
    "anywidget": {"core", "requests", "table", "view"},
    "hub-worker": {"core"},
    "labextension": {"core", "view", "@lumino/widgets", "@jupyterlab/rendermime-interfaces"},
    "panel": {"core", "table", "view", "@lumino/widgets", "@jupyterlab/application", "@jupyterlab/apputils"},
    "jupyterlab.d": {"@lumino/widgets", "@jupyterlab/apputils"},  # types only
}

LONGEST_FILE = 400


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Full names of the modules that a file imports, wherever in it; not those for type checkers only."""
    found: set[str] = set()
    here = ".".join(path.relative_to(ROOT).parent.parts)
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = here.split(".")[: len(here.split(".")) - (node.level - 1)] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == PACKAGE.name else {module}
        todo += ast.iter_child_nodes(node)
    return found


def parts_imported(path: Path) -> set[str]:
    ours = {name.split(".")[1] for name in imports(path) if name.startswith(f"{PACKAGE.name}.")}
    return {part for part in ours if part in MAY_IMPORT}


def packages_imported(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - {PACKAGE.name}


def short(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", sources(), ids=short)
def test_a_file_imports_only_the_parts_that_its_part_may_know(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        assert not parts_imported(path) - {"widgets", "magics", "extension"}, "the package itself resolves names lazily"
        return
    assert part in MAY_IMPORT, f"{part}: say in MAY_IMPORT what this new part may know"
    assert parts_imported(path) - {part} <= MAY_IMPORT[part]


@pytest.mark.parametrize("name", CAPTURING)
def test_a_file_of_capturing_imports_only_what_lies_behind_it(name: str) -> None:
    assert set(CAPTURING) == {path.stem for path in (PACKAGE / "capturing").glob("[a-z]*.py")}
    prefix = f"{PACKAGE.name}.capturing."
    found = imports(PACKAGE / "capturing" / f"{name}.py")
    assert {module.removeprefix(prefix) for module in found if module.startswith(prefix)} <= CAPTURING[name]


@pytest.mark.parametrize("path", sources(), ids=short)
def test_a_file_uses_only_the_packages_that_its_part_may_use(path: Path) -> None:
    part, used = part_of(path), packages_imported(path)
    assert used <= MAY_USE.get(part, used)
    assert not {package for package in used if part not in ONLY_IN.get(package, {part})}


@pytest.mark.parametrize("path", sources(), ids=short)
def test_server_side_and_kernel_side_do_not_import_each_other(path: Path) -> None:
    side = KERNEL_SIDE if part_of(path) in KERNEL_SIDE else set(MAY_IMPORT) - KERNEL_SIDE
    if part_of(path) != "__init__":
        assert parts_imported(path) <= side | VALUES


@pytest.mark.parametrize("path", sources(), ids=short)
def test_on_the_server_only_handlers_know_http_errors(path: Path) -> None:
    if part_of(path) in {"handlers", *KERNEL_SIDE}:
        return
    names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    assert not names & {"HTTPError", "set_status", "send_error", "HTTPStatus"}


@pytest.mark.parametrize("path", sources(), ids=short)
def test_a_file_begins_by_saying_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", sorted(JS.rglob("*.ts")), ids=lambda path: str(path.relative_to(JS)))
def test_a_file_of_the_page_imports_only_what_its_part_may_know(path: Path) -> None:
    part = path.relative_to(JS).parts[0].removesuffix(".ts")
    assert part in JS_MAY_IMPORT, f"{part}: say in JS_MAY_IMPORT what this new part may know"
    assert js_imports(path) <= JS_MAY_IMPORT[part]


def js_imports(path: Path) -> set[str]:
    """The parts and packages that a file of the page imports, types included."""
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"""(?:\bfrom|^import|\bimport\()\s*["']([^"']+)["']""", text, re.MULTILINE)
    ours = [name for name in named if name.startswith(".")]
    parts = {(path.parent / name).resolve().relative_to(JS).parts[0].split(".")[0] for name in ours}
    return parts | {name for name in named if not name.startswith(".")}


def test_the_reader_of_the_pages_imports_sees_every_form(tmp_path) -> None:
    """The rule above rests on this."""
    assert js_imports(JS / "labextension.ts") == JS_MAY_IMPORT["labextension"]
    text = 'import "./core/a.js";\nimport {\n  b,\n} from "b";\nexport * from \'c\';\nconst d = await import("d");\n'

    class Example(type(tmp_path)):  # type: ignore[misc]  # a path whose text is ours
        def read_text(self, **_):
            return text

    assert js_imports(Example(JS / "views.ts")) == {"core", "b", "c", "d"}


def test_no_file_is_too_long() -> None:
    ours = [*PACKAGE.rglob("*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]
    ours += [*ROOT.glob("js/src/**/*.ts"), *ROOT.glob("js/test/**/*.ts")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in ours}
    assert lengths
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_the_reader_of_imports_sees_every_form() -> None:
    """The rules above rest on this: forms that it missed would be ways around them."""
    path = PACKAGE / "store" / "example.py"
    text = (
        "import a.b\nfrom c import d\nfrom . import file\nfrom .. import engine\nfrom ..handlers.logs import x\n"
        "from jupyter_logstream import client\ndef f():\n    import late\n"
        "if TYPE_CHECKING:\n    import never\nelse:\n    import other\n"
    )

    class Example(type(path)):  # type: ignore[misc]  # a path whose text is ours
        def read_text(self, **_):
            return text

    assert imports(Example(path)) == {
        "a.b",
        "c",
        "jupyter_logstream.store",
        "jupyter_logstream.engine",
        "jupyter_logstream.handlers.logs",
        "jupyter_logstream.client",
        "late",
        "other",
    }
