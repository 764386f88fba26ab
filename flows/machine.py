"""The transition function: what an event makes of a run. Pure, and read like a page of law.

``start`` opens a run, ``advance`` applies one event to the slice of a run that it concerns. Both return a
``Transition``: the rows that changed, the facts that became true, and the effects to perform next. Nothing
that was passed in is changed. Rules that hold throughout:

- The engine's own events come at least once. A late one (the step is elsewhere by now) changes nothing.
- A person's event is either counted or refused with a sentence for them; a refusal changes nothing, except
  that a deadline which has passed is acted on first, whether or not its timer has fired.
- A finished run never moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from flows import opening, quorum, wording
from flows.context import Context
from flows.definition import Approval, Hold
from flows.effects import (
    FireTimer,
    PerformAction,
    ResolvePeople,
    SyncCards,
    TellRequester,
    Withdraw,
)
from flows.errors import (
    ChangedSinceShown,
    Closed,
    DecidedByYou,
    InvalidForm,
    NotWaiting,
    QuorumUnreachable,
    RunFinished,
)
from flows.events import (
    ActionFailed,
    ActionFinished,
    ActionSkipped,
    CancelRequested,
    DecisionCounted,
    DecisionMade,
    Event,
    PeopleMerged,
    PeopleResolved,
    QuorumRecounted,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
    SuspensionClosed,
    SuspensionOpened,
    TimerFired,
)
from flows.expressions import ExpressionError, Template
from flows.forms import validate
from flows.handles import InvalidHandle
from flows.ids import Ids
from flows.people import Person, PersonId, Roster
from flows.plan import Plan, StepPlan
from flows.ports import Json
from flows.request import digest
from flows.run import (
    SECRET,
    Approvers,
    Close,
    Closing,
    Decision,
    Ending,
    Kind,
    Outcome,
    Run,
    Slice,
    StepRun,
    StepState,
    Suspension,
    Verdict,
)
from flows.transition import Draft, Transition


def start(
    plan: Plan,
    *,
    run_id: int,
    requester: PersonId,
    inputs: Mapping[str, Json],
    roster: Roster | None,
    people: Mapping[PersonId, Person],
    now: datetime,
    ids: Ids,
    via_token: str | None = None,
) -> Transition:
    """Open a run. ``inputs`` are validated values; ``roster`` answers for the approvers that inputs alone name.

    Raises ``QuorumUnreachable`` where it is known already that an approval can never be met.
    """
    run = Run(run_id, plan.flow.flow, requester, inputs, started_at=now, roster=roster)
    draft = Draft(plan, Slice(run, steps={}, people=people), now, ids)
    draft.facts.append(RunStarted(plan.flow.flow, plan.digest, requester, via_token))
    _check_reachable(draft)
    _enter(draft, plan.steps[0])
    return draft.transition()


def advance(plan: Plan, slice_: Slice, event: Event, *, now: datetime, ids: Ids) -> Transition:
    """Apply one event. Raises ``Refused`` where a person asked for what is not possible."""
    draft = Draft(plan, slice_, now, ids)
    if slice_.run.ending is not None and not isinstance(event, DecisionMade | PeopleMerged):
        if isinstance(event, CancelRequested):
            raise RunFinished(f"This run has ended already: {slice_.run.ending.outcome.value}.")
        return draft.transition()
    match event:
        case ActionFinished():
            if (step := _acting(draft, event)) and event.attempt == step.attempt:
                _action_done(draft, step, event.output)
        case ActionSkipped():
            if step := _acting(draft, event):
                _action_done(draft, step, None)
        case ActionFailed():
            if (step := _acting(draft, event)) and event.attempt == step.attempt:
                _action_failed(draft, step, event)
        case PeopleResolved():
            _people_resolved(draft, event)
        case TimerFired():
            _timer_fired(draft, event)
        case DecisionMade():
            return _decide(draft, event)
        case CancelRequested():
            _cancel(draft, event)
        case PeopleMerged():
            _merge(draft, event)
    return draft.transition()


# -- steps ----------------------------------------------------------------------------------------------------


def _enter(draft: Draft, plan: StepPlan | None) -> None:
    """Go to a step: past those whose condition is false, into its action, else into its wait."""
    while plan is not None:
        step = StepRun(plan.path, StepState.SKIPPED)
        try:
            wanted = plan.condition is None or plan.condition.test(draft.context(plan))
        except ExpressionError as error:
            return _fail(draft, step, f"if: {error}")
        if wanted:
            if plan.step.action is None:
                return _open(draft, plan, step)
            draft.put(step.but(state=StepState.ACTING, attempt=1))
            draft.facts.append(StepStarted(plan.path, round=1, attempt=1))
            draft.effects.append(PerformAction(plan.path, round=1, attempt=1))
            return None
        draft.put(step)
        draft.facts.append(StepEnded(plan.path, StepState.SKIPPED))
        plan = draft.plan.after(plan.path)
    _end(draft, Outcome.SUCCEEDED)
    return None


def _acting(draft: Draft, event: ActionFinished | ActionFailed | ActionSkipped) -> StepRun | None:
    step = draft.steps.get(event.path)
    return step if step and step.state is StepState.ACTING and step.round == event.round else None


def _action_done(draft: Draft, step: StepRun, output: Json) -> None:
    plan = draft.plan.at(step.path)
    step = step.but(output=output, error=None)
    if plan.step.suspends:
        # Kept before the wait is rendered: what it asks and shows may come from this very output.
        draft.put(step)
        return _open(draft, plan, step)
    return _leave(draft, step, StepState.SUCCEEDED)


def _action_failed(draft: Draft, step: StepRun, event: ActionFailed) -> None:
    retry = draft.plan.at(step.path).step.retry
    if not event.retryable or step.attempt > retry.max:
        return _fail(draft, step, event.message)
    pause = max(retry.pause(step.attempt), event.retry_after or timedelta(0))
    step = step.but(attempt=step.attempt + 1, error=event.message)
    draft.put(step)
    draft.facts.append(StepStarted(step.path, step.round, step.attempt))
    draft.effects.append(PerformAction(step.path, step.round, step.attempt, due=draft.now + pause))
    return None


def _leave(draft: Draft, step: StepRun, state: StepState) -> None:
    """The step has ended in a way that lets the run go on."""
    draft.put(step.but(state=state))
    draft.facts.append(StepEnded(step.path, state))
    _enter(draft, draft.plan.after(step.path))


def _fail(draft: Draft, step: StepRun, message: str) -> None:
    _stop(draft, step.but(error=message), StepState.FAILED, Outcome.FAILED, reason=f"{step.path}: {message}")


def _stop(
    draft: Draft,
    step: StepRun,
    state: StepState,
    outcome: Outcome,
    *,
    reason: str | None,
    by: tuple[PersonId, ...] = (),
) -> None:
    """The step has ended in a way that ends the run."""
    draft.put(step.but(state=state))
    draft.facts.append(StepEnded(step.path, state, step.error))
    _end(draft, outcome, reason=reason, by=by)


def _end(draft: Draft, outcome: Outcome, *, reason: str | None = None, by: tuple[PersonId, ...] = ()) -> None:
    draft.run = draft.run.but(ending=Ending(outcome, draft.now, reason, by))
    draft.facts.append(RunEnded(outcome, reason))
    if outcome is not Outcome.SUCCEEDED and draft.run.requester not in by:
        draft.effects.append(TellRequester())


# -- waits ----------------------------------------------------------------------------------------------------


def _check_reachable(draft: Draft) -> None:
    """Refuse at once what can never be met: approvals that certainly open, whose approvers are known now."""
    for plan in draft.plan.steps:
        wait = plan.step.wait
        if not isinstance(wait, Approval) or not plan.static_handles or not plan.static_condition:
            continue
        try:
            if plan.condition is not None and not plan.condition.test(draft.context(plan)):
                continue
            handles = opening.handles(plan, draft.context(plan))
        except (ExpressionError, InvalidHandle):
            continue  # said where the step is reached, with its name
        roster = draft.run.roster
        if roster is not None and roster.covers(handles, now=draft.now):
            try:
                quorum.seats(wait, handles, roster, requester=draft.run.requester, people=draft.slice.people)
            except QuorumUnreachable as error:
                raise QuorumUnreachable(f"step {plan.path}: {error}") from None


def _open(draft: Draft, plan: StepPlan, step: StepRun) -> None:
    """Suspend the step, or look up its approvers first."""
    try:
        if plan.delay is not None:
            return _open_delay(draft, plan.delay, step)
        values = draft.context(plan)
        handles = opening.handles(plan, values)
        roster = draft.run.roster
        if handles and (roster is None or not roster.covers(handles, now=draft.now)):
            draft.put(step.but(state=StepState.RESOLVING))
            draft.effects.append(ResolvePeople(step.path, step.round, handles))
            return None
        return _open_wait(draft, plan, step, values, handles, roster or Roster(read_at=draft.now))
    except (ExpressionError, InvalidHandle, InvalidForm, QuorumUnreachable) as error:
        return _fail(draft, step, str(error))


def _open_delay(draft: Draft, delay: Template, step: StepRun) -> None:
    until = opening.until(delay.render(draft.context(draft.plan.at(step.path))), draft.now)
    _suspend(draft, step, Suspension(draft.next_n(step), step.path, Kind.DELAY, draft.now, due=until, round=step.round))


def _open_wait(
    draft: Draft, plan: StepPlan, step: StepRun, values: Context, handles: tuple[str, ...], roster: Roster
) -> None:
    wait = plan.step.wait
    assert isinstance(wait, Approval | Hold)  # only steps with a wait come here
    people = draft.slice.people
    seats = quorum.seats(wait, handles, roster, requester=draft.run.requester, people=people)
    suspension = opening.suspension(plan, values, seats, n=draft.next_n(step), round_=step.round, now=draft.now)
    suspension = suspension.but(digest=digest(draft.plan.flow, plan.step, draft.run, suspension))
    messages = opening.messages(plan, values, suspension, seats, people)
    if not plan.more_handles and draft.run.roster is not None:
        # Nobody will ask it again; in a run that waits for weeks it only takes room.
        draft.run = draft.run.but(roster=None)
    _suspend(draft, step, suspension)
    draft.effects.extend(messages)


def _suspend(draft: Draft, step: StepRun, suspension: Suspension) -> None:
    draft.put(step.but(state=StepState.SUSPENDED, suspension=suspension.n))
    draft.suspensions[suspension.n] = suspension
    draft.facts.append(SuspensionOpened(suspension.n, step.path, suspension.digest, suspension.due))
    if suspension.due is not None:
        draft.effects.append(FireTimer(step.path, step.round, suspension.n, suspension.due))


def _people_resolved(draft: Draft, event: PeopleResolved) -> None:
    step = draft.steps.get(event.path)
    if step is None or step.state is not StepState.RESOLVING or step.round != event.round:
        return
    draft.run = draft.run.but(roster=event.roster)
    _open(draft, draft.plan.at(event.path), step)


def _timer_fired(draft: Draft, event: TimerFired) -> None:
    suspension = draft.suspensions.get(event.n)
    if suspension is None or suspension.closing is not None or suspension.due is None:
        return
    if draft.now < suspension.due:
        # The wall clock was stepped back between the timer and this transaction: not yet. However often it is
        # said too early, one timer remains.
        draft.effects.append(Withdraw(suspension.path))
        draft.effects.append(FireTimer(suspension.path, suspension.round, suspension.n, suspension.due))
        return
    _deadline(draft, suspension)


def _deadline(draft: Draft, suspension: Suspension) -> None:
    """The deadline has passed: what the flow says of silence happens."""
    plan, step = draft.plan.at(suspension.path), draft.steps[suspension.path]
    wait = plan.step.wait
    if wait is None:
        _close(draft, suspension, Close.ELAPSED)
        return _leave(draft, step, StepState.SUCCEEDED)
    on_timeout = wait.on_timeout if isinstance(wait, Approval | Hold) else "end"
    if on_timeout == "approve":
        _close(draft, suspension, Close.APPROVED)
        return _leave(draft, step, StepState.SUCCEEDED)
    _close(draft, suspension, Close.EXPIRED)
    if on_timeout == "continue":
        return _leave(draft, step, StepState.EXPIRED)
    reason = f"nobody {'resumed' if suspension.kind is Kind.HOLD else 'decided'} in time"
    if on_timeout == "fail":
        return _fail(draft, step, reason)
    return _stop(draft, step, StepState.EXPIRED, Outcome.EXPIRED, reason=f"{step.path}: {reason}")


def _close(draft: Draft, suspension: Suspension, how: Close, by: tuple[PersonId, ...] = ()) -> None:
    suspension = suspension.but(closing=Closing(how, draft.now, by))
    draft.suspensions[suspension.n] = suspension
    known = draft.answers.get(suspension.path)
    if known is not None:
        draft.answers[suspension.path] = known.but(suspension=suspension)
    draft.facts.append(SuspensionClosed(suspension.n, how, by))
    draft.effects.append(Withdraw(suspension.path))
    if suspension.kind is not Kind.DELAY:
        draft.effects.append(SyncCards(suspension.n))


# -- people ---------------------------------------------------------------------------------------------------


def _decide(draft: Draft, event: DecisionMade) -> Transition:
    suspension = draft.suspensions.get(event.n)
    plan = draft.plan.at(suspension.path) if suspension else None
    wait = plan.step.wait if plan else None
    if suspension is None or plan is None or not isinstance(wait, Approval | Hold):
        raise NotWaiting("This waits for nobody's decision.")
    if suspension.closing is not None:
        became = wording.closed(suspension, draft.slice.people)
        mine = draft.slice.mine
        if mine is not None and mine.verdict is event.verdict:
            # Sent again because the answer was lost: what they said stands, and saying it again is no mistake.
            raise DecidedByYou(f"You have said so already: {wording.SAID[event.verdict]}. {became}")
        raise Closed(became)
    if suspension.due is not None and draft.now >= suspension.due:
        # What happened is that the deadline passed. What the person sent was not looked at, so none of it is kept.
        draft.event = TimerFired(suspension.path, suspension.n)
        _deadline(draft, suspension)
        closed = draft.suspensions[suspension.n]
        return draft.transition(refusal=Closed(wording.closed(closed, draft.slice.people)))
    quorum.check_may_decide(
        wait,
        suspension,
        event.person,
        requester=draft.run.requester,
        memberships=event.memberships,
        admin=event.admin,
    )
    _check_verdict(wait, event.verdict)
    if event.digest is not None and event.digest != suspension.digest:
        raise ChangedSinceShown("What is asked has changed since you were shown it. Please look at it again.")
    # The form belongs to a yes: a rejection needs none of it, and none of it is kept.
    yes = event.verdict is not Verdict.REJECT
    values = validate(wait.form, event.values, defaults=suspension.defaults) if yes else {}
    for field_ in wait.form if yes else ():
        if field_.masked and values[field_.name] is not None:
            name = f"{suspension.n}.{event.person}.{field_.name}"
            draft.secrets[name] = str(values[field_.name])
            values[field_.name] = {SECRET: name}
    draft.event = replace(event, values=values)
    before = draft.slice.mine
    # A secret is not compared, its reference says nothing of it: sent again, it replaces the one that was kept.
    if (
        before is not None
        and not draft.secrets
        and (before.verdict, before.comment, dict(before.values)) == (event.verdict, event.comment, values)
    ):
        raise DecidedByYou(f"You have said so already: {wording.SAID[event.verdict]}. It is counted once.")
    decision = Decision(
        n=suspension.n,
        person=event.person,
        verdict=event.verdict,
        at=draft.now,
        door=event.door,
        place=draft.run.version + 1,
        comment=event.comment,
        values=values,
        digest=event.digest,
        memberships=event.memberships,
    )
    standing = {**draft.slice.standing, event.person: event.verdict}
    draft.decide(decision)
    draft.facts.append(
        DecisionCounted(
            suspension.n,
            event.person,
            event.verdict,
            quorum.approvals(standing),
            suspension.needed,
            replaced=before.verdict if before else None,
        )
    )
    settled = quorum.tally(wait, suspension, standing)
    if settled is None:
        draft.effects.append(SyncCards(suspension.n))
    else:
        _settle(draft, suspension, settled, standing, event)
    return draft.transition()


def _settle(
    draft: Draft,
    suspension: Suspension,
    settled: Verdict,
    standing: Mapping[PersonId, Verdict],
    event: DecisionMade,
) -> None:
    """The quorum is there, or somebody has said no: close, and go the way that the flow declares."""
    step = draft.steps[suspension.path]
    wait = draft.plan.at(suspension.path).step.wait
    if settled is not Verdict.REJECT:
        how = Close.RESUMED if settled is Verdict.RESUME else Close.APPROVED
        _close(draft, suspension, how, by=tuple(who for who, verdict in standing.items() if verdict is settled))
        return _leave(draft, step, StepState.SUCCEEDED)
    _close(draft, suspension, Close.REJECTED, by=(event.person,))
    on_reject = wait.on_reject if isinstance(wait, Approval) else "end"
    if on_reject == "continue":
        return _leave(draft, step, StepState.REJECTED)
    if on_reject == "fail":
        return _fail(
            draft, step, f"rejected by {wording.name(event.person, draft.slice.people)}{wording.because(event.comment)}"
        )
    return _stop(draft, step, StepState.REJECTED, Outcome.REJECTED, reason=event.comment, by=(event.person,))


def _cancel(draft: Draft, event: CancelRequested) -> None:
    quorum.check_may_cancel(event.person, requester=draft.run.requester, admin=event.admin)
    for suspension in list(draft.suspensions.values()):
        if suspension.closing is None:
            _close(draft, suspension, Close.CANCELLED, by=(event.person,))
    for step in list(draft.steps.values()):
        if not step.state.ended:
            draft.put(step.but(state=StepState.CANCELLED))
            draft.facts.append(StepEnded(step.path, StepState.CANCELLED))
    # However else a run ends, nothing of it is under way any more: what was, brought the event that ended it.
    draft.effects.append(Withdraw())
    _end(draft, Outcome.CANCELLED, reason=event.reason, by=(event.person,))


def _merge(draft: Draft, event: PeopleMerged) -> None:
    """Two handles were one human: recount what is open. A merge takes seats away; it never completes a quorum."""

    def one(person: PersonId) -> PersonId:
        return event.kept if person == event.gone else person

    draft.run = draft.run.but(requester=one(draft.run.requester))
    for suspension in list(draft.suspensions.values()):
        if suspension.closing is not None:
            continue
        people = tuple(dict.fromkeys(one(person) for person in suspension.approvers.people))
        draft.suspensions[suspension.n] = suspension = suspension.but(
            approvers=Approvers(people, suspension.approvers.groups, suspension.approvers.gaps)
        )
        wait = draft.plan.at(suspension.path).step.wait
        decisions = sorted(
            (answer for answer in draft.answers[suspension.path].decisions), key=lambda decision: decision.place
        )
        # The later answer of the one human stands; one that the requester gave as somebody else never counted.
        kept = {one(decision.person): decision.but(person=one(decision.person)) for decision in decisions}
        if isinstance(wait, Approval) and not wait.self_approval:
            kept.pop(draft.run.requester, None)
        draft.recount(suspension, decisions, kept)
        standing = {person: decision.verdict for person, decision in kept.items()}
        draft.facts.append(QuorumRecounted(suspension.n, quorum.approvals(standing), suspension.needed))
        draft.effects.append(SyncCards(suspension.n))


def _check_verdict(wait: Approval | Hold, verdict: Verdict) -> None:
    if isinstance(wait, Approval) == (verdict is Verdict.RESUME):
        fitting = "approve or reject" if isinstance(wait, Approval) else "resume"
        raise InvalidForm({"verdict": f"must be {fitting}, not {verdict.value}"})
