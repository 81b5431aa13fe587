"""Logins at the proxy: what a browser shows of its site, and credentials in unusual spellings."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.route_table import table
from support.upstream import Visit, upstream
from support.web import Site


async def test_path_with_a_fragment_is_refused_and_leaves_no_prefix(serve: Any) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"up": f"{up.url}/prefix/v1"})
        for rest in "/..#x", "/a/..#", "/a?x=1#y", "/#":
            answer = await site.request("GET", f"proxy/up{rest}")
            assert (answer.status, answer.json["reason"]) == (400, "invalid_path"), rest
            assert "%23" in answer.json["message"]
        assert up.connections == 0


@pytest.mark.parametrize("gap", [" ", "\t", "  ", " \t"])
async def test_short_token_behind_any_white_space_stays_here(serve: Any, gap: str) -> None:
    async with upstream() as up:
        site = await serve({"IdentityProvider": {"token": "abc"}}, upstreams={"llm": up.url})
        me = Site(site.port, site.base_url, {"Authorization": f"token{gap}abc"}, open=site.open)
        assert (await me.request("GET", "proxy/llm/a", headers={"X-Login": f"x{gap}abc"})).status == 200
        assert not {"authorization", "x-login"} & set(up.visits[0].headers)


async def login_cookie(site: Site) -> str:
    return (await site.request("GET", "v1/info")).headers["set-cookie"].split(";")[0]


async def test_get_by_cookie_must_show_its_site_where_browsers_send_no_sec_fetch_site(serve: Any) -> None:
    async with upstream() as up:
        config = {"ServerApp": {"allow_remote_access": True, "jpserver_extensions": {"jupyter_logstream": True}}}
        site = await serve({**config, "IdentityProvider": {"cookie_name": "login"}}, upstreams={"llm": up.url})
        host = f"notebooks.example:{site.port}"
        token = site.headers["Authorization"]
        me = site.with_headers(Cookie=await login_cookie(site), Host=host)
        for headers, status in [
            ({}, 403), ({"Accept": "image/*"}, 403), ({"Referer": "http://evil.example/"}, 403),
            ({"Referer": f"http://{host}/lab"}, 200), ({"Sec-Fetch-Site": "same-origin"}, 200),
            ({"Origin": f"http://{host}"}, 200), ({"Authorization": token}, 200),
            ({"Host": f"localhost:{site.port}"}, 200),
            ({"Host": f"[::1]:{site.port}"}, 200), ({"X-Scheme": "https"}, 403),
        ]:  # fmt: skip
            before = up.connections
            answer = await me.request("GET", "proxy/llm/a", headers=headers)
            assert answer.status == status, (headers, answer.body)
            assert (up.connections > before or len(up.visits) > before) or status == 403
        assert (await me.request("GET", "v1/info")).status == 200  # a GET of ours has no effect


async def test_response_of_an_upstream_carries_no_login_cookie(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.answer(b"x", headers="Cache-Control: public, max-age=60\r\nSet-Cookie: a=b\r\nVary: Accept\r\n")

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        answer = await site.request("GET", "proxy/llm/a")
        assert "set-cookie" not in answer.headers
        assert answer.headers["cache-control"] == "max-age=60, private"
        assert answer.headers["vary"] == "Accept, Cookie, Authorization"


async def test_errors_are_not_stored_by_caches(serve: Any) -> None:
    site = await serve()
    for path in "v1/workloads/none", "proxy/none/a", "v1/workloads?limit=x":
        assert (await site.request("GET", path)).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("allow_origin", ["", "http://front.example"])
async def test_options_needs_a_login_unless_it_is_a_preflight_of_an_allowed_origin(
    serve: Any, allow_origin: str
) -> None:
    config = {"allow_origin": allow_origin, "jpserver_extensions": {"jupyter_logstream": True}}
    site = await serve({"ServerApp": config}, upstreams={"llm": "http://127.0.0.1:1"})
    anonymous = site.with_headers()
    preflight = {"Origin": "http://front.example", "Access-Control-Request-Method": "POST"}
    for path in sorted({path.replace("ID", "x") for path, _ in table() if not path.startswith("proxy")}):
        for headers in {}, {"Authorization": "token wrong"}, {"Access-Control-Request-Method": "GET"}:
            answer = await anonymous.request("OPTIONS", path, headers=headers)
            assert (answer.status, set(answer.json)) == (403, {"message", "reason"}), (path, headers)
        answer = await anonymous.request("OPTIONS", path, headers=preflight)
        assert answer.status == (200 if allow_origin else 403), path
        foreign = {**preflight, "Origin": "http://evil.example"}
        assert (await anonymous.request("OPTIONS", path, headers=foreign)).status == 403
        assert (await site.request("OPTIONS", path)).status == 200
    assert (await anonymous.request("OPTIONS", "proxy/llm/a")).status == 403


async def test_second_request_on_a_callers_connection_is_authorized_on_its_own(serve: Any) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"llm": up.url})
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        for name, more in ("a", f"Authorization: {site.headers['Authorization']}"), ("b", "Connection: close"):
            target = f"{site.base_url}logstream/proxy/llm/{name}"
            writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n{more}\r\n\r\n".encode())
        data = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        assert (data.count(b"HTTP/1.1 200"), data.count(b"HTTP/1.1 403")) == (1, 1)
        assert [visit.target for visit in up.visits] == ["/a"]
