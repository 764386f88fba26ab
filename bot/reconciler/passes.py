"""Comparing the cards with Slack: now and then, after Slack was down, and where Slack tells that something has changed.

A pass reads what stands in the channels, a page for many cards, and asks the outbox to draw what is wrong: missing,
different, or behind. It draws nothing itself, so there is one way in which cards come to be. Where the bot may not read,
each card is drawn anew, which is true afterwards too. A pass makes so many calls and no more; the next one goes on where
it stopped, also after a restart.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from bot.reconciler import rows
from bot.reconciler.bad_days import BadDays
from bot.reconciler.likeness import look, shows
from bot.reconciler.rows import Card
from bot.reconciler.strays import Fate, Strays
from bot.slack.cards import Cards
from bot.trouble_notes import TroubleNotes
from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.engine import Engine
from flows.store.connection import StoreError
from flows.store.reads import CardView
from flows.store.sqlite import SqliteStore
from integrations.slack.answers import Seen
from integrations.slack.client import SlackClient
from integrations.slack.failures import ACCOUNT, RateLimited, SlackError, Untraceable

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=10)
"""How often cards are compared, unless the settings say otherwise."""

CALLS = 40
"""Calls of one pass in one workspace: conversations.history allows 50 a minute, and others want to read too."""

REDRAWN = 20
"""Cards that one pass draws anew in a workspace without having seen that they are wrong."""

CARDS = 500
"""Cards of one pass."""

LATELY = timedelta(hours=24)
"""How long after its wait has closed a card is still compared."""

FREED = 10
"""Parked messages that one pass tries again."""

PARKED = timedelta(minutes=5)
"""How long a message has been parked at least that is tried again."""

_AROUND = timedelta(minutes=2)  # copies of a card stand near it: the outbox has tried again within a minute
_REMEMBERED = 10_000


@dataclass
class Looked:
    """What one pass has found. ``whole``: it came to the end of all cards."""

    compared: int = 0
    asked: int = 0
    """Cards that are drawn anew."""
    retired: int = 0
    adopted: int = 0
    freed: int = 0
    whole: bool = False


@dataclass
class _Budget:
    """What is left of one pass in one workspace."""

    calls: int = CALLS
    redrawn: int = REDRAWN

    def call(self) -> None:
        if self.calls <= 0:
            raise _Spent
        self.calls -= 1


class _Spent(Exception):
    """This workspace has had enough for now."""


@dataclass
class _Pass:
    looked: Looked = field(default_factory=Looked)
    budgets: dict[str | None, _Budget] = field(default_factory=lambda: defaultdict(_Budget))
    again: list[int] = field(default_factory=list)
    """Cards that are to be drawn anew."""
    unseen: set[int] = field(default_factory=set)
    """Cards that the budget did not reach."""


class Reconciler:
    """``start`` it once the runner runs, ``stop`` it before. ``chance`` gives numbers from 0 to 1, for the jitter that
    keeps several bots apart."""

    def __init__(
        self,
        store: SqliteStore,
        engine: Engine,
        workspaces: Workspaces,
        cards: Cards,
        bad_days: BadDays,
        notes: TroubleNotes,
        clock: Clock,
        *,
        every: timedelta = EVERY,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._engine = engine
        self._workspaces = workspaces
        self._cards = cards
        self._bad_days = bad_days
        self._notes = notes
        self._clock = clock
        self._every = every
        self._chance = chance
        self.strays = Strays(store, workspaces)
        self._looking = asyncio.Lock()
        self._soon = asyncio.Event()
        self._connected = False
        self._task: asyncio.Task[None] | None = None
        # What a card was found to show although it had been drawn: Slack has its own way of saying that.
        self._redrawn: dict[int, tuple[int, int]] = {}

    # -- while it runs ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; the first pass comes after the usual time."""
        self._task = asyncio.create_task(self._go_on())

    async def stop(self) -> None:
        """End; a pass under way is left where it is."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def soon(self) -> None:
        """Compare now instead of later: Slack was down, or has told of something."""
        self._soon.set()

    async def _go_on(self) -> None:
        while True:
            pause = self._every * (0.8 + 0.4 * self._chance())
            sleep = asyncio.ensure_future(self._clock.sleep(pause))
            soon = asyncio.ensure_future(self._soon.wait())
            try:
                await asyncio.wait((sleep, soon), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for waiter in (sleep, soon):
                    waiter.cancel()
                await asyncio.gather(sleep, soon, return_exceptions=True)
            self._soon.clear()
            await self._look_on()

    async def _look_on(self) -> None:
        try:
            if self._connected:
                self._connected = False
                await self.connected()
            await self.look()
        except StoreError as error:
            log.error("cards cannot be compared", extra={"error": str(error)})
        except Exception:
            log.exception("cards were not compared, for a reason that nobody foresaw")

    def reconnected(self) -> None:
        """A workspace was connected (again): what waited for it goes out, and its cards are compared."""
        self._connected = True
        self._soon.set()

    # -- a pass -------------------------------------------------------------------------------------------------

    async def look(self) -> Looked:
        """One pass: parked messages are tried again, and as many cards are compared as the budget allows."""
        async with self._looking:
            under_way = _Pass()
            await self._notes.deliver()
            await self._free_some(under_way.looked)
            place, begun_at = await self._store.read(lambda c, _: rows.standing(c))
            now = self._clock.now()
            if begun_at is None:
                place, begun_at = 0, now
            found, next_ = await self._store.read(lambda c, _: rows.to_compare(c, place, now - LATELY, CARDS))
            await self._compare(found, under_way)
            if under_way.unseen:
                # Whoever was not reached is first in the next pass; those behind them are looked at twice at most.
                next_ = min(under_way.unseen) - 1
            under_way.looked.whole = next_ is None
            await self._store.write(lambda c: rows.stand(c, next_ or 0, None if next_ is None else begun_at))
            await self._show_again(under_way)
            return under_way.looked

    async def connected(self) -> None:
        """Free what waited for a workspace to be connected."""
        now = self._clock.now()
        await self._store.ask(lambda c, _: rows.free_account(c, ACCOUNT, now))

    async def channel_changed(self, team: str | None, channel: str, *, open_: bool | None) -> None:
        """Slack has told that a channel was archived, or that the bot was removed (``open_`` false), or that it takes
        messages again (true), or that something there was deleted (None)."""
        if open_:
            now = self._clock.now()
            names = [channel, *(await self._names(team, channel))]
            await self._store.ask(lambda c, _: rows.free_channel(c, names, now))
        under_way = _Pass()
        found = await self._store.read(lambda c, _: rows.in_channel(c, team, channel))
        async with self._looking:
            await self._compare(found[:CARDS], under_way)
            await self._show_again(under_way)

    async def deleted(self, channel: str, ts: str) -> None:
        """Somebody has deleted a message: a card is posted again."""
        card = await self._store.read(lambda c, _: rows.at(c, channel, ts))
        if card is not None:
            now = self._clock.now()
            await self._store.ask(lambda c, numbers: rows.show_again(c, [card.id], now, numbers))

    async def _names(self, team: str | None, channel: str) -> Sequence[str]:
        try:
            state = await self._workspaces.client(team).channel(channel)
        except SlackError:
            return ()
        return () if state is None or state.name is None else (f"#{state.name}", state.name)

    async def _free_some(self, looked: Looked) -> None:
        now = self._clock.now()
        freed = await self._store.ask(lambda c, _: rows.free_messages(c, now - PARKED, now, FREED))
        looked.freed = len(freed)

    async def _show_again(self, under_way: _Pass) -> None:
        if under_way.again:
            now, cards = self._clock.now(), under_way.again
            asked = await self._store.ask(lambda c, numbers: rows.show_again(c, cards, now, numbers))
            under_way.looked.asked = len(asked)
        if looked := {name: value for name, value in vars(under_way.looked).items() if value}:
            log.info("cards were compared with Slack", extra=looked)

    # -- comparing ----------------------------------------------------------------------------------------------

    async def _compare(self, cards: Iterable[Card], under_way: _Pass) -> None:
        by_channel: dict[tuple[str | None, str], list[Card]] = defaultdict(list)
        for card in cards:
            by_channel[card.team, card.posted].append(card)
        for (team, channel), there in by_channel.items():
            try:
                await self._compare_channel(team, channel, there, under_way)
            except _Spent:
                pass  # those that were not reached are noted already
            except RateLimited:
                under_way.budgets[team].calls = 0
            except SlackError as error:
                # Slack is down, or the workspace is not connected. When it is back, they are compared again.
                log.info("a channel was not compared", extra={"channel": channel, "error": str(error)})
                under_way.unseen -= {card.id for card in there}
                under_way.budgets[team].calls = 0

    async def _compare_channel(self, team: str | None, channel: str, cards: Sequence[Card], under_way: _Pass) -> None:
        client, budget = self._workspaces.client(team), under_way.budgets[team]
        left = {card.ts: card for card in cards}
        under_way.unseen |= {card.id for card in cards}

        def done(card: Card) -> None:
            under_way.unseen.discard(card.id)
            left.pop(card.ts, None)
            under_way.looked.compared += 1

        if not channel.startswith("D") and await self._closed_to_us(client, channel, budget):
            for card in cards:
                if card.open:
                    await self._lost(card, team, channel)
                done(card)
            return
        reached = float("inf")
        while left:
            budget.call()
            latest = min(reached, float(max(left, key=float)) + _AROUND.total_seconds())
            try:
                page = await client.page(channel, latest=f"{latest:.6f}")
            except Untraceable:
                self._blindly(list(left.values()), budget, under_way, done)
                return
            for message in page.messages:
                known = left.get(message.ts)
                if known is not None:
                    await self._judge(known, message, under_way)
                    done(known)
                elif (copied := await self.strays.copied(message, channel)) is not None:
                    budget.call()
                    fate = await self.strays.settle(copied, channel, message.ts, team, replies=message.replies)
                    under_way.looked.retired += fate is Fate.RETIRED
                    under_way.looked.adopted += fate is Fate.ADOPTED
                    if fate is Fate.ADOPTED:
                        under_way.again.append(copied.id)
            reached = float("-inf") if page.reaches is None else float(page.reaches)
            # What the page has passed and does not show is not there.
            for gone in [one for ts, one in left.items() if float(ts) >= reached]:
                self._missing(gone, under_way)
                done(gone)

    async def _closed_to_us(self, client: SlackClient, channel: str, budget: _Budget) -> bool:
        """Whether the channel is archived, or not there for the bot."""
        budget.call()
        try:
            state = await client.channel(channel)
        except SlackError as error:
            if error.code != "missing_scope":
                raise
            return False
        return state is None or state.archived

    async def _lost(self, card: Card, team: str | None, channel: str) -> None:
        view = await self._engine.peek(card.run, card.n) if card.n else None
        if view is not None and view.open:
            error = SlackError(f"{channel} takes no messages", code="is_archived")
            await self._bad_days.place_lost(view, card.channel or channel, team, error)

    async def _judge(self, card: Card, message: Seen, under_way: _Pass) -> None:
        """A card stands where it should: does it show the truth?"""
        if card.behind:
            under_way.again.append(card.id)
            return
        if card.n == 0:
            return  # the requester's message is drawn again at every change, and decides nothing
        view = await self._engine.peek(card.run, card.n)
        if view is None:
            return
        wanted = CardView(view, 0, card.channel, card.person, card.posted, card.ts, card.team)
        drawn = await self._cards.drawn(wanted)
        if shows(message.blocks, drawn):
            self._redrawn.pop(card.id, None)
            return
        what = hash(look(message.blocks)), hash(look(drawn.blocks))
        if self._redrawn.get(card.id) == what:
            return  # it was drawn anew and came out the same: a plain card, or Slack's own way to put it
        if len(self._redrawn) >= _REMEMBERED:
            self._redrawn.clear()
        self._redrawn[card.id] = what
        under_way.again.append(card.id)

    def _missing(self, card: Card, under_way: _Pass) -> None:
        if card.open:
            under_way.again.append(card.id)

    def _blindly(self, cards: Sequence[Card], budget: _Budget, under_way: _Pass, done: Callable[[Card], None]) -> None:
        """The bot may not read here: draw them anew, a few at a time, beginning with the oldest."""
        for card in sorted(cards, key=lambda one: one.id):
            if budget.redrawn <= 0:
                raise _Spent
            budget.redrawn -= 1
            under_way.again.append(card.id)
            done(card)
