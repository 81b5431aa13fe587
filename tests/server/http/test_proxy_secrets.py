"""Proxy security: no secret of Jupyter leaves, no response acts on the notebook's origin, no path escapes."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from support.proxy_calls import row
from support.upstream import Visit, upstream
from support.web import Site

COOKIE = "2|1:0|10:1763600000|a-login-cookie-of-the-tests|0123456789abcdef"
XSRF = "2|an-xsrf-token|0123456789abcdef|1763600000"


async def test_token_cookie_and_secret_never_reach_the_upstream(serve: Any) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"llm": up.url})
        token, secret = site.headers["Authorization"].split()[1], site.services.secret
        canaries = [token, secret, COOKIE, XSRF]
        for canary in canaries:
            for name in ["Authorization", "x-api-key", "X-Other", "Referer", "Proxy-Authorization", "X-Forwarded-For",
                         "Accept", "User-Agent", "Origin-Of", "X-XSRFToken", "Sec-WebSocket-Protocol"]:  # fmt: skip
                for form in "{}", "Bearer {}", "token {}", "http://h/?token={}&x=1", "prefix-{}-suffix":
                    if name == "Authorization" and canary in {COOKIE, XSRF}:
                        continue  # it is the caller's login here
                    mine = {"Cookie": f"username-x={COOKIE}; _xsrf={XSRF}; other=1", name: form.format(canary)}
                    login = "" if name == "Authorization" else f"?token={token}"
                    query = f"{login}{'&' if login else '?'}_xsrf={XSRF}&x={quote(canary)}&%74oken={token}&y=1"
                    answer = await site.with_headers(**{"X-XSRFToken": XSRF}).request(
                        "POST", f"proxy/llm/a{query}", b"", mine
                    )
                    assert answer.status in {200, 403}, (name, form, answer.body)
        assert len(up.visits) > 100
        for canary in canaries:
            for form in {canary, quote(canary), quote(canary, safe="")}:
                assert form.encode() not in up.seen
        for name in b"cookie:", b"xsrf", b"token=":
            assert name not in up.seen.lower()
        assert all("y=1" in visit.target for visit in up.visits)


async def test_short_token_does_not_remove_values_that_contain_it(serve: Any) -> None:
    async with upstream() as up:
        site = await serve({"IdentityProvider": {"token": "abc"}}, upstreams={"llm": up.url})
        me = Site(site.port, site.base_url, {"Authorization": "token abc"}, open=site.open)
        assert (await me.request("GET", "proxy/llm/abcd?x=xabcx", headers={"X-Mine": "abcd"})).status == 200
        assert up.visits[0].target == "/abcd?x=xabcx"
        assert up.visits[0].headers["x-mine"] == "abcd"
        assert "authorization" not in up.visits[0].headers


async def test_vendor_key_is_forwarded_unless_one_is_configured(serve: Any) -> None:
    async with upstream() as up:
        site = await serve(
            upstreams={"open": up.url, "keyed": {"url": up.url, "headers": {"authorization": "Bearer configured"}}}
        )
        token = site.headers["Authorization"].split()[1]
        kernel = site.with_headers(x_api_key=site.services.secret)
        for me, query in (site.with_headers(), f"?token={token}"), (kernel, ""):
            for name in "open", "keyed":
                answer = await me.request("POST", f"proxy/{name}/a{query}", b"", {"Authorization": "Bearer sk-mine"})
                assert answer.status == 200
                wanted = "Bearer sk-mine" if name == "open" else "Bearer configured"
                assert up.visits[-1].headers["authorization"] == wanted
                assert "x-api-key" not in up.visits[-1].headers
        both = site.with_headers(Authorization=f"Bearer {site.services.secret}")
        assert (await both.request("GET", "proxy/open/a", headers={"x-api-key": "sk-mine"})).status == 200
        assert up.visits[-1].headers["x-api-key"] == "sk-mine"
        assert "authorization" not in up.visits[-1].headers


async def test_kernel_can_use_an_upstream_unless_configured_otherwise(serve: Any) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"yes": up.url, "no": {"url": up.url, "kernel": False}})
        secret = site.services.secret
        for me in [
            site.with_headers(Authorization=f"Bearer {secret}"),
            site.with_headers(x_api_key=secret), site.with_headers(api_key=secret),
            site.with_headers(Authorization=f"Bearer {secret}.eyJzZXNzaW9uIjoibmIifQ"),
        ]:  # fmt: skip
            assert (await me.request("POST", "proxy/yes/a", b"x")).status == 200
            refused = await me.request("POST", "proxy/no/a", b"x")
            assert (refused.status, refused.json["reason"]) == (403, "kernel_refused")
        assert (await row(site))["session"] == "nb"
        assert (await site.request("GET", "proxy/no/a")).status == 200
        for wrong in secret[:-1], f"{secret}x", f"x.{secret}", "":
            assert (await site.with_headers(x_api_key=wrong).request("GET", "proxy/yes/a")).status == 403
        assert (await site.with_headers(x_api_key=secret).request("GET", "v1/info")).status == 403  # on the proxy only


async def test_without_login_nothing_reaches_the_upstream(serve: Any) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"llm": up.url})
        socket = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        for method in "GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD":
            for headers in {}, socket, {"Authorization": "Bearer sk-x"}, {"X-Forwarded-User": "admin"}:
                answer = await site.with_headers().request(method, "proxy/llm/a", b"x" * 1000, headers)
                assert answer.status == 403
                if method != "HEAD":
                    assert set(answer.json) == {"message", "reason"}
        assert up.connections == 0


async def test_page_of_another_site_cannot_use_the_proxy(serve: Any) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"llm": up.url})
        login = (await site.request("GET", "v1/info")).headers["set-cookie"].split(";")[0]
        me = site.with_headers(Cookie=login)
        assert (await me.request("GET", "proxy/llm/a")).status == 200
        for headers in [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Referer": "http://evil.example/"},
                        {"Sec-Fetch-Site": "cross-site"}]:  # fmt: skip
            for more in {}, {"Upgrade": "websocket", "Connection": "Upgrade"}:
                assert (await me.request("GET", "proxy/llm/a", headers={**headers, **more})).status in {403, 404}
        assert (await me.request("POST", "proxy/llm/a", b"x")).status == 403  # no XSRF token
        assert up.connections == 1


@pytest.mark.parametrize("name", ["other", "LLM", "llm%2f", "localhost@10.0.0.1", "u:p@h", "h:1@e", "127.0.0.1",
    "127.1",
                                  "2130706433", "0x7f.1", "[::1]", "169.254.169.254", "http:", "", "%00", "llm%20",
                                  "127.0.0.1:PORT", "localhost:PORT", "a%0d%0ab"])  # fmt: skip
async def test_only_configured_upstreams_are_reachable(serve: Any, name: str) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"llm": up.url})
        where = name.replace("PORT", str(up.port))
        for path in f"proxy/{where}/a", f"proxy/{where}//e/b", f"proxy/{where}":
            answer = await site.request("GET", path)
            assert answer.status == 404, (path, answer.status)
        assert up.connections == 0


async def test_absolute_url_as_target_is_not_forwarded(serve: Any) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"llm": up.url})
        for target in f"{up.url}/a", f"http://127.0.0.1:{site.port}{site.base_url}logstream/proxy/llm/a":
            stream = await site.with_headers(**site.headers).stream("/", headers={"X": "y"})
            stream.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            login = f"Authorization: {site.headers['Authorization']}"
            writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n{login}\r\n\r\n".encode())
            assert b" 404 " in await reader.readuntil(b"\r\n")
            writer.close()
        assert up.connections == 0


@pytest.mark.parametrize("rest", ["../x", "a/../../x", "%2e%2e/x", "a/%2e%2e/x", "..;/x", "a/..;v=1/x", "..%2fx",
    "%2e%2e%2fx",
                                  "a%5c..%5cx", "%252e%252e/x", "a/%2E./x", "..", "a\\..\\x", "x%00y",
                                      "x%0d%0aHost:e"])  # fmt: skip
async def test_path_with_parent_segments_is_refused(serve: Any, rest: str) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"llm": f"{up.url}/prefix"})
        answer = await site.request("GET", f"proxy/llm/{rest}")
        assert (answer.status, answer.json["reason"]) == (400, "invalid_path")
        assert up.connections == 0


@pytest.mark.parametrize("rest", ["", "/", "/a//b", "//host/a", "/a%2fb", "/a%20b;c=d,e", "/...", "/a..b/..c",
    "/%E2%82%AC",
                                  "/a?x=..", "/a?x=1&x=2&&y", "/a?%", "/a:b@c", "/%ff"])  # fmt: skip
async def test_every_other_path_is_forwarded_unchanged_behind_the_prefix(serve: Any, rest: str) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"llm": f"{up.url}/prefix"})
        assert (await site.request("GET", f"proxy/llm{rest}")).status == 200
        assert up.visits[0].target == f"/prefix{rest}"


async def test_hop_by_hop_headers_are_dropped_both_ways(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.answer(b"ok", headers="Connection: X-Mine, close\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nTE: x\r\n"
                                          "Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-Other: 2\r\n")  # fmt: skip

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        headers = {"CONNECTION": "keep-alive, X-Foo", "X-Foo": "1", "KEEP-ALIVE": "1", "tE": "trailers", "Trailer": "x",
                   "Upgrade": "h2c", "Proxy-Connection": "x", "X-Bar": "2", "Forwarded": "for=1", "X-Real-IP": "1",
                   "X-Logstream-Session": "s"}  # fmt: skip
        answer = await site.request("GET", "proxy/llm/a", headers=headers)
        sent = up.visits[0].headers
        assert sent["x-bar"] == "2"
        for name in "x-foo", "keep-alive", "te", "trailer", "upgrade", "proxy-connection", "connection", "forwarded":
            assert name not in sent
        assert not {"x-real-ip", "x-logstream-session"} & set(sent)
        assert answer.headers["x-other"] == "2"
        for name in "x-mine", "keep-alive", "te", "proxy-authenticate", "upgrade":
            assert name not in answer.headers


async def test_response_sets_nothing_on_the_notebooks_origin(serve: Any) -> None:
    async def script(visit: Visit) -> None:
        bad = {"Set-Cookie": "username-x=evil; Path=/", "Access-Control-Allow-Origin": "*", "Clear-Site-Data": '"*"',
               "Content-Security-Policy": "default-src *", "Service-Worker-Allowed": "/", "Refresh": "0;url=http://e/",
               "Strict-Transport-Security": "max-age=1", "Alt-Svc": "h3=':1'", "WWW-Authenticate": "Basic realm=x",
               "X-Accel-Redirect": "/secret", "Access-Control-Allow-Credentials": "true", "NEL": "{}",
               "X-Content-Type-Options": "sniff", "Location": "http://evil.example/"}  # fmt: skip
        lines = "".join(f"{name}: {value}\r\n" for name, value in bad.items())
        await visit.answer(b"<script>alert(1)</script>", "401 No", f"Content-Type: text/html\r\n{lines}")

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": up.url})
        answer = await site.with_headers(x_api_key=site.services.secret).request("GET", "proxy/llm/a")
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "*" not in answer.headers.get("access-control-allow-origin", "")
        for name in ["set-cookie", "clear-site-data", "service-worker-allowed", "refresh", "strict-transport-security",
                     "alt-svc", "www-authenticate", "x-accel-redirect", "access-control-allow-credentials", "nel",
                     "location"]:  # fmt: skip
            assert name not in answer.headers, name
        for kind in "script", "worker", "serviceworker", "style", "iframe", "object":
            refused = await site.request("GET", "proxy/llm/a", headers={"Sec-Fetch-Dest": kind})
            assert (refused.status, refused.json["reason"]) == (403, "not_a_script")


async def test_redirect_is_not_followed_and_stays_within_the_upstream(serve: Any) -> None:
    async with upstream() as evil:
        locations: dict[str, str | None] = {
            f"{evil.url}/": None, "//evil/x": None, "http://evil@127.0.0.1/": None, "javascript:alert(1)": None,
            "/other/x": None, "/prefixed": None, "/prefix/../x": None, "/prefix/%2e%2e/x": None, "https:///x": None,
            "/prefix/x?y=1#z": "/x?y=1#z", "b": "/b", "UP/prefix/x": "/x", "/prefix": "",
        }  # fmt: skip
        for location, inside in locations.items():

            async def script(visit: Visit, where: str = location) -> None:
                where = where.replace("UP", f"http://127.0.0.1:{up.port}")
                await visit.answer(b"", "302 Found", f"Location: {where}\r\n")

            async with upstream(script) as up:
                site = await serve(upstreams={"llm": {"url": f"{up.url}/prefix", "headers": {"X-Key": "a-secret-key"}}})
                answer = await site.request("GET", "proxy/llm/a")
                assert answer.status == 302
                wanted = None if inside is None else f"{site.base_url}logstream/proxy/llm{inside}"
                assert answer.headers.get("location") == wanted, location
                assert len(up.visits) == 1
                await site.stop()
        assert evil.connections == 0


async def test_body_and_override_headers_never_change_the_target(serve: Any) -> None:
    async with upstream() as evil, upstream() as up:
        site = await serve(upstreams={"llm": up.url})
        body = {"api_base": evil.url, "base_url": evil.url, "api_key": "x", "model": f"{evil.url}/v1", "stream": False}
        headers = {"Host": f"127.0.0.1:{site.port}", "X-Forwarded-Host": f"127.0.0.1:{evil.port}",
            "X-Original-URL": "/e",
                   "X-HTTP-Method-Override": "DELETE", "Content-Type": "application/json"}  # fmt: skip
        for _ in range(2):
            await site.request("POST", "proxy/llm/v1/chat/completions", json.dumps(body).encode(), headers)
        assert (len(up.visits), evil.connections) == (2, 0)
        assert up.visits[0].line == "POST /v1/chat/completions HTTP/1.1"


@pytest.mark.parametrize("framing", ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Content-Length: +4",
                                     "Content-Length: -1", "Content-Length: 4, 5", "Transfer-Encoding: xchunked",
                                     "Transfer-Encoding: gzip, chunked",
                                         "Content-Length: 4\r\nContent-Length: 5"])  # fmt: skip
async def test_request_with_two_lengths_is_refused(serve: Any, framing: str) -> None:
    async with upstream() as up:
        site = await serve(upstreams={"llm": up.url})
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        head = f"POST {site.base_url}logstream/proxy/llm/a HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n"
        writer.write(
            f"{head}Authorization: {site.headers['Authorization']}\r\n{framing}\r\n\r\n0\r\n\r\nGET /x".encode()
        )
        assert b" 400 " in await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
        writer.close()
        assert up.connections == 0


async def test_servers_own_logs_contain_no_secret(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def script(visit: Visit) -> None:
        await visit.answer(b'{"error": {"message": "Incorrect key sk-a-vendors-key-of-the-tests"}}', "500 Oops")

    async with upstream(script) as up:
        site = await serve(upstreams={"llm": {"url": up.url, "headers": {"X-Key": "the-configured-key"}}})
        caplog.clear()
        caplog.set_level("DEBUG")
        me = site.with_headers(x_api_key=site.services.secret, Authorization="Bearer sk-a-vendors-key-of-the-tests")
        for path in "proxy/llm/a?key=sk-a-vendors-key-of-the-tests", "proxy/none/a", "proxy/llm/../a":
            await me.request("POST", path, b"{}")
        for canary in site.services.secret, "sk-a-vendors-key", "the-configured-key":
            assert canary not in caplog.text
