"""What people are told in Slack about a wait besides its card; ``Note`` says what there is.

To somebody who has a card of their own it is a reply below that card; to anybody else a direct message that leads to
the card, or to their page.
"""

from __future__ import annotations

from bot.links import PageLinks
from bot.slack.cards import Cards, Places
from bot.slack.reference import Reference
from bot.slack.views import notes
from bot.slack.views.card import Shown
from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.effects import Note
from flows.ids import Ids
from flows.people import Person
from flows.ports import ActionCall
from flows.views import SuspensionView
from integrations.slack.delivery import Message, deliver, deliver_below


class Notes:
    """Slack's half of ``Messenger.tell``. Every method raises ``SlackError``; the outbox decides what then."""

    def __init__(
        self,
        workspaces: Workspaces,
        cards: Cards,
        links: PageLinks,
        ids: Ids,
        clock: Clock,
        places: Places,
    ) -> None:
        self._workspaces = workspaces
        self._cards = cards
        self._links = links
        self._ids = ids
        self._clock = clock
        self._places = places

    async def tell(self, view: SuspensionView, note: Note, person: Person, times: int, call: ActionCall) -> None:
        """Tell ``person``, who has to be in Slack."""
        match note:
            case Note.REMINDER | Note.NUDGE | Note.WOKEN:
                await self._again(view, note, person, call)
            case Note.ANSWER:
                await self._answered(view, person, times, call)
            case _:
                shown = await self._shown(view, note, person, times, await self._link(view, person))
                await self._send(person, shown, None, call)

    async def tell_admins(self, channel: str, view: SuspensionView, note: Note, call: ActionCall) -> None:
        """Tell the admins in their channel: that somebody let a run go on without a decision."""
        if note is not Note.DROPPED:
            return
        shown = notes.dropped(view, self._ids, link=None)
        message = Message(shown.text, shown.blocks)
        await deliver(self._workspaces.client(None), call, [channel], message, now=self._clock.now)

    # -- to who is asked ----------------------------------------------------------------------------------------

    async def _again(self, view: SuspensionView, note: Note, person: Person, call: ActionCall) -> None:
        own = await self._own_card(view, person)
        link = await self._link(view, person) if own is None else None
        reference = Reference.to(view).text(self._ids)
        shown = notes.reminder(view, note, person, link=link, reference=reference, threaded=own is not None)
        await self._send(person, shown, own, call)

    async def _answered(self, view: SuspensionView, person: Person, times: int, call: ActionCall) -> None:
        asked = view.question(times)
        assert asked is not None  # it was told of with the question's place
        own = await self._own_card(view, person)
        link = await self._link(view, person) if own is None else None
        shown = notes.answer(view, asked, person, link=link, threaded=own is not None)
        await self._send(person, shown, own, call)

    # -- to the requester, and whoever is concerned -------------------------------------------------------------

    async def _shown(self, view: SuspensionView, note: Note, person: Person, times: int, link: str) -> Shown:
        match note:
            case Note.QUESTION:
                asked = view.question(times)
                assert asked is not None  # as above
                return notes.question(view, asked, link=link, reference=Reference.to(view).text(self._ids))
            case Note.ESCALATED:
                groups = await self._cards.groups(view, self._workspaces.of_person(person))
                return notes.escalated(view, times, link=link, groups=groups)
            case Note.REASSIGNED:
                groups = await self._cards.groups(view, self._workspaces.of_person(person))
                return notes.reassigned(view, link=link, groups=groups)
            case _:
                return notes.dropped(view, self._ids, link=link)

    # -- where --------------------------------------------------------------------------------------------------

    async def _send(self, person: Person, shown: Shown, thread_ts: str | None, call: ActionCall) -> None:
        client = self._workspaces.client(self._workspaces.of_person(person))
        channel = await self._workspaces.direct(person)
        message = Message(shown.text, shown.blocks, thread_ts=thread_ts)
        await deliver_below(client, call, channel, message, now=self._clock.now)

    async def _own_card(self, view: SuspensionView, person: Person) -> str | None:
        """The ts of the card that only this person sees."""
        channel = await self._workspaces.direct(person)
        places = await self._places(view.run.id, view.suspension.n)
        return next((ts for place, ts in places if place == channel), None)

    async def _link(self, view: SuspensionView, person: Person) -> str:
        return await self._cards.link(view.run.id, view.suspension.n, person) or self._links.url(view, person.id)
