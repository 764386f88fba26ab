"""Lists of what waits, for one reader: what they have to answer, or all that they may see."""

from __future__ import annotations

import asyncio

from bot.people import People
from bot.slack.cards import Cards
from bot.slack.views.answer import Answer
from bot.slack.views.card import Shown
from bot.slack.views.pending import ITEMS, Item, Listing, pending
from flows.engine import Engine
from flows.people import Person
from flows.run import Kind
from flows.views import SuspensionView

_LOOKED_THROUGH = 200  # of what waits for a person; who has more of it unanswered than this sees the nearest ones


class Lists:
    """Reads what waits and finds the cards that go with it. Raises ``TryAgain`` where Slack cannot be asked."""

    def __init__(self, engine: Engine, people: People, cards: Cards) -> None:
        self._engine = engine
        self._people = people
        self._cards = cards

    async def shown(self, person: Person, listing: Listing, *, said: Answer | None = None) -> Shown:
        """The list; ``said`` stands above it."""
        asked = await self._engine.waiting_for(person.id, limit=_LOOKED_THROUGH)
        mine = {_key(view): view for view in asked if _unanswered(view, person)}
        answered = 0
        if listing is Listing.MINE:
            found = list(mine.values())
            answered = sum(_answered(view, person) for view in asked)
        elif self._people.is_admin(person.id):
            found = await self._engine.waiting(limit=ITEMS + 1)
        else:
            found = await self._engine.waiting_around(person.id, limit=ITEMS + 1)
        kept = found[:ITEMS]
        links = await asyncio.gather(*(self._cards.link(*_key(view), person) for view in kept))
        items = [
            Item(view, link, _key(view) in mine, _answered(view, person))
            for view, link in zip(kept, links, strict=True)
        ]
        more = len(found) > len(kept)
        return pending(items, self._engine.ids, listing, more=more, said=said, answered=answered)


def _key(view: SuspensionView) -> tuple[int, int]:
    return view.run.id, view.suspension.n


def _unanswered(view: SuspensionView, person: Person) -> bool:
    """Whether it still waits for this very person: a list of what to do names nothing that is done, or that cannot be."""
    own = view.run.requester == person.id and view.suspension.kind is Kind.APPROVAL and not view.self_approval
    return not _answered(view, person) and not own


def _answered(view: SuspensionView, person: Person) -> bool:
    return view.decision_of(person.id) is not None
