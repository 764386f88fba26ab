"""The requester's one message of a run, in their direct messages: posted when the run first asks people, redrawn with
every change, and replied to when the run has ended, because a redrawn message notifies nobody."""

from __future__ import annotations

from dataclasses import replace

from bot.links import PageLinks
from bot.slack.cards import Cards, Places
from bot.slack.lasting import Lasting
from bot.slack.views.ending import ending
from bot.slack.views.plain_request import plain_request
from bot.slack.views.requester import requester
from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.definition import Approval, Hold
from flows.ids import Ids
from flows.people import Person
from flows.ports import ActionCall
from flows.runner import Posted
from flows.store.reads import RequestCard
from flows.views import RunView
from integrations.slack.delivery import Message, deliver_below

EVENT = "signoff_request"
"""The metadata's event type of these messages."""

MESSAGE = 0
"""The number under which the engine keeps where a run's message is, among the cards of its suspensions."""


class Requests:
    """Slack's half of what a requester is shown. Every method raises ``SlackError``; the outbox decides what then."""

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

    async def sync_request(self, card: RequestCard, call: ActionCall) -> Posted | None:
        """Make the message show where its run stands; None where there is nobody in Slack to show it to, or nothing to
        show it on any more."""
        who = card.view.person(card.person)
        if who.slack is None:
            return None
        team = self._workspaces.of_person(who)
        run = card.view.run
        handles = [handle for one in card.view.suspensions for handle in one.suspension.approvers.groups]
        if card.plain:
            shown = plain_request(card.view, self._ids)
        else:
            shown = requester(card.view, self._ids, groups=await self._cards.group_ids(handles, team))
        at = (card.posted, card.ts) if card.posted is not None and card.ts is not None else None
        message = Lasting(self._workspaces.client(team), EVENT, self._clock.now)
        posted = await message.sync(shown, at, lambda: self._workspaces.direct(who), call, wanted=run.ending is None)
        return replace(posted, team=team) if posted is not None else None

    async def tell_requester(self, view: RunView, person: Person, call: ActionCall) -> None:
        """Tell ``person``, who has to be in Slack, how the run ended, who, why, and where its card is: as a reply to the
        run's message, where there is one."""
        shown = ending(view, person, await self._last_card(view, person))
        client = self._workspaces.client(self._workspaces.of_person(person))
        channel = await self._workspaces.direct(person)
        threads = [ts for place, ts in await self._places(view.run.id, MESSAGE) if place == channel]
        message = Message(shown.text, shown.blocks, thread_ts=threads[0] if threads else None)
        await deliver_below(client, call, channel, message, now=self._clock.now)

    async def _last_card(self, view: RunView, person: Person) -> str | None:
        for one in reversed(view.suspensions):
            if isinstance(one.wait, Approval | Hold):
                # Who asked may read the page also where they see no card: it went to somebody else alone, or by mail.
                return await self._cards.link(view.run.id, one.suspension.n, person) or self._links.url(one, person.id)
        return None
