"""Cards in Slack: posted once, redrawn from state ever after, and found again when nobody knows whether they are there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bot.links import PageLinks
from bot.slack.entries import Entries
from bot.slack.views.card import Shown, card
from bot.slack.views.plain_card import plain_card
from bot.slack.views.words import NO_GROUPS, Groups
from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.errors import ActionError
from flows.handles import is_group
from flows.ids import Ids
from flows.people import Person, PersonId
from flows.ports import ActionCall
from flows.rules import Seat
from flows.runner import Posted
from flows.store.reads import CardView
from flows.views import SuspensionView
from integrations.slack.client import SlackClient, tag
from integrations.slack.failures import GONE, SlackError, Untraceable

EVENT = "signoff_card"
"""The metadata's event type of cards; the key in them is the effect's."""

_POSTING = "posting"  # in the memo: since when a post may be there that nobody has heard of

_LINKS = 10_000  # permalinks that are kept; they never change

Places = Callable[[int, int], Awaitable[Sequence[tuple[str, str]]]]
"""Where the cards of a suspension (run, n) are: pairs of channel id and ts. ``Engine.cards`` is one."""

Teams = Callable[[int, int], Awaitable[Mapping[str, str]]]
"""The workspaces of the channels that cards of a suspension (run, n) are in, by channel id."""


async def _nobody_knows(_run: int, _n: int) -> Mapping[str, str]:
    return {}


class Cards:
    """Slack's half of ``flows.runner.Messenger``. Every method raises ``SlackError``; the outbox decides what then.

    A card in a channel is in the workspace that the flow names, else in the requester's, else in the default one; a
    card for one person is in theirs. Where it was posted it stays. Without ``teams`` that is known of new cards only.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        links: PageLinks,
        ids: Ids,
        clock: Clock,
        places: Places,
        teams: Teams = _nobody_knows,
    ) -> None:
        self._workspaces = workspaces
        self._links = links
        self._ids = ids
        self._clock = clock
        self._places = places
        self._teams = teams
        self._entries = Entries(clock.now)
        self._permalinks: dict[tuple[str, str], str] = {}

    async def sync_card(self, card: CardView, call: ActionCall) -> Posted | None:
        """Make the card show its view, wherever it is by now; None where there is nothing to show (any more)."""
        team = self._team(card)
        shown = await self._draw(card, team)
        client = self._workspaces.client(team)
        if card.posted is not None and card.ts is not None and await self._updated(client, card.posted, card.ts, shown):
            posted = Posted(card.posted, card.ts, team)
            return await self._entries.tell(client, card, posted, call, await self.groups(card.view, team))
        begun = call.memo.get(_POSTING)
        if begun is None and not card.view.open:
            return None  # never posted, or taken away by somebody; all that it could say is that it is over
        channel = await self._channel(card, team)
        if begun is not None:
            found = await self._find(client, channel, call.key, datetime.fromisoformat(begun))
            if found is not None and await self._updated(client, found.channel, found.ts, shown):
                return replace(found, team=team)
            if not card.view.open:
                return None
        return replace(await self._post(client, channel, shown, call, first=begun is None), team=team)

    async def redraw(
        self, channel: str, ts: str, view: SuspensionView, reader: PersonId | None, *, team: str | None = None
    ) -> None:
        """Make one message show ``view``; for a copy of the card that the store does not know. One that is gone is fine.

        ``reader`` is the only one who can see it, None for a channel. ``team`` is the workspace that it is in.
        """
        page = self._links.url(view, reader) if reader is not None else None
        view = self._seen_from(view, team)
        shown = card(view, self._ids, page=page, groups=await self.groups(view, team))
        await self._updated(self._workspaces.client(team), channel, ts, shown)

    async def link(self, run: int, n: int, reader: Person) -> str | None:
        """The address of a card that the reader can see: their own, else one in a channel. None where there is none."""
        places = await self._places(run, n)
        teams = await self._teams(run, n)
        try:
            home = self._home(reader)
            own = await self._direct(reader, home) if any(_is_direct(channel) for channel, _ in places) else None
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
        page = self._links.url(wanted.view, wanted.person) if wanted.person is not None else None
        view = self._seen_from(wanted.view, team)
        return card(view, self._ids, page=page, groups=await self.groups(view, team))

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
        requester = self._home(card.view.person(card.view.run.requester))
        if card.person is None:
            return requester
        person = card.view.person(card.person)
        # Somebody of another company (Slack Connect) is met where the request comes from.
        return self._workspaces.first_of(_team_of(person), requester)

    def _home(self, person: Person) -> str | None:
        return self._workspaces.first_of(_team_of(person))

    async def _channel(self, card: CardView, team: str | None) -> str:
        if card.person is None:
            assert card.channel is not None  # a card is wanted in a channel or by a person
            return card.channel
        return await self._direct(card.view.person(card.person), team)

    async def _direct(self, person: Person, team: str | None) -> str:
        if person.slack is None:
            raise SlackError(f"{person.name} is not in Slack; the flow can ask by gmail instead.")
        return await self._workspaces.client(team).open_direct(person.slack.rpartition("/")[2])

    async def _updated(self, client: SlackClient, channel: str, ts: str, shown: Shown) -> bool:
        """Whether the message shows it now; False where there is no such message."""
        try:
            await client.update(channel, ts, text=shown.text, blocks=shown.blocks)
        except SlackError as error:
            if error.code in GONE:
                return False
            raise
        return True

    async def _find(self, client: SlackClient, channel: str, key: str, since: datetime) -> Posted | None:
        try:
            found = await client.find_post(channel, event_type=EVENT, key=key, since=since)
        except Untraceable:
            return None  # twice is better than not at all; a click on either is counted
        return Posted(found.channel, found.ts) if found is not None else None

    async def _post(self, client: SlackClient, channel: str, shown: Shown, call: ActionCall, *, first: bool) -> Posted:
        if first:
            await call.remember({_POSTING: self._clock.now().isoformat()})
        try:
            posted = await client.post(channel, text=shown.text, blocks=shown.blocks, metadata=tag(EVENT, call.key))
        except SlackError as error:
            if first and not error.uncertain:
                # Surely not there: the next delivery need not look for it, at a time when Slack may be short of patience.
                await call.remember({})
            raise
        return Posted(posted.channel, posted.ts)


def _team_of(person: Person) -> str | None:
    """The workspace in which they are known first."""
    return (person.slack or "").rpartition("/")[0] or None


def _is_direct(channel: str) -> bool:
    return channel.startswith("D")
