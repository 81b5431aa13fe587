"""A server that listens on a Unix socket instead of a port is found by kernels and workloads."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.serving import TOKEN, Server
from support.waiting import until

from jupyter_logstream import NoServer, proxy_url, run
from jupyter_logstream.store.disk.files import read_json


def address_in(path: Path) -> bool:
    return path.exists() and bool(read_json(path)["url"])


def test_run_reaches_a_server_on_a_unix_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(tmp_path)
    server.root.mkdir()
    with tempfile.TemporaryDirectory() as short, (tmp_path / "log").open("wb") as log:
        sock = f"{short}/a b.sock"
        command = [sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser", f"--ServerApp.sock={sock}"]
        command += [f"--ServerApp.root_dir={server.root}", f"--IdentityProvider.token={TOKEN}"]
        command += ["--ServerApp.base_url=/b%20c/", '--LogStream.upstreams={"up": {"url": "http://127.0.0.1:9"}}']
        process = subprocess.Popen(command, env=server._env(), stdout=log, stderr=log)
        try:
            address = tmp_path / "data" / "logstream" / "1" / "server.json"
            until(lambda: address_in(address) or process.poll() is not None)
            assert process.poll() is None, (tmp_path / "log").read_text()
            monkeypatch.setenv("JUPYTER_LOGSTREAM_SERVER", str(address))
            until(lambda: Path(sock).exists())
            job = run("echo ok")
            assert job.wait(30).state == "succeeded"
            assert [record.message for record in job.follow()] == ["ok"]
            with pytest.raises(NoServer, match="Unix socket"):
                proxy_url("up")
        finally:
            process.terminate()
            process.wait(20)
    with pytest.raises(NoServer, match=r"a b\.sock"):
        run("true")
