"""A server of JupyterHub that is shared: its owner can do everything, visitors read, on every route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.hub import CONFIG, TOKENS, people, set_environment
from support.proxy_calls import row
from support.route_table import ACTIONS, JSON, is_error, request
from support.upstream import upstream

from jupyter_logstream.server.authorization import VisitorRule, kernel_user

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.web import Site

    Serve = Callable[..., Awaitable[Site]]


@pytest.fixture
def hub(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Serve:
    set_environment(monkeypatch)

    async def start(config: dict[str, Any] | None = None, **options: Any) -> Site:
        return await serve({**CONFIG, **(config or {})}, request_listeners=0, **options)

    return start


def was_allowed(path: str, status: int) -> bool:
    """Whether the answer is one of the route, not a refusal."""
    can_be_missing = path.startswith(("proxy", "v1/requests")) or path.endswith("/result")
    return status in {200, 201, 202, 204, 409} | ({404, 429} if can_be_missing else set())


async def check_every_route(site: Site, allowed: dict[str, set[str]]) -> None:
    users = people(site)
    for (path, method), action in ACTIONS.items():
        for name in sorted(users, key=lambda name: name == "ann"):  # ann last: she can delete the workload
            workload_id = await users["ann"].run("true") if name == "ann" or path.startswith("v1/work") else "unknown"
            answer = await users[name].request(*request(path, method, workload_id), JSON)
            if action in allowed.get(name, set()):
                assert was_allowed(path, answer.status) or workload_id == "unknown", (path, method, name, answer.status)
                assert answer.status != 403, (path, method, name)
            else:
                assert answer.status == 403, (path, method, name, answer.status)
                assert is_error(answer)


ALL = {"read", "write", "execute"}


async def test_visitors_read_and_the_owner_can_do_everything_on_every_route(hub: Serve) -> None:
    site = await hub()
    await check_every_route(site, {"ann": ALL, "ben": {"read"}, "kernel": {"read"}, "service": {"read"}, "eve": set()})
    assert (await people(site)["ann"].get("v1/info"))["running"] == 0


@pytest.mark.parametrize("actions", [["read", "write"], ["read", "write", "execute"], []])
async def test_option_sets_the_actions_of_visitors(hub: Serve, actions: list[str]) -> None:
    site = await hub(visitor_actions=actions)
    users, own = people(site), people(site)["ann"]
    workload_id = await own.run("true")
    for action, (method, path, body) in {
        "read": ("GET", f"v1/workloads/{workload_id}", None),
        "write": ("POST", "v1/requests", b"{}"),
        "execute": ("POST", "v1/workloads", b'{"command": "true"}'),
    }.items():
        answer = await users["ben"].request(method, path, body, JSON)
        assert (answer.status != 403) == (action in actions), (action, answer.status)
        assert (await own.request(method, path, body, JSON)).status in {200, 201}


async def test_configured_authorizer_still_decides_whatever_visitors_are_allowed(hub: Serve) -> None:
    site = await hub(visitor_actions=["read", "write", "execute"])
    assert (await people(site)["eve"].request("GET", "v1/info")).status == 403


async def test_owner_of_the_configuration_replaces_the_hubs(hub: Serve) -> None:
    users = people(await hub(owner="ben"))
    for name, status in ("ben", 201), ("ann", 403), ("kernel", 403):
        assert (await users[name].request("POST", "v1/workloads", b'{"command": "true"}', JSON)).status == status, name


async def test_without_a_hub_all_users_are_treated_alike(serve: Serve) -> None:
    users = people(await serve(CONFIG))
    for name in "ann", "ben", "service":
        assert (await users[name].request("POST", "v1/workloads", b'{"command": "true"}', JSON)).status == 201, name


async def test_kernels_act_for_the_owner_under_the_hubs_authorizer(hub: Serve) -> None:
    async with upstream() as up:
        site = await hub(upstreams={"llm": up.url})
        kernel = site.with_headers(Authorization=f"Bearer {site.services.secret}")
        workload_id = await kernel.run("echo a")
        assert (await kernel.request("GET", "proxy/llm/a")).status == 200
        assert (await kernel.request("DELETE", f"v1/workloads/{workload_id}")).status == 204


async def test_token_in_the_url_is_no_login_as_the_hub_ignores_it(hub: Serve) -> None:
    site = await hub()
    token = next(iter(TOKENS))
    assert (await site.with_headers().request("GET", f"v1/info?token={token}")).status == 403
    assert (await site.with_headers(Authorization=f"token {token}").request("GET", "v1/info")).status == 200


@pytest.mark.parametrize("query", ["", "?token=", "?token=junk", "?token=junk&token=", "?x=1"])
@pytest.mark.parametrize("scheme", ["token ", "Bearer ", "token\t", "bearer   "])
async def test_token_of_a_hubs_user_never_reaches_an_upstream(hub: Serve, query: str, scheme: str) -> None:
    async with upstream() as up:
        site = await hub(upstreams={"llm": up.url})
        token = next(iter(TOKENS))
        me = site.with_headers(Authorization=f"{scheme}{token}")
        assert (await me.request("GET", f"proxy/llm/a{query}", headers={"X-Copy": f"key {token}"})).status == 200
        assert token.encode() not in up.seen
        assert (await row(me))["status"] == "completed"


def test_kernels_user_has_the_scopes_of_the_environment() -> None:
    assert kernel_user({}).hub_user == {"kind": "user", "name": "", "scopes": []}
    for broken in "x", "5", "null", '{"a": 1}', "[1, null]":
        assert kernel_user({"JUPYTERHUB_OAUTH_ACCESS_SCOPES": broken}).hub_user["scopes"] == []
    assert VisitorRule("ann").allows(kernel_user({}), "read")
    assert not VisitorRule("ann").allows(kernel_user({}), "write")
