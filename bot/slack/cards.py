"""Cards in Slack: posted once, redrawn from state ever after, and found again when nobody knows whether they are there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from bot.links import PageLinks
from bot.slack.entries import Entries
from bot.slack.lasting import Lasting
from bot.slack.views.card import Shown, card
from bot.slack.views.no_longer_asked import no_longer_asked
from bot.slack.views.plain_card import plain_card
from bot.slack.views.words import NO_GROUPS, Groups
from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.errors import ActionError, NotAllowed, TryAgain
from flows.handles import is_group
from flows.ids import Ids
from flows.people import Person, PersonId
from flows.ports import ActionCall
from flows.rules import Seat
from flows.runner import Posted
from flows.store.reads import CardView
from flows.views import SuspensionView

EVENT = "signoff_card"
"""The metadata's event type of cards; the key in them is the effect's."""

_LINKS = 10_000  # permalinks that are kept; they never change

Places = Callable[[int, int], Awaitable[Sequence[tuple[str, str]]]]
"""Where the cards of a suspension (run, n) are: pairs of channel id and ts. ``Engine.cards`` is one."""

Teams = Callable[[int, int], Awaitable[Mapping[str, str]]]
"""The workspaces of the channels that cards of a suspension (run, n) are in, by channel id."""


async def _nobody_knows(_run: int, _n: int) -> Mapping[str, str]:
    return {}


MayDrop = Callable[[SuspensionView, PersonId], Awaitable[None]]
"""Raises a ``Refused`` for somebody who may not let it go on without a decision. ``Engine.check_may_drop`` is one."""


async def _anybody(_view: SuspensionView, _person: PersonId) -> None:
    return None


class Cards:
    """Slack's half of ``flows.runner.Messenger``. Every method raises ``SlackError``; the outbox decides what then.

    A card in a channel is in the workspace that the flow names, else in the requester's, else in the default one; a
    card for one person is in theirs. Where it was posted it stays. Without ``teams`` that is known of new cards only.
    What not everybody may do (``may_drop``) is left out of the cards of those alone who may not.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        links: PageLinks,
        ids: Ids,
        clock: Clock,
        places: Places,
        teams: Teams = _nobody_knows,
        may_drop: MayDrop = _anybody,
    ) -> None:
        self._workspaces = workspaces
        self._links = links
        self._ids = ids
        self._clock = clock
        self._places = places
        self._teams = teams
        self._may_drop = may_drop
        self._entries = Entries(clock.now)
        self._permalinks: dict[tuple[str, str], str] = {}

    async def sync_card(self, card: CardView, call: ActionCall) -> Posted | None:
        """Make the card show its view, wherever it is by now; None where there is nothing to show (any more)."""
        team = self._team(card)
        shown = await self._draw(card, team)
        at = (card.posted, card.ts) if card.posted is not None and card.ts is not None else None
        client = self._workspaces.client(team)
        message = Lasting(client, EVENT, self._clock.now)
        found = await message.sync(shown, at, lambda: self._channel(card, team), call, wanted=card.view.open)
        if found is None:
            return None
        posted = replace(found, team=team)
        if at != (posted.channel, posted.ts):
            return posted
        return await self._entries.tell(client, card, posted, call, await self.groups(card.view, team))

    async def redraw(
        self, channel: str, ts: str, view: SuspensionView, reader: PersonId | None, *, team: str | None = None
    ) -> None:
        """Make one message show ``view``; for a copy of the card that the store does not know. One that is gone is fine.

        ``reader`` is the only one who can see it, None for a channel. ``team`` is the workspace that it is in.
        """
        shown = await self._shown(view, reader, team)
        await Lasting(self._workspaces.client(team), EVENT, self._clock.now).updated(channel, ts, shown)

    async def link(self, run: int, n: int, reader: Person) -> str | None:
        """The address of a card that the reader can see: their own, else one in a channel. None where there is none."""
        places = await self._places(run, n)
        teams = await self._teams(run, n)
        try:
            own = await self._workspaces.direct(reader) if any(_is_direct(channel) for channel, _ in places) else None
            mine = [place for place in places if place[0] == own]
            shared = [place for place in places if not _is_direct(place[0])]
            for place in mine or shared:
                if place not in self._permalinks:
                    if len(self._permalinks) >= _LINKS:
                        self._permalinks.clear()
                    self._permalinks[place] = await self._workspaces.client(
                        teams.get(place[0], self._workspaces.home)
                    ).permalink(*place)
                return self._permalinks[place]
        except ActionError:
            pass  # a list without this link is better than no list
        return None

    async def groups(self, view: SuspensionView, team: str | None = None) -> Groups:
        """Slack's ids of user groups, where the suspension names any; none where Slack does not say.

        Of a workspace's groups only: Slack shows nobody the groups of another one.
        """
        terms = view.suspension.terms
        return await self.group_ids((*view.suspension.approvers.groups, *(terms.veto if terms else ())), team)

    async def group_ids(self, handles: Iterable[Seat], team: str | None = None) -> Groups:
        """The same, where there is a group among these handles."""
        if not any(isinstance(handle, str) and is_group(handle) for handle in handles):
            return NO_GROUPS
        try:
            return self._workspaces.groups_of(team, await self._workspaces.directory(team).group_ids())
        except ActionError:
            return NO_GROUPS  # a handle says who it is too

    async def drawn(self, wanted: CardView) -> Shown:
        """What the card shows where it shows the truth."""
        return await self._draw(wanted, self._team(wanted))

    async def _draw(self, wanted: CardView, team: str | None) -> Shown:
        if wanted.plain:
            return plain_card(wanted.view, self._ids)
        return await self._shown(wanted.view, wanted.person, team)

    async def _shown(self, view: SuspensionView, reader: PersonId | None, team: str | None) -> Shown:
        """The card for its only reader, or (None) for everybody who sees it."""
        groups = await self.groups(view, team)
        if reader is not None and view.decision_of(reader) is None and not view.may_be_asked(reader):
            return no_longer_asked(self._seen_from(view, team), groups=groups)
        page = self._links.url(view, reader) if reader is not None else None
        droppable = reader is None or await self._is_droppable(view, reader)
        return card(self._seen_from(view, team), self._ids, page=page, groups=groups, droppable=droppable)

    async def _is_droppable(self, view: SuspensionView, reader: PersonId) -> bool:
        try:
            await self._may_drop(view, reader)
        except NotAllowed:
            return False
        except TryAgain:
            pass  # they are told when they choose it
        return True

    def _seen_from(self, view: SuspensionView, team: str | None) -> SuspensionView:
        """The same for readers in one workspace: Slack shows them nobody by the id of another one."""
        here = team or self._workspaces.default
        people = {
            id_: replace(one, slack=None) if _team_of(one) in self._workspaces and _team_of(one) != here else one
            for id_, one in view.people.items()
        }
        return replace(view, people=people)

    def _team(self, card: CardView) -> str | None:
        """The workspace that it is in, or is going to be in."""
        if card.team is not None or card.posted is not None:
            return card.team or self._workspaces.home  # it was posted when there was one workspace only
        requester = self._workspaces.of_person(card.view.requester)
        if card.person is None:
            return requester
        person = card.view.person(card.person)
        # Somebody of another company (Slack Connect) is met where the request comes from.
        return self._workspaces.first_of(_team_of(person), requester)

    async def _channel(self, card: CardView, team: str | None) -> str:
        if card.person is None:
            assert card.channel is not None  # a card is wanted in a channel or by a person
            return card.channel
        return await self._workspaces.direct(card.view.person(card.person), team)


def _team_of(person: Person) -> str | None:
    """The workspace in which they are known first."""
    return (person.slack or "").rpartition("/")[0] or None


def _is_direct(channel: str) -> bool:
    return channel.startswith("D")
