"""JupyterHub with its proxy, as users and administrators have it: logins, sharing, named servers, restarts, culling."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING

import pytest
from support.jupyterhub import jupyterhub
from support.notebook_page import NotebookPage
from support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext
    from support.jupyterhub import JupyterHub, SingleUser

pytestmark = pytest.mark.timeout(600)  # servers of a hub take seconds to start

COUNT = "i=0; while [ ! -e stop ]; do i=$((i+1)); echo line $i; sleep 0.05; done; echo finished"
"""Prints 20 lines a second, until the file `stop` is there."""

IDLE_S = 45
"""Of the culler: a running workload is reported as activity every 30 seconds."""


def showing(command: str) -> str:
    return f"from jupyter_logstream import run\njob = run({command!r})\njob"


def test_a_log_is_live_survives_a_reload_and_is_cancelled_behind_the_hubs_login(
    hub: JupyterHub, ann: SingleUser, context: BrowserContext
) -> None:
    page = context.new_page()
    hub.log_in(page, "ann")
    notebook = NotebookPage(page, ann, showing("echo started; sleep 1000"))
    notebook.run()
    notebook.wait_for("live", lines=1)
    notebook.save()
    notebook.reload()
    notebook.wait_for("live", lines=1)
    notebook.views.first.get_by_role("button", name=re.compile("cancel", re.IGNORECASE)).click()
    notebook.wait_for("done")
    (workload,) = ann.get("workloads", state="cancelled")["workloads"]
    assert workload["command"] == "echo started; sleep 1000"


def test_workloads_outlive_their_server_and_a_reloaded_page_shows_every_line(
    hub: JupyterHub, ann: SingleUser, context: BrowserContext
) -> None:
    page = context.new_page()
    hub.log_in(page, "ann")
    notebook = NotebookPage(page, ann, showing(COUNT))
    notebook.run()
    notebook.wait_for("live", lines=5)
    notebook.save()
    ann.stop()
    notebook.wait_for("reconnecting")
    ann.start()
    notebook.wait_for("error", timeout=90)  # JupyterHub ends the logins of a server with it
    assert notebook.views.first.get_by_text("reload the page").count() == 1
    notebook.reload(kernel=False)
    notebook.wait_for("live", lines=10)
    (ann.root / "stop").touch()
    notebook.wait_for("done")
    lines = notebook.walk()
    assert lines == [[seq, f"line {seq}"] for seq in range(1, len(lines))] + [[len(lines), "finished"]]
    (ann.root / "stop").unlink()


def test_a_visitor_of_a_shared_server_reads_live_and_changes_nothing(
    hub: JupyterHub, ann: SingleUser, browser: Browser, context: BrowserContext
) -> None:
    hub.create("ben", "eve")
    share = hub.api("POST", "shares/ann/", {"user": "ben", "scopes": ["access:servers!server=ann/"]})
    assert share.is_success, share.text
    page = context.new_page()
    hub.log_in(page, "ann")
    notebook = NotebookPage(page, ann, showing("echo for ben; sleep 1000"))
    notebook.run()
    notebook.wait_for("live", lines=1)
    notebook.save()

    (workload,) = ann.get("workloads", state="running")["workloads"]
    place = f"{ann.url}logstream/v1/workloads"
    visitor, stranger = hub.client("ben"), hub.client("eve")
    assert visitor.get(f"{place}/{workload['id']}/log.txt").text == "for ben\n"
    assert visitor.post(place, json={"command": "true"}).status_code == 403
    assert visitor.post(f"{place}/{workload['id']}/cancel").status_code == 403
    assert visitor.delete(f"{place}/{workload['id']}").status_code == 403
    assert stranger.get(f"{place}/{workload['id']}").status_code == 403

    bens = browser.new_context(viewport={"width": 1100, "height": 800})
    seen = NotebookPage.of(bens.new_page(), ann, notebook.file)
    hub.log_in(seen.page, "ben")
    seen.page.goto(f"{ann.url}lab")
    seen.page.get_by_role("button", name="Authorize").click()  # does ben trust ann's server?
    seen.page.wait_for_url(f"{ann.url}lab**")
    seen.open(kernel=False)
    seen.wait_for("live", lines=1)
    seen.views.first.get_by_role("button", name=re.compile("cancel", re.IGNORECASE)).click()
    seen.views.first.get_by_text("403").wait_for()
    assert ann.get(f"workloads/{workload['id']}")["state"] == "running"
    bens.close()


def test_named_servers_of_one_home_folder_keep_their_workloads_apart(hub: JupyterHub, ann: SingleUser) -> None:
    gpu = hub.server("ann", "gpu")
    owner = hub.client("ann")
    ids = {}
    for server in ann, gpu:
        answer = owner.post(
            f"{server.url}logstream/v1/workloads", json={"command": f"echo of {server.name}; sleep 600"}
        )
        ids[server.name] = answer.json()["id"]
    for server in ann, gpu:
        server.stop()
    for server in gpu, ann:  # in the other order
        server.start()
    for server in gpu, ann:
        listed = [one["id"] for one in server.get("workloads", state="running")["workloads"]]
        assert listed == [ids[server.name]]
    gpu.end_workloads()
    gpu.stop()


def test_the_culler_spares_running_workloads_and_not_open_logs(tmp_path: Path) -> None:
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    cull = [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={IDLE_S}", "--cull-every=1"]
    role = {"name": "culler", "services": ["culler"], "scopes": scopes}
    with jupyterhub(tmp_path, services=[{"name": "culler", "command": cull}], roles=[role]) as hub:
        ann, owner = hub.server("ann"), hub.client("ann")
        api = f"{ann.url}logstream/v1/workloads"
        command = "while [ ! -e end ]; do sleep 0.1; done; echo finished"
        started = owner.post(api, json={"command": command}).json()["id"]
        for _ in range(2 * IDLE_S):  # seconds: the culler looks each second
            time.sleep(1)
            assert ann.is_running, hub.log[-3000:]
        with owner.stream("GET", f"{api}/{started}/logs") as log:
            (ann.root / "end").touch()
            assert any("finished" in line for line in log.iter_lines())
        with owner.stream("POST", f"{ann.url}logstream/v1/events", json={"streams": [{"stream": "workloads"}]}):
            until(lambda: not ann.is_running, 20 * IDLE_S)
        ann.start()
        assert owner.get(f"{api}/{started}/log.txt").text == "finished\n"
