"""What a user gets in Kubernetes: functions, notebooks, a Jupyter server in a pod."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from support.container_images import BARE_IMAGE, PYTHON_IMAGE
from support.kubernetes_client import HOST_NETWORK, with_paths
from support.kubernetes_cluster import API_SERVER
from support.paths import ROOT
from support.serving import Server

from jupyter_logstream import WorkloadFailed, notebook, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.kubernetes_cluster import KubernetesCluster

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow, pytest.mark.timeout(300)]

KUBECTL = Path(shutil.which("kubectl") or "/usr/bin/kubectl").resolve()
BASE = Path(sys.base_prefix)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, kubernetes: KubernetesCluster) -> Iterator[Server]:
    """Backends: `k8s` with an image that has Python and no package, `bare`: without Python, `venv`: with this one's."""
    entry = {"type": "kubernetes", "kubeconfig": str(kubernetes.kubeconfig), "image": PYTHON_IMAGE}
    python = {"python": f"{BASE}/bin/python3", "options": {"manifest": with_paths(BASE)}}
    here = with_paths(ROOT, BASE, tmp_path_factory.getbasetemp())
    entries = {
        "local": {"type": "local"},
        "k8s": {**entry, **python},
        "bare": {**entry, "image": BARE_IMAGE, "options": {"manifest": HOST_NETWORK}},
        "venv": {**entry, "python": sys.executable, "options": {"manifest": here}},
    }
    server = Server(tmp_path_factory.mktemp("server"), options=(f"--LogStream.backends={entries!r}",))
    try:
        server.start()
        yield server
    finally:
        server.end_workloads()
        server.stop()
        server.http.close()


@pytest.fixture
def here(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process a client of the server, in a folder of its own."""
    (address,) = server.folder.glob("data/logstream/*/server.json")
    monkeypatch.setenv("JUPYTER_LOGSTREAM_SERVER", str(address))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_function_runs_in_an_image_without_packages_and_returns_its_result() -> None:
    def scale(values: list[int], by: int) -> tuple[list[int], str, list[str]]:
        import cloudpickle  # noqa: PLC0415 - of the pod

        from jupyter_logstream import step  # noqa: PLC0415 - of the pod

        with step("scale"):
            print("scaling")  # noqa: T201 - its log
        return [value * by for value in values], cloudpickle.__file__, os.listdir("/etc/jupyter-logstream")

    job = run(partial(scale, [1, 2], by=3), backend="k8s")
    values, carried, package = job.result(timeout=120)
    assert values == [3, 6]
    assert "runner.pyz" in package  # it ran in the pod
    assert "/runner" in carried
    assert "scaling" in job.text().splitlines()
    assert [one["name"] for one in job.info["steps"]] == ["scale"]


@pytest.mark.usefixtures("here")
def test_exception_of_a_function_in_a_pod_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        run(partial(divmod, 1, 0), backend="k8s").result(timeout=120)


def test_large_data_of_a_function_and_its_files_arrive(here: Path) -> None:
    (here / "word.txt").write_text("here")

    def measure(data: bytes) -> tuple[int, str]:
        return len(data), Path("word.txt").read_text()

    job = run(partial(measure, os.urandom(3_000_000)), backend="k8s", files=["*.txt"])
    assert job.result(timeout=120) == (3_000_000, "here")


@pytest.mark.usefixtures("here")
def test_function_in_an_image_without_python_has_a_clear_error() -> None:
    job = run(partial(max, 1, 2), backend="bare").wait(timeout=120)
    assert (job.state, job.exit_code) == ("failed", 127)
    assert "functions need Python in the image" in job.text()
    with pytest.raises(WorkloadFailed):
        job.result()


def test_notebook_runs_where_its_folder_is_mounted_and_the_package_installed(here: Path) -> None:
    cells = [new_code_cell("n = 0", metadata={"tags": ["parameters"]}), new_code_cell("# Double\nprint(n * 2)")]
    nbformat.write(new_notebook(cells=cells), here / "report.ipynb")
    job = run(notebook(here / "report.ipynb", parameters={"n": 21}, output=here / "out.ipynb"), backend="venv")
    assert job.result(timeout=120) == str(here / "out.ipynb")
    assert "42" in job.text().splitlines()
    assert nbformat.read(here / "out.ipynb", as_version=4).cells[-1].outputs[0].text == "42\n"


def test_notebook_in_an_image_without_the_package_has_a_clear_error(here: Path) -> None:
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), here / "report.ipynb")
    job = run(notebook(here / "report.ipynb"), backend="k8s")
    with pytest.raises(Exception, match="jupyter_logstream"):
        job.result(timeout=120)
    assert "jupyter-logstream[notebook]" in job.text()


IN_POD = """
import asyncio, sys
from pathlib import Path
from support.elsewhere import Elsewhere
from support.kubernetes_client import HOST_NETWORK

async def main():
    server = Elsewhere(Path.cwd() / "store", "k8s", {"type": "kubernetes", "image": sys.argv[1]})
    workload = await server.run("echo hi from a Job of a pod; exit 3", options={"manifest": HOST_NETWORK})
    status = server.engine.get(workload).status
    print(server.text(workload), status.state, status.exit_code, status.error, status.reason)
    await server.stop()

asyncio.run(main())
"""


def test_service_account_of_a_pod_is_used_there(here: Path, kubernetes: KubernetesCluster) -> None:
    (here / "in_pod.py").write_text(IN_POD)
    kubernetes.kubectl("create", "serviceaccount", "hub")
    kubernetes.kubectl("create", "rolebinding", "hub", "--clusterrole=admin", "--serviceaccount=default:hub")
    host, _, port = API_SERVER.rpartition(":")  # the cluster has no network for its own address
    env = {
        "PATH": f"{KUBECTL.parent}:/usr/bin:/bin",
        "PYTHONPATH": f"{ROOT}:{ROOT}/tests",
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": port,
    }
    options = {"service_account": "hub", "manifest": with_paths(ROOT, BASE, KUBECTL.parent)}
    command = [sys.executable, "in_pod.py", PYTHON_IMAGE]
    job = run(command, backend="venv", files=["in_pod.py"], env=env, options=options).wait(timeout=200)
    assert "hi from a Job of a pod failed 3" in job.text()


def doctor() -> tuple[int, str]:
    command = [sys.executable, "-m", "jupyter_logstream", "backends", "--check", "k8s"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.usefixtures("here")
def test_doctor_reports_each_part_that_works() -> None:
    code, text = doctor()
    assert (code, text.splitlines()[0]) == (0, "k8s: works"), text
    for words in "run kubectl", "reach the API server", "use Jobs, Secrets, pods and events", "create a Job (dry run)":
        assert f"ok      {words}" in text, text
