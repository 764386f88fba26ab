"""How Slack reaches the bot: signed requests, Socket Mode, and what is no request of Slack's."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlencode

import aiohttp
import pytest

from flows.definition import Approval, Flow, Step

ASK = Flow(flow="ask", steps=[Step(id="gate", approval=Approval(ask="Ship it?", approvers=("bob@example.com",)))])


@pytest.mark.parametrize("forgery", ["wrong secret", "missing", "6 minutes old", "6 minutes early"])
async def test_S2_a_request_that_slack_has_not_signed_just_now_is_401_and_records_nothing(sandbox, start_bot, forgery):
    ann, bob = sandbox.person("ann"), sandbox.person("bob")
    bot = await start_bot(ASK)
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")
    match forgery:
        case "wrong secret":
            sandbox.line.signing_secret = "0" * 32
        case "missing":
            sandbox.line.signed = False
        case "6 minutes old":
            sandbox.line.signature_age = timedelta(minutes=6)
        case _:
            sandbox.line.signature_age = -timedelta(minutes=6)

    answers = [
        await bob.click(card, "Approve"),
        await bob.command("/approvals"),
        await bob.open_home(),
    ]

    assert [answer.status for answer in answers] == [401, 401, 401]
    await bot.settled()
    assert await bot.standing(run) == {}
    assert bob.ephemerals() == []


async def test_S2_a_signature_of_four_minutes_ago_still_counts(sandbox, start_bot):
    ann, bob = sandbox.person("ann"), sandbox.person("bob")
    bot = await start_bot(ASK)
    run = await bot.begin("ask", ann)
    sandbox.line.signature_age = timedelta(minutes=4)

    answer = await bob.click(bob.message("Ship it?"), "Approve")

    assert answer.ok
    assert await bot.status(run) == "succeeded"


async def test_S2_nothing_that_is_made_up_gets_through(sandbox, start_bot):
    ann, bob = sandbox.person("ann"), sandbox.person("bob")
    bot = await start_bot(ASK)
    run = await bot.begin("ask", ann)
    (button,) = [element for _, element in bob.message("Ship it?").elements() if element["action_id"] == "approve"]
    payload = {
        "type": "block_actions",
        "user": {"id": bob.id, "team_id": sandbox.workspace.id},
        "team": {"id": sandbox.workspace.id},
        "actions": [{"type": "button", "action_id": "approve", "block_id": "decide", "value": button["value"]}],
        "ssl_check": "1",
    }
    form = urlencode({"payload": json.dumps(payload), "ssl_check": "1"})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    stamps = [{}, {"X-Slack-Request-Timestamp": "soon", "X-Slack-Signature": "v0=x"}, {"X-Slack-Signature": "v0="}]

    async with aiohttp.ClientSession() as session:
        statuses = []
        for stamp in stamps:
            for body in (form, urlencode({"payload": json.dumps({**payload, "ssl_check": None})}), b"\xff\xfe", b""):
                async with session.post(sandbox.events_url, data=body, headers={**headers, **stamp}) as response:
                    statuses.append(response.status)

    await bot.settled()
    # Slack's own check of the certificate is unsigned, and answered without looking at anything in it.
    assert set(statuses) <= {200, 401}
    assert statuses[1::4] == statuses[2::4] == statuses[3::4] == [401, 401, 401]
    assert await bot.standing(run) == {}


async def test_S2_without_a_signing_secret_no_request_is_taken(sandbox, start_bot, clock, tmp_path):
    ann, bob = sandbox.person("ann"), sandbox.person("bob")
    bot = await start_bot(ASK)
    run = await bot.begin("ask", ann)
    await bot.stop()
    bot.socket_mode = True
    await bot.start()
    sandbox.line.signing_secret = ""

    answer = await bob.click(bob.message("Ship it?"), "Approve")

    assert answer.status == 401
    assert await bot.standing(run) == {}


async def test_socket_mode_takes_clicks_modals_and_commands(sandbox, start_bot):
    ann, bob = sandbox.person("ann"), sandbox.person("bob")
    bot = await start_bot(ASK)
    sandbox.events_url = None
    socket = bot.door.socket_mode(sandbox.app_token, base_url=sandbox.slack_url)
    await socket.start()
    try:
        await sandbox.until(lambda: sandbox.sockets == 1)
        run = await bot.begin("ask", ann)

        await bob.command("/approvals")
        await bob.is_told("Ship it?")
        await bob.click(bob.message("Ship it?"), "Reject")
        await bob.gets_modal("Reject")
        answer = await bob.submit({"reason": "no"})

        assert answer.ok
        await bob.is_told("Counted: you rejected.")
        assert await bot.status(run) == "rejected"
    finally:
        await socket.stop()


async def test_socket_mode_goes_on_trying_where_slack_is_down_at_the_start(sandbox, start_bot):
    bot = await start_bot(ASK)
    sandbox.events_url = None
    sandbox.faults.status("apps.connections.open", 503)
    socket = bot.door.socket_mode(sandbox.app_token, base_url=sandbox.slack_url)

    await socket.start(patience=timedelta(0))

    try:
        await sandbox.until(lambda: sandbox.calls.count("apps.connections.open"))
        assert sandbox.sockets == 0
    finally:
        await socket.stop()


async def test_an_interaction_that_nobody_listens_to_changes_nothing(sandbox, start_bot):
    bob = sandbox.person("bob")
    await start_bot(ASK)

    answer = await bob.shortcut("unknown")

    assert answer.status == 404
