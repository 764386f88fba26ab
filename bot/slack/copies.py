"""Copies of a card that the store does not know: stray ones, and one whose post has not returned yet.

A click on a copy is counted like any other. Then there is one card again: a copy of a card that is elsewhere is retired
(it says where), and any other becomes the card and shows the state. The cards that the store knows are the outbox's to
draw, except that nobody who was just told that a card is out of date should go on looking at it.
"""

from __future__ import annotations

from bot.reconciler.strays import Fate, Strays
from bot.slack.cards import Cards
from bot.slack.reference import Reference
from flows.engine import Engine
from flows.people import Person

_KEPT = 1_000  # copies of which is known what they show; others are drawn once more than they need


class Copies:
    """Redraws copies, one change at a time for each. Without ``strays`` none is retired."""

    def __init__(self, engine: Engine, cards: Cards, strays: Strays | None = None) -> None:
        self._engine = engine
        self._cards = cards
        self._strays = strays
        self._busy: set[tuple[str, str]] = set()
        self._again: set[tuple[str, str]] = set()
        self._shown: dict[tuple[str, str], int] = {}
        self._retired: set[tuple[str, str]] = set()

    async def refresh(
        self,
        reference: Reference,
        channel: str | None,
        ts: str | None,
        clicker: Person | None,
        *,
        outdated: bool = False,
        team: str | None = None,
    ) -> None:
        """Make the message at ``channel`` and ``ts`` show how the suspension stands, unless the outbox does so.

        ``outdated``: it shows what is no longer asked. ``team`` is the workspace that it is in.
        """
        if channel is None or ts is None:
            return
        place = channel, ts
        if place in self._busy:
            self._again.add(place)
            return
        self._busy.add(place)
        try:
            known = place in await self._engine.cards(reference.run, reference.n)
            if known and not outdated:
                return
            if outdated:
                self._shown.pop(place, None)
            if known or not await self._retire(reference, place, team):
                await self._catch_up(reference, place, clicker, team)
        finally:
            self._busy.discard(place)

    async def _retire(self, reference: Reference, place: tuple[str, str], team: str | None) -> bool:
        """Whether the copy says now where the card is."""
        if self._strays is None:
            return False
        if place not in self._retired:
            if await self._strays.clicked(reference.run, reference.n, *place, team) is not Fate.RETIRED:
                return False
            if len(self._retired) >= _KEPT:
                self._retired.clear()
            self._retired.add(place)
        return True

    async def _catch_up(
        self, reference: Reference, place: tuple[str, str], clicker: Person | None, team: str | None
    ) -> None:
        # In a direct message nobody but the clicker reads it.
        reader = clicker.id if clicker is not None and place[0].startswith("D") else None
        while True:
            self._again.discard(place)
            view = await self._engine.peek(reference.run, reference.n)
            if view is None:
                return
            if view.run.version != self._shown.get(place):
                # Looked at once more after each change: somebody may have decided while it was being drawn.
                await self._cards.redraw(*place, view, reader, team=team)
                if len(self._shown) >= _KEPT:
                    self._shown.clear()
                self._shown[place] = view.run.version
            elif place not in self._again:
                return
