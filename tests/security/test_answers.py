"""What comes back from somebody else's server: it breaks no reader, and tells no secret."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.performers import Performers
from flows.functions import Functions
from flows.ports import ActionCall, Json
from flows.vault import Vault
from integrations.http.log import LogParams
from tests.e2e.conftest import KEY

LOGGING = """
flow: logging
steps:
  - {id: note, uses: log, with: {message: hello}}
  - {id: ok, approval: {ask: "Fine?", approvers: [bob@example.com]}}
"""

ASKING = """
flow: asking
inputs: [{name: url, type: string, max_length: 8000}]
steps:
  - id: call
    uses: http.request
    with: {method: GET, url: "{{ inputs.url }}"}
  - id: ok
    approval: {ask: "Fine?", approvers: [bob@example.com], show: {Answer: "{{ steps.call.output.body }}"}}
"""

REFUSED = """
flow: refused
inputs: [{name: key, type: secret}]
steps:
  - id: call
    uses: http.request
    with: {method: GET, url: "%s/refuse/{{ inputs.key }}/x"}
"""

ECHOED = """
flow: echoed
inputs: [{name: key, type: secret}]
steps:
  - id: call
    uses: http.request
    with: {method: GET, url: "%s/echo", query: {pin: "{{ inputs.key }}"}, headers: {X-A: "{{ inputs.key }}"}}
"""

SENT_AWAY = """
flow: sent_away
inputs: [{name: key, type: secret}]
steps:
  - id: call
    uses: http.request
    with: {method: POST, url: "%s/away?to=%s", json: {key: "{{ inputs.key }}"}}
"""


class Careless:
    """An action that hands on whatever it was given."""

    name = "log"
    params = LogParams

    def __init__(self, output: object) -> None:
        self._output = output

    async def perform(self, _call: ActionCall, _params: LogParams) -> Json:
        return self._output


def nested(levels: int) -> object:
    return [] if levels == 1 else [nested(levels - 1)]


async def readable(bot, run: int) -> dict[str, int]:
    """How those answer who read the run, and the list that it is in."""
    return {
        "the run": (await bot.api("ann", "GET", f"runs/{bot.run_id(run)}")).status,
        "ann's list": (await bot.api("ann", "GET", "approvals")).status,
        "bob's list": (await bot.api("bob", "GET", "approvals")).status,
        "cancelling": (await bot.api("ann", "POST", f"runs/{bot.run_id(run)}/cancel", {})).status,
    }


@pytest.mark.parametrize("levels", [90, 91, 99, 100, 197, 201, 202, 254, 300])
async def test_S8_a_deep_answer_does_not_poison_the_run_and_the_lists(serve, sandbox, levels):
    bot = await serve(asking=ASKING)

    run = await bot.start("asking", url=f"{sandbox.origin}/nested?levels={levels}")

    body = (await bot.run(run)).steps["call"].output["body"]
    assert isinstance(body, list if levels <= 90 else str)
    assert set((await readable(bot, run)).values()) == {200}


@pytest.mark.parametrize(
    "body",
    ['{"x": 1e999}', '{"x": "a\\u0000b"}', '{"x": %s}' % ("9" * 4_300), '{"x": %s}' % ("9" * 4_301), '{"x":"\\ud800"}'],
    ids=["infinite", "control characters", "4,300 digits", "4,301 digits", "half a character"],
)
async def test_S8_an_odd_answer_does_not_poison_the_run_and_the_lists(serve, sandbox, body):
    bot = await serve(asking=ASKING)

    run = await bot.start("asking", url=f"{sandbox.origin}/say?body={quote(body)}")

    said = await readable(bot, run)
    # Where the step has failed, there is nothing left to cancel.
    assert set(said.values()) <= {200, 409}
    assert said["the run"] == said["ann's list"] == said["bob's list"] == 200


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (nested(102), "nested more than 100 levels deep"),
        (nested(300), "nested more than 100 levels deep"),
        ({"n": 10**4_300}, "the output.n is a number of too many digits"),
        ({"n": float("inf")}, "which JSON does not know"),
        ({1: "x"}, "keys are text"),
        ({"half": "\ud800"}, "half a character"),
        (b"bytes", "the output is a bytes"),
    ],
    ids=["102 levels", "300 levels", "4,301 digits", "infinite", "a number as a key", "half a character", "bytes"],
)
async def test_S8_an_action_whose_output_could_not_be_read_again_fails_for_good(serve, output, problem):
    bot = await serve(logging=LOGGING)
    bot.app.runner._performer = Performers([Careless(output)], Functions(), Vault([KEY]), bot.app.engine.ids)

    run = await bot.start("logging")

    view = await bot.run(run)
    assert (view.status, view.steps["note"].attempt, view.steps["note"].output) == ("failed", 1, None)
    assert problem in (view.steps["note"].error or "")


@pytest.mark.parametrize("key", ["plainkey123", "s3cr3t key", "top/secret=ü", 'a%b"c'])
async def test_S9_a_secret_in_an_addresss_path_is_masked_in_the_error_however_it_is_written(serve, sandbox, key):
    bot = await serve(refused=REFUSED % sandbox.origin)

    run = await bot.start("refused", key=key)

    text = json.dumps((await bot.api("ann", "GET", f"runs/{bot.run_id(run)}")).body, ensure_ascii=False)
    assert "answered 400" in text
    assert not any(
        spelling in text for spelling in (key, quote(key), quote(key, safe=""), quote(key, safe="/="), json.dumps(key))
    )


async def test_S9_a_secret_that_comes_back_in_another_spelling_is_masked(serve, sandbox):
    with_user = sandbox.origin.replace("http://", "http://user:{{ inputs.key }}@")
    bot = await serve(echoed=ECHOED % with_user)

    run = await bot.start("echoed", key="48151623")

    step = (await bot.run(run)).steps["call"]
    text = json.dumps(dict(step.output))
    assert step.output["status"] == 200
    assert "48151623" not in text
    assert base64.b64encode(b"user:48151623").decode() not in text


async def test_S8_a_redirect_to_another_origin_does_not_take_the_body_along(serve, sandbox):
    caught = []

    async def catch(request: web.Request) -> web.Response:
        caught.append(await request.text())
        return web.json_response({})

    elsewhere = web.Application()
    elsewhere.router.add_post("/", catch)
    async with TestServer(elsewhere) as server:
        bot = await serve(sent_away=SENT_AWAY % (sandbox.origin, server.make_url("/")))

        run = await bot.start("sent_away", key="body-secret")

    assert caught == []
    assert "must not learn the body" in ((await bot.run(run)).steps["call"].error or "")
