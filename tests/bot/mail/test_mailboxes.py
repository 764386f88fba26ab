"""Which mailbox a mail goes out from, also where that changes between two tries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bot.mail.mailboxes import Mailboxes, NoMailbox
from flows.errors import ActionError
from integrations.mail.mailer import Remember, Sent
from integrations.mail.messages import Mail

MAIL = Mail(("ann@example.com",), "Hello", "Hello")


class Mailbox:
    """Sends on the second try; the first one leaves something behind."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.memos: list[dict[str, Any]] = []

    async def send(self, mail: Mail, *, memo: Mapping[str, Any], remember: Remember) -> Sent:
        self.memos.append(dict(memo))
        if not memo:
            await remember({"draft": self.address})
            raise ActionError("not now", retryable=True)
        return Sent(id=self.address)


class Outbox:
    memo: Mapping[str, Any] = {}

    async def remember(self, memo: Mapping[str, Any]) -> None:
        self.memo = memo


async def test_gmail_sends_where_it_is_connected_and_smtp_where_it_is_not() -> None:
    settings, first, smtp = Mailbox("settings@a.example"), Mailbox("first@a.example"), Mailbox("smtp@a.example")
    connected: list[Mailbox] = []
    both = Mailboxes(smtp=smtp, connected=lambda: connected[0] if connected else None)

    before = both.mail.address
    with pytest.raises(NoMailbox, match="signoff connect gmail"):
        assert both.gmail.address
    connected.append(first)

    assert (before, both.mail.address, both.gmail.address) == (smtp.address, first.address, first.address)
    assert Mailboxes(gmail=settings, smtp=smtp, connected=lambda: first).mail.address == settings.address
    with pytest.raises(NoMailbox, match="is broken"):
        assert Mailboxes(problem=lambda: "it is broken").mail.address


async def test_what_one_mailbox_has_begun_is_never_finished_by_another() -> None:
    """A draft that is not there would look like one that was sent."""
    one, other, outbox = Mailbox("one@a.example"), Mailbox("other@a.example"), Outbox()
    now = [one]
    boxes = Mailboxes(connected=lambda: now[0])

    async def send() -> Sent:
        return await boxes.mail.send(MAIL, memo=outbox.memo, remember=outbox.remember)

    with pytest.raises(ActionError, match="not now"):
        await send()
    now[0] = other
    with pytest.raises(ActionError, match=r"by one@a\.example, ended without an answer") as unknown:
        await send()

    assert (unknown.value.retryable, unknown.value.uncertain) == (False, True)
    assert (other.memos, outbox.memo) == ([], {})
    with pytest.raises(ActionError, match="not now"):
        await send()
    assert (await send()).id == other.address
    assert other.memos == [{}, {"draft": other.address}]


async def test_what_was_begun_before_there_were_several_is_finished() -> None:
    one, outbox = Mailbox("one@a.example"), Outbox()
    outbox.memo = {"draft": "r1"}

    await Mailboxes(gmail=one).mail.send(MAIL, memo=outbox.memo, remember=outbox.remember)

    assert one.memos == [{"draft": "r1"}]
