"""Rules of the proxy for paths and headers, as pure functions: whole kinds of input, not examples."""

from __future__ import annotations

import pytest

from jupyter_logstream.server.proxy.rules import (
    BadPath,
    allowed_query,
    contains_secret,
    credential_of,
    request_headers,
    response_headers,
    target,
)
from jupyter_logstream.server.proxy.upstreams import check_upstream

UP = check_upstream(
    "up",
    {"url": "http://h/prefix/v1", "headers": {"X-User": "alice", "Authorization": "Bearer key", "X.Team": "a"}},
)


@pytest.mark.parametrize(
    "path",
    [
        "/..#x", "/a/..#", "/a#b", "/#", "/..;#x", "/..%23x", "/a/..%3fx", "/..%253Fx", "/..;a=1%23", "/..%20",
        "/%2e%2e%23", "/a/%252e%252e%2523x", "/..\\", "/..%5c", "/..%2f..#x",
    ],
)  # fmt: skip
def test_path_that_an_upstream_could_read_as_its_parent_is_refused(path: str) -> None:
    with pytest.raises(BadPath):
        target(UP, path, "", ())


def test_fragment_in_the_query_is_refused_and_not_cut_off() -> None:
    with pytest.raises(BadPath):
        target(UP, "/a", "x=1#y", ())
    assert target(UP, "/a%23b", "x=1%23y", ()) == "/prefix/v1/a%23b?x=1%23y"


@pytest.mark.parametrize(
    "name", ["X_User", "x_user", "X-USER", "X.User", "x~user", "AUTHORIZATION", "X_Team", "X-Team"]
)
def test_configured_header_replaces_every_spelling_that_an_upstream_reads_as_the_same(name: str) -> None:
    sent = request_headers([(name, "root"), ("X-Users", "1"), ("X_Mine", "2")], UP, ())
    assert "root" not in [value for _, value in sent]
    assert {("X-User", "alice"), ("X-Users", "1"), ("X_Mine", "2")} <= set(sent)


@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-For", "X_Forwarded_For", "X_Real_IP", "X-Original-URL", "X_Original_URL", "X-Rewrite-URL",
        "X-HTTP-Method-Override", "X_HTTP_Method_Override", "X-HTTP-Method", "X-Method-Override", "Proxy", "Forwarded",
        "X-Original-Host", "Content_Length", "Transfer_Encoding", "HTTP2-Settings", "X_XSRFToken", "Sec_Fetch_Site",
        "True-Client-IP", "Client_IP", "X-Logstream-Session", "Cookie",
    ],
)  # fmt: skip
def test_header_that_changes_address_method_or_client_does_not_go_out(name: str) -> None:
    assert "evil" not in [value for _, value in request_headers([(name, "evil")], UP, ())]


@pytest.mark.parametrize(
    "value",
    [
        "Basic realm=x", 'Foo realm="a", Basic realm="Jupyter"', "Foo,basic", "Bearer, NTLM", "Negotiate", "x;digest",
        'Bearer realm="a",\tBASIC realm="b"', "Foo Basic",
    ],
)  # fmt: skip
def test_login_dialog_is_dropped_wherever_its_scheme_is(value: str) -> None:
    names = [name for name, _ in response_headers([("WWW-Authenticate", value)], UP, "/here", "/prefix/v1/a")]
    assert "WWW-Authenticate" not in names


@pytest.mark.parametrize("value", ['Bearer realm="api"', "Basically x", "DPoP algs=ES256", "Non-Basic x"])
def test_other_challenges_reach_the_caller(value: str) -> None:
    assert ("WWW-Authenticate", value) in response_headers([("WWW-Authenticate", value)], UP, "/here", "/prefix/v1/a")


@pytest.mark.parametrize(
    ("given", "control"),
    [
        (["public, max-age=60"], "max-age=60, private"),
        (["PUBLIC", "S-MaxAge=9, max-age=1"], "max-age=1, private"),
        (['private="Set-Cookie", max-age=5'], "max-age=5, private"),
        (['no-cache="a, public", public'], 'no-cache="a, public", private'),
        (["s-maxage = 5"], "private"),
        (["no-store"], "no-store"),
        (["no-cache, proxy-revalidate"], "no-cache, private"),
        ([], "private"),
        ([""], "private"),
    ],
)
def test_shared_caches_store_no_response(given: list[str], control: str) -> None:
    headers = response_headers([("Cache-Control", value) for value in given], UP, "/here", "/prefix/v1/a")
    assert [value for name, value in headers if name == "Cache-Control"] == [control]
    assert [value for name, value in headers if name == "Vary"] == ["Cookie, Authorization"]


def test_vary_keeps_the_upstreams_names() -> None:
    for given, wanted in (
        (["Accept"], "Accept, Cookie, Authorization"),
        (["*"], "*"),
        (["cookie", "A"], "cookie, A, Authorization"),
    ):
        headers = response_headers([("Vary", value) for value in given], UP, "/here", "/prefix/v1/a")
        assert [value for name, value in headers if name == "Vary"] == [wanted]


@pytest.mark.parametrize(
    "name",
    [
        "Secure-Session-Registration", "Sec-Session-Registration", "Sec-Secure-Session-Id", "Origin-Trial",
        "Shared-Storage-Write", "Authorization", "CDN-Cache-Control", "Cloudflare-CDN-Cache-Control",
        "Surrogate-Control", "Cross-Origin-Opener-Policy-Report-Only", "Content-Security-Policy-Report-Only",
        "Permissions-Policy-Report-Only", "Document-Policy", "Integrity-Policy", "Ad-Auction-Signals",
        "IdP-SignIn-Status", "X-Accel-Redirect", "X-Lighttpd-Send-File", "X-Reproxy-URL", "Accept-CH-Lifetime",
        "Service-Worker-Allowed", "Sec-WebSocket-Accept", "Set-Cookie", "Refresh", "Clear-Site-Data",
    ],
)  # fmt: skip
def test_header_that_acts_on_the_origin_or_on_a_server_in_front_does_not_come_back(name: str) -> None:
    assert "evil" not in [v for _, v in response_headers([(name, "evil")], UP, "/here", "/prefix/v1/a")]


@pytest.mark.parametrize("gap", [" ", "   ", "\t", " \t ", "\xa0", "\x85"])
def test_short_credential_is_found_behind_any_white_space(gap: str) -> None:
    assert credential_of(f"token{gap}abc") == "abc"
    assert contains_secret(f"token{gap}abc", ["abc"])
    assert contains_secret(f"Bearer{gap}abc ", ["abc"])
    assert ("Authorization", f"token{gap}abc") not in request_headers(
        [("Authorization", f"token{gap}abc")], UP, ["abc"]
    )


def test_short_secret_is_no_part_of_other_values() -> None:
    assert not contains_secret("xabcx", ["abc"])
    assert not contains_secret("", ["abc"])
    assert allowed_query("a=xabcx&b=abc", ["abc"]) == "a=xabcx"
