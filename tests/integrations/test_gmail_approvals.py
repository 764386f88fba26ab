"""gmail.request_approval: each person a mail of their own, with their own link, once, as far as Gmail lets anybody know."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from flows.errors import ActionError
from flows.people import Person
from flows.ports import ActionCall, Asked, Json, PersonalLink
from integrations.gmail.approvals import GmailRequestApproval, GmailRequestApprovalParams
from integrations.gmail.credentials import COMPOSE, SEND, load
from integrations.gmail.send import GmailMailer
from integrations.gmail.transport import GmailTransport
from integrations.sandbox import SENDER, Sandbox
from integrations.sandbox.mailbox import Mail

KEY = "run_1/ask/1/action"
NAMES = ("bob", "cat", "dan")


@dataclass
class Links:
    """The links of a wait, as the bot gives them."""

    people: list[Person]
    answered: set[int] = field(default_factory=set)
    hold: bool = False

    resume = cancel = ""

    async def for_person(self, handle: str) -> PersonalLink:
        return (await self.for_people([handle]))[0]

    async def for_people(self, handles: Iterable[str]) -> list[PersonalLink]:
        found = [one for handle in handles for one in self.people if handle == one.email]
        if not found:
            raise ActionError("Nobody stands behind that.")
        return [self._link(one) for one in found]

    async def asked(self) -> list[PersonalLink]:
        return [self._link(one) for one in self.people if one.id not in self.answered]

    async def request(self) -> Asked:
        due = datetime(2026, 11, 27, 12, tzinfo=UTC)
        return Asked("Release · Gate", "\nShip <4.2>?\nIt is late.", "Ann Archer", due, self.hold)

    def _link(self, person: Person) -> PersonalLink:
        return PersonalLink(person, f"https://signoff.example.com/a/{person.name.lower()}")


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
def links() -> Links:
    return Links([Person(number, name.capitalize(), f"{name}@example.com") for number, name in enumerate(NAMES, 1)])


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people() as running:
        yield running


@pytest.fixture
async def asking(sandbox: Sandbox) -> AsyncIterator[Callable[..., GmailRequestApproval]]:
    """An action that sends with these scopes."""
    mailers: list[GmailMailer] = []

    def ask(*scopes: str) -> GmailRequestApproval:
        credentials = load(token=sandbox.google.new_token(SENDER, scopes).value, sender=SENDER)
        mailers.append(GmailMailer(GmailTransport(credentials, api_url=sandbox.gmail_url), sender=SENDER))
        return GmailRequestApproval(mailers[-1])

    yield ask
    for mailer in mailers:
        await mailer.close()


def given(**values: Any) -> GmailRequestApprovalParams:
    return GmailRequestApprovalParams.model_validate(values)


def inbox(sandbox: Sandbox, name: str) -> list[Mail]:
    return sandbox.office.inbox(f"{name}@example.com")


def counts(sandbox: Sandbox) -> list[int]:
    return [len(inbox(sandbox, name)) for name in NAMES]


async def failed(ask: GmailRequestApproval, outbox: Outbox, **values: Any) -> ActionError:
    with pytest.raises(ActionError) as caught:
        await ask.perform(outbox.call(), given(**values))
    return caught.value


@pytest.mark.parametrize("scopes", [[SEND], [SEND, COMPOSE]])
async def test_everybody_whom_the_wait_asks_gets_one_mail_with_their_own_link(
    sandbox: Sandbox, asking: Any, links: Links, scopes: list[str]
) -> None:
    output = await asking(*scopes).perform(Outbox(links).call(), given())

    for name, entry in zip(NAMES, output, strict=True):
        (mail,) = inbox(sandbox, name)
        assert set(mail.links) == {f"https://signoff.example.com/a/{name}"}
        assert mail.subject == "Please decide: Ship <4.2>?"
        assert "Ann Archer asks:" in mail.plain
        assert "It is late." in mail.plain
        assert "Ship &lt;4.2&gt;?" in mail.html
        assert entry["person"] == {"name": name.capitalize(), "email": f"{name}@example.com", "slack_id": None}
        assert entry["id"]
        assert entry["thread_id"]


async def test_a_mail_says_what_the_flow_says_above_the_link(sandbox: Sandbox, asking: Any, links: Links) -> None:
    links.hold = True

    await asking(SEND).perform(
        Outbox(links).call(), given(to=["cat@example.com"], subject="Go?", text="Please <look>\n\nThanks")
    )

    (mail,) = inbox(sandbox, "cat")
    assert mail.subject == "Go?"
    plain = mail.plain.replace("\r\n", "\n")
    assert plain.startswith("Please <look>\n\nThanks\n\nOpen this page to resume. Opening it decides nothing yet:")
    assert "Please &lt;look&gt;" in mail.html
    assert counts(sandbox) == [0, 1, 0]


async def test_nobody_is_mailed_unless_everybody_has_an_address(sandbox: Sandbox, asking: Any, links: Links) -> None:
    links.people += [Person(9, "Una", None, "T1/U9")]

    error = await failed(asking(SEND), Outbox(links))

    assert str(error) == (
        "Without a mail address: Una. Name in 'to' those who have one, or ask by slack.request_approval."
    )
    assert counts(sandbox) == [0, 0, 0]


async def test_a_step_without_a_wait_for_people_has_nothing_to_ask_for(asking: Any) -> None:
    error = await failed(asking(SEND), Outbox(None))

    assert "a step without 'approval' or 'hold'" in str(error)


@pytest.mark.parametrize("scopes", [[SEND], [SEND, COMPOSE]])
async def test_R10_a_repeat_mails_nobody_twice_and_goes_on_with_the_others(
    sandbox: Sandbox, asking: Any, links: Links, scopes: list[str]
) -> None:
    ask, outbox = asking(*scopes), Outbox(links)
    what = "gmail.drafts.send" if COMPOSE in scopes else "gmail.messages.send"
    held = asyncio.Event()
    sandbox.faults.slow(what, until=held, after=True, times=1)
    first = asyncio.create_task(failed(ask, outbox))
    await sandbox.until(lambda: inbox(sandbox, "bob"))
    sandbox.faults.rate_limited(what, retry_after=7, times=1)
    held.set()
    error = await first
    links.answered = {1}

    output = await ask.perform(outbox.call(), given())

    assert error.retryable
    assert counts(sandbox) == [1, 1, 1]
    assert [entry["person"]["name"] for entry in output] == ["Bob", "Cat", "Dan"]
    assert all(entry["id"] for entry in output)


async def test_R10_with_drafts_an_answer_that_was_lost_makes_no_second_mail(
    sandbox: Sandbox, asking: Any, links: Links
) -> None:
    ask, outbox = asking(SEND, COMPOSE), Outbox(links)
    sandbox.faults.drop_after("gmail.drafts.send", times=1)
    error = await failed(ask, outbox)

    output = await ask.perform(outbox.call(), given())

    assert (error.retryable, error.uncertain) == (True, True)
    assert counts(sandbox) == [1, 1, 1]
    assert [entry["id"] is None for entry in output] == [True, False, False]


async def test_R10_with_send_alone_the_others_get_theirs_and_it_is_said_whose_mail_is_unknown(
    sandbox: Sandbox, asking: Any, links: Links
) -> None:
    ask, outbox = asking(SEND), Outbox(links)
    sandbox.faults.drop_after("gmail.messages.send", times=1)

    error = await failed(ask, outbox)
    before = counts(sandbox)
    output = await ask.perform(outbox.call(), given())

    assert (error.retryable, error.uncertain) == (False, True)
    assert str(error).startswith("The mail to Bob: Gmail")
    assert before == [1, 1, 1]
    # A person has looked, and said "again": Bob's is sent once more, with the same link, and nobody else's.
    assert counts(sandbox) == [2, 1, 1]
    assert len({mail.links for mail in inbox(sandbox, "bob")}) == 1
    assert [entry["person"]["name"] for entry in output] == ["Cat", "Dan", "Bob"]


async def test_R10_what_is_unknown_is_not_sent_again_by_a_repeat_for_another_reason(
    sandbox: Sandbox, asking: Any, links: Links
) -> None:
    ask, outbox = asking(SEND), Outbox(links)
    held = asyncio.Event()
    sandbox.faults.drop_after("gmail.messages.send", times=1)
    sandbox.faults.slow("gmail.messages.send", until=held, after=True, times=1)
    first = asyncio.create_task(failed(ask, outbox))
    await sandbox.until(lambda: inbox(sandbox, "bob"))
    # Arranged while Bob's mail is on its way, so that it hits Cat's.
    sandbox.faults.rate_limited("gmail.messages.send", retry_after=7, times=1)
    held.set()
    limited = await first

    unknown = await failed(ask, outbox)

    assert limited.retryable
    assert (unknown.retryable, unknown.uncertain) == (False, True)
    assert "Bob" in str(unknown)
    assert counts(sandbox) == [1, 1, 1]


async def test_R5_killed_while_a_mail_was_on_its_way_it_is_said_and_not_sent_again(
    sandbox: Sandbox, asking: Any, links: Links
) -> None:
    ask, outbox = asking(SEND), Outbox(links)
    held = asyncio.Event()
    sandbox.faults.slow("gmail.messages.send", until=held, after=True, times=1)
    dying = asyncio.create_task(ask.perform(outbox.call(), given()))
    await sandbox.until(lambda: inbox(sandbox, "bob"))
    dying.cancel()
    await asyncio.wait([dying])
    held.set()

    error = await failed(ask, outbox)

    assert error.uncertain
    assert counts(sandbox) == [1, 1, 1]
    assert "signoff.example.com" not in outbox.memo


@pytest.mark.parametrize("values", [{"to": []}, {"to": 7}, {"subject": ""}, {"text": ""}, {"html": "<p>"}, {"cc": "a"}])
def test_what_asks_nobody_is_refused_before_anything_is_sent(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        given(**values)
