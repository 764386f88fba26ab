"""What the doors call: start a run, decide, cancel, look.

There is one decision path. Whatever door a person comes through, it ends in ``Engine.decide``, which ends in
``machine.advance`` inside one transaction; no door has a check of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from flows import views
from flows.clock import Clock
from flows.definition import Approval, Callback, Flow, Hold
from flows.delegation import Circle, Delegation, for_wait, principals
from flows.effects import PerformAction
from flows.errors import (
    FlowError,
    InvalidForm,
    NotAllowed,
    NotAnApprover,
    NotWaiting,
    SelfApproval,
    TryAgain,
    UnknownEffect,
    UnknownFlow,
    UnknownRun,
    UnknownSuspension,
)
from flows.events import (
    ActionSkipped,
    CallbackReceived,
    CancelRequested,
    DecidedEarly,
    DecisionMade,
    DropRequested,
    LinkMade,
    NudgeRequested,
    PauseRequested,
    QuestionAnswered,
    QuestionAsked,
    ReassignRequested,
    ResumeRequested,
    RosterReread,
    SnoozeRequested,
    SuspendRequested,
)
from flows.expressions import ExpressionError, Template
from flows.fields import StringField
from flows.forms import validate
from flows.handles import InvalidHandle, is_group, normalise
from flows.ids import Ids
from flows.ledger import Entry
from flows.opening import MAX_HANDLES, flat, made_handles
from flows.people import PersonId, Roster
from flows.plan import Plan, made
from flows.ports import Directory, Json
from flows.quorum import MembershipsNeeded, check_may_decide, check_may_drop, is_relieved, look_up
from flows.run import SECRET, Door, Early, Outcome, Path, Run, Verdict, Verified
from flows.store import delegations, inbox, outbox, reads
from flows.store.slices import load_run
from flows.store.sqlite import Key, SqliteStore, Start
from flows.store.triggers import Claim
from flows.vault import Vault
from flows.views import ParkedEffect, RunView, SuspensionView

LONGEST_DELEGATION = timedelta(days=366)
"""How long somebody may hand their approvals over at once: what is forgotten ends by itself."""

MAX_KEY = 200
"""Characters of a ``supersede`` key that is stored as it is."""


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one of many decisions: the run as it is after it, or why it was refused."""

    run: int
    n: int
    after: Run | None = None
    refused: FlowError | None = None


@dataclass(frozen=True, slots=True)
class Called:
    """What became of a machine's request: ``kept`` for a wait that is not open yet, and the page to go to next."""

    kept: bool
    redirect: str | None = None


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
        store.seal = vault.seal

    @property
    def ids(self) -> Ids:
        return self._store.ids

    @property
    def flows(self) -> Mapping[str, Flow]:
        """The flows that can be started now, by name."""
        return {name: plan.flow for name, (plan, _) in self._flows.items()}

    async def use(self, flows: Iterable[Flow]) -> None:
        """Let these be the flows that can be started. Runs that wait keep the definition they have."""
        by_name = {flow.flow: flow for flow in flows}
        pinned = {}
        for flow in by_name.values():
            plan = Plan.of(flow, by_name)
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
        claim: Claim | None = None,
        as_admin: bool = True,
        resubmits: int | None = None,
    ) -> tuple[Run, bool]:
        """Start a run. Returns it, and whether it is new (False: the same Idempotency-Key started it before).

        ``claim`` is what the start uses up, where a trigger starts it; it raises ``flows.store.triggers.Taken``.
        ``resubmits`` is a run of theirs that did not succeed, of which this is a new version. Raises ``UnknownFlow``,
        ``UnknownRun``, ``InvalidForm`` with all bad inputs, ``QuorumUnreachable``, ``TryAgain``, ``NotAllowed``.
        """
        plan, definition = self._known(flow)
        key = Key(once.token, once.key, self._vault.fingerprints(_request(flow, inputs))) if once else None
        if key is not None and (before := await self._store.started(key)) is not None:
            # Before anything is looked up: a repeat is answered also while Slack is down, or the flow was edited.
            return before, False
        if not await self.may_start(flow, requester, as_admin=as_admin):
            raise NotAllowed("You are not one of those who may start this flow.")
        if resubmits is not None:
            await self._check_may_resubmit(flow, requester, resubmits)
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
                roster=await self._roster(plan, values, requester),
                secrets=secrets,
                once=key,
                via_token=via_token,
                supersede=_key_of(plan.flow, values),
                claim=claim,
                resubmits=resubmits,
            )
        )

    async def _check_may_resubmit(self, flow: str, requester: PersonId, run: int) -> None:
        _, before = await self._store.read(lambda c, plans: load_run(c, plans, run))
        # What has ended keeps the id that its requester had then; they may have been merged since.
        asked = await self._store.person(before.requester)
        if asked is None or asked.id != requester or before.flow != flow:
            raise UnknownRun("There is no such run.")
        if before.ending is None or before.ending.outcome is Outcome.SUCCEEDED:
            raise NotAllowed("Only what was rejected, has expired, failed or was cancelled can be sent in anew.")

    async def may_start(self, flow: str, person: PersonId, *, as_admin: bool = True) -> bool:
        """Whether the person may start the flow: everybody, unless it names its ``starters``; its owner and admins always.

        Raises ``UnknownFlow``, ``TryAgain``.
        """
        flow_ = self._known(flow)[0].flow
        if not flow_.starters or (as_admin and self._is_admin(person)):
            return True
        owner = () if flow_.owner is None else (flow_.owner,)
        return await self._is_among(person, (*flow_.starters, *owner))

    async def asked_by(
        self, flow: str, inputs: Mapping[str, object], *, requester: PersonId | None = None
    ) -> Roster | None:
        """Who will certainly be asked by a run with these inputs, as far as that is known before it starts. ``requester``
        is whose groups are meant, where there are several of one name.

        Raises ``UnknownFlow``, ``InvalidForm``, ``TryAgain``.
        """
        plan, _ = self._known(flow)
        return await self._roster(plan, validate(plan.flow.inputs, inputs), requester)

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
        option: str | None = None,
        digest: bytes | None = None,
        via_token: str | None = None,
        as_admin: bool = True,
        verified: Verified | None = None,
    ) -> Run:
        """Record one person's answer, or take it back (``Verdict.WITHDRAW``). Returns the run as it is then.

        Who is not asked themselves answers for somebody who is and has handed their approvals over to them.
        ``digest`` is that of the view which the person had; None where a script decided without showing one.
        ``verified`` is how they have shown who they are, where they came by a personal link. Raises ``UnknownRun``, or a ``Refused`` that says why not.
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
            option=option,
            verified=verified,
        )
        return await self._with_memberships(run, event)

    async def decide_many(
        self,
        ids: Sequence[tuple[int, int]],
        person: PersonId,
        verdict: Verdict,
        *,
        door: Door,
        comment: str | None = None,
        values: Mapping[str, Json] | None = None,
        option: str | None = None,
        digests: Mapping[tuple[int, int], bytes] | None = None,
        via_token: str | None = None,
        as_admin: bool = True,
    ) -> list[Item]:
        """The same answer to several suspensions, ``(run, n)`` each: one result for each of them, in their order.

        Each is decided by itself, by the same rules as alone; its form is held against the values like alone.
        ``digests`` are those of the views which the person had, where they were shown any.
        """
        results = []
        for run, n in ids:
            try:
                after = await self.decide(
                    run,
                    n,
                    person,
                    verdict,
                    door=door,
                    comment=comment,
                    values=values,
                    option=option,
                    digest=(digests or {}).get((run, n)),
                    via_token=via_token,
                    as_admin=as_admin,
                )
                results.append(Item(run, n, after))
            except FlowError as refused:
                results.append(Item(run, n, refused=refused))
        return results

    async def decide_early(
        self,
        run: int,
        person: PersonId,
        verdict: Verdict,
        *,
        step: str | None = None,
        door: Door,
        comment: str | None = None,
        via_token: str | None = None,
    ) -> bool:
        """A decision that nothing was shown for: an open approval that takes such a one counts it at once, else it is
        kept for the next one that does and that this person may decide. Returns whether it was counted.

        ``step``: the approval's id, where it is meant for one. Raises ``UnknownRun``, or a ``Refused``.
        """
        event = DecidedEarly(person, verdict, door, step, _said("comment", comment), via_token=via_token)
        await self._with_memberships(run, event)
        return await self.kept(run, person, step) is None

    async def pause(
        self, run: int, person: PersonId, *, door: Door, via_token: str | None = None, as_admin: bool = True
    ) -> Run:
        """Halt a run: what is under way goes on, nothing new starts until ``resume``. Deadlines go on.

        Raises ``UnknownRun``, ``NotAllowed``, ``NotWaiting`` where it is paused already, ``RunFinished``.
        """
        admin, owner = await self._rights(run, person, as_admin)
        return await self._store.transact(run, PauseRequested(person, door, admin, via_token, owner))

    async def resume(
        self, run: int, person: PersonId, *, door: Door, via_token: str | None = None, as_admin: bool = True
    ) -> Run:
        """Let a paused run go on. Raises as ``pause``."""
        admin, owner = await self._rights(run, person, as_admin)
        return await self._store.transact(run, ResumeRequested(person, door, admin, via_token, owner))

    async def drop(
        self,
        run: int,
        n: int,
        person: PersonId,
        reason: str,
        *,
        door: Door,
        via_token: str | None = None,
        as_admin: bool = True,
    ) -> Run:
        """End a wait without a decision, and let the run go on: recorded, and never an approval. For admins and the
        flow's owner.

        Raises ``UnknownRun``, ``NotAllowed``, ``Closed``, ``InvalidForm`` where no reason is given.
        """
        said = _said("reason", reason)
        if said is None:
            raise InvalidForm({"reason": "is required: say why nobody's decision is needed."})
        admin, owner = await self._rights(run, person, as_admin)
        return await self._store.transact(run, DropRequested(n, person, door, said, admin, owner, via_token))

    async def nudge(self, run: int, n: int, person: PersonId, *, door: Door, via_token: str | None = None) -> Run:
        """Ask those who have not answered once more, for the requester; at most once an hour.

        Raises ``UnknownRun``, ``NotAllowed``, ``TooSoon``, ``Closed``, ``NotWaiting``, ``RunFinished``.
        """
        return await self._store.transact(run, NudgeRequested(n, person, door, via_token))

    async def reassign(
        self,
        run: int,
        n: int,
        person: PersonId,
        to: PersonId,
        by: PersonId,
        *,
        door: Door,
        reason: str | None = None,
        via_token: str | None = None,
        as_admin: bool = True,
    ) -> Run:
        """Let ``to`` be asked in the place of ``person``, who is asked and has not answered. ``by`` is that person, or an
        admin. Raises as ``nudge``, and ``NotAnApprover``, ``SelfApproval``."""
        admin = as_admin and self._is_admin(by)
        said = _said("reason", reason)
        await self._check_may_be_chosen(to)
        await self._check_is_not_asked(run, n, to)
        return await self._with_memberships(
            run, ReassignRequested(n, person, to, by, door, said, admin, via_token=via_token)
        )

    async def snooze(
        self,
        run: int,
        n: int,
        person: PersonId,
        until: datetime | None,
        *,
        door: Door,
        via_token: str | None = None,
    ) -> Run:
        """Remind this person, who is asked, of nothing until then; None: of everything again. They are told when the time
        has come. Raises as ``reassign``, and ``InvalidForm`` where that is not before the deadline."""
        return await self._with_memberships(run, SnoozeRequested(n, person, until, door, via_token=via_token))

    async def ask(
        self, run: int, n: int, person: PersonId, text: str, *, door: Door, via_token: str | None = None
    ) -> Run:
        """Ask the requester something first, for somebody who is asked. Raises as ``snooze``."""
        said = _written("question", text)
        return await self._with_memberships(run, QuestionAsked(n, person, said, door, via_token=via_token))

    async def answer(
        self,
        run: int,
        n: int,
        person: PersonId,
        text: str,
        *,
        door: Door,
        via_token: str | None = None,
        as_admin: bool = True,
    ) -> Run:
        """Answer the questions that are open: for the requester, the owner of the flow, and admins. Raises as ``nudge``,
        and ``InvalidForm`` where nothing is said."""
        said = _written("answer", text)
        admin, owner = await self._rights(run, person, as_admin)
        return await self._store.transact(run, QuestionAnswered(n, person, said, door, admin, owner, via_token))

    # -- standing in --------------------------------------------------------------------------------------------

    async def delegate(
        self,
        person: PersonId,
        to: PersonId,
        starts: datetime,
        ends: datetime,
        flows: Sequence[str] = (),
        *,
        by: PersonId,
        as_admin: bool = True,
    ) -> Delegation:
        """Let ``to`` answer for ``person`` from ``starts`` until just before ``ends``, in all flows or in some. ``by`` is
        the person, or an admin.

        Raises ``NotAllowed`` (also where it would lead back to the person), ``UnknownFlow``, ``InvalidForm``.
        """
        if by != person and not (as_admin and self._is_admin(by)):
            raise NotAllowed("Only an admin can hand over somebody else's approvals.")
        now = self._clock.now()
        if ends <= max(starts, now):
            raise InvalidForm(
                {"until": "is over already; choose a later day" if ends <= now else "is before its start"}
            )
        if ends - starts > LONGEST_DELEGATION:
            raise InvalidForm({"until": "is more than a year away; hand over again when the time has come"})
        for flow in flows:
            self._known(flow)
        await self._check_may_be_chosen(to)
        try:
            return await self._store.delegate(Delegation(0, person, to, starts, ends, tuple(flows), by, now))
        except Circle as circle:
            if len(circle.chain) == 2:
                raise NotAllowed("Nobody can stand in for themselves; choose somebody else.") from None
            names = [(await self._store.person(one)) for one in circle.chain]
            chain = " to ".join(one.name if one is not None else "somebody" for one in names)
            raise NotAllowed(f"That would go round in a circle: {chain}. Choose somebody else.") from None

    async def _check_may_be_chosen(self, person: PersonId) -> None:
        """Whom a flow would have to name, nobody can choose in its place. Raises ``NotAllowed``, ``TryAgain``."""
        why_not = await self._directory.outsider(person)
        if why_not is not None:
            who = await self._store.person(person)
            raise NotAllowed(
                f"{who.name if who else 'Somebody'} {why_not}. Only a flow itself can ask them; choose somebody else."
            )

    async def _check_is_not_asked(self, run: int, n: int, person: PersonId) -> None:
        """Whoever is asked as a member of a group fills one seat, and not another one's too. Raises ``NotAllowed``,
        ``TryAgain``."""
        view = await self.peek(run, n)
        groups = view.suspension.approvers.groups if view is not None and view.open else ()
        if view is None or not groups or is_relieved(view.suspension, person):
            return
        if (await self._directory.memberships(person, groups)).groups:
            who = await self._store.person(person)
            raise NotAllowed(f"{who.name if who else 'Somebody'} is asked already.")

    async def end_delegation(self, delegation: int, by: PersonId, *, as_admin: bool = True) -> Delegation:
        """End one early: for who gave it, who received it, and admins. What was decided by it stands.

        Raises ``NotAllowed``; ``UnknownSuspension`` where there is none that they may know of.
        """
        found = await self._store.read(lambda c, _: delegations.get(c, delegation))
        if found is None or (by not in (found.person, found.delegate) and not (as_admin and self._is_admin(by))):
            raise NotAllowed("There is no such delegation of yours.")
        await self._store.end_delegation(delegation)
        return replace(found, ended_at=found.ended_at or self._clock.now())

    async def delegations(self, person: PersonId) -> list[Delegation]:
        """What this person has handed over and what was handed over to them, as far as it is not over."""
        now = self._clock.now()
        return await self._store.read(lambda c, _: delegations.of(c, person, now))

    async def handed_over(self, since: datetime, until: datetime) -> frozenset[PersonId]:
        """Those for whom a delegation has begun or run out by the clock after ``since``, up to ``until``: who gave it and
        who received it."""
        return await self._store.read(lambda c, _: delegations.turned(c, since, until))

    async def link_made(
        self, run: int, person: PersonId, by: PersonId, *, step: str | None, via_token: str | None = None
    ) -> None:
        """Record that ``by`` has made the personal link of ``person``, with which its holder answers as them.

        Raises ``SelfApproval`` where it would let somebody answer their own request in another's name.
        """
        await self._store.transact(run, LinkMade(by, person, step, via_token))

    async def callback(self, run: int, n: int, request: Mapping[str, Json], *, cancels: bool) -> Called:
        """A machine has sent ``request`` (method, headers, query, body) to a resume link, or to a cancel link.

        Raises ``Closed`` with who used it and when, ``InvalidForm`` where the body is not what the flow expects,
        ``NotWaiting``, ``UnknownRun``.
        """
        await self._store.transact(run, CallbackReceived(n, request, cancels))
        view = await self.peek(run, n)
        wait = view.wait if view is not None else None
        kept = view is None or view.open
        return Called(kept, wait.redirect if isinstance(wait, Callback) else None)

    async def suspend(self, run: int, path: Path, round_: int, attempt: int, spec: Mapping[str, Json] | None) -> None:
        """Open the wait that a step's function asks for, durably. ``spec`` is as in a flow file, under its kind's key;
        None for the one that the step has.

        Raises ``NotAllowed``, ``InvalidForm``, ``QuorumUnreachable``, ``TryAgain``; ``NotWaiting`` where the step has
        ended, or another attempt of it is at work.
        """
        if spec is not None:
            step = made(spec)
            if step.wait is not None and any(field.masked for field in step.wait.form):
                raise InvalidForm({"form": "may not ask for a secret here; write this wait into the flow file."})
            waiting = step.approval or step.hold or step.callback
            handles = flat(made_handles(waiting)) if waiting is not None else ()
        else:
            handles = await self._store.read(lambda c, plans: reads.handles_of(c, plans, run, path, self.ids)) or ()
        roster = None
        if handles:
            requester = await self._store.read(lambda c, _: reads.requester_of(c, run))
            roster = await self._directory.resolve(handles, requester=requester)
        after = await self._store.transact(run, SuspendRequested(path, round_, attempt, spec, roster))
        if not await self._store.read(lambda c, _: reads.is_open(c, after.id, path, round_)):
            raise NotWaiting("This step is not under way any more, so it cannot wait.")

    async def people_left(self, run: int, n: int) -> None:
        """Somebody whom a suspension asks may have left: ask the directory anew, and say so at once where those who are
        left cannot meet the quorum. Raises ``TryAgain``."""
        view = await self.peek(run, n)
        if view is None or not view.open or not isinstance(view.wait, Approval):
            return
        roster = await self._directory.resolve(look_up(view.suspension, view.people))
        await self._store.transact(run, RosterReread(n, roster))

    async def waiting_on(self, person: PersonId) -> list[tuple[int, int]]:
        """The open suspensions that name this person, or a group: what ``people_left`` is to be asked about."""
        groups = await self._store.read(lambda c, _: reads.groups_waiting(c))
        return await self._store.read(lambda c, _: reads.seated(c, [person, *groups]))

    async def is_owner(self, flow: Flow, person: PersonId) -> bool:
        """Whether the person owns the flow. Raises ``TryAgain`` where the directory does not answer."""
        return flow.owner is not None and await self._is_among(person, (flow.owner,))

    async def check_may_drop(self, view: SuspensionView, person: PersonId, *, as_admin: bool = True) -> None:
        """Return if the person may let this go on without a decision; else raise the ``NotAllowed`` that ``drop`` would.
        Raises ``TryAgain``."""
        admin = as_admin and self._is_admin(person)
        check_may_drop(admin=admin, owner=admin or await self.is_owner(view.plan.flow, person))

    async def check_may_decide(self, view: SuspensionView, person: PersonId, *, as_admin: bool = True) -> None:
        """Return if the person may answer this suspension now; else raise the ``Refused`` that ``decide`` would.

        For a door that shows something before it decides. Raises ``UnknownSuspension`` for a delay, which asks nobody.
        """
        wait = view.wait
        if not isinstance(wait, Approval | Hold):
            raise UnknownSuspension("There is no such approval.")
        try:
            await self._check_seat(view, wait, person, admin=as_admin and self._directory.is_admin(person))
        except NotAnApprover:
            for principal in await self._principals(view, person):
                with suppress(NotAnApprover, SelfApproval):
                    return await self._check_seat(view, wait, principal, admin=False)
            raise

    async def _check_seat(self, view: SuspensionView, wait: Approval | Hold, person: PersonId, *, admin: bool) -> None:
        check = partial(check_may_decide, wait, view.suspension, person, requester=view.run.requester, admin=admin)
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
        said = _said("reason", reason)
        admin, owner = await self._rights(run, person, as_admin)
        return await self._store.transact(run, CancelRequested(person, door, said, admin, via_token, owner))

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
        now = self._clock.now()
        return await self._store.read(lambda c, plans: reads.suspension_view(c, plans, run, n, now=now))

    async def peek_run(self, run: int) -> RunView:
        """A run, for a door that has established already that it may be shown. Raises ``UnknownRun``."""
        return await self._store.read(lambda c, plans: reads.run_view(c, plans, run))

    async def history(self, run: int, reader: PersonId, *, as_admin: bool = True) -> tuple[RunView, list[Entry]]:
        """A run with its ledger, for somebody who may read it. Raises ``UnknownRun``."""
        view = await self.run(run, reader, as_admin=as_admin)
        return view, await self._store.ledger(run)

    async def runs_of(self, flow: str, reader: PersonId, *, limit: int = 10, as_admin: bool = True) -> list[RunView]:
        """The newest runs of a flow among those that the reader may read; a few times ``limit`` are looked at."""
        found: list[RunView] = []
        for run in await self._store.read(lambda c, _: reads.runs_of(c, flow, limit=limit * 10)):
            if len(found) < limit:
                with suppress(UnknownRun):
                    found.append(await self.run(run, reader, as_admin=as_admin))
        return found

    async def kept(self, run: int, person: PersonId, step: str | None = None) -> Early | None:
        """The decision that this person gave early, for ``step`` or for any, and that no approval has taken yet."""
        return await self._store.read(lambda c, _: reads.kept(c, run, person, step))

    async def waiting_for(self, person: PersonId, *, limit: int = 50, offset: int = 0) -> list[SuspensionView]:
        """What waits for this person, by name or through a group, or for somebody whom they stand in for; the nearest
        deadline first."""
        found = await self._seated(person, limit + offset)
        known = {(view.run.id, view.suspension.n) for view in found}
        now = self._clock.now()
        held = await self._store.read(delegations.in_force)
        standing_in = [one for one in held if one.starts <= now < one.ends]
        for principal in principals(standing_in, person) if standing_in else ():
            for view in await self._seated(principal, limit + offset):
                key = view.run.id, view.suspension.n
                if key not in known and await self._stands_in(view, person, principal):
                    known.add(key)
                    found.append(view)
        found.sort(key=lambda view: (view.suspension.due is None, view.suspension.due, view.run.id, view.suspension.n))
        return found[offset : offset + limit]

    async def _seated(self, person: PersonId, limit: int) -> list[SuspensionView]:
        seats = await self._seats(person)
        found = await self._store.read(lambda c, plans: reads.waiting(c, plans, seats, limit=limit))
        return [view for view in found if not is_relieved(view.suspension, person)]

    async def _stands_in(self, view: SuspensionView, person: PersonId, principal: PersonId) -> bool:
        """Whether the person may answer this for the other one."""
        wait = view.wait
        own = person == view.run.requester and isinstance(wait, Approval) and not wait.self_approval
        return not own and principal in await self._principals(view, person)

    async def _principals(self, view: SuspensionView, person: PersonId) -> tuple[PersonId, ...]:
        """For whom the person may answer this now."""
        return _principals(await self._in_force(view.run), view, person)

    async def _in_force(self, run: Run) -> list[Delegation]:
        """The delegations that hold in this run now."""
        now = self._clock.now()
        return [one for one in await self._store.read(delegations.in_force) if one.holds(run.flow, now)]

    async def waiting_around(self, person: PersonId, *, limit: int = 50, offset: int = 0) -> list[SuspensionView]:
        """What waits for this person, as ``waiting_for`` has it, or was requested by them; the nearest deadline first."""
        own = await self._store.read(
            lambda c, plans: reads.waiting(c, plans, [], requester=person, limit=limit + offset)
        )
        theirs = {
            (view.run.id, view.suspension.n): view for view in await self.waiting_for(person, limit=limit + offset)
        }
        found = list((theirs | {(view.run.id, view.suspension.n): view for view in own}).values())
        found.sort(key=lambda view: (view.suspension.due is None, view.suspension.due, view.run.id, view.suspension.n))
        return found[offset : offset + limit]

    async def waiting(self, *, limit: int = 50, offset: int = 0) -> list[SuspensionView]:
        """Everything that waits for people, the nearest deadline first."""
        return await self._store.read(lambda c, plans: reads.waiting(c, plans, None, limit=limit, offset=offset))

    async def inbox(
        self,
        person: PersonId,
        *,
        flow: str | None = None,
        before: datetime | None = None,
        limit: int = 10,
        offset: int = 0,
        later: int = 0,
    ) -> inbox.Waiting:
        """A page of what this person could answer now and has not, the nearest deadline first; what waits for those for
        whom they stand in as well. ``flow`` and ``before`` (the deadline) filter; ``later`` is how much is read of what
        they have put off. Raises ``TryAgain`` where the directory does not answer."""
        now = self._clock.now()
        delegations = await self._store.read(lambda c, _: inbox.standing_in(c, person, now))
        groups = await self._store.read(lambda c, _: reads.groups_waiting(c))
        seats: dict[PersonId, frozenset[str]] = {}
        for one in (person, *principals(delegations, person)):
            seats[one] = (await self._directory.memberships(one, groups)).groups if groups else frozenset()
        return await self._store.read(
            lambda c, plans: inbox.waiting(
                c,
                plans,
                person,
                seats,
                delegations,
                now=now,
                flow=flow,
                before=before,
                limit=limit,
                offset=offset,
                later=later,
            )
        )

    async def requested(
        self,
        person: PersonId,
        *,
        limit: int = 50,
        offset: int = 0,
        flow: str | None = None,
        before: datetime | None = None,
    ) -> list[RunView]:
        """Runs that this person has started: open ones first, then the newest. ``flow`` filters, and ``before`` by the
        deadline of what is asked."""
        return await self._store.read(
            lambda c, plans: inbox.requested(c, plans, person, limit=limit, offset=offset, flow=flow, before=before)
        )

    async def decided(
        self, person: PersonId, *, limit: int = 50, offset: int = 0, flow: str | None = None
    ) -> list[SuspensionView]:
        """What this person has decided, for themselves or for somebody else, their newest answer first."""
        return await self._store.read(
            lambda c, plans: inbox.decided(c, plans, person, limit=limit, offset=offset, flow=flow)
        )

    async def progress(self, run: int, n: int) -> tuple[int, int] | None:
        """How many distinct people have said yes to a suspension, and how many it takes; None where there is none.

        Costs the same however many were asked, unlike ``peek``.
        """
        return await self._store.read(lambda c, _: reads.progress(c, run, n))

    async def settles_at(self, run: int, n: int) -> datetime | None:
        """Until when what completes a suspension can still be undone; None where nothing does. As cheap as ``progress``."""
        return await self._store.read(lambda c, _: reads.settles_at(c, run, n))

    async def card_at(self, channel: str, ts: str) -> tuple[int, int] | None:
        """Which card is in that channel at that ts: its run and suspension, 0 for the requester's message of the run."""
        return await self._store.read(lambda c, _: reads.card_at(c, channel, ts))

    async def cards(self, run: int, n: int) -> list[tuple[str, str]]:
        """Where the cards of a suspension are: pairs of channel id and ts."""
        return await self._store.read(lambda c, _: reads.cards_of(c, run, n))

    async def parked(self, reader: PersonId) -> tuple[ParkedEffect, ...]:
        """Effects that only a person can help. Admins only."""
        self._admins_only(reader)
        return await self._store.read(lambda c, _: reads.troubled(c, parked_only=True))

    # -- inside -------------------------------------------------------------------------------------------------

    def _known(self, flow: str) -> tuple[Plan, int]:
        if flow not in self._flows:
            raise UnknownFlow(f"There is no flow {flow!r}.")
        return self._flows[flow]

    async def _with_memberships(
        self, run: int, event: DecisionMade | DecidedEarly | ReassignRequested | SnoozeRequested | QuestionAsked
    ) -> Run:
        """Deliver what a person says; where it depends on their groups, or on those of people whom they stand in for,
        ask for these first."""
        asked: set[PersonId] = set()
        while True:
            try:
                return await self._store.transact(run, event)
            except MembershipsNeeded as needed:
                # Asked outside the transaction: the directory may take seconds, and others decide meanwhile.
                whose = event.person if needed.person is None else needed.person
                if whose in asked:
                    raise TryAgain("Who may decide this has just changed. Please try again.") from None
                asked.add(whose)
                memberships = await self._directory.memberships(whose, needed.groups, fresh=True)
                if needed.person is None or isinstance(event, DecidedEarly | ReassignRequested):
                    event = replace(event, memberships=memberships)
                else:
                    event = replace(event, principals={**event.principals, whose: memberships})

    async def _rights(self, run: int, person: PersonId, as_admin: bool) -> tuple[bool, bool]:
        """Whether the person acts here as an admin, and as the flow's owner. Raises ``UnknownRun``."""
        plan = await self._store.read(lambda c, plans: load_run(c, plans, run)[0])
        return as_admin and self._is_admin(person), await self.is_owner(plan.flow, person)

    def _is_admin(self, person: PersonId) -> bool:
        return self._directory.is_admin(person)

    async def _is_among(self, person: PersonId, handles: Sequence[str]) -> bool:
        """Whether the person stands behind one of these handles, by name or as a member. Raises ``TryAgain``."""
        names = tuple(dict.fromkeys(map(normalise, handles)))
        groups = [name for name in names if is_group(name)]
        if len(groups) < len(names):
            roster = await self._directory.resolve([name for name in names if not is_group(name)])
            if person in roster.people.values():
                return True
        return bool(groups) and bool((await self._directory.memberships(person, groups)).groups)

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
        if groups:
            memberships = await self._directory.memberships(reader, groups)
            if views.may_read(view, reader, admin=admin, groups=memberships.groups):
                return True
        if await self._may_read_for_others(view, reader):
            return True
        flow = view.plan.flow
        named = (*flow.viewers, *((flow.owner,) if flow.owner is not None else ()))
        return bool(named) and await self._is_among(reader, named)

    async def _may_read_for_others(self, view: RunView | SuspensionView, reader: PersonId) -> bool:
        """Whether the reader may answer some of this for somebody else."""
        in_force = await self._in_force(view.run)
        if not principals(in_force, reader):
            return False
        for one in (view,) if isinstance(view, SuspensionView) else view.suspensions:
            groups = views.groups_of(one)
            for principal in _principals(in_force, one, reader):
                belongs = (await self._directory.memberships(principal, groups)).groups if groups else frozenset()
                if views.may_read(one, principal, admin=False, groups=belongs):
                    return True
        return False

    async def _roster(self, plan: Plan, inputs: Mapping[str, Json], requester: PersonId | None) -> Roster | None:
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
        return await self._directory.resolve(handles, requester=requester) if handles else None


def _key_of(flow: Flow, inputs: Mapping[str, Json]) -> str | None:
    """The key under which a run supersedes older ones. Raises ``InvalidForm`` where the inputs give none."""
    if flow.supersede is None:
        return None
    try:
        value = Template.compile(flow.supersede).render({"inputs": inputs})
    except ExpressionError as error:
        raise InvalidForm({"supersede": str(error)}) from None
    key = "" if value is None else str(value)
    # A longer one is kept as its hash, which differs where it does.
    return (key if len(key) <= MAX_KEY else hashlib.sha256(key.encode()).hexdigest()) or None


_WORDS = {
    name: (StringField(name=name, required=False, multiline=True),)
    for name in ("comment", "reason", "question", "answer")
}


def _said(name: str, text: str | None) -> str | None:
    """What a person wrote, bounded and without what cannot be stored; None for nothing. Raises ``InvalidForm``."""
    said = validate(_WORDS[name], {name: text})[name]
    return (said or "").strip() or None


def _written(name: str, text: str) -> str:
    """The same where something has to be said."""
    said = _said(name, text)
    if said is None:
        raise InvalidForm({name: "is required: write something"})
    return said


def _principals(in_force: Iterable[Delegation], view: SuspensionView, person: PersonId) -> tuple[PersonId, ...]:
    """For whom the person may answer this, by the delegations that hold."""
    if not isinstance(view.wait, Approval | Hold):
        return ()
    return principals(for_wait(in_force, view.wait, requester=view.run.requester), person)


def _request(flow: str, inputs: Mapping[str, object]) -> str:
    return json.dumps([flow, inputs], sort_keys=True, separators=(",", ":"), default=str)
