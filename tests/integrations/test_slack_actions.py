"""What flows say in Slack: each message once, over real HTTP, on good days and bad ones."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from flows.ports import Action, ActionCall, Json
from integrations.sandbox import Sandbox
from integrations.slack.actions import (
    PostMessage,
    PostMessageParams,
    SendDirectMessage,
    SendDirectMessageParams,
    UpdateMessage,
    UpdateMessageParams,
)
from integrations.slack.client import SlackClient
from integrations.slack.directory import SlackDirectory
from integrations.slack.failures import SlackError

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = "run_1/tell/1/action"
BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "Approved by *Bob*"}}]


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


class Outbox:
    """Keeps the memo of one effect between its deliveries, as JSON, like the store does."""

    def __init__(self) -> None:
        self.memo = "{}"

    async def remember(self, memo: Mapping[str, Json]) -> None:
        self.memo = json.dumps(memo)

    def call(self) -> ActionCall:
        return ActionCall(KEY, memo=json.loads(self.memo), remember=self.remember)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
async def sandbox(clock: HandClock) -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people(clock=clock) as running:
        yield running


@pytest.fixture
async def slack(sandbox: Sandbox) -> AsyncIterator[SlackClient]:
    client = SlackClient(sandbox.bot_token, base_url=sandbox.slack_url)
    yield client
    await client.close()


@pytest.fixture
def post(slack: SlackClient, clock: HandClock) -> PostMessage:
    return PostMessage(slack, now=clock.now)


@pytest.fixture
def direct(sandbox: Sandbox, slack: SlackClient, clock: HandClock) -> SendDirectMessage:
    directory = SlackDirectory(slack, team_id=sandbox.workspace.id, now=clock.now, monotonic=clock.monotonic)
    return SendDirectMessage(slack, directory, now=clock.now)


def said(**given: Any) -> PostMessageParams:
    return PostMessageParams.model_validate({"channel": "#vacation", "text": "Approved", **given})


def told(to: Any, **given: Any) -> SendDirectMessageParams:
    return SendDirectMessageParams.model_validate({"to": to, "text": "For you", **given})


def texts(sandbox: Sandbox, channel: str = "vacation") -> list[str]:
    return [message.text for message in sandbox.person("ann").messages(channel)]


async def failed(action: Action, call: ActionCall, params: Any) -> SlackError:
    with pytest.raises(SlackError) as caught:
        await action.perform(call, params)
    return caught.value


# -- slack.post_message


async def test_a_flow_posts_a_message(sandbox: Sandbox, post: PostMessage, outbox: Outbox) -> None:
    output = await post.perform(outbox.call(), said(text="Approved by <@U1> &amp; co", blocks=BLOCKS))

    (message,) = sandbox.person("ann").messages("vacation")
    link = f"{sandbox.origin}/archives/{message.channel}/p{message.ts.replace('.', '')}"
    assert output == {"channel": message.channel, "ts": message.ts, "permalink": link}
    assert (message.text, message.shown_text()) == ("Approved by <@U1> &amp; co", "Approved by *Bob*")
    (call,) = sandbox.calls.of("chat.postMessage")
    assert (call.body["unfurl_links"], call.body["unfurl_media"]) == (False, False)


async def test_a_flow_answers_in_a_thread(sandbox: Sandbox, post: PostMessage, outbox: Outbox) -> None:
    top = await post.perform(outbox.call(), said())

    await post.perform(Outbox().call(), said(text="More", channel=top["channel"], thread_ts=top["ts"]))

    # Slack gives a message that has been answered its own ts as that of its thread.
    assert [message.thread_ts for message in sandbox.workspace.messages_in(top["channel"])] == [top["ts"], top["ts"]]


async def test_a_message_without_an_address_still_counts(sandbox: Sandbox, post: PostMessage, outbox: Outbox) -> None:
    sandbox.faults.status("chat.getPermalink", 500)

    output = await post.perform(outbox.call(), said())

    assert output["permalink"] is None
    assert texts(sandbox) == ["Approved"]


async def test_a_text_that_is_too_long_is_posted_and_says_that_it_is_cut(
    sandbox: Sandbox, post: PostMessage, outbox: Outbox
) -> None:
    await post.perform(outbox.call(), said(text="x" * 50_000))

    (text,) = texts(sandbox)
    assert len(text) == 40_000
    assert text.endswith("x…\n(cut: Slack shows 40,000 of 50,000 characters)")


async def test_R9_an_answer_that_was_lost_is_looked_up_at_once(
    sandbox: Sandbox, post: PostMessage, outbox: Outbox
) -> None:
    sandbox.faults.drop_after("chat.postMessage", times=1)

    output = await post.perform(outbox.call(), said())

    (message,) = sandbox.person("ann").messages("vacation")
    assert output["ts"] == message.ts
    assert sandbox.calls.count("chat.postMessage") == 1


async def test_R9b_a_repeat_finds_the_message_that_an_earlier_delivery_posted(
    sandbox: Sandbox, post: PostMessage, outbox: Outbox, clock: HandClock
) -> None:
    sandbox.faults.drop_after("chat.postMessage", times=1)
    sandbox.faults.status("conversations.history", 503, times=1)
    error = await failed(post, outbox.call(), said())
    clock.instant += timedelta(hours=1)

    output = await post.perform(outbox.call(), said())

    (message,) = sandbox.person("ann").messages("vacation")
    assert (error.retryable, error.uncertain) == (True, True)
    assert output["ts"] == message.ts
    assert sandbox.calls.count("chat.postMessage") == 1


async def test_R9b_the_same_in_a_thread(sandbox: Sandbox, post: PostMessage, outbox: Outbox) -> None:
    top = await post.perform(Outbox().call(), said())
    sandbox.faults.drop_after("chat.postMessage", times=1)
    sandbox.faults.status("conversations.replies", 503, times=1)
    await failed(post, outbox.call(), said(text="More", thread_ts=top["ts"]))

    await post.perform(outbox.call(), said(text="More", thread_ts=top["ts"]))

    assert [message.text for message in sandbox.workspace.messages_in(top["channel"])] == ["Approved", "More"]


async def test_R5_killed_after_slack_has_accepted_it_is_posted_once(
    sandbox: Sandbox, post: PostMessage, outbox: Outbox
) -> None:
    held = asyncio.Event()
    sandbox.faults.slow("chat.postMessage", until=held, after=True, times=1)
    dying = asyncio.create_task(post.perform(outbox.call(), said()))
    await sandbox.until(lambda: texts(sandbox))
    dying.cancel()
    await asyncio.wait([dying])
    held.set()

    output = await post.perform(outbox.call(), said())

    (message,) = sandbox.person("ann").messages("vacation")
    assert output["ts"] == message.ts


async def test_R9_a_message_that_was_never_accepted_is_posted_by_the_repeat(
    sandbox: Sandbox, post: PostMessage, outbox: Outbox
) -> None:
    sandbox.faults.drop_before("chat.postMessage", times=1)
    error = await failed(post, outbox.call(), said())

    await post.perform(outbox.call(), said())

    assert error.uncertain
    assert texts(sandbox) == ["Approved"]


async def test_R9_after_a_certain_failure_the_repeat_posts_without_looking(
    sandbox: Sandbox, post: PostMessage, outbox: Outbox
) -> None:
    sandbox.faults.rate_limited("chat.postMessage", retry_after=12, times=1)
    error = await failed(post, outbox.call(), said())

    await post.perform(outbox.call(), said())

    assert error.retry_after == timedelta(seconds=12)
    assert texts(sandbox) == ["Approved"]
    assert sandbox.calls.count("conversations.*") == 0


async def test_R9b_where_the_bot_may_not_read_the_repeat_posts_again(
    sandbox: Sandbox, clock: HandClock, outbox: Outbox
) -> None:
    poor = SlackClient(sandbox.new_token(["chat:write"]), base_url=sandbox.slack_url)
    post = PostMessage(poor, now=clock.now)
    sandbox.faults.drop_after("chat.postMessage", times=1)
    error = await failed(post, outbox.call(), said())

    await post.perform(outbox.call(), said())
    await poor.close()

    assert error.uncertain
    assert texts(sandbox) == ["Approved", "Approved"]


async def test_R9b_a_look_that_fails_is_no_reason_to_post_again(
    sandbox: Sandbox, post: PostMessage, outbox: Outbox
) -> None:
    sandbox.faults.drop_after("chat.postMessage", times=1)
    sandbox.faults.status("conversations.history", 503)
    await failed(post, outbox.call(), said())
    error = await failed(post, outbox.call(), said())
    sandbox.faults.clear()

    await post.perform(outbox.call(), said())

    assert error.retryable
    assert texts(sandbox) == ["Approved"]


@pytest.mark.parametrize(
    "given",
    [
        {"channel": "vacation"},
        {"channel": "@ann"},
        {"channel": "U024BE7LH"},
        {"channel": "#"},
        {"channel": "#two words"},
        {"channel": ["#vacation"]},
        {"text": ""},
        {"text": " \n"},
        {"text": 7},
        {"blocks": [{"type": "divider"}] * 51},
        {"blocks": "[]"},
        {"thread_ts": "yesterday"},
        {"thread_ts": 1700000000.0001},
        {"username": "Somebody else"},
    ],
)
def test_what_is_no_message_is_refused_before_anything_is_sent(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        said(**given)

    assert "input_value" not in str(caught.value)


# -- slack.send_direct_message


@pytest.mark.parametrize("spelling", ["mail", "id", "team and id"])
async def test_a_flow_writes_to_a_person(
    sandbox: Sandbox, direct: SendDirectMessage, outbox: Outbox, spelling: str
) -> None:
    ann = sandbox.person("ann")
    to = {"mail": "Ann@Example.com", "id": ann.id, "team and id": f"{sandbox.workspace.id}/{ann.id}"}[spelling]

    output = await direct.perform(outbox.call(), told(to))

    (message,) = ann.messages("@signoff")
    assert (message.text, output["channel"], output["ts"]) == ("For you", message.channel, message.ts)
    assert set(output) == {"channel", "ts", "permalink"}


async def test_a_flow_writes_to_several_people_one_message_each(
    sandbox: Sandbox, direct: SendDirectMessage, outbox: Outbox
) -> None:
    ann, bob = sandbox.person("ann"), sandbox.person("bob")

    output = await direct.perform(outbox.call(), told(["ann@example.com", bob.id, ann.id]))

    assert [len(person.messages("@signoff")) for person in (ann, bob)] == [1, 1]
    assert [message["to"] for message in output["messages"]] == ["ann@example.com", bob.id, ann.id]
    assert output["messages"][0]["ts"] == output["messages"][2]["ts"] == ann.messages("@signoff")[0].ts


async def test_nobody_is_written_to_unless_everybody_is_found(
    sandbox: Sandbox, direct: SendDirectMessage, outbox: Outbox
) -> None:
    error = await failed(direct, outbox.call(), told(["ann@example.com", "nobody@example.com"]))

    assert str(error) == "Nobody in Slack has the mail address nobody@example.com."
    assert not error.retryable
    assert sandbox.person("ann").messages("@signoff") == []


async def test_a_directory_that_cannot_be_asked_is_worth_another_try(
    sandbox: Sandbox, direct: SendDirectMessage, outbox: Outbox
) -> None:
    sandbox.faults.status("users.lookupByEmail", 503)

    error = await failed(direct, outbox.call(), told("ann@example.com"))

    assert (error.retryable, error.uncertain) == (True, False)


@pytest.mark.parametrize("accepted", [True, False])
async def test_R9_a_repeat_goes_on_where_the_delivery_before_it_stopped(
    sandbox: Sandbox, direct: SendDirectMessage, outbox: Outbox, accepted: bool
) -> None:
    people = [sandbox.person(name) for name in ("ann", "bob", "cat")]
    params = told([person.id for person in people])
    held = asyncio.Event()
    sandbox.faults.slow("chat.postMessage", until=held, after=True, times=1)
    first = asyncio.create_task(failed(direct, outbox.call(), params))
    await people[0].sees("For you")
    # Arranged while Ann's message is on its way, so that it hits Bob's.
    if accepted:
        sandbox.faults.drop_after("chat.postMessage", times=1)
        sandbox.faults.status("conversations.history", 503, times=1)
    else:
        sandbox.faults.rate_limited("chat.postMessage", retry_after=1, times=1)
    held.set()
    error = await first

    output = await direct.perform(outbox.call(), params)

    assert (error.retryable, error.uncertain) == (True, accepted)
    found = [person.messages("@signoff") for person in people]
    assert [len(messages) for messages in found] == [1, 1, 1]
    assert [message["ts"] for message in output["messages"]] == [messages[0].ts for messages in found]


@pytest.mark.parametrize(
    "to", ["", "ann", "@hr-leads", "#vacation", "C024BE7LH", [], ["ann"], "a@b@c", None, ["x@example.com"] * 101]
)
def test_whoever_is_nobody_is_refused_before_anything_is_sent(to: Any) -> None:
    with pytest.raises(ValidationError):
        told(to)


# -- slack.update_message


def changed(posted: Mapping[str, Any], **given: Any) -> UpdateMessageParams:
    place = {"channel": posted["channel"], "ts": posted["ts"]}
    return UpdateMessageParams.model_validate({**place, "text": "Deployed", **given})


async def test_a_flow_changes_what_it_has_posted(
    sandbox: Sandbox, slack: SlackClient, post: PostMessage, outbox: Outbox
) -> None:
    posted = await post.perform(outbox.call(), said(text="Deploying", blocks=BLOCKS))

    output = await UpdateMessage(slack).perform(Outbox().call(), changed(posted))

    (message,) = sandbox.person("ann").messages("vacation")
    assert (message.text, message.blocks) == ("Deployed", [])
    assert output == posted


async def test_a_change_that_is_repeated_changes_nothing_more(
    sandbox: Sandbox, slack: SlackClient, post: PostMessage, outbox: Outbox
) -> None:
    posted = await post.perform(outbox.call(), said())
    update, outbox = UpdateMessage(slack), Outbox()
    sandbox.faults.drop_after("chat.update", times=1)
    error = await failed(update, outbox.call(), changed(posted, blocks=BLOCKS))

    await update.perform(outbox.call(), changed(posted, blocks=BLOCKS))

    (message,) = sandbox.person("ann").messages("vacation")
    assert (error.retryable, error.uncertain) == (True, False)
    assert message.shown_text() == "Approved by *Bob*"


async def test_a_change_that_is_too_long_says_that_it_is_cut(
    sandbox: Sandbox, slack: SlackClient, post: PostMessage, outbox: Outbox
) -> None:
    posted = await post.perform(outbox.call(), said())

    await UpdateMessage(slack).perform(Outbox().call(), changed(posted, text="x" * 5_000))

    (text,) = texts(sandbox)
    assert len(text) == 4_000
    assert text.endswith("x…\n(cut: Slack shows 4,000 of 5,000 characters)")


async def test_only_the_bots_own_messages_can_be_changed(sandbox: Sandbox, slack: SlackClient) -> None:
    ann = sandbox.person("ann")
    channel = next(one for one in sandbox.workspace.channels.values() if one.name == "vacation")
    hers = sandbox.workspace.post(channel, ann.id, "I am away")

    theirs = await failed(UpdateMessage(slack), Outbox().call(), changed({"channel": channel.id, "ts": hers.ts}))
    gone = await failed(
        UpdateMessage(slack), Outbox().call(), changed({"channel": channel.id, "ts": "1700000000.000100"})
    )

    assert (theirs.code, theirs.retryable) == ("cant_update_message", False)
    assert "only the bot's own messages can be changed" in str(theirs)
    assert (gone.code, gone.retryable) == ("message_not_found", False)
    assert texts(sandbox) == ["I am away"]


@pytest.mark.parametrize(
    "given",
    [
        {"channel": "#vacation"},
        {"channel": "U024BE7LH"},
        {"ts": "now"},
        {"ts": None},
        {"text": " "},
        {"thread_ts": "1"},
    ],
)
def test_what_names_no_message_is_refused_before_anything_is_sent(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        changed({"channel": "C024BE91L", "ts": "1700000000.000100"}, **given)
