"""http.request over real sockets: aiohttp servers on loopback."""

import asyncio
import datetime as dt
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from flows.errors import ActionError, ConfigError
from flows.ports import ActionCall
from integrations.http.request import HttpRequest, HttpRequestParams

CALL = ActionCall(key="run_1/book/1/effect")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Seen:
    """A server on loopback that remembers what it was asked."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.port = 0

    def url(self, path: str = "/", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.method, request.path_qs, headers, await request.read()))
        return await self._handler(request)


@asynccontextmanager
async def serving(handler: Handler, ssl_context: ssl.SSLContext | None = None) -> AsyncIterator[Seen]:
    seen = Seen(handler)
    runner = web.ServerRunner(web.Server(seen.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    assert runner.addresses
    seen.port = runner.addresses[0][1]
    try:
        yield seen
    finally:
        await runner.cleanup()


@asynccontextmanager
async def action(**settings: Any) -> AsyncIterator[HttpRequest]:
    request = HttpRequest(**({"allow_private": True} | settings))
    try:
        yield request
    finally:
        await request.close()


def params(**values: Any) -> HttpRequestParams:
    return HttpRequestParams.model_validate(values)


async def ask(**values: Any) -> Any:
    async with action() as request:
        return await request.perform(CALL, params(**values))


async def failing(**values: Any) -> ActionError:
    with pytest.raises(ActionError) as caught:
        await ask(**values)
    return caught.value


async def ok(_request: web.BaseRequest) -> web.Response:
    return web.json_response({"ok": True})


def answering(status: int, **headers: str) -> Handler:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


class Names(AbstractResolver):
    """A directory of names whose answers are scripted, one list of addresses per lookup; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.lookups: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.lookups.append(host)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=text,
                port=port,
                family=socket.AF_INET6 if ip_address(text).version == 6 else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for text in answer
        ]

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_get_returns_status_headers_and_parsed_json() -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        response = web.json_response({"id": 7}, headers={"X-Count": "1", "X-Auth-Token": "t0p"})
        response.set_cookie("session", "s3cret")
        return response

    async with serving(answer) as server:
        output = await ask(url=server.url("/things"), query={"a": [1, 2], "b": True, "c": None})

    assert output["status"] == 200
    assert output["body"] == {"id": 7}
    assert output["headers"]["x-count"] == "1"
    assert output["headers"]["set-cookie"] == "***"
    assert output["headers"]["x-auth-token"] == "***"
    assert server.requests[0][:2] == ("GET", "/things?a=1&a=2&b=true")


@pytest.mark.parametrize(
    ("values", "content_type", "sent"),
    [
        ({"json": {"a": None}}, "application/json", b'{"a": null}'),
        ({"json": None}, "application/json", b"null"),
        ({"form": {"a": "b c", "d": [1, 2]}}, "application/x-www-form-urlencoded", b"a=b+c&d=1&d=2"),
        ({"body": "plain"}, "text/plain; charset=utf-8", b"plain"),
    ],
)
async def test_a_body_is_sent_as_json_form_or_text(values: dict[str, Any], content_type: str, sent: bytes) -> None:
    async with serving(ok) as server:
        await ask(method="post", url=server.url(), **values)

    _, _, headers, body = server.requests[0]
    assert (headers["content-type"], body) == (content_type, sent)


@pytest.mark.parametrize(
    ("content_type", "raw", "body"),
    [
        ("text/plain; charset=iso-8859-1", b"\xe9", "é"),
        ("text/plain; charset=idna", b"ab", "ab"),
        ("text/plain; charset=nonsense", b"ab", "ab"),
        ("application/problem+json", b'{"a": 1}', {"a": 1}),
        ("application/json", b"", None),
        ("application/json", b"{broken", "{broken"),
        ("application/json", b"[NaN]", "[NaN]"),
        ("application/json", b'"\\ud800"', '"\\ud800"'),
        ("application/json", b"[" * 100_000, "[" * 100_000),
    ],
)
async def test_an_answer_is_json_where_it_is_json_and_text_otherwise(content_type: str, raw: bytes, body: Any) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=raw, headers={"Content-Type": content_type})

    async with serving(answer) as server:
        output = await ask(url=server.url())

    assert output["body"] == body


async def test_each_repeat_carries_the_same_idempotency_key_unless_the_flow_sets_its_own() -> None:
    async with serving(ok) as server:
        await ask(method="POST", url=server.url())
        await ask(method="POST", url=server.url())
        await ask(method="POST", url=server.url(), headers={"Idempotency-Key": "mine"})

    assert [headers["idempotency-key"] for _, _, headers, _ in server.requests] == [CALL.key, CALL.key, "mine"]


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (400, False),
        (401, False),
        (404, False),
        (422, False),
        (408, True),
        (425, True),
        (429, True),
        (500, True),
        (503, True),
    ],
)
async def test_the_status_says_whether_trying_again_helps(status: int, retryable: bool) -> None:
    async with serving(answering(status)) as server:
        error = await failing(method="POST", url=server.url("/book"))

    assert (error.retryable, error.uncertain) == (retryable, False)
    assert str(error) == f"POST {server.url('/book')} answered {status}."


async def test_a_server_says_when_to_come_back_in_seconds_or_by_date() -> None:
    date = "Fri, 20 Nov 2026 10:00:00 GMT"
    async with serving(answering(429, Retry_After="12")) as by_seconds:
        in_seconds = await failing(url=by_seconds.url())
    async with serving(answering(503, Date=date, Retry_After="Fri, 20 Nov 2026 10:01:30 GMT")) as by_date:
        at_date = await failing(url=by_date.url())
    async with serving(answering(503, Retry_After="soon")) as by_word:
        at_word = await failing(url=by_word.url())

    assert in_seconds.retry_after == timedelta(seconds=12)
    assert at_date.retry_after == timedelta(seconds=90)
    assert at_word.retry_after is None


async def test_exactly_the_expected_statuses_succeed() -> None:
    async with serving(answering(404)) as server:
        output = await ask(url=server.url(), expect=[200, 404])
        error = await failing(url=server.url(), expect=[200])

    assert output["status"] == 404
    assert str(error).endswith("answered 404, not 200.")


async def test_an_unexpected_success_fails_the_call_for_good() -> None:
    async with serving(ok) as server:
        error = await failing(url=server.url(), expect=[201])

    assert not error.retryable


async def test_an_answer_over_the_cap_is_refused_while_it_comes() -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 1000)
        except ConnectionError:
            return response

    async with serving(endless) as server, action(max_body=5000) as request:
        with pytest.raises(ActionError, match="more than 5000 bytes") as caught:
            await request.perform(CALL, params(url=server.url()))

    assert not caught.value.retryable


async def test_a_compressed_answer_is_measured_unpacked() -> None:
    async def bomb(_request: web.BaseRequest) -> web.Response:
        response = web.Response(body=b"0" * 100_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with serving(bomb) as server, action(max_body=5000) as request:
        with pytest.raises(ActionError, match="more than 5000 bytes"):
            await request.perform(CALL, params(url=server.url()))


async def test_nothing_listening_is_worth_another_try_and_leaves_no_doubt() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        error = await failing(method="POST", url=f"http://127.0.0.1:{port}/")

    assert (error.retryable, error.uncertain) == (True, False)


async def test_an_unknown_name_is_worth_another_try() -> None:
    class Nowhere(Names):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            raise OSError(None, "DNS lookup failed")

    async with action(resolver=Nowhere()) as request:
        with pytest.raises(ActionError, match="could not be looked up") as caught:
            await request.perform(CALL, params(method="POST", url="http://nowhere.example/"))

    assert (caught.value.retryable, caught.value.uncertain) == (True, False)


@pytest.mark.parametrize(("method", "uncertain"), [("GET", False), ("PUT", False), ("POST", True), ("PATCH", True)])
async def test_a_dropped_answer_is_uncertain_where_the_method_is_not_idempotent(method: str, uncertain: bool) -> None:
    async def drop(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with serving(drop) as server:
        error = await failing(method=method, url=server.url())

    assert (error.retryable, error.uncertain) == (True, uncertain)
    if uncertain:
        assert len(server.requests) == 1


async def test_a_late_answer_is_uncertain_after_a_post() -> None:
    forever = asyncio.Event()

    async def stall(_request: web.BaseRequest) -> web.Response:
        await forever.wait()
        return web.Response()

    async with serving(stall) as server:
        error = await failing(method="POST", url=server.url(), timeout=0.1)

    assert (error.retryable, error.uncertain) == (True, True)
    assert "within 0.1 seconds" in str(error)


async def test_S9_no_error_shows_headers_user_info_or_query() -> None:
    secrets = {"hunter2", "s3cret", "t0ken", "bob"}
    cases: list[dict[str, Any]] = [{}, {"timeout": 0.05}, {"expect": [201]}]

    async def answer(request: web.BaseRequest) -> web.Response:
        if len(server.requests) % 2:
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=403)

    async with serving(answer) as server:
        url = server.url("/a?key=s3cret#frag").replace("127", "bob:hunter2@127", 1)
        errors = [
            await failing(method=method, url=url, headers={"X-Key": "t0ken"}, **case)
            for case in cases
            for method in ("GET", "POST")
        ]
        shown = repr(params(url=url, headers={"X-Key": "t0ken"}, json={"k": "s3cret"}))

    assert all(error.__suppress_context__ or error.__context__ is None for error in errors)
    assert not any(secret in text for secret in secrets for text in [*map(str, errors), shown])


async def test_user_info_in_the_address_becomes_basic_credentials() -> None:
    async with serving(ok) as server:
        await ask(url=server.url().replace("127", "bob:p%40ss@127", 1))

    assert server.requests[0][2]["authorization"] == "Basic Ym9iOnBAc3M="


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "POST", "GET", b""),
        (302, "POST", "GET", b""),
        (303, "PUT", "GET", b""),
        (307, "POST", "POST", b"x"),
        (308, "PUT", "PUT", b"x"),
    ],
)
async def test_a_redirect_is_followed_as_browsers_do(status: int, method: str, then: str, body: bytes) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, headers={"Location": "/b"}) if request.path == "/a" else web.Response()

    async with serving(answer) as server:
        output = await ask(method=method, url=server.url("/a"), body="x", headers={"Authorization": "Bearer t"})

    assert output["status"] == 200
    assert [(seen[0], seen[1], seen[3]) for seen in server.requests] == [(method, "/a", b"x"), (then, "/b", body)]
    assert server.requests[1][2]["authorization"] == "Bearer t"


async def test_redirects_are_left_alone_where_the_flow_says_so_or_expects_them() -> None:
    async with serving(answering(302, Location="/b")) as server:
        unfollowed = await ask(url=server.url(), follow_redirects=False)
        expected = await ask(url=server.url(), expect=[302])

    assert unfollowed["status"] == expected["status"] == 302
    assert unfollowed["headers"]["location"] == "/b"


async def test_a_circle_of_redirects_ends_after_five() -> None:
    async with serving(answering(302, Location="/")) as server:
        error = await failing(url=server.url())

    assert (len(server.requests), error.retryable) == (6, False)


async def test_S8_credentials_stay_with_the_host_they_were_given_for() -> None:
    async with (
        serving(ok) as other,
        serving(answering(307, Location=other.url("/x").replace("127", "u:p@127", 1))) as server,
    ):
        await ask(
            url=server.url(),
            headers={"Authorization": "Bearer t", "Cookie": "a=b", "X-Api-Key": "k", "Accept": "text/html"},
        )

    headers = other.requests[0][2]
    assert not {"authorization", "cookie", "x-api-key"} & headers.keys()
    assert (headers["accept"], headers["idempotency-key"]) == ("text/html", CALL.key)


@pytest.mark.parametrize(("status", "method"), [(307, "POST"), (308, "PUT"), (302, "PATCH")])
async def test_S8_a_body_stays_with_the_host_it_was_given_for(status: int, method: str) -> None:
    async with serving(ok) as other, serving(answering(status, Location=other.url("/x"))) as server:
        error = await failing(method=method, url=server.url(), json={"key": "s3cret"})

    assert "must not learn the body" in str(error)
    assert (error.retryable, other.requests) == (False, [])


async def test_a_redirect_that_asks_with_get_goes_on_without_the_body() -> None:
    async with serving(ok) as other, serving(answering(303, Location=other.url("/x"))) as server:
        output = await ask(method="POST", url=server.url(), json={})

    assert output["status"] == 200
    assert [(seen[0], seen[3]) for seen in other.requests] == [("GET", b"")]


async def test_no_cookie_is_kept_between_calls() -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        response = web.Response()
        response.set_cookie("a", "b")
        return response

    async with serving(answer) as server, action(resolver=Names(["127.0.0.1"])) as request:
        for _ in range(2):
            await request.perform(CALL, params(url=server.url(host="app.example")))

    assert "cookie" not in server.requests[1][2]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1.", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "１２７.0.0.1"]
)
async def test_S8_an_address_inside_is_refused_before_anything_is_sent(host: str) -> None:
    async with serving(ok) as server, action(allow_private=False) as request:
        with pytest.raises(ActionError, match="the settings do not allow") as caught:
            await request.perform(CALL, params(url=server.url(host=host)))

    assert server.requests == []
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("host", "names"), [("localhost", None), ("inside.example", ["127.0.0.1"]), ("inside.example.", ["127.0.0.1"])]
)
async def test_S8_a_name_for_an_address_inside_is_refused(host: str, names: list[str] | None) -> None:
    resolver = Names(names) if names else None
    async with serving(ok) as server, action(allow_private=False, resolver=resolver) as request:
        with pytest.raises(ActionError, match="a loopback address"):
            await request.perform(CALL, params(url=server.url(host=host)))

    assert server.requests == []


async def test_S8_one_private_address_among_public_ones_refuses_the_name() -> None:
    names = Names(["93.184.216.34", "127.0.0.1"])
    async with serving(ok) as server, action(allow_private=False, resolver=names) as request:
        with pytest.raises(ActionError, match="a loopback address"):
            await request.perform(CALL, params(url=server.url(host="mixed.example")))

    assert server.requests == []


async def test_S8_the_address_that_was_checked_is_the_one_that_is_connected_to() -> None:
    # The second answer is never asked for: one lookup, checked, and connected to.
    names = Names(["127.0.0.1"], ["127.0.0.9"])
    async with (
        serving(ok) as server,
        action(allow_private=False, allowed_hosts=frozenset({"127.0.0.1"}), resolver=names) as request,
    ):
        output = await request.perform(CALL, params(url=server.url(host="rebind.example")))

    assert (output["status"], names.lookups) == (200, ["rebind.example"])


async def test_S8_a_name_that_changes_its_address_is_checked_again() -> None:
    names = Names(["127.0.0.1"], ["127.0.0.9"])
    async with (
        serving(ok) as server,
        action(allow_private=False, allowed_hosts=frozenset({"127.0.0.1"}), resolver=names) as request,
    ):
        await request.perform(CALL, params(url=server.url(host="rebind.example")))
        with pytest.raises(ActionError, match="a loopback address"):
            await request.perform(CALL, params(url=server.url(host="rebind.example")))

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "target", ["http://127.0.0.9:{port}/", "http://inside.example:{port}/", "http://0x7f.9:{port}/"]
)
async def test_S8_a_redirect_to_an_address_inside_is_refused(target: str) -> None:
    names = Names(["127.0.0.9"])

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": target.format(port=server.port)})

    async with (
        serving(answer) as server,
        action(allow_private=False, allowed_hosts=frozenset({"127.0.0.1"}), resolver=names) as request,
    ):
        with pytest.raises(ActionError, match="the settings do not allow"):
            await request.perform(CALL, params(url=server.url()))

    assert len(server.requests) == 1


async def test_S8_a_host_that_is_allowed_to_flows_is_not_reached_by_a_redirect_from_elsewhere() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/start":
            return web.Response(status=302, headers={"Location": server.url("/elsewhere", host="127.0.0.9")})
        return web.Response()

    async with (
        serving(answer) as server,
        action(allow_private=False, allowed_hosts=frozenset({"127.0.0.0/8"})) as request,
    ):
        direct = await request.perform(CALL, params(url=server.url("/")))
        with pytest.raises(ActionError, match="a loopback address, which the settings do not allow"):
            await request.perform(CALL, params(url=server.url("/start")))

    assert direct["status"] == 200
    assert [seen[1] for seen in server.requests] == ["/", "/start"]


async def test_S8_a_redirect_to_another_port_of_the_host_that_the_flow_named_is_followed() -> None:
    async with (
        serving(ok) as other,
        serving(answering(302, Location=other.url())) as server,
        action(allow_private=False, allowed_hosts=frozenset({"127.0.0.1"})) as request,
    ):
        output = await request.perform(CALL, params(url=server.url()))

    assert (output["status"], len(other.requests)) == (200, 1)


@pytest.mark.parametrize("target", ["ftp://files.example/", "file:///etc/passwd", "gopher://a.example/"])
async def test_S8_a_redirect_to_another_scheme_is_refused(target: str) -> None:
    async with serving(answering(302, Location=target)) as server:
        error = await failing(url=server.url())

    assert "no http or https address" in str(error)


async def test_S8_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    server_side, client_side = certificates(tmp_path)
    async with (
        serving(ok) as plain,
        serving(answering(302, Location=plain.url()), server_side) as server,
        action(ssl_context=client_side) as request,
    ):
        with pytest.raises(ActionError, match="from https to http"):
            await request.perform(CALL, params(url=server.url(scheme="https")))

    assert plain.requests == []


async def test_an_unknown_certificate_fails_for_good(tmp_path: Path) -> None:
    server_side, _ = certificates(tmp_path)
    async with serving(ok, server_side) as server:
        error = await failing(url=server.url(scheme="https"))

    assert "no valid certificate" in str(error)
    assert not error.retryable


@pytest.mark.parametrize(
    "values",
    [
        {"url": "ftp://a.example/s3cret"},
        {"url": "//no.scheme.example/s3cret"},
        {"url": "only/a/path?s3cret"},
        {"url": "http://a.example:99999/s3cret"},
        {"url": "http://a.example/", "headers": {"X-A": "s3cret\r\nX-B: 1"}},
        {"url": "http://a.example/", "headers": {"Host": "s3cret"}},
        {"url": "http://a.example/", "headers": {"X A": "s3cret"}},
        {"url": "http://a.example/", "json": None, "body": "s3cret"},
        {"url": "http://a.example/", "timeout": 301},
        {"url": "http://a.example/", "timeout": 0},
        {"url": "http://a.example/", "method": "CONNECT"},
        {"url": "http://a.example/", "jsn": "s3cret"},
    ],
)
def test_bad_values_are_refused_without_repeating_them(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        params(**values)

    assert "s3cret" not in str(caught.value)


async def test_a_value_that_json_does_not_know_is_refused() -> None:
    error = await failing(method="POST", url="http://127.0.0.1:1/", json={"a": float("nan")})

    assert (error.retryable, json.dumps(str(error)).startswith('"The body')) == (False, True)


def test_senseless_allowed_hosts_are_an_error_of_the_settings() -> None:
    with pytest.raises(ConfigError):
        HttpRequest(allowed_hosts=frozenset({"http://a.example"}))


def certificates(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for 127.0.0.1, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(pem)
    return server_side, ssl.create_default_context(cafile=str(pem))
