"""slack.request_approval: each person a message of their own, with their own link, once, on good days and bad ones."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from flows.errors import ActionError
from flows.people import Person
from flows.ports import ActionCall, Asked, Json, PersonalLink
from integrations.sandbox import Human, Sandbox
from integrations.sandbox.message import Message
from integrations.slack.approvals import OPEN_PAGE, SlackRequestApproval, SlackRequestApprovalParams
from integrations.slack.client import SlackClient
from integrations.slack.directory import SlackDirectory
from integrations.slack.failures import SlackError

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = "run_1/ask/1/action"


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


@dataclass
class Links:
    """The links of a wait, as the bot gives them: to those who may answer, and to nobody else."""

    people: list[Person]
    answered: set[int] = field(default_factory=set)
    groups: dict[str, list[int]] = field(default_factory=dict)
    hold: bool = False

    resume = cancel = ""

    async def for_person(self, handle: str) -> PersonalLink:
        return (await self.for_people([handle]))[0]

    async def for_people(self, handles: Iterable[str]) -> list[PersonalLink]:
        found: dict[int, PersonalLink] = {}
        for handle in handles:
            known = [one for one in self.people if handle in (one.email, (one.slack or "").rpartition("/")[2])]
            known += [one for one in self.people if one.id in self.groups.get(handle, ())]
            if not known:
                raise ActionError(f"Nobody stands behind {handle}.")
            found |= {one.id: self._link(one) for one in known}
        return list(found.values())

    async def asked(self) -> list[PersonalLink]:
        return [self._link(one) for one in self.people if one.id not in self.answered]

    async def request(self) -> Asked:
        return Asked("Release · Gate", "Ship <4.2> & *go*?", "Ann Archer", NOON, self.hold)

    def _link(self, person: Person) -> PersonalLink:
        return PersonalLink(person, f"https://signoff.example.com/a/{person.name.split()[0].lower()}")


class Outbox:
    """Keeps the memo of one effect between its deliveries, as JSON, like the store does."""

    def __init__(self, links: Links | None) -> None:
        self.memo = "{}"
        self.links = links

    async def remember(self, memo: Mapping[str, Json]) -> None:
        self.memo = json.dumps(memo)

    def call(self) -> ActionCall:
        return ActionCall(KEY, memo=json.loads(self.memo), remember=self.remember, links=self.links)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def sandbox(clock: HandClock) -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people(clock=clock) as running:
        yield running


@pytest.fixture
async def slack(sandbox: Sandbox) -> AsyncIterator[SlackClient]:
    client = SlackClient(sandbox.bot_token, base_url=sandbox.slack_url)
    yield client
    await client.close()


def asking(slack: SlackClient, team: str, clock: HandClock) -> SlackRequestApproval:
    directory = SlackDirectory(slack, team_id=team, now=clock.now, monotonic=clock.monotonic)
    return SlackRequestApproval(slack, directory, now=clock.now)


@pytest.fixture
def ask(sandbox: Sandbox, slack: SlackClient, clock: HandClock) -> SlackRequestApproval:
    return asking(slack, sandbox.workspace.id, clock)


@pytest.fixture
def links(sandbox: Sandbox) -> Links:
    return Links([person(number, sandbox.person(name)) for number, name in enumerate(("bob", "cat", "dan"), 1)])


def person(number: int, human: Human) -> Person:
    user = human.user
    return Person(number, user.name, human.email, f"{user.team_id}/{user.id}")


def given(**values: Any) -> SlackRequestApprovalParams:
    return SlackRequestApprovalParams.model_validate(values)


def inbox(sandbox: Sandbox, name: str) -> list[Message]:
    return sandbox.person(name).messages("@signoff")


def link_in(message: Message) -> str:
    (url,) = {element["url"] for _, element in message.elements() if "url" in element}
    return str(url)


def last(sandbox: Sandbox, names: Iterable[str] = ("bob", "cat", "dan")) -> list[int]:
    return [len(inbox(sandbox, name)) for name in names]


async def failed(ask: SlackRequestApproval, outbox: Outbox, params: SlackRequestApprovalParams) -> ActionError:
    with pytest.raises(ActionError) as caught:
        await ask.perform(outbox.call(), params)
    return caught.value


async def test_everybody_whom_the_wait_asks_gets_one_message_with_their_own_link(
    sandbox: Sandbox, ask: SlackRequestApproval, links: Links
) -> None:
    output = await ask.perform(Outbox(links).call(), given())

    for name, entry in zip(("bob", "cat", "dan"), output, strict=True):
        (message,) = inbox(sandbox, name)
        human = sandbox.person(name)
        assert link_in(message) == f"https://signoff.example.com/a/{name}"
        assert entry == {
            "person": {"name": human.user.name, "email": human.email, "slack_id": human.id},
            "channel": message.channel,
            "ts": message.ts,
        }
        assert message.text == "*Release · Gate*\nShip &lt;4.2&gt; &amp; *go*?\nAsked by Ann Archer"
        assert message.buttons() == ["Open to approve or reject"]


async def test_a_message_says_what_the_flow_says_and_no_link_stands_in_its_text(
    sandbox: Sandbox, ask: SlackRequestApproval, links: Links
) -> None:
    links.hold = True
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "Look at *this*"}}]

    await ask.perform(Outbox(links).call(), given(to="bob@example.com", text="Ship it?", blocks=blocks))

    (message,) = inbox(sandbox, "bob")
    assert message.text == "Ship it?"
    assert message.shown_text().startswith("Look at *this*")
    assert message.buttons() == ["Open to resume"]
    assert [element["action_id"] for _, element in message.elements()] == [OPEN_PAGE]
    (call,) = sandbox.calls.of("chat.postMessage")
    assert (call.body["unfurl_links"], call.body["unfurl_media"]) == (False, False)


@pytest.mark.parametrize(
    ("to", "asked"),
    [
        ("cat@example.com", [0, 1, 0]),
        (["dan@example.com", "bob@example.com"], [1, 0, 1]),
        ({"name": "Cat", "email": "cat@example.com", "slack_id": None}, [0, 1, 0]),
        ([{"name": "Dan", "email": "dan@example.com"}, "dan@example.com"], [0, 0, 1]),
        ("@hr-leads", [1, 1, 0]),
    ],
)
async def test_only_those_are_asked_whom_the_flow_names(
    sandbox: Sandbox, ask: SlackRequestApproval, links: Links, to: Any, asked: list[int]
) -> None:
    links.groups = {"@hr-leads": [1, 2]}

    await ask.perform(Outbox(links).call(), given(to=to))

    assert last(sandbox) == asked


async def test_a_channel_is_told_whom_it_waits_for_and_gets_no_link(
    sandbox: Sandbox, ask: SlackRequestApproval, links: Links
) -> None:
    output = await ask.perform(Outbox(links).call(), given(to=["bob@example.com"], text="Ship?", channel="#releases"))

    (message,) = sandbox.person("ann").messages("releases")
    assert message.text == f"Ship?\nAsked: <@{sandbox.person('bob').id}>"
    assert message.buttons() == []
    assert "signoff.example.com" not in str(message.as_json(with_metadata=True))
    assert output[-1] == {"person": None, "channel": message.channel, "ts": message.ts}
    assert len(output) == 2


async def test_nobody_is_asked_unless_everybody_is_in_slack(
    sandbox: Sandbox, ask: SlackRequestApproval, links: Links
) -> None:
    links.people += [Person(9, "Una Nord", "una@elsewhere.example"), Person(10, "Vic", None, None)]

    error = await failed(ask, Outbox(links), given())

    assert str(error) == (
        "Not in this Slack: Una Nord, Vic. Name in 'to' those who are, or ask by gmail.request_approval."
    )
    assert not error.retryable
    assert last(sandbox) == [0, 0, 0]


async def test_in_another_workspace_people_are_found_by_their_mail_address(
    sandbox: Sandbox, clock: HandClock, links: Links
) -> None:
    other = sandbox.add_workspace("Other", "other")
    there = sandbox.add_person("bobby", "Bob Baker", email="bob@example.com", workspace=other)
    client = SlackClient(sandbox.new_token(workspace=other), base_url=sandbox.slack_url)

    output = await asking(client, other.id, clock).perform(Outbox(links).call(), given(to="bob@example.com"))
    await client.close()

    (message,) = there.messages("@signoff")
    assert link_in(message) == "https://signoff.example.com/a/bob"
    assert output[0]["ts"] == message.ts
    assert last(sandbox) == [0, 0, 0]


async def test_a_step_without_a_wait_for_people_has_nothing_to_ask_for(ask: SlackRequestApproval) -> None:
    error = await failed(ask, Outbox(None), given())

    assert "a step without 'approval' or 'hold'" in str(error)
    assert not error.retryable


async def test_a_handle_of_nobody_is_refused_before_anything_is_sent(
    sandbox: Sandbox, ask: SlackRequestApproval, links: Links
) -> None:
    error = await failed(ask, Outbox(links), given(to=["bob@example.com", "nobody@example.com"]))

    assert "nobody@example.com" in str(error)
    assert last(sandbox) == [0, 0, 0]


@pytest.mark.parametrize("answered", [{1, 3}, {3}])
@pytest.mark.parametrize("accepted", [True, False])
async def test_R9_a_repeat_asks_nobody_twice_and_goes_on_with_the_others(
    sandbox: Sandbox, ask: SlackRequestApproval, links: Links, accepted: bool, answered: set[int]
) -> None:
    outbox = Outbox(links)
    held = asyncio.Event()
    sandbox.faults.slow("chat.postMessage", until=held, after=True, times=1)
    first = asyncio.create_task(failed(ask, outbox, given(channel="#releases")))
    await sandbox.until(lambda: inbox(sandbox, "bob"))
    # Arranged while Bob's message is on its way, so that it hits Cat's.
    if accepted:
        sandbox.faults.drop_after("chat.postMessage", times=1)
        sandbox.faults.status("conversations.history", 503, times=1)
    else:
        sandbox.faults.rate_limited("chat.postMessage", retry_after=1, times=1)
    held.set()
    error = await first
    # Who has answered meanwhile is not asked any more, and stays in the output if they were.
    links.answered = answered

    output = await ask.perform(outbox.call(), given(channel="#releases"))

    assert isinstance(error, SlackError)
    assert (error.retryable, error.uncertain) == (True, accepted)
    assert last(sandbox) == [1, 1, 0]
    assert [link_in(inbox(sandbox, name)[0]) for name in ("bob", "cat")] == [
        "https://signoff.example.com/a/bob",
        "https://signoff.example.com/a/cat",
    ]
    assert [(entry["person"] or {}).get("name") for entry in output] == ["bob", "cat", None]
    assert output[0]["ts"] == inbox(sandbox, "bob")[0].ts


async def test_R5_killed_after_a_message_was_accepted_nobody_is_asked_twice(
    sandbox: Sandbox, ask: SlackRequestApproval, links: Links
) -> None:
    outbox = Outbox(links)
    held = asyncio.Event()
    sandbox.faults.slow("chat.postMessage", until=held, after=True, times=1)
    dying = asyncio.create_task(ask.perform(outbox.call(), given()))
    await sandbox.until(lambda: inbox(sandbox, "bob"))
    dying.cancel()
    await asyncio.wait([dying])
    held.set()

    output = await ask.perform(outbox.call(), given())

    assert last(sandbox) == [1, 1, 1]
    assert len(output) == 3
    assert "signoff.example.com" not in outbox.memo  # links are derived, and never stored


@pytest.mark.parametrize(
    "values",
    [
        {"to": []},
        {"to": ""},
        {"to": [{"name": "Bob"}]},
        {"to": 7},
        {"to": ["x@example.com"] * 101},
        {"text": " "},
        {"channel": "vacation"},
        {"channel": "D024BE91L"},
        {"channel": "U024BE7LH"},
        {"blocks": [{"type": "divider"}] * 49},
        {"subject": "Ship?"},
    ],
)
def test_what_asks_nobody_is_refused_before_anything_is_sent(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        given(**values)
