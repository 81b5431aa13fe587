"""Display of a workload as a cell's output, and its replacement when the workload has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.serving import Kernel, Server, jupyter
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "application/vnd.jupyter-logstream.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
SHORT_TIMES = """
from ipywidgets import Widget
from jupyter_logstream import run
from jupyter_logstream.kernel import cells, display
publish = display._publish
display.POLL_INTERVAL_S, display.PAGE_REPORT_TIMEOUT_S = 0.05, 0.5
polls, settle = 0, display._Output.settle
def counted(output):
    global polls
    polls += 1
    return settle(output)
"""
NEW = """
for output in list(display._outputs): output.remove()
display._publish, display._Output.settle, polls = publish, counted, 0
display._with_labextension.clear()
cells._on_rerun.clear()
Widget.close_all()
"""
OUTPUTS = "len(display._outputs)"
THREADS = "[t.name for t in __import__('threading').enumerate()].count('jupyter-logstream-outputs')"
COUNT = """
import gc
from ipywidgets import Layout
from ipywidgets.widgets.widget import _instances
from jupyter_logstream import LogView
gc.collect()
"""
MODELS_AND_LAYOUTS = "[sum(isinstance(w, k) for w in _instances.values()) for k in (LogView, Layout)]"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def shared_kernel(server: Server) -> Iterator[Kernel]:
    with server.kernel() as kernel:
        kernel.run(SHORT_TIMES)
        yield kernel


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    """The kernel without outputs, widgets and known clients."""
    shared_kernel.run(NEW)
    until(lambda: shared_kernel.json(f"{OUTPUTS} + {THREADS}") == 0)
    return shared_kernel


def show(kernel: Kernel, command: str) -> None:
    kernel.run(f"job = run({command!r})\njob", cell="a")


def report_page(kernel: Kernel, shell: str) -> None:
    """Report what shows the output, as the page does through the widget's model."""
    kernel.run(f"display._outputs[-1].view.page = {shell!r}")


def next_update(kernel: Kernel) -> dict[str, Any]:
    """The next update of a display."""
    while True:
        message = kernel.client.get_iopub_msg(timeout=30)
        if message["msg_type"] == "update_display_data":
            return message["content"]


def test_labextension_output_is_replaced_without_its_widget_when_the_workload_ends(kernel):
    show(kernel, "sleep 1; echo '<b>hello</b>'; exit 3")
    assert set(kernel.shown) == {OURS, WIDGET, "text/html", "text/plain"}
    assert "final" not in kernel.shown[OURS]
    report_page(kernel, "labextension")
    data = next_update(kernel)["data"]
    assert set(data) == {OURS, "text/html", "text/plain"}
    assert data[OURS]["final"]["lines"] == ["<b>hello</b>"]
    assert (data[OURS]["final"]["job"]["state"], data[OURS]["final"]["job"]["exit_code"]) == ("failed", 3)
    assert "&lt;b&gt;hello" in data["text/html"]
    assert "<b>hello" not in data["text/html"]


def test_output_shown_by_a_widget_is_never_updated(kernel):
    show(kernel, "sleep 0.5")
    report_page(kernel, "anywidget")
    kernel.run(
        "published = []\ndisplay._publish = lambda *bundle, **options: published.append(bundle)\nended = job.wait(20)"
    )
    until(lambda: kernel.json(OUTPUTS) == 0)
    assert kernel.json("published") == []


def test_output_without_a_page_report_is_replaced_once_the_kernel_is_idle(kernel):
    show(kernel, "true")
    # Busy for 20 polls, longer than the timeout: it counts only while the kernel can receive a report.
    kernel.run("import time\njob.wait(20)\nbegin = polls\nwhile polls < begin + 20: time.sleep(0.01)")
    assert kernel.json(OUTPUTS) == 1
    assert WIDGET not in next_update(kernel)["data"]
    kernel.run(COUNT)
    assert kernel.json(MODELS_AND_LAYOUTS) == [0, 0]


def test_model_is_closed_when_the_page_reports_the_labextension(kernel):
    show(kernel, "sleep 30")
    kernel.run(COUNT)
    assert kernel.json(MODELS_AND_LAYOUTS) == [1, 1]
    report_page(kernel, "labextension")
    assert kernel.json(MODELS_AND_LAYOUTS) == [0, 0]
    kernel.run("job.cancel()")


def test_jupyterlab_gets_the_output_before_its_widget(kernel):
    kernel.run("job = run('sleep 30')\njob", cell="a", as_lab=True)
    static = frozenset({OURS, "text/html", "text/plain"})
    assert kernel.published == [
        ("display_data", frozenset({OURS, "text/plain"})),
        ("comm_open", frozenset()),
        ("comm_open", frozenset()),
        ("update_display_data", static | {WIDGET}),
    ]
    report_page(kernel, "anywidget")
    kernel.run("job", cell="b", as_lab=True)  # of a JupyterLab without the labextension
    assert kernel.published[-1] == ("update_display_data", static | {WIDGET})
    kernel.run("job.cancel()")


def test_first_output_in_jupyterlab_imports_neither_http_client_nor_widgets(server):
    publish = """
import sys
from jupyter_logstream import run
from jupyter_logstream.kernel import display
loaded, publish = [], display._publish
def observed(*bundle, **options):
    loaded.append(sorted({"anywidget", "httpx", "ipywidgets", "jupyter_logstream.text.terminal"} & set(sys.modules)))
    publish(*bundle, **options)
display._publish = observed
run("true")
"""
    with server.kernel() as kernel:
        kernel.run(publish, cell="a", as_lab=True)
        assert [kind for kind, _ in kernel.published if "display" in kind] == ["display_data", "update_display_data"]
        assert kernel.json("loaded")[0] == []


def test_client_with_the_labextension_gets_no_further_widgets(kernel, monkeypatch):
    show(kernel, "sleep 30")
    report_page(kernel, "labextension")
    show(kernel, "sleep 1; echo hello")
    assert kernel.published == [("display_data", frozenset({OURS, "text/html", "text/plain"}))]
    assert next_update(kernel)["data"][OURS]["final"]["lines"] == ["hello"]
    kernel.run("job", cell="b", as_lab=True)
    assert [kind for kind, _ in kernel.published] == ["display_data", "update_display_data"]
    assert WIDGET not in kernel.published[-1][1]
    monkeypatch.setattr(kernel.client.session, "session", "another client of the same kernel")
    show(kernel, "sleep 30")
    assert WIDGET in kernel.shown


def test_cell_that_runs_again_drops_its_former_output(kernel):
    for _ in range(20):
        show(kernel, "sleep 30")
    until(lambda: kernel.json(OUTPUTS) == 1)
    assert kernel.json(THREADS) == 1
    kernel.run("1", cell="a")
    until(lambda: kernel.json(f"{OUTPUTS} + {THREADS}") == 0)


def test_polling_holds_no_connection_to_the_server(kernel, server):
    show(kernel, "sleep 30")
    until(lambda: kernel.json("polls") >= 3)
    assert server.get("info")["connections"] == 0


def test_output_of_a_deleted_workload_is_dropped(kernel):
    show(kernel, "sleep 30")
    assert kernel.json(OUTPUTS) == 1
    kernel.run("from jupyter_logstream import attach\nother = attach(job.id)\njob.id = 'gone'\nother.cancel()\nNone")
    until(lambda: kernel.json(OUTPUTS) == 0)


def test_displayed_workload_is_still_the_output_of_its_cell(kernel):
    show(kernel, "true")
    assert kernel.json("Out[max(Out)] == job") is True


def test_failing_poll_does_not_keep_later_outputs_from_being_replaced(kernel):
    kernel.run("display._Output.settle = lambda self: 1 / 0")
    show(kernel, "true")
    until(lambda: kernel.json(THREADS) == 0)
    kernel.run("display._Output.settle = settle")
    show(kernel, "sleep 0.5")
    report_page(kernel, "labextension")
    assert "final" in next_update(kernel)["data"][OURS]
