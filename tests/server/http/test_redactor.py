"""The redactor where users meet it: output in any spelling, unfinished lines, request log, server log, masks."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.programs import PYTHON
from support.upstream import Visit, upstream
from support.waiting import eventually
from traitlets import TraitError

from jupyter_logstream.server.extension import LogStream

if TYPE_CHECKING:
    from pathlib import Path

    from support.web import Site

SECRET = "tok_0123456789abcdefXYZ"
K = "AIza" + "FAKE" * 8 + "000"
ORDINARY = (
    "max_tokens=4096 total_tokens: 1311 tokens_per_second=51.2 blk.0.token_embd.weight=CPU CAPTION_TOKEN is a word "
    '{"usage":{"input_tokens":12}}'
)
INVISIBLE = re.compile(r"\x1b\[[0-9;]*m|\\u001b\[[0-9;]*m|\u200b|\\u200b")


def has_part(text: str, secret: str = SECRET) -> bool:
    """Whether 8 consecutive characters of the secret are in it, escapes and zero-width characters taken out."""
    plain = INVISIBLE.sub("", text)
    return any(secret[at : at + 8] in plain for at in range(len(secret) - 7))


async def shown(site: Site, workload_id: str) -> str:
    """All that the server answers about a workload's log."""
    paths = ("", "/records", "/summary", "/log.txt", "/log.txt?source=stdout", "/records?q=89abcdef", "/records?q=tok")
    bodies = [(await site.request("GET", f"v1/workloads/{workload_id}{path}")).body.decode() for path in paths]
    return "\n".join(bodies)


@pytest.mark.parametrize("tty", [True, False])
async def test_c29_secret_that_is_torn_or_coloured_or_overwritten_is_shown_nowhere(
    site: Site, tty: bool, tmp_path: Path
) -> None:
    program = (
        "import os, sys\n"
        "def write(data): os.write(1, data)\n"
        "write(b'a=tok_01234567'); sys.stdin.readline()\n"
        "write(b'89abcdefXYZ\\nb=tok_01234567\\x1b[32m89abcdef\\x1b[0mXYZ\\nc=tok_0123\\xe2\\x80\\x8b456789abcdefXYZ\\n')\n"
        "write(b'd=tok_0123456789abcdefXYZ\\rX\\n')\n"
        "write(b'x' * (65536 - 12) + b'tok_0123456789abcdefXYZ\\n')\n"
    )
    (tmp_path / "program.py").write_text(program)
    command = [PYTHON, str(tmp_path / "program.py")]
    spec = {"command": command, "env": {"MY_TOKEN": SECRET}, "stdin": True, "tty": tty}
    workload_id = (await site.request("POST", "v1/workloads", json=spec)).json["id"]
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await stream.until(lambda s: b"a=" in s.raw)
    assert not has_part(stream.raw.decode())
    assert (await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1", b"\n")).status == 204
    await stream.rest()
    text = await shown(site, workload_id)
    assert not has_part(stream.raw.decode())
    assert not has_part(text)
    records = (await site.request("GET", f"v1/workloads/{workload_id}/records")).json["records"]
    messages = [INVISIBLE.sub("", record["message"]) for record in records]
    assert messages[:3] == ["a=***", "b=***", "c=***"]
    assert (await site.workload(workload_id))["masked"] == 5


async def test_secret_is_masked_in_every_spelling_that_a_program_prints(site: Site) -> None:
    program = (
        "import base64, json, os, shlex\n"
        "from urllib.parse import quote\n"
        "key = os.environ['MY_TOKEN']\n"
        "print(json.dumps({'k': key})); print(repr(key)); print(quote(key, safe='')); print(shlex.quote(key))\n"
        "for n in range(3): print(base64.b64encode(b'?' * n + key.encode()).decode())\n"
        "for line in key.splitlines(): print('>', line)\n"
    )
    value = 'it\'s "quoted" & more\nsecond line of it'
    workload_id = await site.run([PYTHON, "-c", program], env={"MY_TOKEN": value})
    lines = (await site.request("GET", f"v1/workloads/{workload_id}/log.txt")).body.decode().splitlines()
    assert all("***" in line for line in lines)
    assert not [line for line in lines if "quoted" in line or "second" in line]
    core = base64.b64encode(value.encode()).decode()[8:24]
    assert core not in "".join(lines)
    assert (await site.workload(workload_id))["masked"] == len(lines)


async def test_c30_key_in_an_address_is_masked_and_ordinary_text_is_unchanged(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.read_body()
        await visit.answer(json.dumps({"error": {"message": f"bad key {K}"}}).encode(), "400 Bad Request", "X: y\r\n")

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        await site.request("GET", f"proxy/llm/models/m:generateContent?key={K}&alt=sse")
        assert f"key={K}&alt=sse" in up.visits[0].target
        site.app.log.warning("GET /models/m:generateContent?key=%s&alt=sse", K)
        row = (await site.get("v1/requests"))["requests"][0]
        stream = await site.stream("v1/requests/stream")
        await stream.until(lambda s: row["id"].encode() in s.raw)
        service = await site.stream("v1/logs/stream?scope=service")
        await service.until(lambda s: b"generateContent" in s.raw)
        whole = json.dumps(await site.get(f"v1/requests/{row['id']}"))
        assert "alt=sse" in whole
        for text in whole, json.dumps(row), stream.raw.decode(), service.raw.decode():
            assert K not in text
        assert "alt=sse" in service.raw.decode()
    line = f"HTTP Request: POST https://example.test/v1?key={K}&alt=sse"
    workload_id = await site.run(
        [PYTHON, "-c", f"print({line!r}); print({ORDINARY!r})"], env={"MAX_TOKENS": "12345678"}
    )
    records = (await site.request("GET", f"v1/workloads/{workload_id}/records")).json["records"]
    assert [r["message"] for r in records] == [line.replace(K, "***"), ORDINARY]
    assert K not in await shown(site, workload_id)


async def test_key_by_shape_is_masked_in_command_name_tags_and_error(site: Site) -> None:
    key = "sk-proj-abcdefghijklmnop"
    spec = {"command": [f"no-such-{key}", key], "name": f"n {key}", "tags": {"t": f"a {key}"}}
    workload_id = (await site.request("POST", "v1/workloads", json=spec)).json["id"]
    end = await site.state(workload_id)
    assert end["state"] == "failed"
    assert end["name"] == "n sk-***"
    assert "proj-" not in json.dumps([end, (await site.get("v1/workloads"))["workloads"]]).replace(f"no-such-{key}", "")


async def test_configured_masks_apply_to_output_names_records_and_the_server_log(serve: Any) -> None:
    site = await serve(masks=["the-secret-word", "/ACME-[0-9]{6}/"])
    workload_id = await site.run("echo the-secret-word ACME-123456 ACME-12", name="for ACME-123456")
    assert (await site.request("GET", f"v1/workloads/{workload_id}/log.txt")).body == b"*** *** ACME-12\n"
    assert (await site.workload(workload_id))["name"] == "for ***"
    assert (await site.workload(workload_id))["masked"] == 2
    external = (await site.request("POST", "v1/workloads", json={"backend": "external", "name": "x"})).json["id"]
    items = [{"message": "m ACME-123456", "fields": {"a": ["the-secret-word"]}}]
    assert (await site.request("POST", f"v1/workloads/{external}/logs", json=items)).status == 202
    record = (await site.request("GET", f"v1/workloads/{external}/records")).json["records"][0]
    assert (record["message"], record["fields"]) == ("m ***", {"a": ["***"]})
    site.app.log.warning("about ACME-123456")
    service = await site.stream("v1/logs/stream?scope=service")
    await service.until(lambda s: b"about ***" in s.raw)


@pytest.mark.parametrize(("masks", "problem"), [
    (["short"], r"masks\[0\] is too short"), (["/(/"], r"masks\[0\] is not a regular expression"),
    (["a fine value", "/x*/"], r"masks\[1\] matches the empty text"), ([5], r"masks\[0\] must be a string"),
])  # fmt: skip
def test_invalid_mask_is_refused_when_it_is_configured(masks: list[Any], problem: str) -> None:
    with pytest.raises(TraitError, match=problem):
        LogStream(masks=masks)


async def test_last_letter_of_a_prompt_is_shown_though_it_could_begin_a_secret(site: Site) -> None:
    spec = {"command": "printf 'name: t'; read x; echo $x", "env": {"MY_TOKEN": SECRET}, "stdin": True}
    workload_id = (await site.request("POST", "v1/workloads", json=spec)).json["id"]
    stream = await site.stream(f"v1/events?stream=workload/{workload_id}")
    await stream.until(lambda s: b"name: t" in s.raw)
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1", b"ok\n")
    await stream.event("done")


async def test_secrets_are_counted_while_a_workload_runs(site: Site) -> None:
    spec = {"command": "echo $MY_TOKEN; echo $MY_TOKEN; read x", "env": {"MY_TOKEN": SECRET}, "stdin": True}
    workload_id = (await site.request("POST", "v1/workloads", json=spec)).json["id"]

    async def masked() -> int:
        return int((await site.workload(workload_id))["masked"])

    for _ in range(300):
        if await masked() == 2:
            break
        await eventually(lambda: True)
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1", b"ok\n")
    await site.state(workload_id)
    assert await masked() == 2
