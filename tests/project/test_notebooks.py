"""The notebooks run as they are committed, on real workloads; a package index of the test's own stands for PyPI."""

from __future__ import annotations

import os
import socket
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import nbformat
import pytest
from support.paths import NOTEBOOKS
from support.serving import Kernel, Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("notebooks")) as server:
        for script in NOTEBOOKS.glob("*.py"):
            (server.root / script.name).write_text(script.read_text())
        yield server


def run(kernel: Kernel, server: Server, name: str) -> None:
    """Run all cells of a notebook where its scripts are."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)
    nbformat.validate(notebook)
    assert not [cell for cell in notebook.cells if cell.get("outputs")], "is committed without outputs"
    kernel.run(f"import os; os.chdir({str(server.root)!r})")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            kernel.run(cell.source, cell=cell.id)


def test_training_shows_its_numbers_as_a_frame(server):
    with server.kernel() as kernel:
        run(kernel, server, "training")
        assert kernel.json("job.state") == "succeeded"
        assert kernel.json("[len(metrics), list(metrics.columns)]") == [
            20,
            ["seq", "ts", "step", "loss", "acc"],
        ]
        assert kernel.json("float(best['acc']) > 0.8")


def test_functions_give_their_results(server):
    with server.kernel() as kernel:
        run(kernel, server, "functions")
        assert kernel.json("[len(losses), numbers, report.state]") == [8, [0, 3, 6, 9, 12], "succeeded"]
        steps = kernel.json("[step['name'] for step in report.info['steps']]")
        assert steps == [
            '1 day = "none"',
            "2 Parameters",
            "3 Collect",
        ]


def test_a_failing_etl_names_place_and_cause(server):
    with server.kernel() as kernel:
        run(kernel, server, "etl")
        assert kernel.json("[job.state, job.exit_code, fixed.state]") == ["failed", 1, "succeeded"]
        steps = kernel.json("[[step['name'], step['state']] for step in job.info['steps']]")
        assert steps == [["extract", "succeeded"], ["check", "succeeded"], ["load", "succeeded"], ["report", "failed"]]
        error = kernel.json("job.snapshot()['text/plain'].splitlines()[1]")
        assert error.startswith("First error (line ")
        assert error.endswith("ReportFailed: order 14000 cannot be summed up")


def test_calls_to_llms_are_rows_with_tokens_cost_and_cell(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # As the notebook's first cell and the Makefile have it, but for the port.
    prices = {"tiny*": {"input": 1.0, "cached": 0.5, "output": 4.0}}
    key = "sk-of-the-demo"
    upstreams = {
        "llm": {"url": f"http://127.0.0.1:{port}/v1", "headers": {"Authorization": f"Bearer {key}"}, "prices": prices},
        "claude": {"url": f"http://127.0.0.1:{port}", "headers": {"x-api-key": key}, "prices": prices},
    }
    with jupyter(tmp_path, options=(f"--LogStream.upstreams={upstreams!r}",)) as server, server.kernel() as kernel:
        (server.root / "llm_server.py").write_text((NOTEBOOKS / "llm_server.py").read_text())
        kernel.run(f"import os; os.environ['LLM_PORT'] = '{port}'")
        run(kernel, server, "llm_requests")
        assert kernel.json("[text.split()[:2], len(words), lengths]") == [
            ["The", "gradient"],
            17,
            list(range(1, 9)),
        ]
        assert kernel.json("failures") == ["NotFoundError", "RateLimitError", "APIConnectionError"]
        rows = kernel.json("list(reversed(request_log(100)))")
    assert [row["status"] for row in rows[:7]] == ["completed"] * 4 + ["error"] * 2 + ["interrupted"]
    assert sorted(row["status"] for row in rows[7:]) == ["cancelled"] + ["completed"] * 9
    assert [(row["provider"], row["operation"]) for row in rows[:4]] == [
        ("openai", "chat"),
        ("openai", "chat"),
        ("anthropic", "chat"),
        ("openai", "embeddings"),
    ]
    streamed = rows[1]
    assert (streamed["stream"], streamed["input_tokens"], streamed["output_tokens"]) == (True, 7, 17)
    assert streamed["cost_usd"] == pytest.approx((5 * 1.0 + 2 * 0.5 + 17 * 4.0) / 1e6)
    assert streamed["duration_ms"] > 2 * streamed["time_to_first_chunk_ms"] > 0
    assert all(row["cell"].startswith("llm-") for row in rows)
    assert (rows[-1]["upstream"], rows[-1]["output_tokens"]) == (None, 3)


@pytest.fixture
def index(tmp_path) -> Iterator[str]:
    """A package index with one wheel: three megabytes, without network access."""
    folder = tmp_path / "simple" / "numpy"
    folder.mkdir(parents=True)
    wheel = "numpy-99.0-py3-none-any.whl"
    with zipfile.ZipFile(folder / wheel, "w") as archive:
        archive.writestr("numpy/data.bin", os.urandom(3_000_000))
        info = "numpy-99.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: numpy\nVersion: 99.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{wheel}">{wheel}</a>')
    serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}/simple"
    serving.shutdown()
    serving.server_close()


def test_a_download_by_pip_is_one_line_and_a_rate(server, index):
    pip = {"PIP_INDEX_URL": index, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    with server.kernel() as kernel:
        kernel.run(f"import os; os.environ.update({pip!r})")
        run(kernel, server, "download")
        assert kernel.json("job.state") == "succeeded"
        assert kernel.json("sum('━' in record.message for record in job.logs())") == 1
        assert kernel.json("float(job.metrics('B/s')['B/s'].iloc[-1]) > 1000")
