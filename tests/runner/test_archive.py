"""`runner.pyz`: one small file with the same bytes everywhere, that runs a workload on every Python from 3.9 on."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.imports import foreign_packages
from support.interpreters import WANTED, interpreter
from support.paths import ROOT
from support.waiting import until

from jupyter_logstream._version import __version__
from jupyter_logstream.backends.archive import NAME, archive_name, build_archive, modules, runner_archive
from jupyter_logstream.model.workload import WorkloadSpec
from jupyter_logstream.store.disk.file_store import FileStore
from jupyter_logstream.store.disk.folder import Folder, RunParameters
from jupyter_logstream.wire.mirror_frames import MIRROR_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 240_000
CODE = sorted(modules(ROOT))
NEED_CLOUDPICKLE = {f"jupyter_logstream/kernel/functions/{name}.py" for name in ("child", "pickling")}
"""Imported by the process of a function, once it knows that it can."""

COMMAND = (
    "echo '##[step] one'; echo 'ERROR: x' >&2; printf 'key %s\\n' $MY_API_KEY; "
    "python3 -c 'import sys; print(sys.stdout.isatty())'; exit 3"
)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(runner_archive())
    return path


def test_the_same_sources_make_the_same_bytes(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "jupyter_logstream", tmp_path / "jupyter_logstream", copy_function=shutil.copyfile)
    assert build_archive(tmp_path) == build_archive(ROOT) == runner_archive()
    assert archive_name() == f"runner-{hashlib.sha256(runner_archive()).hexdigest()[:16]}.pyz"


def test_it_is_small_and_needs_only_the_standard_library() -> None:
    assert len(runner_archive()) < MAX_BYTES
    # IPython only in a process that has loaded it, cloudpickle only in that of a function.
    assert set().union(*map(foreign_packages, CODE)) == {"IPython", "cloudpickle"}
    folders = {path.parent.relative_to(ROOT / "jupyter_logstream").as_posix() for path in CODE}
    assert not [name for name in folders if name.startswith(("server", "backends"))]
    assert {name for name in folders if name.startswith("kernel")} == {"kernel", "kernel/functions", "kernel/publish"}


def test_it_names_its_version(archive: Path) -> None:
    ran = subprocess.run([sys.executable, "-I", archive, "--version"], capture_output=True, check=True)
    assert json.loads(ran.stdout) == {
        "version": __version__,
        "mirror": MIRROR_VERSION,
        "layout": 1,
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
    }


def test_a_wrong_command_is_answered_with_the_usage(archive: Path) -> None:
    for arguments in [], ["fly"], ["run"], ["serve", "a", "b"]:
        ran = subprocess.run([sys.executable, "-I", archive, *arguments], capture_output=True, text=True, check=False)
        assert ran.returncode == 2
        assert "runner.pyz serve FOLDER" in ran.stderr


def test_a_folder_that_cannot_be_run_is_answered_with_the_reason(archive: Path, tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-I", archive, "run", tmp_path / "none"], capture_output=True, check=False)
    assert ran.returncode == 1
    assert "No such file" in json.loads(ran.stdout)["error"]


# --- Python 3.9 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT / "jupyter_logstream").as_posix())
def test_its_code_avoids_what_python_3_10_brought(path: Path) -> None:
    tree = ast.parse(path.read_bytes(), feature_version=(3, 9))
    found = [f"line {node.lineno}: {ast.unparse(node)[:80]}" for node in _run_time(tree) if _is_new(node)]
    assert found == []


def _run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that are evaluated: not annotations, which `from __future__ import annotations` leaves as text."""
    for name, value in ast.iter_fields(tree):
        if name in {"annotation", "returns"}:
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST):
                yield node
                yield from _run_time(node)


def _is_new(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        keywords = {keyword.arg for keyword in node.keywords}
        of_os = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") in {"os", "entry"}
        return bool(
            (name == "zip" and "strict" in keywords)
            or (name == "dataclass" and keywords & {"slots", "kw_only", "match_args"})
            or (name in {"stat", "chmod"} and "follow_symlinks" in keywords and not of_os)
            or (name in {"bisect_left", "bisect_right"} and "key" in keywords)
            or name in {"pairwise", "hardlink_to", "bit_count", "aiter", "anext", "aclosing"}
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):  # of types
        sides = node.left, node.right
        return any(
            (isinstance(side, ast.Constant) and side.value is None)
            or (isinstance(side, ast.Name) and side.id in {"int", "float", "str", "bytes", "dict", "list", "tuple"})
            for side in sides
        )
    return type(node).__name__ == "Match"


@pytest.mark.slow
@pytest.mark.parametrize("version", WANTED)
def test_all_of_it_can_be_imported(version: str, archive: Path) -> None:
    names = [name for name in zipfile.ZipFile(archive).namelist() if name.startswith("jupyter_logstream")]
    names = sorted({*names} - NEED_CLOUDPICKLE)
    listed = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names]
    code = f"import sys; sys.path.insert(0, {str(archive)!r}); [__import__(name) for name in {listed!r}]"
    subprocess.run([interpreter(version), "-I", "-c", code], check=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("version", WANTED)
@pytest.mark.parametrize("tty", [True, False])
def test_it_runs_a_workload_once(version: str, tty: bool, archive: Path, tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    folder = store.folder("A_WORKLOAD")
    env = {"PATH": os.environ["PATH"], "MY_API_KEY": "k3y-of-the-tests"}
    folder.create(WorkloadSpec(COMMAND, "test", cwd="/", env=env, tty=tty), time.time() * 1000)
    folder.write_run(RunParameters())
    started = _command(version, archive, "run", folder)
    assert (started["again"], "error" in started) == (False, False)
    until(lambda: folder.read_status()[0].final)
    until(lambda: not folder.is_locked())
    assert _command(version, archive, "run", folder)["again"] is True
    status, summary = folder.read_status()
    assert (status.state, status.exit_code) == ("failed", 3)
    assert (summary["lines"], summary["masked"]) == (4, 1)
    assert summary["levels"]["error"] == 1
    records = store.read("A_WORKLOAD", 0, 10).records()
    assert str(tty) in [record.message for record in records]
    assert folder.last_error() == ""
    store.close()


PUBLISH = """
import json, os, socket
runner = socket.socket(socket.AF_UNIX)
os.chdir(os.path.dirname(os.environ["JUPYTER_LOGSTREAM_RUNNER"]))
runner.connect("control")
data = json.dumps({"message": "ERROR: key " + os.environ["MY_API_KEY"], "step": "fit", "fields": {"a": [1.5]}}).encode()
runner.sendall(json.dumps({"do": "publish", "size": len(data)}).encode() + b"\\n" + data)
print(runner.recv(100).decode(), end="")
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", WANTED)
def test_it_stores_what_its_workload_publishes(version: str, archive: Path, tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    folder = store.folder("A_WORKLOAD")
    env = {"PATH": os.environ["PATH"], "MY_API_KEY": "k3y-of-the-tests"}
    folder.create(WorkloadSpec([sys.executable, "-c", PUBLISH], "test", cwd="/", env=env), time.time() * 1000)
    _command(version, archive, "run", folder)
    until(lambda: folder.read_status()[0].final)
    found = [(r.message, r.level, r.step, r.fields) for r in store.read("A_WORKLOAD", 0, 10).records()]
    assert found == [
        ("ERROR: key ***", "error", "fit", {"a": [1.5]}), ('{"ok": true}', "unknown", None, None),
    ]  # fmt: skip
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("version", WANTED)
def test_a_runner_that_is_killed_leaves_no_process(version: str, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "streams").mkdir()
    folder = Folder(tmp_path / "streams" / "A_WORKLOAD")
    folder.create(WorkloadSpec(["sleep", "600"], "test", cwd="/", env={"PATH": os.environ["PATH"]}), 0)
    pid = _command(version, archive, "run", folder)["pid"]
    stat = Path(f"/proc/{pid}/stat")
    os.kill(int(stat.read_text().rpartition(") ")[2].split()[1]), 9)
    until(lambda: not stat.exists() or ") Z" in stat.read_text())


def _command(version: str, archive: Path, command: str, folder: Folder) -> dict[str, object]:
    argv = [interpreter(version), "-I", archive, command, folder.path]
    ran = subprocess.run(argv, capture_output=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr.decode() + ran.stdout.decode()
    return json.loads(ran.stdout)
