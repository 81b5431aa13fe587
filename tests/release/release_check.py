"""Release check: the built distributions in a bare environment without node, with a browser. `make release-check`.

Not collected by `make test`: it builds the package twice and installs JupyterLab.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright
from support.browser import find
from support.browser_options import ARGS, OPTIONS, quiet_news
from support.notebook_page import NotebookPage
from support.paths import ROOT
from support.serving import Server, jupyter

from jupyter_logstream._version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(900)

PROGRAMS = ("sh", "bash", "env", "cat", "sleep", "ps")
"""What a machine has without node; the environment's PATH has these and its own scripts only."""
COUNTING = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; done"
WATCHED = f"from jupyter_logstream import run\njob = run({COUNTING!r})\njob"


def checked(*command: str | Path, **options: object) -> str:
    """Run a command and return its output; fails with that output."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that is built from it, as publishing makes them."""
    folder = tmp_path_factory.mktemp("dist")
    checked(sys.executable, "-m", "build", "--outdir", folder, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with the wheel, JupyterLab and a kernel."""
    folder = tmp_path_factory.mktemp("bare") / "env"
    checked(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    checked(
        python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, "jupyterlab>=4.2", "ipykernel"
    )
    return python


@pytest.fixture(scope="module")
def path(python: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A `PATH` on which there is no node."""
    folder = tmp_path_factory.mktemp("bin")
    for name in PROGRAMS:
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    path = os.pathsep.join([str(python.parent), str(folder)])
    assert shutil.which("node", path=path) is None
    return path


@pytest.fixture(scope="module")
def server(python: Path, path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("lab")
    quiet_news(folder)
    with jupyter(folder, kind="lab", options=OPTIONS, python=str(python), path=path) as server:
        yield server


def test_metadata_are_valid_for_the_index(built: Path) -> None:
    names = sorted(file.name for file in built.iterdir())
    assert names == [f"jupyter_logstream-{__version__}-py3-none-any.whl", f"jupyter_logstream-{__version__}.tar.gz"]
    assert "PASSED" in checked(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())


def test_a_wheel_from_the_sdist_is_that_from_the_sources(wheel: Path, tmp_path: Path) -> None:
    checked(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=ROOT)
    (direct,) = tmp_path.glob("*.whl")
    first, second = ({info.filename: info.CRC for info in zipfile.ZipFile(file).infolist()} for file in (wheel, direct))
    assert first == second


def test_the_environment_is_consistent_and_the_package_comes_from_the_wheel(python: Path, tmp_path: Path) -> None:
    checked(python, "-m", "pip", "check")
    place = checked(python, "-c", "import jupyter_logstream as it; print(it.__file__, it.__version__)", cwd=tmp_path)
    file, version = place.split()
    assert Path(file).is_relative_to(python.parents[1])
    assert version == __version__


def test_the_main_job_runs_in_a_kernel(server: Server) -> None:
    with server.kernel() as kernel:
        kernel.run("from jupyter_logstream import run\njob = run('echo hi')\njob.wait(60)")
        assert kernel.json("[job.state, job.exit_code, [r.message for r in job.logs()]]") == ["succeeded", 0, ["hi"]]
        assert kernel.json("bool(run.__doc__)"), "help() works in the wheel"


def test_a_log_is_live_in_the_page(server: Server) -> None:
    browser_path = find()
    assert browser_path, "no browser: `make browser` installs one"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=ARGS)
        page = NotebookPage(browser.new_page(), server, WATCHED)
        page.run()
        page.wait_for("done", lines=300)
        browser.close()
