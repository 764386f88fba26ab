"""What reaches Slack of what people wrote, and what reaches us of what is not Slack's."""

from __future__ import annotations

import hashlib
import hmac
import json

import aiohttp
import pytest

GATE = """
flow: gate
inputs: [{name: what, type: string}, {name: sum, type: string}]
steps:
  - id: ask
    approval: {ask: "Pay {{ inputs.what }}?", approvers: [bob@example.com], via: {slack: "#general"}}
"""

FORM = "application/x-www-form-urlencoded"
UNREADABLE = [
    ("application/json", "[" * 200_000),
    ("application/json", "{"),
    ("application/json", "[]"),
    ("application/json", "1"),
    (FORM, "payload=" + "[" * 200_000),
    (FORM, "payload=x"),
    (FORM, "payload=[1]"),
    (FORM, 'payload={"user":1}'),
]


async def test_S6_letters_that_turn_the_direction_of_writing_do_not_reach_cards(serve):
    bot = await serve(gate=GATE)
    await bot.start("gate", what="100 \u202e000,1", sum="\u2066x")

    card = json.dumps(list(bot.card("bob", "Pay").blocks), ensure_ascii=False)

    assert "100 \ufffd000,1" in card
    assert not any(letter in card for letter in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


async def test_S6_a_value_does_not_open_a_code_block_that_swallows_what_comes_after(serve):
    bot = await serve(gate=GATE)
    await bot.start("gate", what="```", sum="a ```` b")

    card = json.dumps(list(bot.card("bob", "Pay").blocks), ensure_ascii=False)

    assert "```" not in card
    assert card.replace("\u200b", "").count("```") == 3  # the ask, and both inputs


@pytest.mark.parametrize(("kind", "body"), UNREADABLE)
async def test_S2_whoever_is_not_slack_gets_401_whatever_they_send(serve, sandbox, kind, body):
    await serve(gate=GATE)
    stamps = [{}, {"X-Slack-Request-Timestamp": "9" * 5_000, "X-Slack-Signature": "v0=\u00e9"}]

    statuses = []
    async with aiohttp.ClientSession() as session:
        for stamp in stamps:
            async with session.post(sandbox.events_url, data=body, headers={"Content-Type": kind} | stamp) as response:
                statuses.append(response.status)

    assert statuses == [401, 401]


@pytest.mark.parametrize(("kind", "body"), UNREADABLE)
async def test_S2_a_signed_body_that_cannot_be_read_is_no_fault_of_ours(serve, sandbox, clock, kind, body):
    await serve(gate=GATE)
    stamp = str(int(clock.now().timestamp()))
    digest = hmac.new(sandbox.signing_secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"Content-Type": kind, "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}

    async with (
        aiohttp.ClientSession() as session,
        session.post(sandbox.events_url, data=body, headers=headers) as response,
    ):
        status = response.status

    assert status in (400, 404)  # 404 is Bolt's, for what it can read and nobody listens to
