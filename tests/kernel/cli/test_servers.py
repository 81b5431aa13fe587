"""Which server the command line uses, what it reports without one, and following through restarts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from support.cli import PROGRAM, Cli, with_jupyter_server
from support.private_home import Home
from support.serving import TOKEN
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = 70
COUNTING = f"for i in $(seq {LINES}); do echo out $i; echo err $i >&2; sleep 0.05; done; exit 5"


@pytest.fixture
def serverless(tmp_path: Path) -> Cli:
    """A home without a server, where none may be started."""
    (tmp_path / "runtime").mkdir()
    return Cli(Home(tmp_path, tmp_path / "runtime"), extra={"JUPYTER_LOGSTREAM_PRIVATE": "0"})


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The command line beside a Jupyter server with a password, which it does not need."""
    yield from with_jupyter_server(tmp_path_factory.mktemp("password") / "home", auth="password")


def restart(cli: Cli) -> None:
    """Kill the server; a Jupyter server is started again on another port, a private one by its next client."""
    if cli.server is None:
        status = cli.home.command("server", "status").stdout
        os.kill(int(re.findall(r"process (\d+)", status)[0]), signal.SIGKILL)
    else:
        cli.server.stop(signal.SIGKILL)
        cli.server.start()


def test_following_goes_on_after_a_server_restart_with_every_line_once(cli: Cli, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        follower = subprocess.Popen(
            [PROGRAM, "run", "--", COUNTING], stdout=out, stderr=err, env=cli.env, cwd=cli.home.folder
        )
        until(lambda: (tmp_path / "out").read_bytes().count(b"\n") > 5)
        restart(cli)
        assert follower.wait(100) == 5
    for name in "out", "err":
        assert (tmp_path / name).read_text() == "".join(f"{name} {i}\n" for i in range(1, LINES + 1))


def test_a_shell_of_the_jupyter_server_uses_that_server(jupyter: Cli, serverless: Cli) -> None:
    assert jupyter.server is not None
    serverless.extra["JUPYTER_LOGSTREAM_SERVER"] = str(jupyter.home.store / "server.json")
    job = serverless.started("--name", "of another shell", "--", "true")
    assert job in jupyter.out("ps", "-a")


@pytest.mark.parametrize("in_store_2", [True, False])
def test_a_jupyter_server_on_another_store_is_found_by_its_files(tmp_path: Path, in_store_2: bool) -> None:
    """Whichever store it serves, no second server is started beside it."""
    store = tmp_path / "home" / (".local/share/jupyter/logstream/2" if in_store_2 else "a store of its own")
    for found in with_jupyter_server(tmp_path / "home", options=(f"--LogStream.store_dir={store}",)):
        show = "echo $JUPYTER_LOGSTREAM_SECRET; env | grep -c " + TOKEN
        assert found("run", "--no-tty", "--", show).stdout == b"***\n0\n"  # the secret is masked, the token not there
        assert found.server is not None
        assert len(found.server.get("workloads")["workloads"]) == 1
        assert f":{found.server.port}" in found.out("doctor")
        assert not (found.home.store / "server.json").exists()


def test_open_prints_the_address_of_jupyterlab(jupyter: Cli) -> None:
    assert jupyter.server is not None
    job = jupyter.started("--", "true")
    address = f":{jupyter.server.port}{jupyter.server.base_url}lab?logstream={job}\n"
    assert jupyter.out("open", "last").endswith(address)


def test_open_explains_that_a_private_server_has_no_address(private: Cli) -> None:
    private.started("--", "true")
    refused = private("open", "last")
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert b"JupyterLab" in refused.stderr


def test_a_server_that_starts_first_writes_nothing_into_the_output(private: Cli) -> None:
    private.out("server", "stop")
    done = private("run", "--", "echo out; echo err >&2")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 0)
    private.out("server", "stop")
    with private.on_terminal("ps") as screen:
        assert screen.end() == 0
    assert "private log server was started" in screen.output


def test_without_a_server_commands_that_need_one_exit_with_a_code_of_their_own(serverless: Cli) -> None:
    for arguments in (["run", "--", "true"], ["wait", "x"], ["cancel", "x"], ["backends"], ["send", "x", "y"]):
        refused = serverless(*arguments)
        assert (refused.returncode, refused.stdout) == (69, b"")
        assert b"JUPYTER_LOGSTREAM_PRIVATE" in refused.stderr
        assert b"Traceback" not in refused.stderr


class Foreign(BaseHTTPRequestHandler):
    """Answers every request by a page with the status that its path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Content-Length", "13")
        self.end_headers()
        self.wfile.write(b"<html></html>")

    do_POST = do_GET  # noqa: N815 - the base class's names

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def foreign() -> Iterator[int]:
    """The port of a web server that is no log server."""
    server = HTTPServer(("127.0.0.1", 0), Foreign)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def test_a_server_that_is_no_log_server_is_named_with_what_to_do(serverless: Cli, foreign: int) -> None:
    serverless.extra["JUPYTER_LOGSTREAM_SECRET"] = "x"
    for status in 200, 302, 403, 404, 500:
        url = f"http://127.0.0.1:{foreign}/{status}"
        for arguments in (["ps"], ["logs", "-f", "x"]) if status == 200 else (["run", "--", "true"],):
            refused = serverless(*arguments, JUPYTER_LOGSTREAM_URL=url)
            assert (refused.returncode, refused.stdout) == (69, b""), refused.stderr
            assert url in refused.stderr.decode()
            assert len(refused.stderr.splitlines()) == 1
    refused = serverless("ps", JUPYTER_LOGSTREAM_URL="http://127.0.0.1:1/")
    assert refused.returncode == 69
    assert b"does not answer" in refused.stderr


def test_a_server_that_refuses_the_secret_is_named_with_what_to_do(serverless: Cli, jupyter: Cli) -> None:
    assert jupyter.server is not None
    environment = {"JUPYTER_LOGSTREAM_URL": jupyter.server.url, "JUPYTER_LOGSTREAM_SECRET": "of another server"}
    refused = serverless("ps", **environment)
    assert (refused.returncode, refused.stdout) == (69, b"")
    assert b"refuses this user" in refused.stderr
