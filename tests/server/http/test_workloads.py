"""Workloads over HTTP: start, list, get, cancel, input, delete, and the errors of bad requests."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.bad_requests import BAD_BODIES, NO_IDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest
    from support.web import Site

KEYS = {
    "id", "name", "backend", "state", "command", "cwd", "created", "started", "ended", "exit_code", "signal", "error",
    "call", "result", "reason", "node", "link", "lines", "bytes", "levels", "masked", "steps", "tags",
}  # fmt: skip


async def test_starting_returns_the_workload_and_its_location(site: Site) -> None:
    before = time.time() * 1000
    spec = {"command": "echo INFO hello; exit 3", "name": "train", "tags": {"a": "b"}}
    answer = await site.request("POST", "v1/workloads", json=spec)
    assert answer.status == 201
    created = answer.json
    assert set(created) == KEYS
    assert answer.headers["location"].endswith(f"{site.base_url}logstream/v1/workloads/{created['id']}")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", created["id"])
    assert (created["name"], created["command"], created["backend"], created["tags"]) == (
        "train",
        spec["command"],
        "local",
        {"a": "b"},
    )
    assert before <= created["created"] <= time.time() * 1000
    end = await site.state(created["id"])
    assert (end["state"], end["exit_code"], end["signal"], end["error"]) == ("failed", 3, None, None)
    assert (end["lines"], end["bytes"], end["levels"]) == (1, 11, {"info": 1})
    assert created["created"] <= end["started"] <= end["ended"]


async def test_list_command_runs_directly_and_string_command_by_the_shell(site: Site) -> None:
    for command, line in (["echo", "$HOME;"], "$HOME;"), ("echo $((1+1)); echo", "2"):
        workload_id = await site.run(command)
        page = await site.get(f"v1/workloads/{workload_id}/records")
        assert page["records"][0]["message"] == line
    assert (await site.workload(workload_id))["command"] == "echo $((1+1)); echo"


async def test_the_environment_is_merged_and_never_served(site: Site) -> None:
    workload_id = await site.run('echo $GREETING; test -n "$PATH"', env={"GREETING": "a-canary"})
    assert (await site.workload(workload_id))["exit_code"] == 0
    assert (await site.get(f"v1/workloads/{workload_id}/records"))["records"][0]["message"] == "a-canary"
    for path in f"v1/workloads/{workload_id}", "v1/workloads":
        body = (await site.request("GET", path)).body
        assert b"GREETING=" not in body
        assert b'"env"' not in body
        assert b"a-canary" not in body


async def test_workload_environment_names_the_server_but_not_jupyters_token(site: Site) -> None:
    workload_id = await site.run("env")
    env = (await site.request("GET", f"v1/workloads/{workload_id}/log.txt")).body.decode()
    assert "JUPYTER_LOGSTREAM_SERVER=" in env
    assert site.headers["Authorization"].split()[1] not in env


async def test_cwd_is_relative_to_the_servers_root(site: Site, jp_root_dir: Path) -> None:
    (jp_root_dir / "sub").mkdir()
    for cwd, expected in (None, jp_root_dir), ("sub", jp_root_dir / "sub"), (str(jp_root_dir), jp_root_dir):
        workload_id = await site.run("pwd", **({} if cwd is None else {"cwd": cwd}))
        page = await site.get(f"v1/workloads/{workload_id}/records")
        assert page["records"][0]["message"] == str(expected.resolve())


async def test_command_that_cannot_be_started_is_accepted_and_fails(site: Site, tmp_path: Path) -> None:
    for command in ["no-such-binary"], [str(tmp_path)]:
        answer = await site.request("POST", "v1/workloads", json={"command": command})
        assert answer.status == 201
        end = await site.state(answer.json["id"])
        assert (end["state"], end["exit_code"]) == ("failed", None)
        assert command[0] in end["error"]


BAD_SPECS: list[tuple[Any, str]] = [
    ({}, "command"),
    ({"command": None}, "command"),
    ({"command": ""}, "command"),
    ({"command": "  "}, "command"),
    ({"command": []}, "command"),
    ({"command": [""]}, "command"),
    ({"command": [1]}, "command"),
    ({"command": 5}, "command"),
    ({"command": {"a": 1}}, "command"),
    ({"command": "a\0b"}, "command"),
    ({"command": ["ls", "a\0b"]}, "command"),
    ({"command": ["x" * 200_000]}, "command"),
    ({"command": ["x" * 100_000] * 30}, "command"),
    ({"command": "ls", "comand": "ls"}, "comand"),
    ({"command": "ls", "env": []}, "env"),
    ({"command": "ls", "env": {"A=B": "x"}}, "env"),
    ({"command": "ls", "env": {"": "x"}}, "env"),
    ({"command": "ls", "env": {"A\0": "x"}}, "env"),
    ({"command": "ls", "env": {"A": 5}}, "env"),
    ({"command": "ls", "env": {"A": "x\0"}}, "env"),
    ({"command": "ls", "cwd": "no-such-folder"}, "cwd"),
    ({"command": "ls", "cwd": "/etc/passwd"}, "cwd"),
    ({"command": "ls", "cwd": "x" * 5000}, "cwd"),
    ({"command": "ls", "cwd": "x/" * 3000}, "cwd"),
    ({"command": "ls", "cwd": 5}, "cwd"),
    ({"command": "ls", "cwd": "a\0"}, "cwd"),
    ({"command": "ls", "timeout": -1}, "timeout"),
    ({"command": "ls", "timeout": 0}, "timeout"),
    ({"command": "ls", "timeout": 1e12}, "timeout"),
    ({"command": "ls", "timeout": "5"}, "timeout"),
    ({"command": "ls", "timeout": True}, "timeout"),
    ({"command": "ls", "tty": 1}, "tty"),
    ({"command": "ls", "tty": "true"}, "tty"),
    ({"command": "ls", "stdin": "yes"}, "stdin"),
    ({"command": "ls", "name": ""}, "name"),
    ({"command": "ls", "name": "a\nb"}, "name"),
    ({"command": "ls", "name": "x" * 10_000}, "name"),
    ({"command": "ls", "name": "a\u202eb"}, "name"),
    ({"command": "ls", "name": "a\u200bb"}, "name"),
    ({"command": "ls", "name": 5}, "name"),
    ({"command": "ls", "tags": {"a": 1}}, "tags"),
    ({"command": "ls", "tags": ["a"]}, "tags"),
    ({"command": "ls", "key": ""}, "key"),
    ({"command": "ls", "key": 5}, "key"),
    ({"command": "ls", "options": []}, "options"),
    ({"command": "ls", "backend": "moon"}, "backend"),
]


async def test_invalid_field_is_named_and_nothing_is_created(site: Site) -> None:
    for spec, field in BAD_SPECS:
        answer = await site.request("POST", "v1/workloads", json=spec)
        assert (answer.status, set(answer.json)) == (422, {"message", "reason"}), (str(spec)[:80], answer.body[:200])
        assert field in answer.json["message"], spec
    assert (await site.get("v1/workloads"))["workloads"] == []
    assert (await site.get("v1/info"))["workloads"] == 0


async def test_bad_body_is_refused_and_nothing_is_created(site: Site) -> None:
    for body, headers, status in BAD_BODIES:
        answer = await site.request("POST", "v1/workloads", body, {"Content-Type": "application/json", **headers})
        assert answer.status == status, (body[:60], headers, answer.status, answer.body[:200])
        assert set(answer.json) == {"message", "reason"}
    assert (await site.get("v1/info"))["workloads"] == 0


async def test_hostile_names_are_inert(site: Site) -> None:
    for name in "<script>alert(1)</script>", "../../etc/passwd", "%00", "a'; rm -rf /", "x" * 200:
        workload_id = await site.run("true", name=name)
        assert (await site.workload(workload_id))["name"] == name


async def test_list_of_workloads_is_newest_first_and_paged(site: Site) -> None:
    ids = [await site.run(["true"]) for _ in range(3)] + [await site.run("exit 1") for _ in range(2)]
    assert ids == sorted(ids)
    newest = ids[::-1]
    whole = await site.get("v1/workloads")
    assert ([w["id"] for w in whole["workloads"]], whole["next"]) == (newest, None)
    found, after = [], ""
    for _ in range(3):
        page = await site.get(f"v1/workloads?limit=2{after}")
        found += [w["id"] for w in page["workloads"]]
        after = f"&after={page['next']}"
    assert (found, page["next"]) == (newest, None)
    failed = await site.get("v1/workloads?state=failed")
    assert [w["id"] for w in failed["workloads"]] == newest[:2]
    assert (await site.get("v1/workloads?state=running"))["workloads"] == []


async def test_info_reports_backends_streams_and_counts(site: Site) -> None:
    workload_id = await site.start("read x", stdin=True)
    info = await site.get("v1/info")
    assert set(info) == {
        "max_payload_bytes", "supports",
        "version", "protocol", "backends", "upstreams", "connections", "open_streams", "running", "workloads", "store"
    }  # fmt: skip
    assert info["protocol"] == 1
    assert info["backends"] == ["external", "local"]
    assert (info["connections"], info["open_streams"], info["running"], info["workloads"]) == (0, 0, 1, 1)
    assert set(info["store"]) == {"bytes", "free_bytes"}
    assert info["store"]["free_bytes"] > 0
    assert (await site.request("POST", f"v1/workloads/{workload_id}/input", b"x\n")).status == 204
    await site.state(workload_id)
    assert (await site.get("v1/info"))["running"] == 0


async def test_last_input_reaches_a_workload_that_does_not_read_to_eof(site: Site) -> None:
    ids = [await site.start("read x; echo got $x", stdin=True) for _ in range(20)]
    sending = [site.request("POST", f"v1/workloads/{workload_id}/input?eof=1", b"x\n") for workload_id in ids]
    assert [answer.status for answer in await asyncio.gather(*sending)] == [204] * 20
    for workload_id in ids:
        assert (await site.state(workload_id))["lines"] == 1


async def test_cancel_is_idempotent_and_final(site: Site) -> None:
    workload_id = await site.start("sleep 600")
    await site.state(workload_id, "running")
    answers = await asyncio.gather(*(site.request("POST", f"v1/workloads/{workload_id}/cancel") for _ in range(10)))
    assert {answer.status for answer in answers} <= {200, 202}
    assert answers[0].status == 202
    assert all(answer.json["id"] == workload_id for answer in answers)
    end = await site.state(workload_id)
    assert end["state"] == "cancelled"
    again = await site.request("POST", f"v1/workloads/{workload_id}/cancel")
    assert (again.status, again.json) == (200, end)


async def test_input_is_written_byte_for_byte_and_refused_without_stdin(site: Site) -> None:
    workload_id = await site.start("cat", stdin=True, tty=False)
    for body in b"a\xff\0b\n", b"", b"c":
        assert (await site.request("POST", f"v1/workloads/{workload_id}/input", body)).status == 204
    assert (await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1", b"d")).status == 204
    await site.state(workload_id)
    assert (await site.request("GET", f"v1/workloads/{workload_id}/log.txt")).body == b"a\xff\0b\ncd"
    late = await site.request("POST", f"v1/workloads/{workload_id}/input", b"x")
    assert (late.status, set(late.json)) == (409, {"message", "reason"})
    without = await site.start("sleep 600")
    for query in "", "?eof=1":
        assert (await site.request("POST", f"v1/workloads/{without}/input{query}", b"x")).status == 409
    assert (await site.request("POST", f"v1/workloads/{without}/input?eof=maybe", b"x")).status == 400
    assert (await site.request("POST", f"v1/workloads/{without}/input", b"x" * (11 << 20))).status == 413


async def test_delete_removes_a_final_workload_and_refuses_a_running_one(site: Site) -> None:
    workload_id = await site.start("echo a; read x", stdin=True)
    refused = await site.request("DELETE", f"v1/workloads/{workload_id}")
    assert (refused.status, refused.json["reason"]) == (409, "still_running")
    await site.request("POST", f"v1/workloads/{workload_id}/input?eof=1")
    await site.state(workload_id)
    folder = site.services.store.folder(workload_id).path
    assert folder.exists()
    deleted = await site.request("DELETE", f"v1/workloads/{workload_id}")
    assert (deleted.status, deleted.body) == (204, b"")
    assert not folder.exists()
    for path in "", "/logs", "/records", "/log.txt":
        answer = await site.request("GET", f"v1/workloads/{workload_id}{path}")
        assert (answer.status, answer.json["reason"]) == (404, "unknown_workload")
    assert (await site.request("DELETE", f"v1/workloads/{workload_id}")).status == 404
    assert (await site.get("v1/workloads"))["workloads"] == []


async def test_of_many_deletions_one_succeeds(site: Site) -> None:
    workload_id = await site.run("echo a")
    answers = await asyncio.gather(*(site.request("DELETE", f"v1/workloads/{workload_id}") for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [204, 404, 404, 404, 404]


async def test_deleted_workload_frees_its_key(site: Site) -> None:
    first = await site.run("true", key="k")
    await site.request("DELETE", f"v1/workloads/{first}")
    assert await site.run("true", key="k") != first


async def test_same_key_is_the_same_workload(site: Site) -> None:
    spec = {"command": "read x", "stdin": True, "key": "once"}
    answers = await asyncio.gather(*(site.request("POST", "v1/workloads", json=spec) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [201]
    assert len({answer.json["id"] for answer in answers}) == 1
    other = await site.request("POST", "v1/workloads", json={**spec, "command": "other"})
    assert (other.status, other.json["id"], other.json["command"]) == (200, answers[0].json["id"], "read x")
    assert (await site.get("v1/info"))["workloads"] == 1


BELOW = [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/input"), ("GET", "/logs"), ("GET", "/records"),
         ("GET", "/log.txt")]  # fmt: skip


async def test_malformed_workload_id_is_not_found(site: Site) -> None:
    known = await site.run("true")
    for no_id in [*NO_IDS, known[:-1], known.lower(), known + "0"]:
        for method, below in BELOW:
            answer = await site.request(method, f"v1/workloads/{no_id}{below}", b"" if method == "POST" else None)
            assert answer.status in ({404, 400} if no_id == "%ff" else {404}), (method, no_id, below, answer.status)
            assert b"Traceback" not in answer.body
            assert "x" not in answer.headers
            if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", no_id):
                assert answer.json["reason"] == "unknown_workload"


BAD_QUERIES = [
    ("v1/info?x=1", "x"),
    ("v1/workloads?state=happy", "state"),
    ("v1/workloads?limit=0", "limit"),
    ("v1/workloads?limit=-5", "limit"),
    ("v1/workloads?limit=1e9", "limit"),
    ("v1/workloads?limit=NaN", "limit"),
    ("v1/workloads?limit=2&limit=3", "limit"),
    ("v1/workloads?limit=%zz", ""),
    ("v1/workloads?limit=%ff", "limit"),
    ("v1/workloads?after=../x", "after"),
    ("v1/workloads?sate=running", "sate"),
]


async def test_a_bad_query_is_refused_by_name(site: Site) -> None:
    for path, name in BAD_QUERIES:
        answer = await site.request("GET", path)
        assert (answer.status, set(answer.json)) == (400, {"message", "reason"}), (path, answer.status)
        assert name in answer.json["message"], path
    for method, path in (
        ("POST", "v1/workloads?x=1"),
        ("POST", "v1/workloads/a/cancel?x=1"),
        ("DELETE", "v1/workloads/a?x=1"),
    ):
        answer = await site.request(method, path, b'{"command": "true"}' if method == "POST" else None)
        assert answer.status in {400, 404}, path
    assert (await site.get("v1/info"))["workloads"] == 0


async def test_empty_parameter_counts_as_absent(site: Site) -> None:
    assert (await site.request("GET", "v1/workloads?state=&limit=&after=")).status == 200


async def test_unsupported_method_is_405(site: Site) -> None:
    for method, path in [
        ("PUT", "v1/workloads"), ("DELETE", "v1/workloads"), ("POST", "v1/info"), ("PATCH", "v1/events"),
        ("GET", "v1/workloads/a/cancel"), ("HEAD", "v1/events"), ("HEAD", "v1/workloads/a/logs"),
    ]:  # fmt: skip
        answer = await site.request(method, path, b"" if method in {"PUT", "POST", "PATCH"} else None)
        assert answer.status == 405, (method, path)
    assert (await site.get("v1/info"))["connections"] == 0


# --- limits -----------------------------------------------------------------------------------------------------------


async def test_workloads_beyond_max_running_are_queued_in_order(serve: Any) -> None:
    site = await serve(max_running=1)
    first = await site.start("read x", stdin=True)
    ids = [await site.start("true", name=str(i)) for i in range(3)]
    assert [(await site.workload(i))["state"] for i in ids] == ["queued"] * 3
    assert (await site.workload(ids[0]))["started"] is None
    assert (await site.get("v1/info"))["running"] == 1
    cancelled = await site.request("POST", f"v1/workloads/{ids[1]}/cancel")
    assert (cancelled.status, cancelled.json["state"], cancelled.json["started"]) == (202, "cancelled", None)
    assert (await site.request("POST", f"v1/workloads/{ids[0]}/input", b"x")).status == 409
    assert (await site.request("DELETE", f"v1/workloads/{ids[0]}")).status == 409
    await site.request("POST", f"v1/workloads/{first}/input?eof=1")
    ends = [await site.state(i) for i in (ids[0], ids[2])]
    assert [end["state"] for end in ends] == ["succeeded"] * 2
    assert ends[0]["ended"] <= ends[1]["started"]
    assert (await site.workload(ids[1]))["state"] == "cancelled"


async def test_full_queue_is_429_with_retry_after_and_creates_nothing(serve: Any) -> None:
    site = await serve(max_running=1, max_queued=2)
    for _ in range(3):
        await site.start("sleep 600")
    answer = await site.request("POST", "v1/workloads", json={"command": "true"})
    assert (answer.status, answer.json["reason"]) == (429, "queue_full")
    assert int(answer.headers["retry-after"]) > 0
    assert (await site.get("v1/info"))["workloads"] == 3
    newest = (await site.get("v1/workloads"))["workloads"][0]["id"]
    await site.request("POST", f"v1/workloads/{newest}/cancel")
    assert (await site.request("POST", "v1/workloads", json={"command": "true"})).status == 201


async def test_concurrent_starts_are_each_accepted_or_refused(serve: Any) -> None:
    site = await serve(max_running=2, max_queued=20)
    answers = await asyncio.gather(
        *(site.request("POST", "v1/workloads", json={"command": ["true"]}) for _ in range(60))
    )
    made = [answer.json["id"] for answer in answers if answer.status == 201]
    assert {answer.status for answer in answers} == {201, 429}
    assert (await site.get("v1/info"))["workloads"] == len(made)
    for workload_id in made:
        assert (await site.state(workload_id))["state"] == "succeeded"


async def test_an_option_that_the_backend_does_not_support_is_422_by_name(site: Site) -> None:
    answer = await site.request("POST", "v1/workloads", json={"command": "true", "options": {"gpus": 2}})
    assert (answer.status, answer.json["reason"]) == (422, "invalid_field")
    assert answer.json["message"] == "options.gpus: is not supported by the backend 'local': it has no options"
    assert (await site.get("v1/workloads"))["workloads"] == []


async def test_configured_backends_are_listed_and_run_and_an_invalid_one_is_reported(
    serve: Callable[..., Awaitable[Site]], monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[str] = []
    monkeypatch.setattr("logging.Logger.error", lambda _, text, *values, **__: errors.append(text % values))
    site = await serve(backends={"local": "local", "second": {"type": "local"}, "bad": {"type": "slurp"}})
    assert (await site.get("v1/info"))["backends"] == ["external", "local", "second"]
    assert any("c.LogStream.backends['bad']: unknown type 'slurp'" in error for error in errors)
    workload = await site.workload(await site.run("echo a", backend="second"))
    assert (workload["backend"], workload["state"]) == ("second", "succeeded")
