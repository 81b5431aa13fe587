"""`jupyter logstream mcp`: an assistant that starts a program talks with the server by its pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client, StdioServerParameters
from support.private_home import Home, new_home
from support.serving import Server, jupyter
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "jupyter_logstream", "mcp"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--LogStream.mcp=True", "--LogStream.mcp_write=True")
    with jupyter(tmp_path_factory.mktemp("bridge"), base_url="/user/ann/", options=options) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield from new_home(tmp_path / "home")


def environment(server: Server) -> dict[str, str]:
    """Of a program that an assistant starts: it knows the user's folders, and nothing of the server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER_", "JPY_"))}
    return {**kept, "JUPYTER_DATA_DIR": str(server.folder / "data"), "JUPYTER_LOGSTREAM_PRIVATE": "existing"}


class Bridge:
    """A running bridge, and its pipes."""

    def __init__(self, env: dict[str, str]) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(COMMAND, env=env, stdin=pipe, stdout=pipe, stderr=pipe)
        self.replies: dict[Any, dict[str, Any]] = {}
        self.lines: list[bytes] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            reply = json.loads(line)
            self.replies[reply["id"]] = reply

    def send(self, message_id: Any, method: str, **params: Any) -> None:
        assert self.process.stdin
        body = {
            "jsonrpc": "2.0",
            "method": method,
            "params": params,
            **({} if message_id is None else {"id": message_id}),
        }
        self.process.stdin.write(json.dumps(body).encode() + b"\n")
        self.process.stdin.flush()

    def tool(self, message_id: Any, name: str, **arguments: Any) -> None:
        self.send(message_id, "tools/call", name=name, arguments=arguments)

    def reply(self, message_id: Any) -> dict[str, Any]:
        return until(lambda: self.replies.get(message_id))

    def found(self, message_id: Any) -> dict[str, Any]:
        structured: dict[str, Any] = self.reply(message_id)["result"]["structuredContent"]
        return structured


@contextmanager
def bridge(env: dict[str, str]) -> Iterator[Bridge]:
    made = Bridge(env)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_official_client_works_through_the_bridge(server: Server, mode: str) -> None:
    parameters = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=environment(server))
    async with Client(parameters, mode=mode) as client:
        assert "run_report" in {tool.name for tool in (await client.list_tools()).tools}
        started = await client.call_tool("start_run", {"command": "echo é; exit 2", "key": f"bridge-{mode}"})
        ended = await client.call_tool("wait_for_run", {"id": started.structured_content["id"]})
        assert (ended.structured_content["exit_code"], ended.structured_content["lines"][0]["text"]) == (2, "é")
        read = await client.read_resource(f"logstream://run/{started.structured_content['id']}/log")
        assert "é" in read.contents[0].text


def test_calls_run_beside_each_other_and_a_cancelled_one_is_not_answered(server: Server) -> None:
    with bridge(environment(server)) as made:
        made.tool("start", "start_run", command="sleep 600")
        run_id = made.found("start")["id"]
        for number in range(5):
            made.tool(number, "wait_for_run", id=run_id, seconds=45)
        made.tool("list", "list_runs")
        assert made.found("list")["runs"][0]["id"] == run_id
        made.send(None, "notifications/cancelled", requestId=3)
        made.tool("cancel", "cancel_run", id=run_id)
        for number in (0, 1, 2, 4):
            assert made.found(number)["state"] == "cancelled"
        made.send("ping", "ping")
        made.reply("ping")
        assert 3 not in made.replies


def test_bridge_survives_a_restart_of_the_server(server: Server) -> None:
    with bridge(environment(server)) as made:
        made.tool("start", "start_run", command="sleep 600", key="before the restart")
        run_id = made.found("start")["id"]
        server.stop()
        made.tool("while it is away", "run_report", id=run_id)
        server.start()
        assert made.found("while it is away")["state"] == "running"
        made.tool("cancel", "cancel_run", id=run_id)
        assert made.found("cancel")["cancelling"]


def test_lines_that_are_no_messages_are_answered_and_the_bridge_goes_on(server: Server) -> None:
    with bridge(environment(server)) as made:
        assert made.process.stdin
        made.process.stdin.write(b"not json\n\n[]\n" + b"[" * 5000 + b"\n")
        made.process.stdin.flush()
        until(lambda: len(made.lines) == 3)
        assert {json.loads(line)["error"]["code"] for line in made.lines} == {-32700, -32600}
        made.send("ping", "ping")
        assert made.reply("ping")["result"] == {}


def test_standard_input_that_ends_at_once_is_answered_and_ends_the_bridge(server: Server) -> None:
    messages = [{"jsonrpc": "2.0", "id": number, "method": "ping"} for number in range(3)]
    given = "".join(f"{json.dumps(message)}\n" for message in messages).encode()
    ended = subprocess.run(COMMAND, env=environment(server), input=given, capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert sorted(json.loads(line)["id"] for line in ended.stdout.splitlines()) == [0, 1, 2]


def test_bridge_names_what_to_do_where_no_server_is_and_where_the_endpoint_is_off(home: Home) -> None:
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode() + b"\n"
    env = {**home.env, "JUPYTER_LOGSTREAM_PRIVATE": "existing"}
    ended = subprocess.run(COMMAND, env=env, input=message, capture_output=True, timeout=60, check=False)
    assert "No log server found" in json.loads(ended.stdout)["error"]["message"]
    assert b"No log server found" in ended.stderr
    config = home.folder / ".jupyter" / "jupyter_server_config.py"
    config.parent.mkdir(exist_ok=True)
    config.write_text("c.LogStream.mcp = False\n")
    ended = subprocess.run(COMMAND, env=home.env, input=message, capture_output=True, timeout=90, check=False)
    assert "c.LogStream.mcp = True" in json.loads(ended.stdout)["error"]["message"]


def test_bridge_starts_a_private_server_which_only_reads(home: Home) -> None:
    with bridge(home.env) as made:
        made.send("tools", "tools/list")
        names = {tool["name"] for tool in made.reply("tools")["result"]["tools"]}
        assert "run_report" in names
        assert "start_run" not in names
        run = home.python("from jupyter_logstream import run; print(run('echo from a script').wait().id)")
        made.tool("tail", "tail_log", id=run.stdout.strip())
        assert made.found("tail")["lines"][0]["text"] == "from a script"
