"""A workload's output seen from the kernel: what is displayed, and what it becomes at the workload's end."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.serving import Kernel, Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "application/vnd.jupyter-logstream.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
QUICK = "from jupyter_logstream.kernel import display\ndisplay.EVERY, display.GRACE = 0.05, {grace}"
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


@pytest.fixture
def kernel(server: Server) -> Iterator[Kernel]:
    with server.kernel() as kernel:
        kernel.run(f"from jupyter_logstream import run\n{QUICK.format(grace=0.5)}")
        yield kernel


def shows(kernel: Kernel, command: str) -> None:
    kernel.run(f"job = run({command!r})\njob", cell="a")


def page_says(kernel: Kernel, shell: str) -> None:
    """As the page does through the widget's model."""
    kernel.run(f"display._outputs[-1].view.page = {shell!r}")


def update(kernel: Kernel, seconds: float) -> dict[str, Any] | None:
    """The next update of a display, or None if none comes in that time."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            message = kernel.client.get_iopub_msg(timeout=left)
        except queue.Empty:
            return None
        if message["msg_type"] == "update_display_data":
            return message["content"]
    return None


def test_the_end_of_a_workload_that_the_labextension_shows_replaces_the_bundle_without_its_widget(kernel):
    shows(kernel, "sleep 1; echo '<b>hello</b>'; exit 3")
    assert set(kernel.shown) == {OURS, WIDGET, "text/html", "text/plain"}
    assert "final" not in kernel.shown[OURS]
    page_says(kernel, "labextension")
    data = update(kernel, 20)["data"]
    assert set(data) == {OURS, "text/html", "text/plain"}
    assert data[OURS]["final"]["lines"] == ["<b>hello</b>"]
    assert (data[OURS]["final"]["job"]["state"], data[OURS]["final"]["job"]["exit_code"]) == ("failed", 3)
    assert "&lt;b&gt;hello" in data["text/html"]
    assert "<b>hello" not in data["text/html"]


def test_an_output_that_a_widget_shows_is_never_updated(kernel):
    shows(kernel, "sleep 0.5")
    page_says(kernel, "anywidget")
    assert kernel.run("job.wait(20).state") == ""
    assert update(kernel, 2) is None
    assert kernel.json("len(display._outputs)") == 0


def test_where_no_page_says_what_it_shows_the_output_is_settled_once_the_kernel_is_idle(kernel):
    shows(kernel, "true")
    kernel.run("import time\njob.wait(20)\ntime.sleep(1)")  # the grace counts while the kernel can hear only
    assert kernel.json("len(display._outputs)") == 1
    assert WIDGET not in update(kernel, 20)["data"]
    kernel.run(COUNT)
    assert kernel.json(MODELS_AND_LAYOUTS) == [0, 0]


def test_the_model_is_closed_as_soon_as_the_page_says_that_it_does_not_need_it(kernel):
    shows(kernel, "sleep 30")
    kernel.run(COUNT)
    assert kernel.json(MODELS_AND_LAYOUTS) == [1, 1]
    page_says(kernel, "labextension")
    assert kernel.json(MODELS_AND_LAYOUTS) == [0, 0]
    kernel.run("job.cancel()")


def test_a_cell_that_runs_again_forgets_what_it_showed(kernel):
    for _ in range(20):
        shows(kernel, "sleep 30")
    time.sleep(1)
    assert kernel.json("len(display._outputs)") == 1
    threads = "[t.name for t in __import__('threading').enumerate()].count('jupyter-logstream-outputs')"
    assert kernel.json(threads) == 1
    kernel.run("1", cell="a")
    time.sleep(1)
    assert kernel.json("len(display._outputs)") == 0
    assert kernel.json(threads) == 0


def test_looking_for_the_end_holds_no_connection_to_the_server(kernel, server):
    shows(kernel, "sleep 30")
    time.sleep(0.5)
    assert server.get("info")["connections"] == 0


def test_a_workload_deleted_meanwhile_is_let_go_of(kernel, server):
    shows(kernel, "sleep 30")
    assert kernel.json("len(display._outputs)") == 1
    kernel.run("job.cancel()\njob.id = 'gone'")
    time.sleep(1)
    assert kernel.json("len(display._outputs)") == 0


def test_a_workload_is_still_an_output_of_its_cell(kernel):
    shows(kernel, "true")
    assert kernel.json("Out[max(Out)] == job") is True


def test_what_fails_while_looking_for_an_end_does_not_keep_later_outputs_from_theirs(kernel):
    kernel.run("settle, display._Output.settle = display._Output.settle, lambda self: 1 / 0")
    shows(kernel, "true")
    time.sleep(1)
    kernel.run("display._Output.settle = settle")
    shows(kernel, "sleep 0.5")
    page_says(kernel, "labextension")
    assert "final" in update(kernel, 20)["data"][OURS]
