"""What is shipped: the wheel, what installing it switches on, and documents that must not rot."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shutil
import subprocess
import sys
import zipfile

import nbformat
import pytest
from support.paths import ROOT
from support.serving import jupyter

import jupyter_logstream
from jupyter_logstream._version import __version__

MAX_WHEEL_BYTES = 720_000
"""1,020,000 before its parts were shared. The goal of 600,000 is missed: the code alone has 506,000 packed."""

SHORT_RUN = "import sys; print('epoch 3'); print('WARNING last'); sys.exit(0)\n"


def test_being_installed_is_being_enabled():
    command = [sys.executable, "-m", "jupyter", "server", "extension", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True)
    output = re.sub(r"\x1b\[\d*m", "", listing.stdout + listing.stderr)
    assert re.search(r"jupyter_logstream enabled", output)
    assert re.search(r"jupyter_logstream \S+ OK", output)


@pytest.mark.slow
def test_the_wheel_carries_front_end_configuration_and_licence(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name == f"jupyter_logstream-{__version__}-py3-none-any.whl"
    assert wheel.stat().st_size < MAX_WHEEL_BYTES
    data = f"jupyter_logstream-{__version__}.data/data"
    assert {
        *(
            f"jupyter_logstream/static/{name}.js"
            for name in ("anywidget", "view", "table", "requests", "comm", "hub-worker")
        ),
        "jupyter_logstream/py.typed",
        f"{data}/etc/jupyter/jupyter_server_config.d/jupyter_logstream.json",
        f"jupyter_logstream-{__version__}.dist-info/licenses/LICENSE",
    } <= set(names)
    labextension = f"{data}/share/jupyter/labextensions/jupyter-logstream"
    assert {f"{labextension}/package.json", f"{labextension}/install.json"} <= set(names)
    assert [name for name in names if name.startswith(f"{labextension}/static/remoteEntry.")]
    assert not [name for name in names if name.startswith(("tests", "js", "notebooks", "jupyter_logstream/labext"))]
    assert not [name for name in names if name.endswith((".map", ".pyz", ".ts"))]
    manifest = json.loads(zipfile.ZipFile(wheel).read(f"{labextension}/package.json"))
    assert manifest["version"] == __version__


def test_the_version_stands_in_one_place():
    declared = [ROOT / "pyproject.toml", ROOT / "js" / "package.json"]
    assert [
        path.name for path in declared if re.search(r'^\s*"?version"?\s*[=:]', path.read_text(), re.MULTILINE)
    ] == []
    assert f'__version__ = "{__version__}"' in (ROOT / "jupyter_logstream" / "_version.py").read_text()


@pytest.mark.parametrize("documented", [True, False])
def test_the_wheel_has_the_code_of_the_sources_line_by_line(documented):
    """Only comments and strings without effect are left out, so behaviour and tracebacks are the same."""
    build = runpy.run_path(str(ROOT / "hatch_build.py"))
    for path in sorted((ROOT / "jupyter_logstream").rglob("*.py")):
        source = path.read_text()
        reduced = build["reduced"](source, documented)
        assert _code(reduced) == _code(source), path
        assert len(reduced.splitlines()) == len(source.splitlines()), path


def _code(source):
    """The statements of a module with their lines, without strings that stand alone."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [one for one in body if not isinstance(getattr(getattr(one, "value", None), "value", None), str)
                         or not isinstance(one, ast.Expr)]  # fmt: skip
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                node.end_lineno = 0
    return ast.dump(tree, include_attributes=False) + str([n.lineno for n in ast.walk(tree) if isinstance(n, ast.stmt)])


def test_modules_of_public_names_keep_their_docstrings_in_the_wheel():
    documented = runpy.run_path(str(ROOT / "hatch_build.py"))["DOCUMENTED"]
    public = [getattr(jupyter_logstream, name) for name in jupyter_logstream.__all__]
    defined = {one.__module__ for value in public for one in getattr(value, "__mro__", [value]) if callable(one)}
    modules = {name for name in defined if name.partition(".")[0] == "jupyter_logstream"}
    assert len(modules) > 10
    assert modules <= {".".join(path.with_suffix("").parts) for path in documented}
    assert all((ROOT / path).is_file() for path in documented)


def test_a_public_function_keeps_its_docstring_in_the_wheel():
    reduced = runpy.run_path(str(ROOT / "hatch_build.py"))["reduced"]
    source = 'A = 1  # why\n"""About A."""\n\ndef run():\n    """Help."""\n\ndef _own():\n    """Mine."""\n'
    assert reduced(source, True) == 'A = 1\n\n\ndef run():\n    """Help."""\n\ndef _own():\n    \'\'\n'


def test_the_readme_of_a_package_index_has_no_link_into_the_repository():
    """Only files of the repository are named by relative links; the index has none of them."""
    readme = (ROOT / "README.md").read_text()
    shown = runpy.run_path(str(ROOT / "hatch_readme.py"))["for_index"](readme)
    assert re.findall(r"\]\((?!https?:)", shown) == []
    assert re.findall(r"^## .*", f"{shown}\n## Learn more", re.MULTILINE) == re.findall(r"^## .*", readme, re.MULTILINE)


def test_jupyterlab_finds_the_labextension_enabled():
    command = [sys.executable, "-m", "jupyter", "labextension", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True)
    output = re.sub(r"\x1b\[\d*m", "", listing.stdout + listing.stderr)
    assert re.search(r"jupyter-logstream v\S+ +enabled +OK \(python, jupyter_logstream\)", output)


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["static", "labextension"])
def test_no_wheel_is_made_without_a_front_end(missing, tmp_path):
    """Without node the build must stop with what to do, not make a wheel that shows nothing."""
    for name in ("pyproject.toml", "hatch_build.py", "hatch_readme.py", "README.md", "LICENSE", "jupyter-config"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "jupyter_logstream", tmp_path / "jupyter_logstream", ignore=shutil.ignore_patterns(missing))
    result = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert "run `make install`" in result.stdout + result.stderr


@pytest.mark.slow
def test_the_example_of_the_readme_runs(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    with jupyter(tmp_path) as server:
        (server.root / "train.py").write_text(SHORT_RUN)
        with server.kernel() as kernel:
            kernel.run(f"import os; os.chdir({str(server.root)!r})")
            assert kernel.run(example).splitlines() == ["epoch 3", "WARNING last"]
            assert kernel.json("[job.state, job.exit_code, job.logs(tail=3, level='warn')[0].seq]") == [
                "succeeded",
                0,
                2,
            ]


@pytest.mark.slow
def test_the_quickstart_notebook_runs(tmp_path):
    notebook = nbformat.read(ROOT / "notebooks" / "quickstart.ipynb", 4)
    nbformat.validate(notebook)
    assert not [cell for cell in notebook.cells if cell.get("outputs")], "is committed without outputs"
    with jupyter(tmp_path) as server:
        training = (ROOT / "notebooks" / "train.py").read_text()
        quick = training.replace("default=8000", "default=400").replace("default=40)", "default=4)")
        assert quick != training
        (server.root / "train.py").write_text(quick)
        with server.kernel() as kernel:
            kernel.run(f"import os; os.chdir({str(server.root)!r})")
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    kernel.run(cell.source, cell=cell.id)
            assert kernel.json("[job.state, unwanted.state]") == ["succeeded", "cancelled"]


@pytest.mark.slow
def test_the_examples_of_publishing_run(tmp_path):
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "publishing.md").read_text(), re.DOTALL)
    with jupyter(tmp_path) as server, server.kernel() as kernel:
        for example in examples:
            kernel.run(example)
        assert kernel.json("[job.state, [record.message for record in job.logs()]]") == ["succeeded", ["epoch 1"]]
        kernel.run("handler.close()")
        assert kernel.json("[record.fields['epoch'] for record in handler.workload.logs()]") == [3]


@pytest.mark.slow
def test_the_publishing_notebook_runs(tmp_path):
    notebook = nbformat.read(ROOT / "notebooks" / "publishing.ipynb", 4)
    nbformat.validate(notebook)
    assert not [cell for cell in notebook.cells if cell.get("outputs")], "is committed without outputs"
    with jupyter(tmp_path) as server, server.kernel() as kernel:
        for cell in notebook.cells:
            if cell.cell_type == "code":
                kernel.run(cell.source, cell=cell.id)
        states = "[w.state for w in (handler.workload, printed, stepped, shell)]"
        assert kernel.json(states) == ["succeeded"] * 4
        assert kernel.json("[r.step for r in handler.workload.logs()][:2]") == ["load", "fit"]


@pytest.mark.parametrize(("name", "most"), [("README.md", 80), ("CONTRIBUTING.md", 120)])
def test_documents_stay_short(name, most):
    assert len((ROOT / name).read_text().splitlines()) < most


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_file_a_document_names_is_there(name):
    text = (ROOT / name).read_text()
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", text)
    assert linked or named
    assert [path for path in {*linked, *named} if not (ROOT / path).exists()] == []
