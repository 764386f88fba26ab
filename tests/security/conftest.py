"""The whole bot, as in ``tests/e2e``, beside somebody else's server that answers as attackers would have it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from flows.testing import FakeClock
from integrations.sandbox import Sandbox
from tests.e2e.conftest import clock, serve

__all__ = ["clock", "sandbox", "serve"]


async def _say(request: web.Request) -> web.Response:
    return web.Response(text=request.query["body"], content_type="application/json")


async def _nested(request: web.Request) -> web.Response:
    levels = int(request.query["levels"])
    return web.Response(text="[" * levels + "]" * levels, content_type="application/json")


async def _echo(request: web.Request) -> web.Response:
    number = int(request.query["pin"])
    return web.json_response({"headers": dict(request.headers), "address": str(request.rel_url), "pin": number})


async def _refuse(_request: web.Request) -> web.Response:
    return web.Response(status=400)


async def _away(request: web.Request) -> web.Response:
    raise web.HTTPTemporaryRedirect(request.query["to"])


@pytest.fixture
async def sandbox(clock: FakeClock) -> AsyncIterator[Sandbox]:
    made = Sandbox.with_people(clock=clock)
    made.routes += [
        web.get("/say", _say),
        web.get("/nested", _nested),
        web.get("/echo", _echo),
        web.get("/refuse/{path:.*}", _refuse),
        web.post("/away", _away),
    ]
    async with made:
        yield made
