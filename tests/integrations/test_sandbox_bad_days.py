"""What goes wrong in a workspace: what administrators do, what the bot is told of it, and what Slack then refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ServerDisconnectedError, web
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from flows.testing.clock import FakeClock
from integrations.sandbox import NotPossible, Sandbox

Payload = dict[str, Any]
MANIFEST: Payload = {
    "display_information": {"name": "Signoff"},
    "features": {
        "app_home": {"home_tab_enabled": True, "messages_tab_read_only_enabled": True},
        "slash_commands": [{"command": "/approvals", "description": "See", "usage_hint": "[all | help]"}],
        "shortcuts": [{"name": "Start a flow", "type": "global", "callback_id": "start", "description": "Start one"}],
    },
    "settings": {"event_subscriptions": {"bot_events": ["message.channels", "channel_archive"]}},
}
SECTION: Payload = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def sandbox(clock: FakeClock) -> AsyncIterator[Sandbox]:
    """A sandbox whose bot takes everything that it is told."""
    app = web.Application()
    app.router.add_post("/", content)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Sandbox.with_people(clock=clock) as running:
        running.events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        yield running
    await runner.cleanup()


async def content(_request: web.Request) -> web.Response:
    return web.Response()


@pytest.fixture
def slack(sandbox: Sandbox) -> AsyncWebClient:
    return client(sandbox, sandbox.bot_token)


def client(sandbox: Sandbox, token: str) -> AsyncWebClient:
    return AsyncWebClient(token=token, base_url=sandbox.slack_url, retry_handlers=[])


def told(sandbox: Sandbox) -> list[Payload]:
    """The events that the bot was told, oldest first."""
    return [call.body["event"] for call in sandbox.calls.of("bot:*") if "event" in call.body]


async def refusal(call: Awaitable[Any]) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_in_an_archived_channel_nothing_can_be_posted_or_changed(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    posted = await slack.chat_postMessage(channel="#vacation", text="x")
    where = {"channel": posted["channel"], "ts": posted["ts"]}

    await sandbox.archive("vacation")
    archived = await refusal(slack.chat_postMessage(channel="#vacation", text="y"))
    inactive = await refusal(slack.chat_update(**where, text="y"))
    with pytest.raises(NotPossible, match="is archived"):
        await sandbox.person("ann").say("hello", channel="vacation")
    await sandbox.unarchive("vacation")
    await slack.chat_update(**where, text="y")

    assert (archived, inactive) == ("is_archived", "is_inactive")
    assert [(event["type"], event["channel"]) for event in told(sandbox)] == [
        ("channel_archive", posted["channel"]),
        ("channel_unarchive", posted["channel"]),
    ]


async def test_a_bot_that_was_removed_is_told_and_refused(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    secret = sandbox.workspace.add_channel("secret", [sandbox.person("ann").user], is_private=True)
    poor = client(sandbox, sandbox.new_token(["chat:write", "channels:history"]))
    hidden = await slack.chat_postMessage(channel=secret.id, text="x")
    public = await slack.chat_postMessage(channel="#vacation", text="x")

    await sandbox.kick_bot(secret)
    await sandbox.kick_bot("vacation")
    private = await refusal(slack.chat_update(channel=secret.id, ts=hidden["ts"], text="y"))
    outside = await refusal(poor.chat_update(channel=public["channel"], ts=public["ts"], text="y"))
    history = await refusal(poor.conversations_history(channel=public["channel"]))
    await slack.chat_update(channel=public["channel"], ts=public["ts"], text="chat:write.public")
    await sandbox.invite_bot("vacation")

    assert (private, outside, history) == ("channel_not_found", "not_in_channel", "not_in_channel")
    assert [event["type"] for event in told(sandbox)] == [
        "member_left_channel",
        "group_left",
        "member_left_channel",
        "channel_left",
        "member_joined_channel",
    ]
    assert told(sandbox)[0]["user"] == sandbox.workspace.bot.id


async def test_a_card_that_an_administrator_deletes_is_gone_and_the_bot_hears_of_it(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    posted = await slack.chat_postMessage(channel="#vacation", text="x")
    [card] = sandbox.person("ann").messages("vacation")

    await sandbox.delete_message(card)

    [event] = told(sandbox)
    assert (event["subtype"], event["deleted_ts"], event["channel_type"]) == ("message_deleted", card.ts, "channel")
    assert event["previous_message"]["bot_id"] == sandbox.workspace.bot_id
    gone = slack.chat_update(channel=posted["channel"], ts=card.ts, text="y")
    assert await refusal(gone) == "message_not_found"


async def test_an_uninstalled_app_hears_of_it_and_nothing_works_any_more(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ann = sandbox.person("ann")

    await sandbox.uninstall()
    await ann.open_home()
    await ann.command("/approvals")

    assert [event["type"] for event in told(sandbox)] == ["tokens_revoked", "app_uninstalled"]
    assert told(sandbox)[0]["tokens"] == {"oauth": [], "bot": [sandbox.workspace.bot.id]}
    assert await refusal(slack.auth_test()) == "token_revoked"
    assert ann.notices == ["/approvals is not a valid command."]


async def test_tokens_expire_become_inactive_and_can_be_given_back(sandbox: Sandbox, clock: FakeClock) -> None:
    rotated = sandbox.new_token(expires_at=clock.now() + timedelta(hours=12))
    inactive = sandbox.new_token()
    sandbox.tokens[inactive].inactive = True

    left = (await client(sandbox, rotated).auth_test())["expires_in"]
    clock.advance(timedelta(hours=12))
    given_back = (await client(sandbox, sandbox.bot_token).auth_revoke())["revoked"]

    assert (left, given_back) == (12 * 3600, True)
    assert await refusal(client(sandbox, rotated).auth_test()) == "token_revoked"
    assert await refusal(client(sandbox, inactive).auth_test()) == "token_revoked"
    assert sandbox.workspace.installed is False


async def test_people_move_leave_and_become_guests_and_the_bot_is_told(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    bob = sandbox.person("bob")

    await sandbox.set_timezone(bob, "Asia/Tokyo")
    await sandbox.make(bob, "guest")
    await sandbox.set_email(bob, "robert@example.com")

    users = [event["user"] for event in told(sandbox)]
    assert [user["tz_offset"] for user in users] == [9 * 3600] * 3
    assert [user["is_restricted"] for user in users] == [False, True, True]
    assert (await slack.users_lookupByEmail(email="robert@example.com"))["user"]["id"] == bob.id


async def test_a_person_in_a_thread_is_heard_where_the_bot_is(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    ann = sandbox.person("ann")
    sandbox.workspace.add_channel("elsewhere", [ann.user], with_bot=False)
    await slack.chat_postMessage(channel="#vacation", text="x")
    [card] = ann.messages("vacation")

    reply = await ann.reply_in_thread(card, "ok")
    loud = await ann.reply_in_thread(card, "ok, all", broadcast=True)
    changed = await ann.change_words(reply, "not ok")
    await ann.delete_message(loud)
    await ann.say("unheard", channel="elsewhere")

    said, broadcast, edited, deleted = told(sandbox)
    assert changed.ok
    assert {name: said[name] for name in ("type", "user", "text", "ts", "thread_ts", "channel", "channel_type")} == {
        "type": "message",
        "user": ann.id,
        "text": "ok",
        "ts": reply.ts,
        "thread_ts": card.ts,
        "channel": card.channel,
        "channel_type": "channel",
    }
    assert (broadcast["subtype"], broadcast["root"]["reply_count"]) == ("thread_broadcast", 2)
    assert (edited["subtype"], edited["message"]["text"], edited["previous_message"]["text"]) == (
        "message_changed",
        "not ok",
        "ok",
    )
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", loud.ts)


async def test_the_bot_hears_of_its_own_messages_only_where_it_is_to(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    await slack.chat_postMessage(channel="#vacation", text="silent")
    sandbox.events.echoes = True
    posted = await slack.chat_postMessage(channel="#vacation", text="x")
    await slack.chat_update(channel=posted["channel"], ts=posted["ts"], text="y")
    await slack.chat_delete(channel=posted["channel"], ts=posted["ts"])
    await sandbox.until(lambda: len(told(sandbox)) == 3)

    assert [event.get("subtype") for event in told(sandbox)] == [None, "message_changed", "message_deleted"]
    assert told(sandbox)[0]["bot_id"] == sandbox.workspace.bot_id


async def test_only_what_the_app_subscribes_to_and_may_read_is_told(sandbox: Sandbox) -> None:
    ann = sandbox.person("ann")
    sandbox.manifest.read(MANIFEST)

    await ann.say("hello", channel="general")
    await ann.open_home()
    await sandbox.kick_bot("vacation")
    sandbox.revoke(sandbox.bot_token)
    sandbox.new_token(["chat:write"])
    await ann.say("hello again", channel="general")
    with pytest.raises(NotPossible, match="turned off"):
        await ann.say("hello")

    assert [event["type"] for event in told(sandbox)] == ["message"]
    assert [command.usage_hint for command in sandbox.manifest.commands] == ["[all | help]"]
    assert [(each.name, each.type) for each in sandbox.manifest.shortcuts] == [("Start a flow", "global")]


async def test_R9_rate_limits_go_by_method_and_workspace_and_end_with_the_minute(
    sandbox: Sandbox, slack: AsyncWebClient, clock: FakeClock
) -> None:
    other = sandbox.add_workspace("Globex", "globex")
    second = client(sandbox, sandbox.new_token(workspace=other))
    sandbox.limits.enforced = True
    posted = await slack.chat_postMessage(channel="#general", text="x")
    where = {"channel": posted["channel"], "ts": posted["ts"], "text": "y"}

    with pytest.raises(SlackApiError) as caught:
        await slack.chat_postMessage(channel=posted["channel"], text="too early")
    await slack.chat_postMessage(channel="#vacation", text="elsewhere")
    for _ in range(20):
        await slack.usergroups_list()
    assert await refusal(slack.usergroups_list()) == "ratelimited"
    await second.usergroups_list()
    clock.advance(timedelta(seconds=60))
    await slack.usergroups_list()
    await slack.chat_update(**where)

    response = caught.value.response
    assert (response.status_code, response.headers["Retry-After"], response["error"]) == (429, "1", "ratelimited")
    assert sandbox.limits.refused == {"chat.postMessage": 1, "usergroups.list": 1}


async def test_faults_can_be_kept_to_a_workspace_to_arguments_and_to_too_many_blocks(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    other = sandbox.add_workspace("Globex", "globex")
    second = client(sandbox, sandbox.new_token(workspace=other))
    sandbox.faults.error("auth.test", "account_inactive", team=other.id)
    sandbox.faults.error("chat.postMessage", "not_in_channel", when=lambda body: body["channel"] == "#general")
    sandbox.faults.missing_scope("users.info", "users:read", times=1)
    sandbox.faults.invalid_blocks("chat.postMessage", more_than=1)

    scope = await refusal(slack.users_info(user=sandbox.person("ann").id))
    bad = await refusal(slack.chat_postMessage(channel="#vacation", text="x", blocks=[SECTION, SECTION]))
    await slack.chat_postMessage(channel="#vacation", text="x", blocks=[SECTION])
    await slack.auth_test()

    assert (scope, bad) == ("missing_scope", "invalid_blocks")
    assert await refusal(second.auth_test()) == "account_inactive"
    assert await refusal(slack.chat_postMessage(channel="#general", text="x")) == "not_in_channel"


async def test_slack_can_be_down_for_everybody_and_come_back(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    sandbox.faults.down()
    with pytest.raises(ServerDisconnectedError):
        await slack.auth_test()
    sandbox.faults.up()
    sandbox.faults.down(status=503)
    with pytest.raises(SlackApiError) as caught:
        await slack.auth_test()
    sandbox.faults.up()

    assert caught.value.response.status_code == 503
    assert (await slack.auth_test())["ok"]


async def test_a_channel_is_joined_once_and_only_a_public_one(sandbox: Sandbox) -> None:
    token = sandbox.new_token(["channels:join", "team:read"])
    slack = client(sandbox, token)
    away = sandbox.workspace.add_channel("elsewhere", with_bot=False)
    private = sandbox.workspace.add_channel("secret", is_private=True)

    joined = await slack.conversations_join(channel=away.id)
    again = await slack.conversations_join(channel=away.id)
    team = (await slack.team_info())["team"]

    assert joined["channel"]["is_member"]
    assert again["warning"] == "already_in_channel"
    assert await refusal(slack.conversations_join(channel=private.id)) == "method_not_supported_for_channel_type"
    assert (team["id"], team["domain"]) == (sandbox.workspace.id, "acme")


async def test_S3_guests_strangers_and_people_of_another_workspace_are_told_apart() -> None:
    async with Sandbox.with_neighbours() as sandbox:
        slack = client(sandbox, sandbox.bot_token)
        globex = next(each for each in sandbox.workspaces.values() if each.name == "Globex")
        sam, zoe = sandbox.person("sam"), sandbox.person("zoe@globex")
        foreign = (await slack.users_info(user=sam.id))["user"]
        guest = (await slack.users_info(user=sandbox.person("gil").id))["user"]
        gone = (await slack.users_info(user=sandbox.person("gus").id))["user"]
        releases = sandbox.workspace.channel_named("releases")
        assert releases is not None
        shown = (await slack.conversations_info(channel=releases.id))["channel"]
        unknown = await refusal(slack.users_info(user=zoe.id))
        by_mail = await refusal(slack.users_lookupByEmail(email="sam@globex.example"))

    assert (foreign["team_id"], foreign.get("is_stranger"), "email" in foreign["profile"]) == (globex.id, None, False)
    assert sam.id == sandbox.person("sam@globex").id
    assert (guest["is_restricted"], guest["is_ultra_restricted"], gone["deleted"]) == (True, False, True)
    assert shown["is_ext_shared"] is True
    assert (unknown, by_mail, globex.installed) == ("user_not_found", "users_not_found", False)


async def test_a_click_in_an_attachment_says_which_and_brings_all_that_is_filled_in(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    bob = sandbox.person("bob")
    button = {"type": "button", "text": {"type": "plain_text", "text": "Approve"}, "action_id": "approve"}
    menu = {"type": "users_select", "action_id": "who"}
    blocks = [{"type": "actions", "block_id": "decide", "elements": [button, menu]}]
    attachments: list[Payload] = [{"text": "first"}, {"color": "danger", "blocks": blocks}]
    await slack.chat_postMessage(channel=bob.id, text="Three days off", attachments=attachments)
    card = await bob.sees("Three days off")

    await bob.select(card, "who", bob)
    await bob.click(card, "Approve")

    payload = sandbox.calls.of("bot:block_actions")[-1].body
    assert {name: payload["container"][name] for name in ("type", "attachment_id", "message_ts")} == {
        "type": "message_attachment",
        "attachment_id": 2,
        "message_ts": card.ts,
    }
    assert payload["state"]["values"]["decide"]["who"]["selected_user"] == bob.id
    assert payload["message"]["attachments"][1]["color"] == "danger"
    assert payload["channel"]["name"] == "directmessage"
