"""Who may: login, authorizer, the kernels' secret, pages of other sites; and that errors say nothing of the machine."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_server.auth import Authorizer

from jupyter_logstream.handlers import routes, workloads

if TYPE_CHECKING:
    from server.web import Answer, Site

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]

# What every method of every route needs. Whoever adds a route adds it here.
ACTIONS = {
    ("v1/info", "GET"): "read",
    ("v1/workloads", "GET"): "read",
    ("v1/workloads", "POST"): "execute",
    ("v1/workloads/ID", "GET"): "read",
    ("v1/workloads/ID", "DELETE"): "write",
    ("v1/workloads/ID/cancel", "POST"): "execute",
    ("v1/workloads/ID/input", "POST"): "execute",
    ("v1/workloads/ID/logs", "GET"): "read",
    ("v1/workloads/ID/records", "GET"): "read",
    ("v1/workloads/ID/log.txt", "GET"): "read",
    ("v1/logs/stream", "GET"): "read",
    ("v1/events", "GET"): "read",
    ("v1/events", "POST"): "read",
}
QUERIES = {"v1/logs/stream": "?job_id=ID", ("v1/events", "GET"): "?stream=workload/ID"}
BODIES = {
    ("v1/workloads", "POST"): b'{"command": "true"}',
    ("v1/events", "POST"): b'{"streams": [{"stream": "workload/ID"}]}',
    ("v1/workloads/ID/input", "POST"): b"x",
    ("v1/workloads/ID/cancel", "POST"): b"",
}


def table() -> Iterator[tuple[str, str]]:
    """Every route with each method that its handler has, from the live table."""
    for pattern, handler in routes():
        path = re.sub(r"\([^)]*\)", "ID", pattern).replace("\\", "").removeprefix("/logstream/")
        for method in METHODS:
            if method.lower() in dir(handler) and getattr(handler, method.lower()).__qualname__.split(".")[0] not in {
                "RequestHandler",
                "APIHandler",
            }:
                yield path, method


def request(path: str, method: str, workload_id: str) -> tuple[str, str, bytes | None]:
    query = QUERIES.get((path, method)) or QUERIES.get(path, "")
    body = BODIES.get((path, method))
    return method, (path + query).replace("ID", workload_id), body and body.replace(b"ID", workload_id.encode())


JSON = {"Content-Type": "application/json"}


def is_error(answer: Answer) -> bool:
    return answer.headers["content-type"].startswith("application/json") and "message" in answer.json


def test_every_route_and_method_is_known_here() -> None:
    assert dict.fromkeys(table(), "") == dict.fromkeys(ACTIONS, "")


# --- nobody -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unauthenticated", [None, "0"])
async def test_without_credentials_everything_is_403(
    serve: Any, monkeypatch: pytest.MonkeyPatch, unauthenticated: str | None
) -> None:
    if unauthenticated is not None:
        monkeypatch.setenv("JUPYTER_SERVER_ALLOW_UNAUTHENTICATED_ACCESS", unauthenticated)
    site = await serve()
    workload_id = await site.run("echo a")
    for headers, (path, method) in itertools.product(
        [
            {},
            {"Authorization": "token wrong"},
            {"Authorization": "token "},
            {"Authorization": site.headers["Authorization"].upper()},
            {"Authorization": "Bearer sk-x"},
            {"Authorization": "Bearer " + "x" * 43},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer \xff"},
            {"x-api-key": "sk-x"},
            {"Cookie": "username-127-0-0-1=forged"},
            {"X-Forwarded-User": "admin", "X-HTTP-Method-Override": "OPTIONS", "x-middleware-subrequest": "1"},
            {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"},
        ],
        table(),
    ):
        given = {"Authorization": "", **headers, **JSON}
        answer = await site.ask(*request(path, method, workload_id), given)
        assert answer.status == 403, (path, method, headers, answer.status)
        assert is_error(answer)
        assert set(answer.json) == {"message", "reason"}
    info = await site.get("v1/info")
    assert (info["workloads"], info["connections"]) == (1, 0)


async def test_options_is_answered_and_opens_nothing_to_a_foreign_page(site: Site) -> None:
    for path in {path for path, _ in table()}:
        answer = await site.ask(
            "OPTIONS", path.replace("ID", "x"), headers={"Authorization": "", "Origin": "http://evil"}
        )
        assert answer.status in {200, 204, 403, 404}
        assert "access-control-allow-origin" not in answer.headers


async def test_a_foreign_host_name_is_refused(site: Site) -> None:
    secret = {"Authorization": f"Bearer {site.extension.secret}"}
    for headers in {}, secret:
        for host in "evil.example", f"evil.example:{site.port}":
            answer = await site.ask("GET", "v1/info", headers={"Host": host, **headers})
            assert answer.status == 403, (host, headers)


# --- the authorizer ---------------------------------------------------------------------------------------------------

ALLOWED: set[str] = set()
ASKED: list[tuple[str, str, str]] = []


class OnlySome(Authorizer):
    """Lets the actions in ALLOWED through, and remembers what was asked."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:  # noqa: ARG002
        if resource.startswith("logstream"):
            ASKED.append((user.username, action, resource))
            return action in ALLOWED
        return True


@pytest.mark.parametrize("who", ["token", "kernel"])
async def test_every_method_asks_for_its_own_action(serve: Any, who: str) -> None:
    ALLOWED.clear()
    ALLOWED.update({"read", "write", "execute"})
    site = await serve(
        {"ServerApp": {"authorizer_class": OnlySome, "jpserver_extensions": {"jupyter_logstream": True}}}
    )
    mine = site if who == "token" else site.but(Authorization=f"Bearer {site.extension.secret}")
    # One class asked in every order: the first call must not decide for the others.
    for only in ["write", "read", "execute", ""]:
        for (path, method), action in ACTIONS.items():
            ALLOWED.update({"read", "write", "execute"})
            workload_id = await site.run("echo a")
            ALLOWED.clear()
            ALLOWED.add(only)
            ASKED.clear()
            answer = await mine.ask(*request(path, method, workload_id), JSON)
            assert [(a, r) for _, a, r in ASKED] == [(action, "logstream")], (path, method)
            if who == "kernel":
                assert ASKED[0][0] == "kernel"
            if action == only:
                assert answer.status in {200, 201, 202, 204, 409}, (path, method, answer.status, answer.body)
            else:
                assert answer.status == 403, (path, method, only)
                assert is_error(answer)


# --- the kernels' secret ----------------------------------------------------------------------------------------------


async def test_the_secret_opens_logstream_and_nothing_else(site: Site) -> None:
    kernel = site.but(Authorization=f"Bearer {site.extension.secret}")
    workload_id = await kernel.run("echo a")  # a POST, without an XSRF token
    assert (await kernel.ask("POST", f"v1/workloads/{workload_id}/cancel")).status == 200
    assert (await kernel.ask("DELETE", f"v1/workloads/{workload_id}")).status == 204
    for path in "api/contents", "api/kernels", "api/sessions", "api/me", "files/x":
        answer = await kernel.ask("GET", f"{site.base_url}{path}")
        assert answer.status in {302, 403}, path
    assert (await kernel.ask("POST", f"{site.base_url}api/kernels", b"{}")).status == 403
    for scheme in "bearer", "BEARER":
        assert (await site.but(Authorization=f"{scheme} {site.extension.secret}").ask("GET", "v1/info")).status == 200
    for wrong in [
        f"token {site.extension.secret}", f"Bearer {site.extension.secret[:-1]}", f"Bearer {site.extension.secret}x",
        f"Basic {site.extension.secret}", f"Bearer {site.extension.secret.swapcase()}",
    ]:  # fmt: skip
        assert (await site.but(Authorization=wrong).ask("GET", "v1/info")).status == 403, wrong[:8]
    by_query = await site.but().ask("GET", f"v1/info?token={site.extension.secret}")
    assert by_query.status == 403


async def test_the_secret_sets_no_cookie_that_would_open_more(site: Site) -> None:
    answer = await site.but(Authorization=f"Bearer {site.extension.secret}").ask("GET", "v1/info")
    assert answer.status == 200
    cookie = answer.headers.get("set-cookie", "").split(";")[0]
    if cookie:
        assert (await site.but(Cookie=cookie).ask("GET", f"{site.base_url}api/contents")).status == 403


async def test_the_secret_is_for_its_user_only_and_stable_across_restarts(serve: Any) -> None:
    first = await serve()
    path = first.extension.store.root / "server.json"
    told = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert told["secret"] == first.extension.secret
    assert len(told["secret"]) >= 32
    assert told["url"] == f"http://127.0.0.1:{first.port}{first.base_url}"
    await first.stop()
    second = await serve()
    assert second.extension.secret == told["secret"]
    assert json.loads(path.read_text())["url"] == f"http://127.0.0.1:{second.port}{second.base_url}"
    assert (await second.but(Authorization=f"Bearer {told['secret']}").ask("GET", "v1/info")).status == 200


async def test_another_store_has_another_secret(serve: Any, tmp_path: Any) -> None:
    first = await serve()
    secret = first.extension.secret
    await first.stop()
    second = await serve(store_dir=str(tmp_path / "other" / "store"))
    assert second.extension.secret != secret


async def test_neither_secret_nor_token_is_in_any_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    token = site.headers["Authorization"].split()[1]
    kernel = site.but(Authorization=f"Bearer {site.extension.secret}")
    await kernel.ask("GET", "v1/workloads/none")
    await kernel.ask("POST", "v1/workloads", b"{")
    await site.but().ask("GET", f"v1/info?token={token}")
    await site.but().ask("GET", f"v1/workloads/none?token={token}")
    await site.but().ask("GET", f"v1/workloads?limit=0&token={token}&_xsrf=x")
    stream = await site.but().stream(f"v1/logs/stream?job_id={await site.run('true')}&token={token}")
    await stream.rest()
    for canary in token, site.extension.secret:
        assert canary not in caplog.text
        assert canary.encode() not in stream.raw


# --- pages of other sites ---------------------------------------------------------------------------------------------


async def browser(site: Site) -> Site:
    """Logged in by cookie, as a browser is."""
    token = site.headers["Authorization"].split()[1]
    cookies = await raw_cookies(site, f"{site.base_url}login?token={token}")
    return site.but(Cookie="; ".join([*cookies, *await raw_cookies(site, f"{site.base_url}login")]))


async def raw_cookies(site: Site, path: str) -> list[str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nConnection: close\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    writer.close()
    lines = [line.partition(":") for line in head.split("\r\n")]
    return [value.split(";")[0].strip() for name, _, value in lines if name.lower() == "set-cookie"]


async def test_a_cookie_may_read_but_writes_need_the_xsrf_token(site: Site) -> None:
    user = await browser(site)
    workload_id = await site.run("echo a")
    assert (await user.ask("GET", "v1/info")).status == 200
    xsrf = re.search(r"_xsrf=([^;]+)", user.headers["Cookie"])
    assert xsrf
    for method, path, body in [
        ("POST", "v1/workloads", b'{"command": "true"}'),
        ("POST", f"v1/workloads/{workload_id}/cancel", b""),
        ("POST", f"v1/workloads/{workload_id}/input", b"x"),
        ("POST", "v1/events", json.dumps({"streams": [{"stream": f"workload/{workload_id}"}]}).encode()),
        ("DELETE", f"v1/workloads/{workload_id}", None),
    ]:
        for wrong in {}, {"X-XSRFToken": "wrong"}, {"Authorization": "Bearer wrong"}:
            answer = await user.ask(method, path, body, {**JSON, **wrong})
            assert answer.status == 403, (method, path, wrong)
            assert is_error(answer)
        right = await user.ask(method, path, body, {**JSON, "X-XSRFToken": xsrf[1]})
        assert right.status != 403, (method, path, right.body)
    by_query = await user.ask("POST", f"v1/workloads?_xsrf={xsrf[1]}", b'{"command": "true"}', JSON)
    assert by_query.status == 201


async def test_a_page_of_another_site_reads_nothing_with_the_users_cookie(site: Site) -> None:
    user = await browser(site)
    workload_id = await site.run("echo a")
    own = f"http://127.0.0.1:{site.port}"
    below = f"v1/workloads/{workload_id}"
    paths = ["v1/info", "v1/workloads", below, f"{below}/records", f"{below}/logs", f"{below}/log.txt"]
    paths += [f"v1/logs/stream?job_id={workload_id}", f"v1/events?stream=workload/{workload_id}"]
    for path in paths:
        for foreign in [
            {"Referer": "http://evil.example/"}, {"Referer": "http://127.0.0.1.evil.example/x"},
            {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"},
            {"Origin": "null"},
        ]:  # fmt: skip
            answer = await user.ask("GET", path, headers=foreign)
            assert answer.status in {403, 404}, (path, foreign, answer.status)
            assert b"echo a" not in answer.body
            assert answer.headers.get("access-control-allow-origin") is None
        for ours in (
            {"Referer": f"{own}/lab"},
            {"Sec-Fetch-Site": "same-origin"},
            {"Origin": own},
            {"Sec-Fetch-Site": "none"},
        ):
            assert (await user.ask("GET", path, headers=ours)).status == 200, (path, ours)


async def test_the_token_opens_as_header_and_as_parameter(site: Site) -> None:
    token = site.headers["Authorization"].split()[1]
    workload_id = await site.run("echo a")
    for path in f"v1/workloads/{workload_id}/logs", f"v1/logs/stream?job_id={workload_id}", "v1/info", "v1/workloads":
        joint = "&" if "?" in path else "?"
        for query in f"token={token}", f"token={token}&_xsrf=abc", f"_xsrf=abc&token={token}":
            assert (await site.but().ask("GET", f"{path}{joint}{query}")).status == 200, (path, query)
    assert (await site.but(Authorization=f"Bearer {token}").ask("GET", "v1/info")).status == 200


# --- errors -----------------------------------------------------------------------------------------------------------


async def test_a_fault_of_ours_is_500_and_tells_neither_path_nor_traceback(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload_id = await site.run("echo a")

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("/secret/path/of/the/store")

    for name in "get", "page", "status_of", "submit", "cancel", "send", "forget":
        monkeypatch.setattr(type(site.extension.engine), name, fail)
    for path, method in ACTIONS:
        if path == "v1/info":
            continue
        answer = await site.ask(*request(path, method, workload_id), JSON)
        assert answer.status == 500, (path, method, answer.status)
        assert is_error(answer)
        assert set(answer.json) == {"message", "reason"}
        for leak in b"Traceback", b"/secret", b"RuntimeError", str(site.extension.store.root).encode():
            assert leak not in answer.body
    monkeypatch.setattr(workloads.InfoHandler, "answer", fail)
    assert (await site.ask("GET", "v1/info")).status == 500


async def test_every_error_is_json_with_a_message_and_a_stable_reason(site: Site) -> None:
    for method, path, body, headers in [
        ("GET", "v1/workloads/none", None, {}),
        ("PUT", "v1/workloads", b"", {}),
        ("POST", "v1/workloads", b"{", JSON),
        ("POST", "v1/workloads", b"{}", JSON),
        ("GET", "v1/workloads?limit=x", None, {}),
        ("GET", "v1/info", None, {"Authorization": ""}),
        ("GET", "v1/info", None, {"Host": "evil.example"}),
    ]:
        answer = await site.ask(method, path, body, headers)
        assert 400 <= answer.status < 500
        assert set(answer.json) == {"message", "reason"}, (method, path, answer.json)
        assert re.fullmatch(r"[a-z][a-z_]*", answer.json["reason"])
        assert answer.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("base_url", ["/", "/user/some%20one/"])
async def test_it_works_below_any_base_url(serve: Any, base_url: str) -> None:
    site = await serve(base_url=base_url)
    answer = await site.ask("POST", "v1/workloads", json={"command": "echo a"})
    assert answer.status == 201
    located = await site.ask("GET", answer.headers["location"])
    assert located.json["id"] == answer.json["id"]
    assert site.extension.engine is not None
    told = json.loads((site.extension.store.root / "server.json").read_text())
    assert told["url"].endswith(base_url)


async def test_looking_at_logs_keeps_no_server_alive_but_what_runs_does(site: Site) -> None:
    times = site.app.web_app.settings["last_activity_times"]
    site.extension._tell_activity()
    assert "jupyter_logstream" not in times
    workload_id = await site.start("sleep 600")
    await site.state(workload_id, "running")
    site.extension._tell_activity()
    first = times["jupyter_logstream"]
    site.extension._tell_activity()
    assert times["jupyter_logstream"] >= first
    await site.ask("POST", f"v1/workloads/{workload_id}/cancel")
    await site.state(workload_id)
    last = times["jupyter_logstream"]
    before = site.app.web_app.settings.get("api_last_activity")
    site.extension._tell_activity()
    await site.get("v1/workloads")
    assert times["jupyter_logstream"] == last
    assert site.app.web_app.settings.get("api_last_activity") == before


async def test_running_as_activity_can_be_switched_off(serve: Any) -> None:
    site = await serve(running_is_activity=False)
    await site.state(await site.start("sleep 600"), "running")
    site.extension._tell_activity()
    assert "jupyter_logstream" not in site.app.web_app.settings["last_activity_times"]
