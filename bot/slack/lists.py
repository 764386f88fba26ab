"""Lists of what waits, for one reader: what they have to answer, or all that they may see."""

from __future__ import annotations

import asyncio

from bot.people import People
from bot.slack.cards import Cards
from bot.slack.views.answer import Answer
from bot.slack.views.card import Shown
from bot.slack.views.home import own_decision
from bot.slack.views.pending import ITEMS, Item, Listing, pending
from flows.engine import Engine
from flows.people import Person
from flows.views import SuspensionView


class Lists:
    """Reads what waits and finds the cards that go with it. Raises ``TryAgain`` where Slack cannot be asked."""

    def __init__(self, engine: Engine, people: People, cards: Cards) -> None:
        self._engine = engine
        self._people = people
        self._cards = cards

    async def shown(self, person: Person, listing: Listing, *, said: Answer | None = None) -> Shown:
        """The list; ``said`` stands above it."""
        mine = await self._engine.inbox(person.id, limit=ITEMS if listing is Listing.MINE else 0)
        if listing is Listing.MINE:
            kept, more = [one.view for one in mine.items], mine.total > len(mine.items)
        else:
            found = await self._everything(person)
            kept, more = found[:ITEMS], len(found) > ITEMS
        links = await asyncio.gather(*(self._cards.link(*_key(view), person) for view in kept))
        items = [
            self._item(view, link, person, mine.whose.get(_key(view))) for view, link in zip(kept, links, strict=True)
        ]
        of_mine = listing is Listing.MINE
        return pending(
            items,
            self._engine.ids,
            listing,
            more=more,
            said=said,
            answered=mine.answered if of_mine else 0,
            later=mine.later_total if of_mine else 0,
        )

    async def _everything(self, person: Person) -> list[SuspensionView]:
        if self._people.is_admin(person.id):
            return await self._engine.waiting(limit=ITEMS + 1)
        return await self._engine.waiting_around(person.id, limit=ITEMS + 1)

    def _item(self, view: SuspensionView, link: str | None, person: Person, whose: int | None) -> Item:
        principal = view.person(whose) if whose is not None and whose != person.id else None
        return Item(view, link, whose is not None, own_decision(view, person.id) is not None, principal)


def _key(view: SuspensionView) -> tuple[int, int]:
    return view.run.id, view.suspension.n
