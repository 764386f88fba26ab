"""Copies of a card that the store does not know: stray ones, and one whose post has not returned yet.

A click on a copy is counted like any other. Then the copy is made to show the state: a live one where the wait is
open, one without buttons where it is over. The cards that the store knows are the outbox's to draw, except that
nobody who was just told that a card is out of date should go on looking at it.
"""

from __future__ import annotations

from bot.slack.cards import Cards
from bot.slack.reference import Reference
from flows.engine import Engine
from flows.people import Person

_KEPT = 1_000  # copies of which is known what they show; others are drawn once more than they need


class Copies:
    """Redraws copies, one change at a time for each."""

    def __init__(self, engine: Engine, cards: Cards) -> None:
        self._engine = engine
        self._cards = cards
        self._busy: set[tuple[str, str]] = set()
        self._again: set[tuple[str, str]] = set()
        self._shown: dict[tuple[str, str], int] = {}

    async def refresh(
        self,
        reference: Reference,
        channel: str | None,
        ts: str | None,
        clicker: Person | None,
        *,
        outdated: bool = False,
    ) -> None:
        """Make the message at ``channel`` and ``ts`` show how the suspension stands, unless the outbox does so.

        ``outdated``: it shows what is no longer asked.
        """
        if channel is None or ts is None:
            return
        place = channel, ts
        if place in self._busy:
            self._again.add(place)
            return
        if not outdated and place in await self._engine.cards(reference.run, reference.n):
            return
        if outdated:
            self._shown.pop(place, None)
        self._busy.add(place)
        try:
            await self._catch_up(reference, place, clicker)
        finally:
            self._busy.discard(place)

    async def _catch_up(self, reference: Reference, place: tuple[str, str], clicker: Person | None) -> None:
        # In a direct message nobody but the clicker reads it.
        reader = clicker.id if clicker is not None and place[0].startswith("D") else None
        while True:
            self._again.discard(place)
            view = await self._engine.peek(reference.run, reference.n)
            if view is None:
                return
            if view.run.version != self._shown.get(place):
                # Looked at once more after each change: somebody may have decided while it was being drawn.
                await self._cards.redraw(*place, view, reader)
                if len(self._shown) >= _KEPT:
                    self._shown.clear()
                self._shown[place] = view.run.version
            elif place not in self._again:
                return
