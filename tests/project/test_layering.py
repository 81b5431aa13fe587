"""The architecture as one rule per folder: what a folder may import. Read from the imports of every file."""

from __future__ import annotations

import ast

import pytest
from support.imports import (
    PACKAGE,
    PAGE,
    cycles,
    foreign_packages,
    imported_names,
    page_graph,
    page_imports,
    python_graph,
    python_modules,
    upward,
)
from support.paths import ROOT

# Folder of the package -> folders it may import. The root module resolves public names lazily and may import all.
VALUES = ["", "model", "text", "wire"]
SERVER = ["server.subscriptions", "server.request_log", "server.proxy", "server.mcp", "server.http"]
EXPORTS = ["server.export", "server.otlp"]
STORE = ["store", "store.queries", "store.disk", "store.repair"]
MAY_IMPORT: dict[str, list[str]] = {
    "model": [],
    "text": ["model"],
    "wire": ["model"],
    "store": ["model", "text"],
    "store.queries": ["model", "text", "store"],
    "store.disk": ["model", "text", "store", "store.repair"],
    "store.repair": ["model", "text", "store", "store.disk"],
    "runner": ["model", "text", "wire", "store.disk"],
    "backends": ["model", "text", "wire", "store.disk"],
    "server": [
        *VALUES,
        *STORE,
        "backends",
        "server.subscriptions",
        "server.request_log",
        "server.proxy",
        "server.mcp",
        "server.http",
        *EXPORTS,
    ],
    "server.export": ["", "model", "text", "store", "store.queries", "server.otlp"],
    "server.otlp": ["", "model", "text", "store", "store.disk", "server", "server.request_log"],
    "server.subscriptions": [*VALUES, *STORE, "server", "server.request_log"],
    "server.request_log": ["model", "text", "wire"],
    "server.proxy": ["model", "wire", "server.request_log"],
    "server.mcp": ["model", "text", "wire", "store", "store.queries", "server"],
    "server.http": [*VALUES, *STORE, "server", *SERVER, *EXPORTS],
    "kernel": [*VALUES, "kernel.offline"],
    "kernel.offline": [*VALUES, "kernel", "store", "store.queries", "store.disk"],  # reads stores without a server
    "__main__": ["kernel"],
}

# Folder -> third-party packages it may import; absent: any.
MAY_USE: dict[str, set[str]] = {
    **{folder: set() for folder in ("model", "text", "runner")},
    "wire": set(),  # optional decoders are imported by name in decoding.py
    "backends": {"aiohttp"},
    **{folder: {"msgspec", "re2"} for folder in ("store", "store.queries", "store.disk", "store.repair")},
    "server.subscriptions": {"msgspec"},
    "server.request_log": {"msgspec"},
    "server.export": {"pyarrow"},
    "server.otlp": {"msgspec", "tornado", "traitlets"},
    "server.mcp": {"traitlets"},
}
ONLY_IN: dict[str, str | tuple[str, ...]] = {
    "anywidget": "kernel.widgets",
    "ipywidgets": "kernel.widgets",
    "aiohttp": ("server.proxy", "backends.ray.api"),
    "yarl": "server",
}
ONLY_IN["pyarrow"] = "server.export.parquet"
"""Packages that must not spread, and the prefixes of the modules that may import them."""

# Folder of js/src -> folders it may import.
PAGE_MAY_IMPORT: dict[str, list[str]] = {
    "protocol": [],
    "text": ["protocol"],
    "net": ["protocol"],
    "log": ["protocol", "text"],
    "tables": ["protocol", "text"],
    "views": ["protocol", "text", "log", "tables"],
    "shells": ["protocol", "text", "net", "log", "tables", "views"],
}
PAGE_PACKAGES = {"shells": {"@lumino/widgets", "@jupyterlab/application", "@jupyterlab/apputils"}}
PAGE_PACKAGES["shells"] |= {"@jupyterlab/rendermime-interfaces"}

MAX_FILE_LINES = 400

# Violations from before the folders existed, each to be untied; the list may only shrink.
TO_UNTIE: set[str] = set()
CYCLES_TO_UNTIE: list[list[str]] = []


def folder_of(module: str) -> str:
    """The folder that a rule above is about: one level deep, two in `store` and `server`."""
    parts = module.split(".")
    packages = [".".join(parts[:n]) for n in (2, 1) if (PACKAGE.joinpath(*parts[:n])).is_dir()]
    return next((name for name in packages if name in MAY_IMPORT), parts[0] if module else "")


MODULES = python_modules()
FOLDERS = {module: folder_of(module) for module in MODULES}


def test_every_folder_has_a_rule() -> None:
    assert {"", "_version"} | set(FOLDERS.values()) == {"", "_version"} | set(MAY_IMPORT)
    assert {path.name for path in PAGE.iterdir()} == set(PAGE_MAY_IMPORT)


def test_the_package_root_holds_public_names_version_and_command_line_only() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py", "_version.py"}


def test_a_folder_imports_only_what_its_rule_allows() -> None:
    graph = {module: others - {"_version", ""} for module, others in python_graph().items()}
    graph.pop("")
    assert set(upward(graph, FOLDERS, {**MAY_IMPORT, "_version": []})) == TO_UNTIE


def test_the_package_has_no_import_cycles() -> None:
    graph = {module: others - {""} for module, others in python_graph().items()}
    assert cycles(graph) == sorted(CYCLES_TO_UNTIE)


@pytest.mark.parametrize("module", MODULES)
def test_a_file_uses_only_the_packages_that_its_folder_may_use(module: str) -> None:
    used, folder = foreign_packages(MODULES[module]), FOLDERS[module]
    assert used <= MAY_USE.get(folder, used)
    assert not {package for package in used if not module.startswith(ONLY_IN.get(package, ""))}


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith(("server.http", "kernel"))])
def test_on_the_server_only_http_knows_status_codes(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {"HTTPError", "set_status", "send_error", "HTTPStatus"}


@pytest.mark.parametrize("module", MODULES)
def test_a_file_begins_with_a_docstring(module: str) -> None:
    assert ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))


def test_a_folder_of_the_page_imports_only_what_its_rule_allows() -> None:
    graph = page_graph()
    assert upward(graph, {name: name.split("/")[0] for name in graph}, PAGE_MAY_IMPORT) == []


def test_the_page_has_no_import_cycles() -> None:
    assert cycles(page_graph()) == []


def test_a_folder_of_the_page_uses_only_the_packages_that_it_may_use() -> None:
    for path in PAGE.rglob("*.ts"):
        folder = path.relative_to(PAGE).parts[0]
        foreign = {name for name in page_imports(path.read_text(encoding="utf-8")) if not name.startswith(".")}
        assert foreign <= PAGE_PACKAGES.get(folder, set()), path


def test_no_test_module_imports_another() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not any(part.startswith(("test_", "conftest")) for part in node.module.split(".")), path


def test_no_file_is_too_long() -> None:
    ours = [*PACKAGE.rglob("*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]
    ours += [*ROOT.glob("js/src/**/*.ts"), *ROOT.glob("js/test/**/*.ts")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in ours}
    assert lengths
    assert {path: length for path, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_the_reader_of_python_imports_sees_every_form() -> None:
    """The rules above rest on this: a form that it missed would be a way around them."""
    text = (
        "import a.b\nfrom c import d\nfrom . import file\nfrom ..queries.filters import x\n"
        "from jupyter_logstream import client\ndef f():\n    import late\n"
        "if TYPE_CHECKING:\n    from ...kernel import typed\n"
    )
    assert imported_names(PACKAGE / "store" / "disk" / "example.py", text) == {
        "a.b",
        "c.d",
        "jupyter_logstream.store.disk.file",
        "jupyter_logstream.store.queries.filters.x",
        "jupyter_logstream.client",
        "late",
        "jupyter_logstream.kernel.typed",
    }


def test_the_reader_of_page_imports_sees_every_form() -> None:
    text = 'import "./a.js";\nimport {\n  b,\n} from "b";\nexport * from \'c\';\nconst d = await import("d");\n'
    assert page_imports(text) == ["./a.js", "b", "c", "d"]


def test_the_finder_of_cycles_finds_them() -> None:
    graph = {"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"b"}), "d": frozenset({"a"})}
    assert cycles(graph) == [["b", "c"]]
