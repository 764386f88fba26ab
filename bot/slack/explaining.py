"""What is said about a card to whoever asks: why it is there and what comes next, and the whole of what it cuts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from slack_bolt.app.async_app import AsyncApp

from bot.links import PageLinks
from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.cards import Cards
from bot.slack.click import Click, Identity
from bot.slack.decisions import Decisions
from bot.slack.errands import Errands
from bot.slack.modals import Modals
from bot.slack.reference import Reference, known
from bot.slack.views import answers, kit, modal
from bot.slack.views.buttons import OPEN_WHOLE
from bot.slack.views.decision_modal import VERDICTS, decision_modal
from bot.slack.views.explain import TITLE, explain, explain_modal
from bot.slack.views.whole import TURN, whole_modal
from flows.clock import Clock
from flows.engine import Engine
from flows.errors import FlowError, NotAllowed, TryAgain, UnknownSuspension
from flows.people import Person
from flows.ports import Json
from flows.quorum import groups_asked
from flows.views import SuspensionView

_WHOLE = "All that is asked"
_UNKNOWN = "There is no such approval."


class Explaining:
    """It reads and shows. Nobody learns more than the card says, who may not read the request."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        decisions: Decisions,
        cards: Cards,
        links: PageLinks,
        modals: Modals,
        errands: Errands,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._people = people
        self._decisions = decisions
        self._cards = cards
        self._links = links
        self._modals = modals
        self._errands = errands
        self._clock = clock

    def listen(self, app: AsyncApp) -> None:
        """Take the buttons that show all, and that turn its pages."""
        app.action(OPEN_WHOLE)(self.show_all)
        app.action(re.compile(f"^{re.escape(TURN)}"))(self.turned)

    # -- explain ------------------------------------------------------------------------------------------------

    async def open(self, click: Click, reference: Reference | None) -> None:
        """Explain a card to the person who clicked."""
        await self._modals.show(click, TITLE, lambda: self._explained(click.who, reference))

    async def _explained(self, who: Identity, reference: Reference | None) -> kit.Block:
        person = await self._people.by_slack(who.team, who.user)
        view = await self._shown(reference, person)
        belongs = await self._belongs(view, person)
        groups = await self._cards.groups(view, who.at)
        return explain_modal(explain(view, person, self._clock.now(), belongs=belongs, groups=groups))

    async def _shown(self, reference: Reference | None, person: Person) -> SuspensionView:
        """What a card shows. Raises ``UnknownSuspension`` for who does not hold its reference and may not read it."""
        reference = known(reference)
        view = await self._decisions.peek(reference)
        if view is not None and reference.digest == view.suspension.digest:
            return view  # they look at it: nobody guesses a digest
        return await self._engine.suspension(reference.run, reference.n, person.id)

    async def _belongs(self, view: SuspensionView, person: Person) -> frozenset[str]:
        asked = groups_asked(view.suspension)
        try:
            return (await self._people.memberships(person.id, asked)).groups if asked else frozenset()
        except TryAgain:
            return frozenset()  # the rest of it is worth reading

    # -- the whole ----------------------------------------------------------------------------------------------

    async def show_all(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """A card is cut: the whole of it, for those who may read it."""
        click = Click.of(body, action)
        reference = Reference.parse(click.value, self._engine.ids)
        self._errands.run(self._modals.show(click, _WHOLE, lambda: self._page(click.who, reference, 0)), at_once=True)
        await ack()

    async def turned(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Another page: of what only shows, or of what also decides."""
        click = Click.of(body, action)
        view = body["view"]
        origin = modal.Origin.parse(str(view.get("private_metadata") or ""), self._engine.ids)
        page = int(click.value) if click.value.isdecimal() and len(click.value) < 6 else 0
        callback_id = str(view.get("callback_id"))

        async def draw() -> kit.Block:
            if callback_id in VERDICTS:
                return await self._deciding_page(click.who, origin, callback_id, page)
            return await self._page(click.who, origin.reference if origin is not None else None, page)

        self._errands.run(self._modals.change(click, str(view["id"]), _WHOLE, draw), at_once=True)
        await ack()

    async def _page(self, who: Identity, reference: Reference | None, page: int) -> kit.Block:
        reference = known(reference)
        person = await self._people.by_slack(who.team, who.user)
        try:
            view = await self._engine.suspension(reference.run, reference.n, person.id)
        except UnknownSuspension:
            raise NotAllowed(answers.NOT_YOURS) from None
        return whole_modal(view, self._engine.ids, page=page, link=self._links.url(view, person.id))

    async def _deciding_page(
        self, who: Identity, origin: modal.Origin | None, callback_id: str, page: int
    ) -> kit.Block:
        view = await self._decisions.peek(origin.reference if origin is not None else None)
        if view is None or origin is None:
            raise UnknownSuspension(_UNKNOWN)
        person = await self._decisions.may_decide(who, view)
        if isinstance(person, FlowError):
            raise person
        mine = self._decisions.said_by(view, person)
        return decision_modal(view, origin, self._engine.ids, VERDICTS[callback_id], mine=mine, page=page)
