"""The widget in a real kernel: its traits, and that a cell that runs again closes its earlier widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jupyter_client.manager import KernelManager
from support.serving import Kernel

from jupyter_logstream import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = """
import gc, json
from ipywidgets.widgets.widget import _instances
from jupyter_logstream.kernel.widgets import LogView
from ipywidgets import Layout
gc.collect()
print(json.dumps([sum(isinstance(w, kind) for w in _instances.values()) for kind in (LogView, Layout)]))
"""
NEW = """
from ipywidgets import Widget
from jupyter_logstream.kernel import cells
Widget.close_all()
cells._on_rerun.clear()
"""
OURS = "application/vnd.jupyter-logstream.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def kernel_without_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SERVER", "URL", "SECRET"):
            patch.delenv(f"JUPYTER_LOGSTREAM_{name}", raising=False)
        patch.setenv("IPYTHONDIR", str(folder))
        manager = KernelManager(connection_file=str(folder / "kernel.json"))
        manager.start_kernel(cwd=str(folder))
        try:
            kernel = Kernel(folder / "kernel.json")
            yield kernel
            kernel.client.stop_channels()
        finally:
            manager.shutdown_kernel(now=True)
            manager.cleanup_resources()


@pytest.fixture
def kernel(kernel_without_server: Kernel) -> Kernel:
    """The kernel without widgets, and without cells that ran before."""
    kernel_without_server.run(NEW)
    return kernel_without_server


def models_and_layouts(kernel: Kernel) -> str:
    return kernel.run(COUNT).strip()


@pytest.mark.parametrize(
    "cell",
    [
        "Workload('w')",
        "w = Workload('w')\nw",
        "Workload('w').show(height=300)",
        "view = LogView('w')\ndisplay(view)",
        "job = Workload('w')\ndisplay(job)\nNone",
    ],
)
def test_after_twenty_runs_of_a_cell_one_model_and_one_layout_are_left(cell, kernel):
    kernel.run("from jupyter_logstream import LogView, Workload")
    for _ in range(20):
        kernel.run(cell, cell="cell-1")
    assert models_and_layouts(kernel) == "[1, 1]"


def test_views_of_other_cells_stay(kernel):
    kernel.run("from jupyter_logstream import LogView")
    for cell in ("a", "b", "a", "b", "b"):
        kernel.run("display(LogView('w'), LogView('v'))", cell=cell)
    assert models_and_layouts(kernel) == "[4, 4]"


def test_a_cell_that_no_longer_makes_a_view_closes_the_one_it_made(kernel):
    kernel.run("from jupyter_logstream import LogView\nLogView('w')", cell="a")
    kernel.run("1 + 1", cell="a")
    assert models_and_layouts(kernel) == "[0, 0]"


def test_runs_that_belong_to_no_cell_close_nothing(kernel):
    kernel.run("from jupyter_logstream import LogView\nLogView('w')", cell="a")
    kernel.run("LogView('w')")
    kernel.run("LogView('w')")
    assert models_and_layouts(kernel) == "[3, 3]"


def test_hook_is_registered_once(kernel):
    kernel.run("%load_ext jupyter_logstream\n%reload_ext jupyter_logstream")
    kernel.run("from jupyter_logstream import LogView\nLogView('w')\nLogView('v')")
    hooks = "[hook.__module__ for hook in get_ipython().events.callbacks['pre_run_cell']]"
    assert kernel.json(hooks).count("jupyter_logstream.kernel.cells") == 1


def test_the_bundle_carries_widget_and_static_forms(kernel):
    kernel.run("from jupyter_logstream import Workload\nWorkload('<b>')")
    shown = kernel.shown
    assert set(shown) == {OURS, WIDGET, "text/plain", "text/html"}
    assert shown[OURS] == {"workload": "<b>", "protocol": 1, "version": __version__}
    assert "<b>" in shown["text/plain"]
    assert "&lt;b&gt;" in shown["text/html"]


@pytest.mark.parametrize("cell", ["LogView('w')", "Workload('w').show()"])
def test_explicit_view_stays_a_widget_beside_the_labextension(cell, kernel):
    kernel.run(f"from jupyter_logstream import LogView, Workload\n{cell}")
    assert set(kernel.shown) == {WIDGET, "text/plain", "text/html"}


def test_the_view_is_sent_as_text_and_knows_workload_height_and_protocol(kernel):
    kernel.run("from jupyter_logstream import LogView\nview = LogView('w', height=250)")
    state = kernel.json(
        "{k: v for k, v in view.get_state().items() if k in ('workload', 'height', 'protocol', '_esm')}"
    )
    assert "export" in state.pop("_esm")
    assert state == {"workload": "w", "height": 250, "protocol": 1}


def test_the_servers_own_log_is_a_view_like_any_other(kernel):
    kernel.run("from jupyter_logstream import LogView\nview = LogView(scope='service')\nview", cell="a")
    assert set(kernel.shown) == {WIDGET, "text/plain", "text/html"}
    assert "server's log" in kernel.shown["text/plain"]
    assert traits(kernel, "view", "scope", "workload") == {"view": "log", "scope": "service", "workload": ""}
    kernel.run("1", cell="a")
    assert models_and_layouts(kernel) == "[0, 0]"


@pytest.mark.parametrize("arguments", ["", "'w', scope='service'", "''", "scope='job'"])
def test_a_view_is_of_a_workload_or_of_the_server(arguments, kernel):
    with pytest.raises(AssertionError, match=r"LogView shows a workload, LogView\(id\), or the server"):
        kernel.run(f"from jupyter_logstream import LogView\nLogView({arguments})")
    with pytest.raises(AssertionError, match="TraitError"):
        kernel.run("LogView('w', scope='other')")
    assert models_and_layouts(kernel) == "[0, 0]"


def traits(kernel: Kernel, *names: str) -> dict:
    return kernel.json(f"{{k: v for k, v in view.get_state().items() if k in {names!r}}}")


def test_table_sends_its_traits_to_the_page_and_is_closed_by_its_cell(kernel):
    for _ in range(20):
        kernel.run(
            "from jupyter_logstream import WorkloadTable\nview = WorkloadTable('failed', 5, height=99)\nview", "a"
        )
    assert set(kernel.shown) == {WIDGET, "text/plain"}
    assert "No log server found" in kernel.shown["text/plain"]
    expected = {"view": "workloads", "state": "failed", "limit": 5, "height": 99, "protocol": 1}
    assert traits(kernel, *expected) == expected
    assert models_and_layouts(kernel).endswith(" 1]")
    kernel.run("1", cell="a")
    assert models_and_layouts(kernel) == "[0, 0]"
    kernel.run("view = WorkloadTable()")
    assert traits(kernel, "state", "limit") == {"state": None, "limit": 200}


@pytest.mark.parametrize("arguments", ["state='unheard-of'", "limit=0", "height=-1"])
def test_what_a_table_cannot_show_is_refused(arguments, kernel):
    with pytest.raises(AssertionError, match="TraitError"):
        kernel.run(f"from jupyter_logstream import WorkloadTable\nWorkloadTable({arguments})")


def test_no_height_is_negative(kernel):
    with pytest.raises(AssertionError, match="TraitError"):
        kernel.run("from jupyter_logstream import LogView\nLogView('w', height=-1)")


def test_a_view_can_be_made_where_there_is_no_kernel():
    from jupyter_logstream.kernel.widgets import LogView  # noqa: PLC0415 - needs the built front end

    view = LogView("w")
    assert view.workload == "w"
    assert view._relay is None


def test_a_missing_build_is_named(tmp_path, monkeypatch):
    from jupyter_logstream.kernel import widgets  # noqa: PLC0415 - as above

    monkeypatch.setattr(widgets, "_BUILT", tmp_path / "anywidget.js")
    with pytest.raises(FileNotFoundError, match="is not built: run `make install`"):
        widgets.LogView("w")
