"""Home tabs: drawn from state, shown to whoever opens theirs, and kept up to date while they look at it.

A tab is drawn anew when its owner opens it or does something in it, at once; and, for whoever did so in the last day,
when something has changed that concerns them. These changes are gathered: a tab is drawn at most every few seconds, and
a workspace's tabs one after the other, because Slack allows ``views.publish`` about a hundred times a minute.

Every drawing shows the state as it is by then, so whichever comes last is right. ``hash`` keeps one that was overtaken
on its way from being the last.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.people import People
from bot.slack.cards import Cards
from bot.slack.click import Identity
from bot.slack.homes import Homes, Opened, Place
from bot.slack.views import answers, kit
from bot.slack.views.answer import Answer
from bot.slack.views.home import (
    DECIDED,
    DECIDED_ITEMS,
    LATER_ITEMS,
    REQUESTED,
    REQUESTED_ITEMS,
    WAITING_ITEMS,
    Inbox,
    Looking,
    flow_titles,
    home,
    notice,
    parked_effects,
)
from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.engine import Engine
from flows.errors import ActionError, FlowError
from flows.people import Person, PersonId
from flows.store.connection import StoreError
from flows.views import SuspensionView
from integrations.slack.failures import SlackError

log = logging.getLogger(__name__)

T = TypeVar("T")

Trouble = Callable[[Person], Awaitable[Sequence[str]]]
"""What an admin should know of, one sentence each in Slack's markup."""

APART = timedelta(seconds=5)
"""Between two drawings of one tab that nobody has asked for."""

PACE = timedelta(seconds=0.75)
"""Between two of those in one workspace: 80 a minute leave room for those that somebody waits for."""

GATHERED = timedelta(seconds=0.5)
"""For so long changes are gathered before it is asked whom they concern; the first one is not kept waiting."""

DOWN = timedelta(seconds=30)
"""How long a workspace is left alone whose Slack does not answer, where it does not say so itself."""

SAID = timedelta(minutes=2)
"""How long the answer to what somebody did stays above their lists."""

_SCREENS = 2_000  # tabs of which it is known what they show; of others that is found out when they are drawn
_STARTABLE = timedelta(minutes=1)  # for which it is taken as known what a person may start
_CHANGES = 1_000  # runs that have changed; of more, every tab is taken to be concerned
_TRIES = 3
_AT_ONCE = timedelta(0)


@dataclass(slots=True)
class _Screen:
    """What is known of a tab: the newest drawing that was begun and that is shown, what it said, and when that was."""

    begun: int = 0
    shown: int = 0
    hash: str | None = None
    drawn: kit.Block | None = None
    at: float = float("-inf")
    said: Answer | None = None
    said_until: float = float("-inf")
    looking: Looking | None = None


class Home:
    """Draws home tabs. Without ``homes`` what people look at is forgotten when it was drawn, and nothing is kept up to
    date. ``installs``: admins are offered to install the app in workspaces. ``stop`` it before the store is closed."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        workspaces: Workspaces,
        cards: Cards,
        clock: Clock,
        homes: Homes | None = None,
        trouble: Trouble | None = None,
        *,
        installs: bool = False,
    ) -> None:
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._cards = cards
        self._clock = clock
        self._homes = homes
        self._trouble = trouble
        self._installs = installs
        self._screens: OrderedDict[Place, _Screen] = OrderedDict()
        self._startable: OrderedDict[PersonId, tuple[float, Mapping[str, str]]] = OrderedDict()
        self._keeping = _Keeping(self, people, clock, homes) if homes is not None else None

    async def publish(
        self,
        who: Identity,
        *,
        said: Answer | None = None,
        person: Person | None = None,
        looking: Looking | None = None,
        unpick: bool = False,
    ) -> None:
        """Draw somebody's tab now, because they have opened it or done something. ``said`` stands above it for a while,
        ``looking`` is what they look at from now on; ``unpick``: and they have picked nothing. Raises ``ActionError``."""
        place = Place(who.at or who.team, who.user)
        screen = self._screen(place)
        screen.said, screen.said_until = said, self._clock.monotonic() + SAID.total_seconds()
        try:
            person = person or await self._people.by_slack(who.team, who.user)
        except FlowError as refusal:
            sentence = answers.refused(refusal)
            text = f"{said.text}\n{sentence}" if said is not None else sentence
            await self._workspaces.client(place.team).publish_home(place.user, notice(text, looking or Looking()))
            return
        if looking is None:
            looking = await self._looks_at(place)
        if unpick:
            looking = replace(looking, picked=())
        screen.looking = looking
        if self._homes is not None:
            await self._homes.put(Opened(place, person.id, self._clock.now(), looking))
        if self._keeping is not None:
            self._keeping.opened()
        await self._show(place, person)

    async def refresh(self, opened: Opened) -> bool:
        """Draw a tab anew that nobody has asked for. Returns whether it was sent: not where it shows all of that.

        Raises ``ActionError``, and ``FlowError`` where the lists cannot be read now: then the tab is better left as it is.
        """
        person = await self._people.by_id(opened.person)
        if person is None:
            return False
        screen = self._screen(opened.place)
        if screen.looking is None:
            screen.looking = await self._looks_at(opened.place)
        return await self._show(opened.place, person, asked=False)

    def waits(self, place: Place) -> timedelta:
        """How long a tab is left as it is before it is drawn again unasked."""
        screen = self._screens.get(place)
        if screen is None:
            return _AT_ONCE
        return max(_AT_ONCE, APART - timedelta(seconds=self._clock.monotonic() - screen.at))

    def changed(self, run: int) -> None:
        """A run may look different now; for ``SqliteStore.on_change``."""
        if self._keeping is not None:
            self._keeping.changed(run)

    def touch(self, *people: PersonId) -> None:
        """What waits for these people may be different now, though no run has changed."""
        if self._keeping is not None:
            self._keeping.touched(people)

    async def idle(self) -> None:
        """Return when every tab shows what it can show for now: the others are too new, or Slack wants a pause."""
        if self._keeping is not None:
            await self._keeping.idle()

    async def stop(self) -> None:
        """Keep nothing up to date any more."""
        if self._keeping is not None:
            await self._keeping.stop()

    # -- showing ------------------------------------------------------------------------------------------------

    async def _show(self, place: Place, person: Person, *, asked: bool = True) -> bool:
        """Make the tab show the state as it is now. Returns whether anything was sent."""
        screen = self._screen(place)
        screen.begun += 1
        mine = screen.begun
        client = self._workspaces.client(place.team)
        for attempt in range(_TRIES):
            drawn = await self._draw(place, person, screen, asked=asked)
            if screen.shown > mine or (not asked and drawn == screen.drawn):
                return attempt > 0  # what a later one has drawn is there, or the very same
            known = screen.hash
            screen.at = self._clock.monotonic()
            try:
                shown = await client.publish_home(place.user, drawn, hash=known)
            except SlackError as error:
                if error.code != "hash_conflict" or attempt == _TRIES - 1:
                    raise
                # Another drawing was there first: one of ours, or of a process before this one.
                if screen.hash == known:
                    screen.hash = None
                continue
            if mine > screen.shown:
                screen.shown, screen.hash, screen.drawn = mine, shown.hash, drawn
            break
        return True

    def _screen(self, place: Place) -> _Screen:
        screen = self._screens.setdefault(place, _Screen())
        self._screens.move_to_end(place)
        if len(self._screens) > _SCREENS:
            self._screens.popitem(last=False)
        return screen

    async def _looks_at(self, place: Place) -> Looking:
        opened = await self._homes.get(place) if self._homes is not None else None
        return opened.looking if opened is not None else Looking()

    # -- drawing ------------------------------------------------------------------------------------------------

    async def _draw(self, place: Place, person: Person, screen: _Screen, *, asked: bool) -> kit.Block:
        looking = screen.looking or Looking()
        said = screen.said if self._clock.monotonic() < screen.said_until else None
        try:
            inbox, looking = await self._inbox(place, person, looking)
        except FlowError as refusal:
            if not asked:
                raise
            sentence = answers.refused(refusal)
            return notice(f"{said.text}\n{sentence}" if said is not None else sentence, looking)
        return home(inbox, looking, self._engine.ids, said=said)

    async def _inbox(self, place: Place, person: Person, looking: Looking) -> tuple[Inbox, Looking]:
        """What the tab shows. Where a page is empty by now, that is the last one which is not."""
        before = _end_of_day(self._clock.now(), person.tz) if looking.today else None
        flow = looking.flow
        while True:
            waiting = await self._engine.inbox(
                person.id,
                flow=flow,
                before=before,
                limit=WAITING_ITEMS,
                offset=looking.waiting * WAITING_ITEMS,
                later=LATER_ITEMS if looking.later else 0,
            )
            if waiting.items or not looking.waiting:
                break
            looking = replace(looking, waiting=max(0, (waiting.total - 1) // WAITING_ITEMS))
        requested, looking = await self._page(
            looking,
            REQUESTED,
            REQUESTED_ITEMS,
            lambda limit, offset: self._engine.requested(
                person.id, limit=limit, offset=offset, flow=flow, before=before
            ),
        )
        decided, looking = await self._page(
            looking,
            DECIDED,
            DECIDED_ITEMS,
            lambda limit, offset: self._engine.decided(person.id, limit=limit, offset=offset, flow=flow),
        )
        shown = [one.view for one in (*waiting.items, *waiting.later)]
        links = await asyncio.gather(*(self._cards.link(*_key(view), person) for view in shown))
        open_waits = (one for view in requested for one in view.suspensions if one.open)
        handles = [handle for view in (*shown, *open_waits) for handle in _groups(view)]
        startable = await self._may_start(person)
        titles = flow_titles(list(self._engine.flows.values()))
        names = dict.fromkeys([*waiting.flows, *startable])
        inbox = Inbox(
            reader=person,
            waiting=waiting.items,
            total=waiting.total,
            later=waiting.later,
            later_total=waiting.later_total,
            requested=requested[:REQUESTED_ITEMS],
            more_requested=len(requested) > REQUESTED_ITEMS,
            decided=decided[:DECIDED_ITEMS],
            more_decided=len(decided) > DECIDED_ITEMS,
            links={_key(view): link for view, link in zip(shown, links, strict=True) if link is not None},
            groups=await self._cards.group_ids(handles, place.team),
            flows={name: titles.get(name, name) for name in names},
            startable=startable,
            trouble=await self._troubles(person),
            installs=self._installs and self._people.is_admin(person.id),
        )
        return inbox, looking

    async def _page(
        self, looking: Looking, name: str, items: int, read: Callable[[int, int], Awaitable[list[T]]]
    ) -> tuple[list[T], Looking]:
        """One page and, where there is more, one item of the next."""
        page = looking.page(name)
        found = await read(items + 1, page * items)
        while not found and page:
            page -= 1
            found = await read(items + 1, page * items)
        return found, looking.at(name, page)

    async def _may_start(self, person: Person) -> Mapping[str, str]:
        """The flows that somebody may start. It takes a question to the directory for each, so it is asked now and then."""
        kept = self._startable.get(person.id)
        if kept is not None and self._clock.monotonic() - kept[0] < _STARTABLE.total_seconds():
            return kept[1]
        flows = [flow for flow in self._engine.flows.values() if await self._engine.may_start(flow.flow, person.id)]
        self._startable[person.id] = self._clock.monotonic(), flow_titles(flows)
        self._startable.move_to_end(person.id)
        if len(self._startable) > _SCREENS:
            self._startable.popitem(last=False)
        return self._startable[person.id][1]

    async def _troubles(self, person: Person) -> Sequence[str]:
        if not self._people.is_admin(person.id):
            return ()
        said: list[str] = []
        with suppress(FlowError):
            parked = await self._engine.parked(person.id)
            if parked:
                runs = list(dict.fromkeys(one.run for one in parked))
                said.append(parked_effects(len(parked), runs, self._engine.ids))
        if self._trouble is not None:
            said += await self._trouble(person)
        return said


class _Keeping:
    """Keeps tabs up to date: gathers what has changed, finds out whom that concerns, and draws theirs one by one."""

    def __init__(self, home: Home, people: People, clock: Clock, homes: Homes) -> None:
        self._home = home
        self._people = people
        self._clock = clock
        self._homes = homes
        self._nobody_looks = False
        """Whether it is known that there is no tab to keep up to date."""
        self._openings = 0
        """How many were opened since that was last asked."""
        self._runs: set[int] = set()
        self._touched: set[PersonId] = set()
        self._all = False
        self._since: datetime | None = None
        self._again = float("-inf")
        """When it may be asked again whom changes concern, by our clock."""
        self._behind: OrderedDict[Place, Opened] = OrderedDict()
        self._rests: dict[str, float] = {}
        """Until when a workspace is left alone, likewise."""
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._work: asyncio.Task[None] | None = None

    def opened(self) -> None:
        """Somebody has opened their tab."""
        self._openings += 1
        self._nobody_looks = False

    def changed(self, run: int) -> None:
        """A run has changed."""
        if self._nobody_looks:
            return
        if len(self._runs) < _CHANGES:
            self._runs.add(run)
        else:
            self._all = True
        self._since = self._since or self._clock.now()
        self._begin()

    def touched(self, people: Iterable[PersonId]) -> None:
        """What waits for these people has changed."""
        if not self._nobody_looks:
            self._touched.update(people)
            self._begin()

    def _begin(self) -> None:
        self._news.set()
        if self._work is None:
            self._idle.clear()
            self._work = asyncio.create_task(self._keep_up())

    async def idle(self) -> None:
        await self._idle.wait()

    async def stop(self) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _keep_up(self) -> None:
        try:
            while self._heard or self._behind:
                if self._heard and self._clock.monotonic() >= self._again:
                    await self._find_out()
                place, pause = self._next()
                if place is not None and pause <= _AT_ONCE:
                    await self._redraw(self._behind.pop(place))
                elif place is not None or self._heard:
                    await self._sleep(pause)
        except StoreError as error:
            log.warning("home tabs are not kept up to date", extra={"error": str(error)})
        except Exception:
            log.exception("home tabs are not kept up to date, for a reason that nobody foresaw")
        finally:
            self._work = None
            self._idle.set()

    @property
    def _heard(self) -> bool:
        """Whether something has changed of which it was not asked yet whom it concerns."""
        return bool(self._runs or self._touched)

    async def _find_out(self) -> None:
        """Which tabs are behind, by what has changed since this was last asked."""
        runs, touched, everything = self._runs, self._touched, self._all
        since = self._since or self._clock.now()
        self._runs, self._touched, self._all, self._since = set(), set(), False, None
        self._news.clear()
        self._again = self._clock.monotonic() + GATHERED.total_seconds()
        self._openings = 0
        opened = await self._homes.fresh(self._clock.now())
        if not opened:
            self._nobody_looks = not self._openings  # unless somebody has opened theirs meanwhile
            return
        concerned = await self._homes.concerned(runs, since=since)
        people = concerned.people | touched
        for one in opened:
            if everything or one.person in people or await self._belongs(one.person, concerned.groups):
                self._behind.setdefault(one.place, one)

    async def _belongs(self, person: PersonId, groups: Iterable[str]) -> bool:
        if not groups:
            return False
        try:
            return bool((await self._people.memberships(person, groups)).groups)
        except FlowError:
            return False  # whoever opens their tab then is shown why it cannot be read

    def _next(self) -> tuple[Place | None, timedelta]:
        """The tab that can be drawn first, and how long until there is something to do."""
        now = self._clock.monotonic()
        found: Place | None = None
        until = timedelta(seconds=self._again - now) if self._heard else timedelta.max
        for place in self._behind:
            rests = timedelta(seconds=max(0.0, self._rests.get(place.team, now) - now))
            pause = max(rests, self._home.waits(place))
            if pause < until:
                found, until = place, pause
        return found, until

    async def _redraw(self, opened: Opened) -> None:
        team, rest = opened.place.team, PACE
        try:
            if not await self._home.refresh(opened):
                return
        except SlackError as error:
            if not error.retryable:
                # The person or the workspace is gone, or Slack does not take it: drawn again when they open it.
                log.info("a home tab is not kept up to date any more", extra={"error": str(error)})
                await self._homes.forget(opened.place)
            else:
                self._behind.setdefault(opened.place, opened)
                rest = max(PACE, error.retry_after or DOWN)
        except (ActionError, FlowError) as error:
            log.info("a home tab is behind", extra={"error": str(error)})
            self._behind.setdefault(opened.place, opened)
            rest = DOWN
        self._rests[team] = self._clock.monotonic() + rest.total_seconds()

    async def _sleep(self, pause: timedelta) -> None:
        """So long; shorter where something changes meanwhile that can be looked at at once."""
        self._idle.set()
        waiters: list[asyncio.Task[object]] = [asyncio.create_task(self._clock.sleep(pause))]
        if not self._heard:
            waiters.append(asyncio.create_task(self._news.wait()))
        try:
            await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()
            await asyncio.gather(*waiters, return_exceptions=True)
            self._idle.clear()


def _key(view: SuspensionView) -> tuple[int, int]:
    return view.run.id, view.suspension.n


def _groups(view: SuspensionView) -> Iterable[str]:
    terms = view.suspension.terms
    return (
        *view.suspension.approvers.groups,
        *(seat for seat in (terms.veto if terms else ()) if isinstance(seat, str)),
    )


def _end_of_day(now: datetime, tz: str | None) -> datetime:
    """The next midnight where somebody lives."""
    try:
        zone = ZoneInfo(tz or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, zone)
