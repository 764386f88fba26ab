"""Starts what triggers start: by the clock, by webhooks, and when runs of other flows wait, are decided or end.

A trigger starts its run once. What the start uses up (a planned time, a delivery, an effect of the other run) goes in
the transaction that opens the run: see ``flows.store.triggers``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from flows.clock import Clock
from flows.definition import Flow
from flows.effects import Leased, StartTriggered
from flows.engine import Engine
from flows.errors import FlowError, NotAllowed, Refused, TryAgain, UnknownFlow, UnknownRun
from flows.handles import InvalidHandle, normalise
from flows.people import PersonId
from flows.ports import Directory
from flows.run import Run
from flows.schedule import latest, next_after
from flows.store import reads
from flows.store import triggers as rows
from flows.store.connection import StoreError
from flows.store.slices import load_run
from flows.store.sqlite import SqliteStore
from flows.store.triggers import Due, Place, Taken
from flows.trigger_values import Values, decided_values, ended_values, schedule_values, waiting_values
from flows.triggers import MAX_DEPTH, Scheduled, TriggerPlan, Triggers

log = logging.getLogger(__name__)

LONGEST_SLEEP = timedelta(seconds=30)
"""The clock is looked at this often at least: one on the wall that was set forward is noticed."""

AGAIN_AFTER = timedelta(seconds=30)
"""After a start that time may help (Slack does not answer, the disk is full)."""


class NobodysFlow(Refused):
    """The flow's owner, in whose name the run would be, is not there."""


@dataclass(frozen=True, slots=True)
class Started:
    """What came of a delivery: the run, and whether it is new."""

    run: Run
    new: bool


class Starter:
    """The triggers of the flows that can be started now. ``use`` them, then ``start`` looking at the clock."""

    def __init__(self, store: SqliteStore, engine: Engine, directory: Directory, clock: Clock) -> None:
        self._store = store
        self._engine = engine
        self._directory = directory
        self._clock = clock
        self._triggers = Triggers()
        self._not_before: dict[Place, datetime] = {}
        self._clockwork: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self._looked = asyncio.Event()

    async def use(self, flows: Iterable[Flow]) -> None:
        """Let these be the flows whose triggers start runs; the engine has them already."""
        triggers = Triggers.of(flows)
        following = {
            place: partial(next_after, scheduled.cron, scheduled.zone)
            for place, scheduled in triggers.schedules.items()
        }
        now = self._clock.now()
        await self._store.write(lambda c: rows.set_schedules(c, following, now))
        self._triggers = triggers
        self._store.listen(triggers.listeners)
        self._look.set()

    def start(self) -> None:
        """Begin to look at the clock: with what was missed while nobody did."""
        self._clockwork = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Start nothing more by the clock. What a start has not finished is done anew next time."""
        if self._clockwork is not None:
            self._clockwork.cancel()
            with suppress(asyncio.CancelledError):
                await self._clockwork

    async def idle(self) -> None:
        """Return when no schedule is due: all that could be started now has been."""
        while self._ready(await self._store.read(lambda c, _: rows.schedules(c))):
            self._looked.clear()
            self._look.set()
            await self._looked.wait()

    # -- by the clock -------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            self._look.clear()
            wake = self._clock.now() + LONGEST_SLEEP
            try:
                due = await self._store.read(lambda c, _: rows.schedules(c))
                for one in self._ready(due):
                    await self._come_round(one)
                due = await self._store.read(lambda c, _: rows.schedules(c))
                wake = min([wake, *(max(one.due, self._not_before.get(one.place, one.due)) for one in due)])
            except StoreError as error:
                log.error("the schedules cannot be read", extra={"error": str(error)})
            except Exception:
                # Whatever it was, the other schedules come round all the same.
                log.exception("looking at the schedules failed")
            self._looked.set()
            await self._sleep(wake)

    def _ready(self, due: Iterable[Due]) -> list[Due]:
        now = self._clock.now()
        return [one for one in due if max(one.due, self._not_before.get(one.place, one.due)) <= now]

    async def _sleep(self, wake: datetime) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep(wake - self._clock.now()))
        look = asyncio.ensure_future(self._look.wait())
        try:
            await asyncio.wait((sleep, look), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in (sleep, look):
                waiter.cancel()
            await asyncio.gather(sleep, look, return_exceptions=True)

    async def _come_round(self, due: Due) -> None:
        """Start what a schedule has planned, once for all that was missed; then it is due at the following time."""
        scheduled = self._triggers.schedules.get(due.place)
        if scheduled is None:
            return  # other flows are in use by now
        planned = latest(scheduled.cron, scheduled.zone, due.due, self._clock.now())
        following = next_after(scheduled.cron, scheduled.zone, planned)
        said = {"flow": due.place[0], "schedule": due.place[1], "planned": planned.isoformat()}
        if planned > due.due:
            log.warning("a schedule was missed; only its last time is made up for", extra=said)
        self._not_before.pop(due.place, None)
        try:
            started = await self._start_planned(scheduled, due, planned, following)
            if started is None:
                await self._store.write(lambda c: rows.pass_over(c, due, planned, following))
                log.info("a schedule came round, and its condition does not hold", extra=said)
            else:
                log.info("a schedule has started a run", extra={**said, "run": self._store.ids.run(started.id)})
        except Taken:
            return
        except (TryAgain, StoreError) as error:
            self._not_before[due.place] = self._clock.now() + AGAIN_AFTER
            log.warning("a schedule cannot start its run now; it is tried again", extra={**said, "error": str(error)})
        except Exception as error:
            # Whatever it is, it would be so again: the next planned time is another chance.
            if isinstance(error, FlowError):
                log.error("a schedule could not start its run", extra={**said, "error": str(error)})
            else:
                log.exception("a schedule could not start its run, for a reason that nobody foresaw", extra=said)
            await self._store.write(lambda c: rows.pass_over(c, due, planned, following))

    async def _start_planned(
        self, scheduled: Scheduled, due: Due, planned: datetime, following: datetime
    ) -> Run | None:
        trigger = scheduled.trigger
        inputs = trigger.inputs_for(schedule_values(planned, scheduled.zone))
        if inputs is None:
            return None
        owner = await self._owner(trigger)
        run, _ = await self._engine.start(trigger.flow, owner, inputs, claim=rows.of_schedule(due, planned, following))
        return run

    async def _owner(self, trigger: TriggerPlan) -> PersonId:
        """Whose the runs are that no person starts. Raises ``NobodysFlow``, ``TryAgain``."""
        owner = self._engine.flows[trigger.flow].owner
        try:
            handle = normalise(owner)
        except InvalidHandle as error:
            raise NobodysFlow(f"the owner of {trigger.flow}: {error}") from None
        roster = await self._directory.resolve([handle])
        if handle not in roster.people:
            raise NobodysFlow(
                f"the owner of {trigger.flow}, {owner}, {roster.gaps.get(handle, 'is a group')}; name another one"
            )
        return roster.people[handle]

    # -- by a webhook -------------------------------------------------------------------------------------------

    def run_id(self, started: Started) -> str:
        """The run's id as the world sees it."""
        return self._store.ids.run(started.run.id)

    def has_webhook(self, flow: str, webhook: str) -> bool:
        return (flow, webhook) in self._triggers.webhooks

    async def deliver(self, flow: str, webhook: str, key: str, values: Values) -> Started | None:
        """A delivery has come, and its signature is right; ``key`` names it. None where the condition does not hold.

        Raises ``InvalidForm`` where it does not give what the flow takes, and what ``Engine.start`` raises.
        """
        place = flow, webhook
        before = await self._store.read(lambda c, _: rows.delivered(c, place, key))
        if before is not None:
            return Started(await self._known(before), new=False)
        trigger = self._triggers.webhooks.get(place)
        if trigger is None:
            raise UnknownFlow("There is no such webhook.")
        inputs = trigger.inputs_for(values)
        if inputs is None:
            return None
        owner = await self._owner(trigger)
        try:
            run, _ = await self._engine.start(flow, owner, inputs, claim=rows.of_delivery(place, key))
        except Taken as taken:
            if taken.run is None:
                raise
            return Started(await self._known(taken.run), new=False)
        return Started(run, new=True)

    async def _known(self, run: int) -> Run:
        return await self._store.read(lambda c, plans: load_run(c, plans, run)[1])

    # -- by another run -----------------------------------------------------------------------------------------

    async def start_triggered(self, leased: Leased) -> None:
        """Perform a ``StartTriggered``. Raises ``Refused`` where a person has to help, ``TryAgain``."""
        effect = leased.effect
        assert isinstance(effect, StartTriggered)  # the runner dispatches by type
        said = {
            "flow": effect.flow,
            "trigger": effect.trigger,
            "run": self._store.ids.run(leased.run),
        }
        trigger = self._triggers.heard.get((effect.flow, effect.trigger))
        if trigger is None:
            log.warning("a trigger has gone since it heard of a run", extra=said)
            await self._store.settle(leased)
            return
        if await self._store.read(lambda c, _: rows.depth(c, leased.run)) >= MAX_DEPTH:
            log.error("%d runs have started one another; the next is not started", MAX_DEPTH, extra=said)
            await self._store.settle(leased)
            return
        requester, values = await self._heard_of(leased.run, effect)
        try:
            inputs = trigger.inputs_for(values)
            if inputs is None:
                await self._store.settle(leased)
                return
            claim = rows.of_effect(leased.id, f"{effect.on} {effect.trigger}", leased.run, effect.n)
            await self._engine.start(effect.flow, requester, inputs, claim=claim)
        except Taken:
            return
        except NotAllowed as error:
            # They may not start it by hand either; nobody's retry changes that.
            log.warning("a run was not started by another: its requester may not", extra={**said, "error": str(error)})
            await self._store.settle(leased)
        except TryAgain:
            raise
        except Refused as error:
            raise Refused(f"{effect.flow} was not started: {error}") from error

    async def _heard_of(self, run: int, effect: StartTriggered) -> tuple[PersonId, Values]:
        """The requester of the run that was heard of, and what the trigger reads of it."""
        ids = self._store.ids
        if effect.on == "ended":
            plan, ended, waits, people = await self._store.read(lambda c, plans: rows.ended(c, plans, run))
            return ended.requester, ended_values(plan.flow, ended, waits, people, ids)
        view = await self._store.read(lambda c, plans: reads.suspension_view(c, plans, run, effect.n))
        if view is None:
            raise UnknownRun("There is no such run.")
        flow, at = view.plan.flow, view.suspension
        if effect.on == "waiting":
            return view.run.requester, waiting_values(flow, view.run, at, view.people, ids)
        return view.run.requester, decided_values(flow, view.run, at, view.decisions, view.people, ids)
