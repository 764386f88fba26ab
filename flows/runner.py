"""The only part that waits: performs effects as they fall due, and wakes for the next one.

The outbox is the truth; what is in memory here is a window on it. An effect that was performed is settled in
the same transaction that delivers its result, so a crash repeats an effect and never loses one. Lanes have
places of their own: ten thousand slow HTTP steps take none of those that the cards need.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from pydantic_core import from_json

from flows.clock import Clock
from flows.context import Brief
from flows.effects import (
    FireTimer,
    Lane,
    Leased,
    Note,
    PerformAction,
    ResolvePeople,
    SendMail,
    StartTriggered,
    SyncCard,
    Tell,
    TellRequester,
    key,
)
from flows.errors import ActionError, FlowError, NotConnected, NotYet, TryAgain, UnknownAction, UnknownRun
from flows.events import ActionFailed, ActionFinished, PeopleResolved, TimerFired
from flows.instants import whole
from flows.people import PersonId
from flows.ports import ActionCall, Directory, Json
from flows.run import Outcome, Rerun, Run, Timer
from flows.step_context import Performed
from flows.store import outbox, reads
from flows.store.connection import StoreError
from flows.store.reads import CardView, RequestCard
from flows.store.sqlite import SqliteStore
from flows.views import RunView, SuspensionView, note_wanted

log = logging.getLogger(__name__)

WINDOW = 1000
"""Effects of a lane that are kept in memory; what is beyond stays in the outbox until there is room."""

LONGEST_SLEEP = timedelta(seconds=30)
"""The timer looks at the outbox at least this often: a wall clock that was set forward is noticed."""

MAIL_REPEAT = timedelta(hours=1)
"""After a mail of which nobody knows whether it left, so long until the same link is mailed again."""


class Performer(Protocol):
    """Runs a step's action."""

    async def perform(self, brief: Brief, call: ActionCall) -> Json | Performed:
        """The action's output, and the other round that a function asked for. Raises ``ActionError``, or ``UnknownAction`` where there is no such action."""
        ...


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a card is. ``team`` is the workspace, None: as before."""

    channel: str
    ts: str
    team: str | None = None
    told: int | None = None
    """The place of the newest decision that its thread tells of now; None: as before."""


class Messenger(Protocol):
    """Shows people what waits for them. Each raises ``ActionError``."""

    async def sync_card(self, card: CardView, call: ActionCall) -> Posted | None:
        """Make the card show its view; None where there is nothing to show any more."""
        ...

    async def send_mail(self, view: SuspensionView, person: PersonId, call: ActionCall) -> None:
        """Mail the person their link to an open suspension."""
        ...

    async def sync_request(self, card: RequestCard, call: ActionCall) -> Posted | None:
        """Make the requester's message of a run show where it stands; None where there is nothing to show any more."""
        ...

    async def tell(
        self, view: SuspensionView, note: Note, person: PersonId | None, times: int, call: ActionCall
    ) -> None:
        """Tell one person something about a wait; None: the admins' channel. ``times`` is the reminder's number, or the
        question's place."""
        ...

    async def tell_requester(self, view: RunView, call: ActionCall) -> None:
        """Tell the requester how the run ended."""
        ...


class Starter(Protocol):
    """Starts the flows that have heard of another flow's run."""

    async def start_triggered(self, leased: Leased) -> None:
        """Start the flow and settle the effect, in one transaction. Raises ``Refused`` and ``TryAgain``."""
        ...


@dataclass(frozen=True, slots=True)
class Places:
    """How many effects of a lane are performed at the same time."""

    engine: int = 64
    people: int = 8
    messages: int = 16
    actions: int = 100


@dataclass
class _Queue:
    """One lane: what is waiting in memory, what is being performed, and whether the outbox holds more."""

    places: int
    waiting: deque[Leased] = field(default_factory=deque)
    known: set[int] = field(default_factory=set)
    again: dict[int, Leased] = field(default_factory=dict)
    """Offered while it was being performed: a card that is behind already."""
    finished: set[int] = field(default_factory=set)
    """Performed since the refill under way began to read: what it has read of these is old."""
    running: int = 0
    behind: bool = True
    refilling: bool = False


class Runner:
    """Performs the effects of one store. ``start`` it once the flows are loaded; ``drain`` it before closing."""

    def __init__(
        self,
        store: SqliteStore,
        *,
        directory: Directory,
        performer: Performer,
        messenger: Messenger,
        clock: Clock,
        places: Places = Places(),
        starter: Starter | None = None,
    ) -> None:
        self._store = store
        self._directory = directory
        self._performer = performer
        self._messenger = messenger
        self._clock = clock
        self._lanes = {
            Lane.ENGINE: _Queue(places.engine),
            Lane.PEOPLE: _Queue(places.people),
            Lane.MESSAGES: _Queue(places.messages),
            Lane.ACTIONS: _Queue(places.actions),
        }
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Task[None] | None = None
        self._next: datetime | None = None
        self._nearer = asyncio.Event()
        self._idle = asyncio.Event()
        self._stopping = False
        self._handlers: Mapping[type, Callable[[Leased], Awaitable[None]]] = {
            FireTimer: self._fire_timer,
            ResolvePeople: self._resolve_people,
            PerformAction: self._perform_action,
            SyncCard: self._sync_card,
            SendMail: self._send_mail,
            Tell: self._note,
            TellRequester: self._tell_requester,
            StartTriggered: self._start_triggered,
        }
        self._starter = starter

    def start(self) -> None:
        """Begin: with whatever an earlier process left in the outbox."""
        self._store.on_ready(self.offer)
        self._timer = asyncio.create_task(self._watch_timers())

    async def drain(self, patience: timedelta = timedelta(seconds=20)) -> None:
        """Begin nothing new, and wait for what is under way, at most ``patience``; the rest is repeated at start."""
        self._stopping = True
        if self._timer is not None:
            self._timer.cancel()
            with suppress(asyncio.CancelledError):
                await self._timer
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=patience.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def idle(self) -> None:
        """Return when nothing is due: everything that could be performed now has been."""
        while True:
            self._idle.clear()
            if self._at_rest() and not await self._anything_due() and self._at_rest():
                return
            self._wake()
            await self._idle.wait()

    def offer(self, leased: Sequence[Leased]) -> None:
        """Take effects that were just committed."""
        now = self._clock.now()
        for one in leased:
            if one.due > now:
                self._expect(one.due)
                continue
            lane = self._lanes[one.lane]
            if one.id in lane.known:
                lane.again[one.id] = replace(one, brief=None)
                continue
            if lane.running < lane.places and not lane.waiting and not self._stopping:
                lane.known.add(one.id)
                self._begin(one.lane, one)
            elif len(lane.waiting) < WINDOW:
                lane.known.add(one.id)
                lane.waiting.append(replace(one, brief=None))
            else:
                lane.behind = True
        for lane_name in {one.lane for one in leased}:
            self._fill(lane_name)

    # -- lanes --------------------------------------------------------------------------------------------------

    def _fill(self, name: Lane) -> None:
        lane = self._lanes[name]
        while lane.waiting and lane.running < lane.places and not self._stopping:
            self._begin(name, lane.waiting.popleft())
        if lane.behind and not lane.waiting and not lane.refilling and not self._stopping:
            lane.refilling = True
            self._spawn(self._refill(name))

    def _begin(self, name: Lane, leased: Leased) -> None:
        self._lanes[name].running += 1
        self._spawn(self._work(name, leased))

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._at_rest():
            self._idle.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the runner failed", exc_info=error)

    async def _refill(self, name: Lane) -> None:
        lane = self._lanes[name]
        try:
            lane.behind = False
            lane.finished.clear()
            found = await self._store.due(name, WINDOW)
            # More than fits in the window, or some of them known already: there may be others behind these.
            if len(found) == WINDOW:
                lane.behind = True
            fresh = [one for one in found if one.id not in lane.known and one.id not in lane.finished]
            lane.known.update(one.id for one in fresh)
            lane.waiting.extend(fresh)
            if lane.behind and not fresh:
                # All of them are being performed; look again when one of these is done.
                return
        except StoreError as error:
            log.error("the outbox cannot be read", extra={"lane": name.value, "error": str(error)})
            await self._clock.sleep(timedelta(seconds=1))
            lane.behind = True
        finally:
            lane.refilling = False
        self._fill(name)

    async def _work(self, name: Lane, leased: Leased) -> None:
        lane = self._lanes[name]
        try:
            await self._attempt(leased)
        finally:
            lane.running -= 1
            lane.known.discard(leased.id)
            if lane.refilling:
                lane.finished.add(leased.id)
            if (again := lane.again.pop(leased.id, None)) is not None:
                self.offer([again])
            self._fill(name)

    async def _attempt(self, leased: Leased) -> None:
        what = type(leased.effect).__name__
        try:
            await self._handlers[type(leased.effect)](leased)
        except StoreError as error:
            # The row is still there: whatever was done is repeated, with the same key, when the store is back.
            log.error("the store failed", extra={"effect": what, "error": str(error)})
            await self._clock.sleep(timedelta(seconds=1))
            self._lanes[leased.lane].behind = True
        except UnknownRun:
            await self._store.settle(leased)
        except ActionError as error:
            await self._later(leased, error)
        except TryAgain as error:
            await self._later(leased, ActionError(str(error), retryable=True))
        except UnknownAction as error:
            await self._park(leased, str(error))
        except FlowError as error:
            await self._park(leased, str(error))
        except Exception as error:
            log.exception("an effect failed for a reason that nobody foresaw", extra={"effect": what})
            await self._park(leased, f"internal error: {type(error).__name__}")

    async def _later(self, leased: Leased, error: ActionError) -> None:
        """A message or a look-up did not go through: again after a pause, or parked where that cannot help."""
        if not error.retryable:
            await self._park(leased, str(error), error.account if isinstance(error, NotConnected) else None)
            return
        if isinstance(error, NotYet) and error.retry_after is not None:
            # Nothing was tried: it waits its turn, and the next pause is not a longer one for it.
            until = self._clock.now() + error.retry_after
            await self._store.postpone(leased, until, str(error), counts=False)
            self._expect(until)
            return
        pause = min(timedelta(seconds=1) * 2 ** min(leased.deliveries, 6), timedelta(minutes=1))
        until = self._clock.now() + max(pause, error.retry_after or timedelta(0))
        await self._store.postpone(leased, until, str(error))
        self._expect(until)

    async def _park(self, leased: Leased, error: str, waits_for: str | None = None) -> None:
        ids = self._store.ids
        named = {
            "effect": ids.effect(leased.id),
            "kind": type(leased.effect).__name__,
            "run": ids.run(leased.run),
            "step": getattr(leased.effect, "path", None),
        }
        log.warning("an effect is parked", extra={**named, "error": error})
        with suppress(StoreError):
            await self._store.park(leased, error, waits_for)

    # -- timers -------------------------------------------------------------------------------------------------

    def _expect(self, due: datetime) -> None:
        if self._next is None or due < self._next:
            self._next = due
            self._nearer.set()

    async def _watch_timers(self) -> None:
        while True:
            self._wake()
            self._nearer.clear()
            self._next = None
            try:
                found = await self._store.next_due()
            except StoreError as error:
                log.error("the outbox cannot be read", extra={"error": str(error)})
            else:
                if found is not None:
                    self._expect(found)
            await self._sleep_until_next()

    async def _sleep_until_next(self) -> None:
        """Sleep until the next effect is due; shorter where a nearer one comes, or the longest sleep is over."""
        while True:
            now = self._clock.now()
            if self._next is not None and self._next <= now:
                return
            pause = LONGEST_SLEEP if self._next is None else min(LONGEST_SLEEP, self._next - now)
            sleep = asyncio.ensure_future(self._clock.sleep(pause))
            nearer = asyncio.ensure_future(self._nearer.wait())
            try:
                await asyncio.wait((sleep, nearer), return_when=asyncio.FIRST_COMPLETED)
                if sleep.done():
                    return
                self._nearer.clear()
            finally:
                for waiter in (sleep, nearer):
                    waiter.cancel()
                await asyncio.gather(sleep, nearer, return_exceptions=True)

    def _wake(self) -> None:
        for name, lane in self._lanes.items():
            lane.behind = True
            self._fill(name)

    def _at_rest(self) -> bool:
        return not self._tasks and all(not lane.waiting for lane in self._lanes.values())

    async def _anything_due(self) -> bool:
        return any([await self._store.due(lane, 1) for lane in self._lanes])

    # -- effects ------------------------------------------------------------------------------------------------

    def _call(self, leased: Leased, attempt: int = 1) -> ActionCall:
        async def remember(memo: Mapping[str, Json]) -> None:
            await self._store.remember(leased, memo)

        memo = from_json(leased.memo) if leased.memo else {}
        return ActionCall(key(leased, self._store.ids.run(leased.run)), attempt, memo, remember)

    async def _fire_timer(self, leased: Leased) -> None:
        effect = leased.effect
        assert isinstance(effect, FireTimer)  # dispatched by type
        # Of a deadline, the suspension itself says when it is.
        due = effect.due if effect.n <= 0 or effect.timer is not Timer.DUE else None
        event = TimerFired(effect.path, effect.n, due, effect.timer, effect.person)
        self._tell(await self._store.transact(leased.run, event, settles=leased.id))

    async def _resolve_people(self, leased: Leased) -> None:
        effect = leased.effect
        assert isinstance(effect, ResolvePeople)  # dispatched by type
        requester = await self._store.read(lambda c, _: reads.requester_of(c, leased.run))
        roster = await self._directory.resolve(effect.handles, requester=requester)
        event = PeopleResolved(effect.path, effect.round, roster, effect.n, effect.note, effect.times)
        self._tell(await self._store.transact(leased.run, event, settles=leased.id))

    async def _perform_action(self, leased: Leased) -> None:
        effect = leased.effect
        assert isinstance(effect, PerformAction)  # dispatched by type
        if (brief := leased.brief) is None:
            found = await self._store.brief(leased)
            if found is None:
                await self._store.settle(leased)
                return
            leased, brief = found
        event: ActionFinished | ActionFailed
        try:
            output = await self._performer.perform(brief, self._call(leased, effect.attempt))
            event = self._finished(effect, output)
        except (NotYet, NotConnected):
            # No attempt was made, so none has failed: the effect waits, or is parked until an operator has helped.
            raise
        except ActionError as error:
            if error.uncertain and not error.retryable:
                await self._park(leased, f"unknown whether it was done: {error}; retry does it again, skip goes on")
                return
            event = ActionFailed(
                effect.path, effect.round, effect.attempt, str(error), error.retryable, error.retry_after
            )
        self._tell(await self._store.transact(leased.run, event, settles=leased.id))

    def _finished(self, effect: PerformAction, output: Json | Performed) -> ActionFinished:
        if not isinstance(output, Performed):
            return ActionFinished(effect.path, effect.round, effect.attempt, output)
        asked = output.rerun
        rerun = None if asked is None else Rerun(whole(self._clock.now() + asked.delay), asked.context)
        return ActionFinished(effect.path, effect.round, effect.attempt, output.output, rerun)

    def _tell(self, run: Run) -> None:
        """A run that failed is told of in the log too: its requester hears of it, its operator may have to act."""
        if run.ending is not None and run.ending.outcome is Outcome.FAILED:
            said = {"run": self._store.ids.run(run.id), "flow": run.flow, "reason": run.ending.reason}
            log.warning("a run has failed", extra=said)

    async def _sync_card(self, leased: Leased) -> None:
        now = self._clock.now()
        card = await self._store.read(lambda c, plans: reads.card_view(c, plans, leased, now))
        if card is None:
            await self._store.settle(leased)
            return
        if isinstance(card, CardView):
            posted = await self._messenger.sync_card(card, self._call(leased))
        else:
            posted = await self._messenger.sync_request(card, self._call(leased))
        if posted is None:
            await self._store.settle(leased)
        else:
            await self._store.settle_card(
                leased, shown=card.version, posted=posted.channel, ts=posted.ts, team=posted.team, told=posted.told
            )

    async def _note(self, leased: Leased) -> None:
        effect = leased.effect
        assert isinstance(effect, Tell)  # dispatched by type
        now = self._clock.now()
        current, view = await self._store.read(
            lambda c, plans: (
                outbox.get(c, leased.id),
                reads.suspension_view(c, plans, leased.run, effect.n, reader=effect.person, now=now),
            )
        )
        if (
            current is not None
            and view is not None
            and note_wanted(view, effect.note, effect.person, effect.times, now)
        ):
            await self._messenger.tell(view, effect.note, effect.person, effect.times, self._call(current))
        await self._store.settle(leased)

    async def _send_mail(self, leased: Leased) -> None:
        effect = leased.effect
        assert isinstance(effect, SendMail)  # dispatched by type
        current, view = await self._store.read(
            lambda c, plans: (
                outbox.get(c, leased.id),
                reads.suspension_view(c, plans, leased.run, effect.n, reader=effect.person),
            )
        )
        if current is None or view is None or not view.open or view.decision_of(effect.person) is not None:
            await self._store.settle(leased)
            return
        try:
            await self._messenger.send_mail(view, effect.person, self._call(current))
        except ActionError as error:
            if not error.uncertain:
                raise
            until = self._clock.now() + MAIL_REPEAT
            await self._store.postpone(leased, until, f"unknown whether it was sent: {error}")
            self._expect(until)
            return
        await self._store.settle(leased)

    async def _start_triggered(self, leased: Leased) -> None:
        if self._starter is None:
            # The kit for tests has no triggers; a bot always brings its own.
            await self._store.settle(leased)
        else:
            await self._starter.start_triggered(leased)

    async def _tell_requester(self, leased: Leased) -> None:
        current, view = await self._store.read(
            lambda c, plans: (outbox.get(c, leased.id), reads.run_view(c, plans, leased.run))
        )
        if current is None:
            return
        # Nobody waits to hear that what they have done by themselves went well.
        if view.status != Outcome.SUCCEEDED.value or view.others_answered:
            await self._messenger.tell_requester(view, self._call(current))
        await self._store.settle(leased)
