"""What the doors call: start a run, decide, cancel, look.

There is one decision path. Whatever door a person comes through, it ends in ``Engine.decide``, which ends in
``machine.advance`` inside one transaction; no door has a check of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from flows import views
from flows.clock import Clock
from flows.definition import Approval, Flow, Hold
from flows.effects import PerformAction
from flows.errors import NotAllowed, UnknownEffect, UnknownFlow, UnknownRun, UnknownSuspension
from flows.events import ActionSkipped, CancelRequested, DecisionMade
from flows.expressions import ExpressionError
from flows.fields import StringField
from flows.forms import validate
from flows.handles import InvalidHandle, normalise
from flows.ids import Ids
from flows.opening import MAX_HANDLES
from flows.people import PersonId, Roster
from flows.plan import Plan
from flows.ports import Directory, Json
from flows.quorum import MembershipsNeeded, check_may_decide
from flows.run import SECRET, Door, Run, Verdict
from flows.store import outbox, reads
from flows.store.sqlite import Key, SqliteStore, Start
from flows.vault import Vault
from flows.views import ParkedEffect, RunView, SuspensionView


@dataclass(frozen=True, slots=True)
class Once:
    """A start that may be asked for twice and happens once: by which token, under which Idempotency-Key."""

    token: int
    key: str


class Engine:
    """The engine's front. ``directory`` says who is who; flows are those of the last ``use``.

    ``as_admin=False`` leaves an admin's rights out: for a door whose caller may act for an admin, but not as one.
    """

    def __init__(self, store: SqliteStore, directory: Directory, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._vault = vault
        self._clock = clock
        self._flows: dict[str, tuple[Plan, int]] = {}

    @property
    def ids(self) -> Ids:
        return self._store.ids

    @property
    def flows(self) -> Mapping[str, Flow]:
        """The flows that can be started now, by name."""
        return {name: plan.flow for name, (plan, _) in self._flows.items()}

    async def use(self, flows: Iterable[Flow]) -> None:
        """Let these be the flows that can be started. Runs that wait keep the definition they have."""
        pinned = {}
        for flow in flows:
            plan = Plan.of(flow)
            pinned[flow.flow] = (plan, await self._store.pin(plan))
        self._flows = pinned

    # -- acting -------------------------------------------------------------------------------------------------

    async def start(
        self,
        flow: str,
        requester: PersonId,
        inputs: Mapping[str, object],
        *,
        once: Once | None = None,
        via_token: str | None = None,
    ) -> tuple[Run, bool]:
        """Start a run. Returns it, and whether it is new (False: the same Idempotency-Key started it before).

        Raises ``UnknownFlow``, ``InvalidForm`` with all bad inputs, ``QuorumUnreachable``, ``TryAgain``.
        """
        if flow not in self._flows:
            raise UnknownFlow(f"There is no flow {flow!r}.")
        plan, definition = self._flows[flow]
        key = Key(once.token, once.key, self._vault.fingerprints(_request(flow, inputs))) if once else None
        if key is not None and (before := await self._store.started(key)) is not None:
            # Before anything is looked up: a repeat is answered also while Slack is down, or the flow was edited.
            return before, False
        values = validate(plan.flow.inputs, inputs)
        secrets: dict[str, bytes] = {}
        for field in plan.flow.inputs:
            if field.type == "secret" and values[field.name] is not None:
                secrets[field.name] = self._vault.seal(str(values[field.name]), about=field.name)
                values[field.name] = {SECRET: field.name}
        return await self._store.start(
            Start(
                plan,
                definition,
                requester,
                values,
                roster=await self._roster(plan, values),
                secrets=secrets,
                once=key,
                via_token=via_token,
            )
        )

    async def decide(
        self,
        run: int,
        n: int,
        person: PersonId,
        verdict: Verdict,
        *,
        door: Door,
        comment: str | None = None,
        values: Mapping[str, Json] | None = None,
        digest: bytes | None = None,
        via_token: str | None = None,
        as_admin: bool = True,
    ) -> Run:
        """Record one person's answer. Returns the run as it is then.

        ``digest`` is that of the view which the person had; None where a script decided without showing one.
        Raises ``UnknownRun``, or a ``Refused`` that says why not.
        """
        event = DecisionMade(
            n=n,
            person=person,
            verdict=verdict,
            door=door,
            comment=_said("comment", comment),
            values=values or {},
            digest=digest,
            admin=as_admin and self._directory.is_admin(person),
            via_token=via_token,
        )
        try:
            return await self._store.transact(run, event, seal=self._vault.seal)
        except MembershipsNeeded as needed:
            # Asked outside the transaction: the directory may take seconds, and others decide meanwhile.
            memberships = await self._directory.memberships(person, needed.groups)
            return await self._store.transact(run, replace(event, memberships=memberships), seal=self._vault.seal)

    async def check_may_decide(self, view: SuspensionView, person: PersonId, *, as_admin: bool = True) -> None:
        """Return if the person may answer this suspension now; else raise the ``Refused`` that ``decide`` would.

        For a door that shows something before it decides. Raises ``UnknownSuspension`` for a delay, which asks nobody.
        """
        wait = view.step.wait
        if not isinstance(wait, Approval | Hold):
            raise UnknownSuspension("There is no such approval.")
        check = partial(
            check_may_decide,
            wait,
            view.suspension,
            person,
            requester=view.run.requester,
            admin=as_admin and self._directory.is_admin(person),
        )
        try:
            check(memberships=None)
        except MembershipsNeeded as needed:
            check(memberships=await self._directory.memberships(person, needed.groups))

    async def cancel(
        self,
        run: int,
        person: PersonId,
        *,
        door: Door,
        reason: str | None = None,
        via_token: str | None = None,
        as_admin: bool = True,
    ) -> Run:
        """Cancel a run. Raises ``UnknownRun``, ``NotAllowed``, ``RunFinished``, ``InvalidForm`` for the reason."""
        admin = as_admin and self._directory.is_admin(person)
        return await self._store.transact(run, CancelRequested(person, door, _said("reason", reason), admin, via_token))

    async def retry(self, effect: int, person: PersonId) -> None:
        """Let a parked effect be performed again. Admins only."""
        self._admins_only(person)
        if await self._store.free(effect) is None:
            raise UnknownEffect("There is no such parked effect.")

    async def skip(self, effect: int, person: PersonId, *, via_token: str | None = None) -> None:
        """Give up on a parked effect: a step's action counts as done, with no output. Admins only."""
        self._admins_only(person)
        leased = await self._store.read(lambda c, _: outbox.get(c, effect))
        parked = {one.id for one in await self.parked(person)}
        if leased is None or effect not in parked:
            raise UnknownEffect("There is no such parked effect.")
        if isinstance(leased.effect, PerformAction):
            event = ActionSkipped(leased.effect.path, leased.effect.round, person, via_token)
            await self._store.transact(leased.run, event, settles=leased.id)
        else:
            await self._store.settle(leased)

    # -- looking ------------------------------------------------------------------------------------------------

    async def run(self, run: int, reader: PersonId, *, as_admin: bool = True) -> RunView:
        """A run, for somebody who may read it; for anybody else it is ``UnknownRun``."""
        view = await self._store.read(lambda c, plans: reads.run_view(c, plans, run))
        if not await self._may_read(view, reader, as_admin):
            raise UnknownRun("There is no such run.")
        return view

    async def suspension(self, run: int, n: int, reader: PersonId, *, as_admin: bool = True) -> SuspensionView:
        """A suspension, for somebody who may read it; for anybody else it is ``UnknownSuspension``."""
        view = await self.peek(run, n)
        if view is None or not await self._may_read(view, reader, as_admin):
            raise UnknownSuspension("There is no such approval.")
        return view

    async def peek(self, run: int, n: int) -> SuspensionView | None:
        """A suspension, for a door that has established already that it may be shown."""
        return await self._store.read(lambda c, plans: reads.suspension_view(c, plans, run, n))

    async def waiting_for(self, person: PersonId, *, limit: int = 50, offset: int = 0) -> list[SuspensionView]:
        """What waits for this person, by name or through a group, the nearest deadline first."""
        seats = await self._seats(person)
        return await self._store.read(lambda c, plans: reads.waiting(c, plans, seats, limit=limit, offset=offset))

    async def waiting_around(self, person: PersonId, *, limit: int = 50, offset: int = 0) -> list[SuspensionView]:
        """What waits for this person or was requested by them, the nearest deadline first."""
        seats = await self._seats(person)
        return await self._store.read(
            lambda c, plans: reads.waiting(c, plans, seats, requester=person, limit=limit, offset=offset)
        )

    async def waiting(self, *, limit: int = 50, offset: int = 0) -> list[SuspensionView]:
        """Everything that waits for people, the nearest deadline first."""
        return await self._store.read(lambda c, plans: reads.waiting(c, plans, None, limit=limit, offset=offset))

    async def progress(self, run: int, n: int) -> tuple[int, int] | None:
        """How many distinct people have said yes to a suspension, and how many it takes; None where there is none.

        Costs the same however many were asked, unlike ``peek``.
        """
        return await self._store.read(lambda c, _: reads.progress(c, run, n))

    async def cards(self, run: int, n: int) -> list[tuple[str, str]]:
        """Where the cards of a suspension are: pairs of channel id and ts."""
        return await self._store.read(lambda c, _: reads.cards_of(c, run, n))

    async def parked(self, reader: PersonId) -> tuple[ParkedEffect, ...]:
        """Effects that only a person can help. Admins only."""
        self._admins_only(reader)
        return await self._store.read(lambda c, _: reads.troubled(c, parked_only=True))

    # -- inside -------------------------------------------------------------------------------------------------

    def _admins_only(self, person: PersonId) -> None:
        if not self._directory.is_admin(person):
            raise NotAllowed("Only an admin may do this.")

    async def _seats(self, person: PersonId) -> list[PersonId | str]:
        """The seats that a person could fill now: their own, and those of their groups."""
        groups = await self._store.read(lambda c, _: reads.groups_waiting(c))
        belongs = (await self._directory.memberships(person, groups)).groups if groups else ()
        return [person, *belongs]

    async def _may_read(self, view: RunView | SuspensionView, reader: PersonId, as_admin: bool) -> bool:
        admin = as_admin and self._directory.is_admin(reader)
        if views.may_read(view, reader, admin=admin):
            return True
        groups = views.groups_of(view)
        if not groups:
            return False
        memberships = await self._directory.memberships(reader, groups)
        return views.may_read(view, reader, admin=admin, groups=memberships.groups)

    async def _roster(self, plan: Plan, inputs: Mapping[str, Json]) -> Roster | None:
        """Who stands behind the approvers that the inputs alone name: so that the impossible is refused at once."""
        handles: dict[str, None] = {}
        for step in plan.steps:
            if not step.static_handles:
                continue
            for template in step.handles:
                if any(name[0] == "run" for name in template.names):
                    continue  # the run has no id yet; these are resolved when the wait opens
                try:
                    value = template.render({"inputs": inputs})
                    handles.update(dict.fromkeys(map(normalise, value if isinstance(value, list) else [value])))
                except (ExpressionError, InvalidHandle):
                    continue  # said by the step, when it is reached
                if len(handles) > MAX_HANDLES:
                    return None  # likewise, if they are those of one step
        return await self._directory.resolve(handles) if handles else None


_WORDS = {name: (StringField(name=name, required=False, multiline=True),) for name in ("comment", "reason")}


def _said(name: str, text: str | None) -> str | None:
    """What a person wrote, bounded and without what cannot be stored; None for nothing. Raises ``InvalidForm``."""
    said = validate(_WORDS[name], {name: text})[name]
    return (said or "").strip() or None


def _request(flow: str, inputs: Mapping[str, object]) -> str:
    return json.dumps([flow, inputs], sort_keys=True, separators=(",", ":"), default=str)
