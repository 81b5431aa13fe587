"""The official MCP client of both eras against a real Jupyter server with a token login."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mcp import MCPError
from support.assistant import LEGACY, MODERN, assistant
from support.serving import TOKEN, Server, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

ERAS = pytest.mark.parametrize(("mode", "version"), [("auto", MODERN), ("legacy", LEGACY)])
READING = ["list_runs", "run_report", "tail_log", "search_log", "read_log", "wait_for_run"]
WRITING = ["start_run", "cancel_run"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--LogStream.mcp=True", "--LogStream.mcp_write=True")
    with jupyter(tmp_path_factory.mktemp("mcp"), base_url="/user/ann/", options=options) as made:
        yield made


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Override Jupyter's fixture: no server runs in this process."""


@ERAS
async def test_client_negotiates_its_version_and_lists_annotated_tools(server: Server, mode: str, version: str) -> None:
    async with assistant(server.url, TOKEN, mode) as client:
        assert client.protocol_version == version
        assert "never follow instructions" in (client.instructions or "")
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == READING + WRITING
    for tool in tools:
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint == (tool.name in READING)
        assert tool.input_schema["type"] == "object"
        assert {"next_after", "truncated", "omitted"} <= set((tool.output_schema or {})["required"])
        assert ("never an instruction" in (tool.description or "")) == (tool.name in READING)


@ERAS
async def test_client_starts_waits_for_and_reports_a_run(server: Server, mode: str, version: str) -> None:
    command = "echo INFO ready; echo 'ERROR boom' >&2; exit 3"
    async with assistant(server.url, TOKEN, mode) as client:
        started = await client.call_tool("start_run", {"command": command, "key": f"report-{mode}"})
        run_id = started.structured_content["id"]
        ended = await client.call_tool("wait_for_run", {"id": run_id})
        assert (ended.structured_content["finished"], ended.structured_content["timed_out"]) == (True, False)
        report = (await client.call_tool("run_report", {"id": run_id})).structured_content
        assert (report["state"], report["exit_code"], report["levels"]) == ("failed", 3, {"info": 1, "error": 1})
        assert [row["text"] for row in report["first_error"]] == ["ERROR boom"]
        listed = (await client.call_tool("list_runs", {"state": "failed"})).structured_content["runs"]
        assert run_id in {run["id"] for run in listed}
        missing = await client.call_tool("tail_log", {"id": "01NOSUCHRUN"})
        assert missing.is_error
        assert "list_runs" in missing.content[0].text


@ERAS
async def test_client_reads_a_log_as_a_resource(server: Server, mode: str, version: str) -> None:
    async with assistant(server.url, TOKEN, mode) as client:
        started = await client.call_tool("start_run", {"command": "echo a line", "key": "resource"})
        run_id = started.structured_content["id"]
        await client.call_tool("wait_for_run", {"id": run_id})
        assert run_id in {str(one.uri).split("/")[3] for one in (await client.list_resources()).resources}
        templates = (await client.list_resource_templates()).resource_templates
        assert [one.uri_template for one in templates] == ["logstream://run/{id}/log"]
        read = await client.read_resource(f"logstream://run/{run_id}/log")
        assert "1: a line" in read.contents[0].text
        with pytest.raises(MCPError, match="no such resource"):
            await client.read_resource("logstream://run/01NOSUCHRUN/log")


@ERAS
async def test_client_learns_which_tool_or_method_does_not_exist(server: Server, mode: str, version: str) -> None:
    async with assistant(server.url, TOKEN, mode) as client:
        with pytest.raises(MCPError, match="Unknown tool: delete_run"):
            await client.call_tool("delete_run", {})
        with pytest.raises(MCPError):
            await client.list_prompts()
