"""Access control: no access without login, the authorizer's actions with it, kernels by their secret."""

from __future__ import annotations

import itertools
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_server.auth import Authorizer

if TYPE_CHECKING:
    from support.web import Site

from support.route_table import ACTIONS, JSON, TOKEN_ROUTES, every_route, is_error, request, table


def test_every_route_and_method_is_known_here() -> None:
    assert dict.fromkeys(every_route(), "") == dict.fromkeys([*ACTIONS, *TOKEN_ROUTES], "")


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
        every_route(),
    ):
        given = {"Authorization": "", **headers, **JSON}
        answer = await site.request(*request(path, method, workload_id), given)
        assert answer.status == 403, (path, method, headers, answer.status)
        assert is_error(answer)
    info = await site.get("v1/info")
    assert (info["workloads"], info["connections"]) == (1, 0)


async def test_options_allows_nothing_to_a_foreign_page(site: Site) -> None:
    for path in {path for path, _ in table()}:
        answer = await site.request(
            "OPTIONS", path.replace("ID", "x"), headers={"Authorization": "", "Origin": "http://evil"}
        )
        assert answer.status in {200, 204, 403, 404}
        assert "access-control-allow-origin" not in answer.headers


async def test_a_foreign_host_name_is_refused(site: Site) -> None:
    secret = {"Authorization": f"Bearer {site.services.secret}"}
    for headers in {}, secret:
        for host in "evil.example", f"evil.example:{site.port}":
            answer = await site.request("GET", "v1/info", headers={"Host": host, **headers})
            assert answer.status == 403, (host, headers)


ALLOWED: set[str] = set()
CHECKED: list[tuple[str, str, str]] = []


class OnlySome(Authorizer):
    """Allows the actions in ALLOWED, and records each check."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:  # noqa: ARG002
        if resource.startswith("logstream"):
            CHECKED.append((user.username, action, resource))
            return action in ALLOWED
        return True


@pytest.mark.parametrize("who", ["token", "kernel"])
async def test_every_method_requires_its_own_action(serve: Any, who: str) -> None:
    ALLOWED.clear()
    ALLOWED.update({"read", "write", "execute"})
    site = await serve(
        {"ServerApp": {"authorizer_class": OnlySome, "jpserver_extensions": {"jupyter_logstream": True}}},
        request_listeners=0,  # otherwise the stream of the request log would not end
    )
    mine = site if who == "token" else site.with_headers(Authorization=f"Bearer {site.services.secret}")
    # In every order: the first check must not decide the following ones.
    for only in ["write", "read", "execute", ""]:
        for (path, method), action in ACTIONS.items():
            ALLOWED.update({"read", "write", "execute"})
            of_workload = not path.startswith(("proxy/", "v1/requests"))
            workload_id = await site.run("echo a") if of_workload else "unknown"
            ALLOWED.clear()
            ALLOWED.add(only)
            CHECKED.clear()
            answer = await mine.request(*request(path, method, workload_id), JSON)
            assert [(a, r) for _, a, r in CHECKED] == [(action, "logstream")], (path, method)
            if who == "kernel":
                assert CHECKED[0][0] == "kernel"
            if action == only:
                fine = {200, 201, 202, 204, 409} | (set() if of_workload else {404, 429})
                fine = {404} if path.endswith("/result") else fine  # only functions have results
                assert answer.status in fine, (path, method, answer.status, answer.body)
            else:
                assert answer.status == 403, (path, method, only)
                assert is_error(answer)


async def test_secret_gives_access_to_logstream_only(site: Site) -> None:
    kernel = site.with_headers(Authorization=f"Bearer {site.services.secret}")
    workload_id = await kernel.run("echo a")  # a POST, without an XSRF token
    assert (await kernel.request("POST", f"v1/workloads/{workload_id}/cancel")).status == 200
    assert (await kernel.request("DELETE", f"v1/workloads/{workload_id}")).status == 204
    for path in "api/contents", "api/kernels", "api/sessions", "api/me", "files/x":
        answer = await kernel.request("GET", f"{site.base_url}{path}")
        assert answer.status in {302, 403}, path
    assert (await kernel.request("POST", f"{site.base_url}api/kernels", b"{}")).status == 403
    for scheme in "bearer", "BEARER":
        assert (
            await site.with_headers(Authorization=f"{scheme} {site.services.secret}").request("GET", "v1/info")
        ).status == 200
    for wrong in [
        f"token {site.services.secret}", f"Bearer {site.services.secret[:-1]}", f"Bearer {site.services.secret}x",
        f"Basic {site.services.secret}", f"Bearer {site.services.secret.swapcase()}",
    ]:  # fmt: skip
        assert (await site.with_headers(Authorization=wrong).request("GET", "v1/info")).status == 403, wrong[:8]
    by_query = await site.with_headers().request("GET", f"v1/info?token={site.services.secret}")
    assert by_query.status == 403


async def test_secret_sets_no_cookie_with_more_access(site: Site) -> None:
    answer = await site.with_headers(Authorization=f"Bearer {site.services.secret}").request("GET", "v1/info")
    assert answer.status == 200
    cookie = answer.headers.get("set-cookie", "").split(";")[0]
    if cookie:
        assert (await site.with_headers(Cookie=cookie).request("GET", f"{site.base_url}api/contents")).status == 403


async def test_secret_is_private_to_its_user_and_stable_across_restarts(serve: Any) -> None:
    first = await serve()
    path = first.services.store.root / "server.json"
    address = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert address["secret"] == first.services.secret
    assert len(address["secret"]) >= 32
    assert address["url"] == f"http://127.0.0.1:{first.port}{first.base_url}"
    await first.stop()
    second = await serve()
    assert second.services.secret == address["secret"]
    assert json.loads(path.read_text())["url"] == f"http://127.0.0.1:{second.port}{second.base_url}"
    kernel = second.with_headers(Authorization=f"Bearer {address['secret']}")
    assert (await kernel.request("GET", "v1/info")).status == 200


async def test_another_store_has_another_secret(serve: Any, tmp_path: Any) -> None:
    first = await serve()
    secret = first.services.secret
    await first.stop()
    second = await serve(store_dir=str(tmp_path / "other" / "store"))
    assert second.services.secret != secret


async def test_neither_secret_nor_token_is_in_any_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    token = site.headers["Authorization"].split()[1]
    kernel = site.with_headers(Authorization=f"Bearer {site.services.secret}")
    await kernel.request("GET", "v1/workloads/none")
    await kernel.request("POST", "v1/workloads", b"{")
    await site.with_headers().request("GET", f"v1/info?token={token}")
    await site.with_headers().request("GET", f"v1/workloads/none?token={token}")
    await site.with_headers().request("GET", f"v1/workloads?limit=0&token={token}&_xsrf=x")
    stream = await site.with_headers().stream(f"v1/logs/stream?job_id={await site.run('true')}&token={token}")
    await stream.rest()
    for canary in token, site.services.secret:
        assert canary not in caplog.text
        assert canary.encode() not in stream.raw
