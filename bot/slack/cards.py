"""Cards in Slack: posted once, redrawn from state ever after, and found again when nobody knows whether they are there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime

from bot.links import PageLinks
from bot.slack.views.card import Shown, card
from bot.slack.views.ending import ending
from bot.slack.views.words import NO_GROUPS, Groups
from flows.clock import Clock
from flows.definition import Approval, Hold
from flows.errors import ActionError
from flows.handles import is_group
from flows.ids import Ids
from flows.people import Person, PersonId
from flows.ports import ActionCall
from flows.rules import Seat
from flows.runner import Posted
from flows.store.reads import CardView
from flows.views import RunView, SuspensionView
from integrations.slack.client import SlackClient, tag
from integrations.slack.delivery import Message, deliver
from integrations.slack.failures import SlackError, Untraceable

EVENT = "signoff_card"
"""The metadata's event type of cards; the key in them is the effect's."""

_POSTING = "posting"  # in the memo: since when a post may be there that nobody has heard of

_LINKS = 10_000  # permalinks that are kept; they never change

Places = Callable[[int, int], Awaitable[Sequence[tuple[str, str]]]]
"""Where the cards of a suspension (run, n) are: pairs of channel id and ts. ``Engine.cards`` is one."""

GroupIds = Callable[[], Awaitable[Groups]]
"""Slack's ids of all user groups by handle. ``SlackDirectory.group_ids`` is one. Raises ``ActionError``."""


async def _nobody_knows() -> Groups:
    return NO_GROUPS


class Cards:
    """Slack's half of ``flows.runner.Messenger``. Every method raises ``SlackError``; the outbox decides what then.

    Without ``group_ids`` user groups are shown by their handles.
    """

    def __init__(
        self,
        client: SlackClient,
        links: PageLinks,
        ids: Ids,
        clock: Clock,
        places: Places,
        group_ids: GroupIds = _nobody_knows,
    ) -> None:
        self._client = client
        self._links = links
        self._ids = ids
        self._clock = clock
        self._places = places
        self._group_ids = group_ids
        self._permalinks: dict[tuple[str, str], str] = {}

    async def sync_card(self, card: CardView, call: ActionCall) -> Posted | None:
        """Make the card show its view, wherever it is by now; None where there is nothing to show (any more)."""
        shown = await self._draw(card)
        if card.posted is not None and card.ts is not None and await self._updated(card.posted, card.ts, shown):
            return Posted(card.posted, card.ts)
        begun = call.memo.get(_POSTING)
        if begun is None and not card.view.open:
            return None  # never posted, or taken away by somebody; all that it could say is that it is over
        channel = await self._channel(card)
        if begun is not None:
            found = await self._find(channel, call.key, datetime.fromisoformat(begun))
            if found is not None and await self._updated(found.channel, found.ts, shown):
                return found
            if not card.view.open:
                return None
        return await self._post(channel, shown, call, first=begun is None)

    async def redraw(self, channel: str, ts: str, view: SuspensionView, reader: PersonId | None) -> None:
        """Make one message show ``view``; for a copy of the card that the store does not know. One that is gone is fine.

        ``reader`` is the only one who can see it, None for a channel.
        """
        page = self._links.url(view, reader) if reader is not None else None
        await self._updated(channel, ts, card(view, self._ids, page=page, groups=await self.groups(view)))

    async def tell_requester(self, view: RunView, person: Person, call: ActionCall) -> None:
        """A direct message to ``person``, who has to be in Slack: how the run ended, who, why, and where its card is."""
        channel = await self._direct(person)
        shown = ending(view, await self._last_card(view, person))
        message = Message(shown.text, shown.blocks)
        await deliver(self._client, call, [channel], message, now=self._clock.now)

    async def link(self, run: int, n: int, reader: Person) -> str | None:
        """The address of a card that the reader can see: their own, else one in a channel. None where there is none."""
        places = await self._places(run, n)
        try:
            own = await self._direct(reader) if any(_is_direct(channel) for channel, _ in places) else None
            mine = [place for place in places if place[0] == own]
            shared = [place for place in places if not _is_direct(place[0])]
            for place in mine or shared:
                if place not in self._permalinks:
                    if len(self._permalinks) >= _LINKS:
                        self._permalinks.clear()
                    self._permalinks[place] = await self._client.permalink(*place)
                return self._permalinks[place]
        except ActionError:
            pass  # a list without this link is better than no list
        return None

    async def groups(self, view: SuspensionView) -> Groups:
        """Slack's ids of user groups, where the suspension names any; none where Slack does not say."""
        terms = view.suspension.terms
        return await self.group_ids((*view.suspension.approvers.groups, *(terms.veto if terms else ())))

    async def group_ids(self, handles: Iterable[Seat]) -> Groups:
        """The same, where there is a group among these handles."""
        if not any(isinstance(handle, str) and is_group(handle) for handle in handles):
            return NO_GROUPS
        try:
            return await self._group_ids()
        except ActionError:
            return NO_GROUPS  # a handle says who it is too

    async def _last_card(self, view: RunView, person: Person) -> str | None:
        for one in reversed(view.suspensions):
            if isinstance(one.wait, Approval | Hold):
                # Who asked may read the page also where they see no card: it went to somebody else alone, or by mail.
                return await self.link(view.run.id, one.suspension.n, person) or self._links.url(one, person.id)
        return None

    async def _draw(self, wanted: CardView) -> Shown:
        page = self._links.url(wanted.view, wanted.person) if wanted.person is not None else None
        return card(wanted.view, self._ids, page=page, groups=await self.groups(wanted.view))

    async def _channel(self, card: CardView) -> str:
        if card.person is None:
            assert card.channel is not None  # a card is wanted in a channel or by a person
            return card.channel
        return await self._direct(card.view.person(card.person))

    async def _direct(self, person: Person) -> str:
        if person.slack is None:
            raise SlackError(f"{person.name} is not in Slack; the flow can ask by gmail instead.")
        return await self._client.open_direct(person.slack.rpartition("/")[2])

    async def _updated(self, channel: str, ts: str, shown: Shown) -> bool:
        """Whether the message shows it now; False where there is no such message."""
        try:
            await self._client.update(channel, ts, text=shown.text, blocks=shown.blocks)
        except SlackError as error:
            if error.code == "message_not_found":
                return False
            raise
        return True

    async def _find(self, channel: str, key: str, since: datetime) -> Posted | None:
        try:
            found = await self._client.find_post(channel, event_type=EVENT, key=key, since=since)
        except Untraceable:
            return None  # twice is better than not at all; a click on either is counted
        return Posted(found.channel, found.ts) if found is not None else None

    async def _post(self, channel: str, shown: Shown, call: ActionCall, *, first: bool) -> Posted:
        if first:
            await call.remember({_POSTING: self._clock.now().isoformat()})
        try:
            posted = await self._client.post(
                channel, text=shown.text, blocks=shown.blocks, metadata=tag(EVENT, call.key)
            )
        except SlackError as error:
            if first and not error.uncertain:
                # Surely not there: the next delivery need not look for it, at a time when Slack may be short of patience.
                await call.remember({})
            raise
        return Posted(posted.channel, posted.ts)


def _is_direct(channel: str) -> bool:
    return channel.startswith("D")
