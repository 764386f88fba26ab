"""Threads, attachments and reactions of the stand-in for Slack, spoken to by slack_sdk over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from flows.testing.clock import FakeClock
from integrations.sandbox import NotPossible, Sandbox

Payload = dict[str, Any]
BUTTON: Payload = {"type": "button", "text": {"type": "plain_text", "text": "Approve"}, "action_id": "approve"}
SECTION: Payload = {"type": "section", "text": {"type": "mrkdwn", "text": "*Three days off*"}}
CARD: list[Payload] = [SECTION, {"type": "actions", "block_id": "decide", "elements": [BUTTON]}]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people(clock=FakeClock()) as running:
        yield running


@pytest.fixture
def slack(sandbox: Sandbox) -> AsyncWebClient:
    return AsyncWebClient(token=sandbox.bot_token, base_url=sandbox.slack_url, retry_handlers=[])


async def refusal(call: Awaitable[Any]) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_replies_stand_in_their_thread_and_are_counted_on_the_parent(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ann = sandbox.person("ann")
    posted = await slack.chat_postMessage(channel="#general", text="parent")
    channel, ts = posted["channel"], posted["ts"]
    [parent] = ann.messages("general")

    said = await ann.reply_in_thread(parent, "a question")
    answered = await slack.chat_postMessage(channel=channel, text="an answer", thread_ts=ts)
    loud = await slack.chat_postMessage(channel=channel, text="for all", thread_ts=ts, reply_broadcast=True)
    history = (await slack.conversations_history(channel=channel))["messages"]
    replies = (await slack.conversations_replies(channel=channel, ts=ts, oldest=said.ts))["messages"]
    link = await slack.chat_getPermalink(channel=channel, message_ts=said.ts)

    assert [message["text"] for message in history] == ["for all", "parent"]
    assert (history[0]["subtype"], history[0]["thread_ts"]) == ("thread_broadcast", ts)
    assert (history[1]["reply_count"], history[1]["latest_reply"]) == (3, loud["ts"])
    assert history[1]["reply_users"] == [ann.id, sandbox.workspace.bot.id]
    assert [message["text"] for message in replies] == ["parent", "an answer", "for all"]
    assert (answered["message"]["thread_ts"], answered["message"]["parent_user_id"]) == (ts, sandbox.workspace.bot.id)
    assert [message.text for message in ann.thread(said)] == ["parent", "a question", "an answer", "for all"]
    assert link["permalink"].endswith(f"?thread_ts={ts}&cid={channel}")


async def test_a_reply_to_a_message_that_is_gone_goes_to_the_channel_and_says_nothing(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    posted = await slack.chat_postMessage(channel="#general", text="parent")
    await slack.chat_delete(channel=posted["channel"], ts=posted["ts"])

    reply = await slack.chat_postMessage(channel="#general", text="late", thread_ts=posted["ts"])

    assert "thread_ts" not in reply["message"]
    assert [message.in_channel for message in sandbox.person("ann").messages("general")] == [True]


async def test_a_deleted_parent_leaves_a_tombstone_while_there_are_replies(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    posted = await slack.chat_postMessage(channel="#general", text="parent", blocks=CARD)
    where = {"channel": posted["channel"], "thread_ts": posted["ts"]}
    reply = await slack.chat_postMessage(**where, text="reply")
    nested = slack.chat_postMessage(channel=posted["channel"], thread_ts=reply["ts"], text="reply to a reply")

    await slack.chat_delete(channel=posted["channel"], ts=posted["ts"])
    [stone, _] = sandbox.person("ann").messages("general")
    update = slack.chat_update(channel=posted["channel"], ts=posted["ts"], text="x")

    assert (stone.tombstone, stone.blocks, stone.buttons()) == (True, [], [])
    assert await refusal(update) == "cant_update_message"
    assert await refusal(nested) == "cannot_reply_to_message"
    assert (await slack.chat_postMessage(**where, text="still here"))["message"]["thread_ts"] == posted["ts"]


async def test_an_ephemeral_reply_is_seen_only_where_there_is_a_thread_already(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ann = sandbox.person("ann")
    posted = await slack.chat_postMessage(channel="#general", text="parent")
    where = {"channel": posted["channel"], "thread_ts": posted["ts"], "user": ann.id}

    await slack.chat_postEphemeral(**where, text="unseen")
    await ann.reply_in_thread(ann.messages("general")[0], "ok")
    await slack.chat_postEphemeral(**where, text="seen")

    assert [message.text for message in ann.ephemerals()] == ["seen"]
    with pytest.raises(NotPossible, match="has no thread"):
        await ann.reply_in_thread(ann.ephemerals()[0], "x")


async def test_attachments_are_kept_replaced_and_taken_away_by_an_update(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ann = sandbox.person("ann")
    red = [{"color": "#d1242f", "blocks": CARD}]
    posted = await slack.chat_postMessage(channel="#general", text="Asked", attachments=red)
    where = {"channel": posted["channel"], "ts": posted["ts"]}
    [card] = ann.messages("general")

    await slack.chat_update(**where, text="kept")
    kept = ann.now(card)
    await slack.chat_update(**where, text="gone", attachments=[])

    assert posted["message"]["attachments"][0]["id"] == 1
    assert (card.buttons(), card.shown_text()) == (["Approve"], "Asked\n*Three days off*\nApprove")
    assert (kept.text, kept.buttons()) == ("kept", ["Approve"])
    assert ann.now(card).attachments == []


@pytest.mark.parametrize(
    ("attachments", "error"),
    [
        ([{"color": "#fff", "text": "three digits"}], "invalid_attachments"),
        ([{"color": "good", "text": "both", "blocks": [SECTION]}], "invalid_attachments"),
        ([{"color": "good", "blocks": [SECTION] * 21}], "invalid_attachments"),
        ([{"color": "good", "blocks": [{"type": "section"}]}], "invalid_attachments"),
        ([{"color": "good"}], "invalid_attachments"),
        ([{"text": "x"}] * 101, "too_many_attachments"),
        ({"text": "x"}, "invalid_attachments"),
    ],
)
async def test_attachments_that_slack_refuses_are_refused(slack: AsyncWebClient, attachments: Any, error: str) -> None:
    call = slack.api_call("chat.postMessage", json={"channel": "#general", "text": "x", "attachments": attachments})

    assert await refusal(call) == error


async def test_metadata_stay_with_an_update_unless_they_are_emptied(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    metadata = {"event_type": "card", "event_payload": {"id": "s1"}}
    posted = await slack.chat_postMessage(channel="#general", text="x", metadata=metadata)
    where = {"channel": posted["channel"], "ts": posted["ts"]}

    kept = await slack.chat_update(**where, text="y")
    emptied = await slack.api_call("chat.update", json={**where, "text": "z", "metadata": {}})

    assert kept["message"]["metadata"] == metadata
    assert "metadata" not in emptied["message"]


async def test_a_reaction_needs_its_scope_and_comes_once(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    token = sandbox.new_token(["reactions:write", "chat:write"])
    rich = AsyncWebClient(token=token, base_url=sandbox.slack_url, retry_handlers=[])
    posted = await slack.chat_postMessage(channel="#general", text="x")
    where = {"channel": posted["channel"], "timestamp": posted["ts"], "name": "eyes"}

    await rich.reactions_add(**where)

    assert await refusal(rich.reactions_add(**where)) == "already_reacted"
    assert await refusal(slack.reactions_add(**where)) == "missing_scope"
    assert sandbox.person("ann").messages("general")[0].reactions == {"eyes": [sandbox.workspace.bot.id]}
