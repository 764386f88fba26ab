"""http.request through a connection: its base and its headers go together, and nowhere else."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from flows.errors import ActionError
from flows.ports import ActionCall
from integrations.http.request import Base, HttpRequest, HttpRequestParams

CALL = ActionCall(key="run_1/book/1/effect")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Seen:
    """A server on loopback that remembers what it was asked."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.requests: list[tuple[str, str | None]] = []
        self.origin = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append((request.path_qs, request.headers.get("X-Key")))
        return await self._handler(request)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Seen]:
    seen = Seen(handler)
    runner = web.ServerRunner(web.Server(seen.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    seen.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield seen
    finally:
        await runner.cleanup()


async def ok(_request: web.BaseRequest) -> web.Response:
    return web.json_response({"ok": True})


async def ask(base: Base | None, **values: Any) -> Any:
    request = HttpRequest(base=base, allowed_hosts=frozenset({"127.0.0.1"}))
    try:
        return await request.perform(CALL, HttpRequestParams.model_validate(values))
    finally:
        await request.close()


@pytest.mark.parametrize("base", ["/v1", "/v1/"])
@pytest.mark.parametrize("url", ["/orders?open=1", "{origin}/v1/orders?open=1"])
async def test_a_step_names_a_path_or_the_whole_address_and_the_headers_go_with_it(base: str, url: str) -> None:
    async with serving(ok) as server:
        output = await ask(
            Base(f"{server.origin}{base}", {"X-Key": "s3cret"}),
            url=url.format(origin=server.origin),
            headers={"x-key": "the flow's own"},
        )

    assert output["status"] == 200
    assert server.requests == [("/v1/orders?open=1", "s3cret")]


@pytest.mark.parametrize(
    "url",
    [
        "{other}/v1/orders",
        "{origin}/v2/orders",
        "{origin}/v1x",
        "/../v2/orders",
        "/orders/%2e%2e/%2e%2e/v2",
        "/orders/../../v2",
        "https://127.0.0.1/v1/orders",
    ],
)
async def test_an_address_beside_the_base_is_refused_before_anything_is_sent(url: str) -> None:
    async with serving(ok) as server, serving(ok) as other:
        base = Base(f"{server.origin}/v1", {"X-Key": "s3cret"})
        with pytest.raises(ActionError, match="does not belong to the connection") as caught:
            await ask(base, url=url.format(origin=server.origin, other=other.origin))

    assert not caught.value.retryable
    assert "s3cret" not in str(caught.value) + repr(base)
    assert server.requests == other.requests == []


async def test_a_redirect_to_another_place_leaves_the_headers_behind() -> None:
    async with serving(ok) as other:

        async def moved(_request: web.BaseRequest) -> web.Response:
            return web.Response(status=302, headers={"Location": f"{other.origin}/elsewhere"})

        async with serving(moved) as server:
            await ask(Base(server.origin, {"X-Key": "s3cret"}), url="/orders")

    assert server.requests == [("/orders", "s3cret")]
    assert other.requests == [("/elsewhere", None)]


async def test_a_path_alone_needs_a_connection() -> None:
    with pytest.raises(ActionError, match="name a connection that has a base"):
        await ask(None, url="/orders")
