"""The stand-in for Slack's Web API, spoken to by slack_sdk over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from integrations.sandbox import NeverHappened, Sandbox

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BUTTON: dict[str, Any] = {
    "type": "button",
    "text": {"type": "plain_text", "text": "Approve"},
    "action_id": "approve",
    "value": "x",
}
CARD: list[dict[str, Any]] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "*Three days off*"}},
    {"type": "actions", "block_id": "decide", "elements": [BUTTON]},
]
MODAL: dict[str, Any] = {"type": "modal", "title": {"type": "plain_text", "text": "Why"}, "blocks": []}


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.instant = NOON

    def now(self) -> datetime:
        return self.instant

    async def sleep(self, duration: timedelta) -> None:
        self.instant += duration

    def monotonic(self) -> float:
        return self.instant.timestamp()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def sandbox(clock: HandClock) -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people(clock=clock) as running:
        yield running


@pytest.fixture
def slack(sandbox: Sandbox) -> AsyncWebClient:
    return client(sandbox, sandbox.bot_token)


def client(sandbox: Sandbox, token: str | None) -> AsyncWebClient:
    return AsyncWebClient(token=token, base_url=sandbox.slack_url, retry_handlers=[])


async def refusal(call: Awaitable[Any]) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_a_posted_message_is_seen_by_members_and_found_by_its_metadata(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    metadata = {"event_type": "approval_request", "event_payload": {"send_id": "s1"}}

    posted = await slack.chat_postMessage(channel="#vacation", text="Three days off", blocks=CARD, metadata=metadata)
    found = await slack.conversations_history(
        channel=posted["channel"], include_all_metadata=True, oldest=posted["ts"], inclusive=True
    )
    bare = await slack.conversations_history(channel=posted["channel"])

    card = await sandbox.person("ann").sees("Three days off")
    assert (card.ts, card.buttons()) == (posted["ts"], ["Approve"])
    assert [message["metadata"] for message in found["messages"]] == [metadata]
    assert "metadata" not in bare["messages"][0]


async def test_a_message_to_a_person_opens_their_direct_message(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    ann = sandbox.person("ann")

    posted = await slack.chat_postMessage(channel=ann.id, text="For you")
    opened = await slack.conversations_open(users=ann.id)

    assert posted["channel"].startswith("D")
    assert opened["channel"]["id"] == posted["channel"]
    assert [message.text for message in ann.messages("@signoff")] == ["For you"]
    assert sandbox.person("bob").messages() == []


async def test_an_update_replaces_and_without_blocks_removes_them(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    posted = await slack.chat_postMessage(channel="#vacation", text="Three days off", blocks=CARD)
    seen = sandbox.person("ann").messages()[0]

    await slack.chat_update(channel=posted["channel"], ts=posted["ts"], text="Approved by Bob")

    now = sandbox.person("ann").now(seen)
    assert (now.text, now.blocks, now.version) == ("Approved by Bob", [], 2)
    assert seen.buttons() == ["Approve"]


async def test_updates_that_slack_refuses_are_refused(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    ann = sandbox.person("ann")
    mine = await slack.chat_postMessage(channel=ann.id, text="For you")
    theirs = await ann.say("hello", channel="general")
    channel, ts = mine["channel"], mine["ts"]

    assert await refusal(slack.chat_update(channel=ann.id, ts=ts, text="x")) == "channel_not_found"
    assert await refusal(slack.chat_update(channel="#general", ts=theirs.ts, text="x")) == "channel_not_found"
    assert await refusal(slack.chat_update(channel=channel, ts="1.000001", text="x")) == "message_not_found"
    assert await refusal(slack.chat_update(channel=theirs.channel, ts=theirs.ts, text="x")) == "cant_update_message"
    assert await refusal(slack.chat_delete(channel=theirs.channel, ts=theirs.ts)) == "cant_delete_message"
    assert await refusal(slack.chat_update(channel=channel, ts=ts, text="x" * 4001)) == "msg_too_long"
    assert await refusal(slack.api_call("chat.update", json={"channel": channel, "ts": ts, "text": ""})) == "no_text"
    assert ann.now(ann.messages("@signoff")[0]).text == "For you"


async def test_a_message_that_slack_refuses_is_refused(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    sandbox.workspace.add_channel("secret", is_private=True, with_bot=False)
    sandbox.workspace.add_channel("elsewhere", with_bot=False)
    sandbox.workspace.add_channel("old").is_archived = True
    gone = sandbox.add_person("gus", sort="deactivated")
    poor = client(sandbox, sandbox.new_token(["chat:write"]))

    assert await refusal(slack.chat_postMessage(channel="#nowhere", text="x")) == "channel_not_found"
    assert await refusal(slack.chat_postMessage(channel="#secret", text="x")) == "channel_not_found"
    assert await refusal(slack.chat_postMessage(channel="#old", text="x")) == "is_archived"
    assert await refusal(slack.chat_postMessage(channel=gone.id, text="x")) == "channel_not_found"
    assert await refusal(slack.conversations_open(users=gone.id)) == "user_disabled"
    assert await refusal(slack.conversations_open(users="U0000")) == "user_not_found"
    assert await refusal(poor.chat_postMessage(channel="#elsewhere", text="x")) == "not_in_channel"
    assert (await slack.chat_postMessage(channel="#elsewhere", text="x"))["ok"]
    assert await refusal(slack.api_call("chat.postMessage", json={"channel": "#general"})) == "no_text"
    assert await refusal(slack.api_call("chat.postMessage", json={"text": "x"})) == "invalid_arguments"
    assert await refusal(slack.chat_postMessage(channel="#general", text="x", blocks="{")) == "invalid_blocks_format"
    assert await refusal(slack.api_call("chat.shout", json={})) == "unknown_method"
    assert sandbox.person("ann").messages("general") == []


async def test_refused_blocks_say_what_is_wrong_and_where(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]

    with pytest.raises(SlackApiError) as caught:
        await slack.chat_postMessage(channel="#general", text="x", blocks=blocks)

    assert caught.value.response["error"] == "invalid_blocks"
    assert caught.value.response["response_metadata"]["messages"] == [
        "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
    ]


async def test_many_blocks_within_their_limits_can_be_too_long_together(slack: AsyncWebClient) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}] * 4

    assert await refusal(slack.chat_postMessage(channel="#general", text="x", blocks=blocks)) == "msg_blocks_too_long"


async def test_a_text_over_40000_characters_is_cut_with_a_warning(slack: AsyncWebClient) -> None:
    posted = await slack.chat_postMessage(channel="#general", text="x" * 40_001)

    assert len(posted["message"]["text"]) == 40_000
    assert posted["response_metadata"]["warnings"] == ["message_truncated"]


async def test_a_token_is_checked_and_its_scopes_are_named(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    revoked = sandbox.new_token()
    sandbox.revoke(revoked)
    poor = client(sandbox, sandbox.new_token(["users:read"]))

    who = await slack.auth_test()
    with pytest.raises(SlackApiError) as caught:
        await poor.chat_postMessage(channel="#general", text="x")

    assert who["bot_id"] == sandbox.workspace.bot_id
    assert "chat:write" in who.headers["X-OAuth-Scopes"].split(",")
    assert {name: caught.value.response[name] for name in ("error", "needed", "provided")} == {
        "error": "missing_scope",
        "needed": "chat:write",
        "provided": "users:read",
    }
    assert await refusal(client(sandbox, None).auth_test()) == "not_authed"
    assert await refusal(client(sandbox, "xoxb-unknown").auth_test()) == "invalid_auth"
    assert await refusal(client(sandbox, revoked).auth_test()) == "token_revoked"
    assert await refusal(client(sandbox, sandbox.app_token).auth_test()) == "not_allowed_token_type"
    assert await refusal(slack.apps_connections_open(app_token=sandbox.bot_token)) == "not_allowed_token_type"


async def test_forms_and_json_are_read_alike(sandbox: Sandbox) -> None:
    form = {"token": sandbox.bot_token, "channel": "#general", "text": "form", "blocks": '[{"type": "divider"}]'}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sandbox.slack_url}chat.postMessage", data=form) as response,
    ):
        answer = await response.json()

    assert answer["message"]["blocks"][0]["type"] == "divider"
    assert "token" not in sandbox.calls.of("chat.postMessage")[0].body


async def test_history_needs_its_scope_and_membership(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    poor = client(sandbox, sandbox.new_token(["chat:write", "im:history"]))
    general = sandbox.workspace.channel_named("general")
    away = sandbox.workspace.add_channel("elsewhere", with_bot=False)
    assert general is not None

    assert await refusal(poor.conversations_history(channel=general.id)) == "missing_scope"
    assert await refusal(slack.conversations_history(channel=away.id)) == "not_in_channel"
    assert await refusal(slack.conversations_history(channel="#general")) == "channel_not_found"


async def test_history_comes_newest_first_in_pages_and_replies_stay_in_their_thread(slack: AsyncWebClient) -> None:
    posted = [await slack.chat_postMessage(channel="#general", text=f"m{number}") for number in range(3)]
    channel = posted[0]["channel"]
    await slack.chat_postMessage(channel=channel, text="reply", thread_ts=posted[0]["ts"])

    first = await slack.conversations_history(channel=channel, limit=2)
    second = await slack.conversations_history(
        channel=channel, limit=2, cursor=first["response_metadata"]["next_cursor"]
    )
    thread = await slack.conversations_replies(channel=channel, ts=posted[0]["ts"])
    link = await slack.chat_getPermalink(channel=channel, message_ts=posted[0]["ts"])

    assert [message["text"] for message in first["messages"]] == ["m2", "m1"]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert [message["text"] for message in second["messages"]] == ["m0"]
    assert [message["text"] for message in thread["messages"]] == ["m0", "reply"]
    assert link["permalink"].endswith(f"/archives/{channel}/p{posted[0]['ts'].replace('.', '')}")


async def test_people_are_looked_up_as_slack_shows_them(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    ann = sandbox.person("ann")
    guest = sandbox.add_person("gil", sort="guest")
    stranger = sandbox.add_person("sam", sort="stranger")
    gone = sandbox.add_person("gus", sort="deactivated")
    blind = client(sandbox, sandbox.new_token(["users:read"]))

    known = (await slack.users_info(user=ann.id))["user"]
    by_mail = await slack.users_lookupByEmail(email="ANN@example.com")

    assert (known["real_name"], known["tz"], known["tz_offset"]) == ("Ann Archer", "Europe/Berlin", 3600)
    assert known["profile"]["email"] == "ann@example.com"
    assert by_mail["user"]["id"] == ann.id
    assert "email" not in (await blind.users_info(user=ann.id))["user"]["profile"]
    assert await refusal(blind.users_lookupByEmail(email="ann@example.com")) == "missing_scope"
    assert (await slack.users_info(user=guest.id))["user"]["is_restricted"] is True
    foreign = (await slack.users_info(user=stranger.id))["user"]
    assert foreign["is_stranger"]
    assert foreign["team_id"] != sandbox.workspace.id
    assert (await slack.users_info(user=gone.id))["user"]["deleted"] is True
    assert await refusal(slack.users_lookupByEmail(email=gone.email)) == "users_not_found"
    assert await refusal(slack.users_lookupByEmail(email="nobody@example.com")) == "users_not_found"
    assert await refusal(slack.users_info(user="U0000")) == "user_not_found"
    assert len((await slack.users_list())["members"]) == len(sandbox.workspace.users)


async def test_user_groups_show_their_members_of_the_moment(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    listed = (await slack.usergroups_list(include_users=True))["usergroups"]
    leads = next(group for group in listed if group["handle"] == "hr-leads")

    sandbox.workspace.groups[leads["id"]].users.remove(sandbox.person("cat").id)

    assert leads["users"] == [sandbox.person("bob").id, sandbox.person("cat").id]
    assert (await slack.usergroups_users_list(usergroup=leads["id"]))["users"] == [sandbox.person("bob").id]
    assert await refusal(slack.usergroups_users_list(usergroup="S0000")) == "no_such_subteam"


async def test_channels_are_listed_as_far_as_the_scopes_reach(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    names = [channel["name"] for channel in (await slack.conversations_list())["channels"]]
    general = next(each for each in (await slack.conversations_list())["channels"] if each["is_general"])
    poor = client(sandbox, sandbox.new_token(["channels:read"]))

    info = await slack.conversations_info(channel=general["id"], include_num_members=True)

    assert names == ["general", "vacation", "releases"]
    assert info["channel"]["num_members"] == 6
    assert len((await slack.conversations_members(channel=general["id"]))["members"]) == 6
    assert await refusal(poor.conversations_list(types="private_channel")) == "missing_scope"


async def test_an_ephemeral_message_is_seen_by_one_person_and_cannot_be_updated(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ann, bob = sandbox.person("ann"), sandbox.person("bob")
    outside = sandbox.add_person("zoe")
    channel = (await slack.chat_postMessage(channel="#general", text="x"))["channel"]

    shown = await slack.chat_postEphemeral(channel=channel, user=ann.id, text="Already decided")

    assert (await ann.is_told("Already decided")).ephemeral_to == ann.id
    assert bob.ephemerals() == []
    assert await refusal(slack.chat_update(channel=channel, ts=shown["message_ts"], text="x")) == "message_not_found"
    away = slack.chat_postEphemeral(channel=channel, user=outside.id, text="x")
    assert await refusal(away) == "user_not_in_channel"


async def test_a_trigger_opens_one_modal_within_three_seconds(
    sandbox: Sandbox, slack: AsyncWebClient, clock: HandClock
) -> None:
    ann = sandbox.person("ann")
    triggers = [sandbox.workspace.new_trigger(ann.id).id for _ in range(3)]

    clock.instant += timedelta(seconds=3)
    await slack.views_open(trigger_id=triggers[0], view=MODAL)
    again = await refusal(slack.views_open(trigger_id=triggers[0], view=MODAL))
    clock.instant += timedelta(milliseconds=1)
    late = await refusal(slack.views_open(trigger_id=triggers[1], view=MODAL))

    assert (again, late) == ("exchanged_trigger_id", "expired_trigger_id")
    assert await refusal(slack.views_open(trigger_id="1.2.abc", view=MODAL)) == "invalid_trigger_id"
    assert (
        await refusal(slack.views_push(trigger_id=sandbox.workspace.new_trigger(ann.id).id, view=MODAL)) == "not_found"
    )
    assert (await ann.gets_modal()).title == "Why"


async def test_a_view_is_updated_by_id_and_hash_until_it_is_closed(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    ann = sandbox.person("ann")
    trigger = sandbox.workspace.new_trigger(ann.id)
    opened = (await slack.views_open(trigger_id=trigger.id, view=MODAL))["view"]
    other = {**MODAL, "title": {"type": "plain_text", "text": "Really why"}}

    await slack.views_update(view_id=opened["id"], view=other, hash=opened["hash"])

    assert (await ann.gets_modal()).title == "Really why"
    stale = slack.views_update(view_id=opened["id"], view=other, hash=opened["hash"])
    assert await refusal(stale) == "hash_conflict"
    bad = slack.views_update(view_id=opened["id"], view={**MODAL, "title": {"type": "plain_text", "text": "x" * 25}})
    assert await refusal(bad) == "invalid_arguments"
    await ann.close()
    assert await refusal(slack.views_update(view_id=opened["id"], view=other)) == "not_found"


async def test_a_home_tab_is_published_for_one_person(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    ann = sandbox.person("ann")
    home = {"type": "home", "blocks": CARD}

    first = (await slack.views_publish(user_id=ann.id, view=home))["view"]
    second = (await slack.views_publish(user_id=ann.id, view=home, hash=first["hash"]))["view"]

    assert second["id"] == first["id"]
    assert (await ann.gets_home("Three days off")).buttons() == ["Approve"]
    assert sandbox.person("bob").home is None
    assert await refusal(slack.views_publish(user_id=ann.id, view=home, hash=first["hash"])) == "hash_conflict"
    assert await refusal(slack.views_publish(user_id=ann.id, view=MODAL)) == "invalid_arguments"


async def test_workspaces_are_strangers_to_each_other(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    beta = sandbox.add_workspace("Beta", "beta")
    zoe = sandbox.add_person("zoe", workspace=beta)
    theirs = client(sandbox, sandbox.new_token(workspace=beta))

    assert (await theirs.auth_test())["team"] == "Beta"
    assert (await theirs.users_lookupByEmail(email="zoe@example.com"))["user"]["id"] == zoe.id
    assert await refusal(slack.users_lookupByEmail(email="zoe@example.com")) == "users_not_found"


async def test_429_carries_retry_after_and_posts_nothing(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    sandbox.faults.rate_limited("chat.*", retry_after=12, times=1)

    with pytest.raises(SlackApiError) as caught:
        await slack.chat_postMessage(channel="#general", text="first")
    await slack.chat_postMessage(channel="#general", text="second")

    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "12")
    assert [message.text for message in sandbox.person("ann").messages()] == ["second"]
    assert [call.outcome for call in sandbox.calls.of("chat.postMessage")] == ["http 429", "ok"]


@pytest.mark.slow
async def test_the_sdk_recovers_from_a_429_by_itself_where_it_is_told_to(sandbox: Sandbox) -> None:
    patient = AsyncWebClient(
        token=sandbox.bot_token, base_url=sandbox.slack_url, retry_handlers=[AsyncRateLimitErrorRetryHandler()]
    )
    sandbox.faults.rate_limited("users.info", retry_after=0, times=1)

    assert (await patient.users_info(user=sandbox.person("ann").id))["ok"]
    assert sandbox.calls.count("users.info") == 2


async def test_a_connection_dropped_before_accepting_has_no_effect(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    sandbox.faults.drop_before("chat.postMessage", times=1)

    with pytest.raises(aiohttp.ClientError):
        await slack.chat_postMessage(channel="#general", text="x")

    assert sandbox.person("ann").messages() == []
    assert sandbox.calls.all[0].outcome == "dropped before"


@pytest.mark.slow
async def test_R9_the_sdks_default_posts_twice_when_the_answer_is_lost(sandbox: Sandbox) -> None:
    eager = AsyncWebClient(token=sandbox.bot_token, base_url=sandbox.slack_url)
    careful = client(sandbox, sandbox.bot_token)
    sandbox.faults.drop_after("chat.postMessage", times=1)
    await eager.chat_postMessage(channel="#general", text="eager")
    sandbox.faults.drop_after("chat.postMessage", times=1)

    with pytest.raises(aiohttp.ClientError):
        await careful.chat_postMessage(channel="#general", text="careful")

    texts = [message.text for message in sandbox.person("ann").messages()]
    assert (texts.count("eager"), texts.count("careful")) == (2, 1)


async def test_faults_last_until_they_are_cleared(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    sandbox.faults.status("*", 503)
    sandbox.faults.error("chat.update", "fatal_error")

    with pytest.raises(SlackApiError) as down:
        await slack.auth_test()
    sandbox.faults.clear("*")
    broken = await refusal(slack.chat_update(channel="C1", ts="1.1", text="x"))
    sandbox.faults.clear()

    assert down.value.response.status_code == 503
    assert broken == "fatal_error"
    assert await refusal(slack.chat_update(channel="C1", ts="1.1", text="x")) == "channel_not_found"


async def test_a_slow_call_waits_before_its_effect_or_after_it(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    ann = sandbox.person("ann")
    go_on = asyncio.Event()
    sandbox.faults.slow("chat.postMessage", until=go_on, after=True, times=1)

    late_answer = asyncio.create_task(slack.chat_postMessage(channel="#general", text="seen early"))
    await ann.sees("seen early")
    answered_early = late_answer.done()
    go_on.set()
    await late_answer
    go_on.clear()
    sandbox.faults.slow("chat.postMessage", until=go_on, times=1)
    late_effect = asyncio.create_task(slack.chat_postMessage(channel="#general", text="seen late"))
    await sandbox.until(lambda: sandbox.calls.count("chat.postMessage") == 2)
    seen_early = ann.message("seen late")
    go_on.set()
    await late_effect

    assert not answered_early
    assert seen_early is None
    assert ann.message("seen late") is not None


async def test_a_slow_call_can_take_its_time_by_the_clock(
    sandbox: Sandbox, slack: AsyncWebClient, clock: HandClock
) -> None:
    sandbox.faults.slow("auth.test", timedelta(minutes=5), times=1)

    await slack.auth_test()

    assert clock.instant == NOON + timedelta(minutes=5)


async def test_a_request_that_is_held_back_does_not_keep_the_sandbox_from_stopping() -> None:
    sandbox = Sandbox.with_people()
    await sandbox.start()
    sandbox.faults.slow("auth.test", until=asyncio.Event())
    call = asyncio.create_task(client(sandbox, sandbox.bot_token).auth_test())
    await sandbox.until(lambda: sandbox.calls.count("auth.test") == 1)

    await sandbox.stop()

    with pytest.raises((aiohttp.ClientError, SlackApiError)):
        await call


async def test_waiting_for_what_never_comes_fails_with_its_name(sandbox: Sandbox) -> None:
    with pytest.raises(NeverHappened, match="ann sees 'godot'"):
        await sandbox.person("ann").sees("godot", within=0.01)


async def test_stopping_leaves_no_task_and_no_connection_behind() -> None:
    before = asyncio.all_tasks()
    sandbox = Sandbox.with_people()
    await sandbox.start()
    await sandbox.person("ann").open_home()  # nobody listens: a repetition is due in a minute
    opened = await client(sandbox, None).apps_connections_open(app_token=sandbox.app_token)
    async with aiohttp.ClientSession() as session, session.ws_connect(opened["url"]) as socket:
        await socket.receive_json()
        waiting = asyncio.create_task(sandbox.person("ann").command("/approvals"))
        await socket.receive_json()

        await sandbox.stop()

        goodbye = await socket.receive_json()
        closed = await socket.receive()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (goodbye["type"], closed.type) == ("disconnect", aiohttp.WSMsgType.CLOSE)
    assert asyncio.all_tasks() == before


async def test_a_ticket_opens_one_websocket(sandbox: Sandbox, slack: AsyncWebClient) -> None:
    url = (await slack.apps_connections_open(app_token=sandbox.app_token))["url"]

    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url) as socket:
            hello = await socket.receive_json()
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)

    assert hello["type"] == "hello"
