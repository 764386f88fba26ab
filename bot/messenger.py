"""Shows people what waits for them: cards in Slack, mails by Gmail or SMTP, whichever is set up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Protocol

from bot.digests import Digests
from bot.mail.mailboxes import NoMailbox
from bot.mail.post import Post
from flows.definition import SlackPlace, Wait
from flows.effects import Note
from flows.errors import FlowError, TryAgain, UnknownAction
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


MayDecide = Callable[[SuspensionView, PersonId], Awaitable[None]]
"""Raises a ``Refused`` for somebody who may not answer. ``Engine.check_may_decide`` is one."""

_AGAIN = frozenset({Note.REMINDER, Note.NUDGE, Note.WOKEN})


class _Way(Enum):
    """How people are told something; the better one first."""

    SLACK = auto()
    MAIL = auto()


class Messages:
    """``flows.runner.Messenger``. What is not set up parks its effect with a hint; the run is intact."""

    def __init__(
        self,
        *,
        cards: Cards | None,
        requests: Requests | None,
        post: Post | None,
        digests: Digests | None,
        may_decide: MayDecide,
        notes: Notes | None = None,
        admin_channel: str | None = None,
    ) -> None:
        self._may_decide = may_decide
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
        if note in _AGAIN and not await self._is_asked(view, person):
            return
        who = view.person(person)
        way = self._way(view, note, who)
        if way is _Way.SLACK and self._notes is not None:
            await self._notes.tell(view, note, who, times, call)
        elif way is _Way.MAIL and self._post is not None:
            # Whoever wanted to be asked at this time is, and not later.
            later = note in (Note.REMINDER, Note.NUDGE) and not call.memo
            if not later or self._digests is None or not await self._digests.take(view, who):
                await self._post.tell(view, note, who, times, call)

    def _way(self, view: SuspensionView, note: Note, who: Person) -> _Way | None:
        """How somebody is told: whoever is asked as they were asked, else as they can be reached. Nobody is asked again
        in a way in which they were not asked."""
        usable = []
        if who.slack is not None and self._notes is not None:
            usable.append(_Way.SLACK)
        if who.email is not None and self._post is not None:
            usable.append(_Way.MAIL)
        asked = _ways_of_asking(view)
        # Who is not in Slack was mailed instead (``bot.reconciler.bad_days``).
        as_asked = [way for way in usable if way in asked or (asked and who.slack is None)]
        if note in _AGAIN:
            usable = as_asked
        elif who.id != view.run.requester:
            usable = as_asked or usable
        return usable[0] if usable else None

    async def _is_asked(self, view: SuspensionView, person: PersonId) -> bool:
        """Whether they may still answer: they may have left a group since this was planned."""
        try:
            await self._may_decide(view, person)
        except TryAgain:
            return True  # they might then
        except FlowError:
            return False
        return True

    async def tell_requester(self, view: RunView, call: ActionCall) -> None:
        who = view.person(view.run.requester)
        if who.slack is not None and self._requests is not None:
            await self._requests.tell_requester(view, who, call)
        elif who.email is not None and self._post is not None:
            await self._post.ending(view, who, call)
        # Nobody to tell and no way to: the run shows how it ended, and that is all that can be done.


def _ways_of_asking(view: SuspensionView) -> frozenset[_Way]:
    """How the flow asks people."""
    wait = view.wait
    via = wait.via if isinstance(wait, Wait) else None
    if via is None:
        return frozenset(_Way)
    if via == "none":
        return frozenset()
    return frozenset(_Way.SLACK if place == "slack" or isinstance(place, SlackPlace) else _Way.MAIL for place in via)
