"""Shows people what waits for them: cards in Slack, mails by Gmail or SMTP, whichever is set up."""

from __future__ import annotations

from typing import Protocol

from bot.digests import Digests
from bot.mail.mailboxes import NoMailbox
from bot.mail.post import Post
from flows.definition import SlackPlace, Wait
from flows.effects import Note
from flows.errors import UnknownAction
from flows.people import Person, PersonId
from flows.ports import ActionCall
from flows.runner import Posted
from flows.store.reads import CardView, RequestCard
from flows.views import RunView, SuspensionView


class Cards(Protocol):
    """Slack's half (``bot.slack.cards``)."""

    async def sync_card(self, card: CardView, call: ActionCall) -> Posted | None: ...


class Requests(Protocol):
    """What a requester is shown in Slack (``bot.slack.requests``)."""

    async def sync_request(self, card: RequestCard, call: ActionCall) -> Posted | None: ...
    async def tell_requester(self, view: RunView, person: Person, call: ActionCall) -> None: ...


class Notes(Protocol):
    """What people are told in Slack besides their cards (``bot.slack.notes``)."""

    async def tell(self, view: SuspensionView, note: Note, person: Person, times: int, call: ActionCall) -> None: ...
    async def tell_admins(self, channel: str, view: SuspensionView, note: Note, call: ActionCall) -> None: ...


class Messages:
    """``flows.runner.Messenger``. What is not set up parks its effect with a hint; the run is intact."""

    def __init__(
        self,
        *,
        cards: Cards | None,
        requests: Requests | None,
        post: Post | None,
        digests: Digests | None,
        notes: Notes | None = None,
        admin_channel: str | None = None,
    ) -> None:
        self._notes = notes
        self._admin_channel = admin_channel
        self._cards = cards
        self._requests = requests
        self._post = post
        self._digests = digests

    async def sync_card(self, card: CardView, call: ActionCall) -> Posted | None:
        if self._cards is None:
            raise UnknownAction("Slack is not set up; set SLACK_BOT_TOKEN and retry")
        return await self._cards.sync_card(card, call)

    async def send_mail(self, view: SuspensionView, person: PersonId, call: ActionCall) -> None:
        if self._post is None and self._cards is None:
            return  # an installation without Slack and mail asks through its API only
        who = view.person(person)
        if who.email is None:
            raise UnknownAction(f"{who.name} has no mail address")
        if self._post is None:
            raise NoMailbox("no mail is set up; connect a Gmail account, or set SMTP_HOST and SMTP_SENDER, and retry")
        # What was begun is finished: nobody knows whether it has arrived.
        if call.memo or self._digests is None or not await self._digests.take(view, who):
            await self._post.ask(view, who, call)

    async def sync_request(self, card: RequestCard, call: ActionCall) -> Posted | None:
        # Whoever is not in Slack hears by mail how it ended.
        return await self._requests.sync_request(card, call) if self._requests is not None else None

    async def tell(
        self, view: SuspensionView, note: Note, person: PersonId | None, times: int, call: ActionCall
    ) -> None:
        if person is None:
            if self._notes is not None and self._admin_channel is not None:
                await self._notes.tell_admins(self._admin_channel, view, note, call)
            return
        who = view.person(person)
        if who.slack is not None and self._notes is not None and _asks_in_slack(view, note):
            await self._notes.tell(view, note, who, times, call)
        elif who.email is not None and self._post is not None and _asks_by_mail(view, note):
            # Whoever wanted to be asked at this time is, and not later.
            later = note in (Note.REMINDER, Note.NUDGE) and not call.memo
            if not later or self._digests is None or not await self._digests.take(view, who):
                await self._post.tell(view, note, who, times, call)

    async def tell_requester(self, view: RunView, call: ActionCall) -> None:
        who = view.person(view.run.requester)
        if who.slack is not None and self._requests is not None:
            await self._requests.tell_requester(view, who, call)
        elif who.email is not None and self._post is not None:
            await self._post.ending(view, who, call)
        # Nobody to tell and no way to: the run shows how it ended, and that is all that can be done.


def _asks_in_slack(view: SuspensionView, note: Note) -> bool:
    """Whether who is reminded was asked in Slack. Anything else is told there to whoever has it."""
    if note not in (Note.REMINDER, Note.NUDGE, Note.WOKEN):
        return True
    wait = view.wait
    via = wait.via if isinstance(wait, Wait) else None
    return via is None or (via != "none" and any(place == "slack" or isinstance(place, SlackPlace) for place in via))


def _asks_by_mail(view: SuspensionView, note: Note) -> bool:
    """Whether who is reminded, and is not in Slack, was asked by mail. Anything else is mailed to whoever has no Slack."""
    if note not in (Note.REMINDER, Note.NUDGE, Note.WOKEN):
        return True
    wait = view.wait
    via = wait.via if isinstance(wait, Wait) else None
    return via is None or (via != "none" and any(place in ("mail", "gmail") for place in via))
