"""Runners that connect from elsewhere to a user's server behind JupyterHub's proxy and nginx with TLS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.jupyterhub import JupyterHub
from support.nginx import nginx
from support.paths import ROOT
from support.process_table import kill_with_argument
from support.waiting import until
from support.web import FINAL

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)  # servers of a hub take seconds to start


def test_runner_reaches_a_user_s_server_by_the_public_url_of_the_hub_and_a_private_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    there, options = tmp_path / "there", list[str]()
    hub = JupyterHub(tmp_path / "hub", base_url="/notebooks/", options=options)
    (tmp_path / "nginx").mkdir()
    with nginx(tmp_path / "nginx", hub.port, read_timeout_s=5) as site:
        hub.public_url = f"{site.url}/notebooks/"
        backend = {"type": "support.dialing:DialingBackend", "there": str(there), "ca": str(site.certificate)}
        options.append(f"--LogStream.backends={ {'there': backend}!r}")
        try:
            hub.start()
            ann = hub.server("ann")
            owner = hub.client("ann")
            command = f"echo one; while [ ! -e {tmp_path}/gate ]; do sleep 0.1; done; echo two; exit 5"
            posted = owner.post(f"{ann.url}logstream/v1/workloads", json={"command": command, "backend": "there"})
            workload = f"workloads/{posted.json()['id']}"
            until(lambda: ann.get(f"{workload}/records")["records"])
            (order,) = (json.loads(path.read_text()) for path in there.glob("orders/*"))
            assert order["url"].startswith(f"{site.url}/notebooks/user/ann/logstream/")
            site.stop()
            until(lambda: ann.get(workload)["link"], patience=60)
            site.start()
            (tmp_path / "gate").touch()
            until(lambda: ann.get(workload)["state"] in FINAL, patience=60)
            assert ann.get(workload)["exit_code"] == 5
            assert [record["message"] for record in ann.get(f"{workload}/records")["records"]] == ["one", "two"]
        finally:
            hub.stop()
            kill_with_argument(str(there))
