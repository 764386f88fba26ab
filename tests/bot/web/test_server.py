from __future__ import annotations

import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from flows.errors import TryAgain


async def fails(request: web.Request) -> web.Response:
    raise RuntimeError("hunter2")


async def asks_slack(request: web.Request) -> web.Response:
    raise TryAgain("Slack does not answer right now.")


async def echoes(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


@pytest.fixture
def routes():
    return [
        web.get("/boom/{secret}", fails),
        web.get("/api/boom", fails),
        web.get("/slow", asks_slack),
        web.post("/slack/events", echoes),
    ]


async def test_a_fault_of_ours_is_logged_without_the_address_and_not_told(world, routes, caplog):
    async with TestClient(TestServer(world.app(routes=routes))) as client:
        with caplog.at_level(logging.ERROR):
            async with client.get("/boom/sgn_secret") as page, client.get("/api/boom") as problem:
                shown, told = await page.text(), await problem.json(content_type=None)

    assert (page.status, problem.status) == (500, 500)
    assert told["type"] == "urn:signoff:problem:fault"
    assert "hunter2" not in shown + str(told)
    assert "GET /boom/{secret} failed" in caplog.messages
    assert "sgn_secret" not in caplog.text


async def test_R17_who_has_to_be_asked_and_does_not_answer_is_503_with_when_to_come_back(world, routes):
    async with TestClient(TestServer(world.app(routes=routes))) as client, client.get("/slow") as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "5"
        assert "Slack does not answer right now." in await response.text()


async def test_what_is_mounted_besides_is_served_as_it_is(world, routes):
    server = TestServer(world.app(routes=routes))

    async with TestClient(server) as client, client.post("/slack/events", data=b"payload") as response:
        assert (response.status, await response.read()) == (200, b"payload")


async def test_behind_a_proxy_with_a_path_of_its_own_everything_leads_there(world):
    run = await world.start()
    link = await world.link(run)

    async with TestClient(TestServer(world.app("https://example.com/signoff"))) as client, client.get(link) as response:
        html, cookie = await response.text(), response.cookies["signoff_page"]

    assert f'action="/signoff{link}"' in html
    assert 'href="/signoff/static/signoff.css"' in html
    assert (cookie["path"], cookie["secure"]) == (f"/signoff{link}", True)
