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

from flows import asking, deciding, opening, quorum, recounting, steering, timers, tree, waits, wording
from flows.calendars import NoWorkingTime
from flows.context import Wanted
from flows.definition import Approval
from flows.delegation import Delegation
from flows.effects import FireTimer, Note, PerformAction
from flows.errors import Closed, InvalidForm, NotAllowed, NotWaiting, QuorumUnreachable, RunFinished, SelfApproval
from flows.events import (
    ActionFailed,
    ActionFinished,
    ActionSkipped,
    CallbackReceived,
    CancelRequested,
    DecidedEarly,
    DecisionMade,
    DropRequested,
    Event,
    LinkGiven,
    LinkMade,
    NudgeRequested,
    PauseRequested,
    PeopleMerged,
    PeopleResolved,
    PlaceGiven,
    QuestionAnswered,
    QuestionAsked,
    ReassignRequested,
    ResumeRequested,
    RosterReread,
    RunStarted,
    SnoozeRequested,
    StepStarted,
    Superseded,
    SuspendRequested,
    TimerFired,
)
from flows.expressions import ExpressionError
from flows.handles import InvalidHandle
from flows.ids import Ids
from flows.people import Person, PersonId, Roster
from flows.plan import Plan, Shape, StepPlan, made
from flows.ports import Json
from flows.run import Callback as Called
from flows.run import Kind, Run, Slice, StepRun, StepState
from flows.transition import Draft, Enter, Leave, Transition

_OF_PEOPLE = (
    CancelRequested,
    PauseRequested,
    ResumeRequested,
    DropRequested,
    DecidedEarly,
    LinkMade,
    NudgeRequested,
    ReassignRequested,
    SnoozeRequested,
    QuestionAsked,
    QuestionAnswered,
)
_AFTER_THE_END = (DecisionMade, PeopleMerged, CallbackReceived)


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
    supersede: str | None = None,
    place_free: bool = True,
    resubmits: int | None = None,
    delegations: tuple[Delegation, ...] = (),
) -> Transition:
    """Open a run. ``inputs`` are validated values; ``roster`` answers for the approvers that inputs alone name.

    ``supersede`` is the rendered key, ``place_free`` whether the flow's limit leaves room. Raises
    ``QuorumUnreachable`` where it is known already that an approval can never be met.
    """
    run = Run(
        run_id,
        plan.flow.flow,
        requester,
        inputs,
        started_at=now,
        roster=roster,
        supersede=supersede,
        resubmits=resubmits,
    )
    # Nothing of it is stored yet: whatever there is, the draft has.
    slice_ = Slice(
        run,
        steps={},
        people=people,
        opened=frozenset({""}),
        looked=None,
        asked=None,
        place_free=place_free,
        delegations=delegations,
    )
    while True:
        draft = Draft(plan, slice_, now, ids)
        draft.facts.append(RunStarted(plan.flow.flow, plan.digest, requester, via_token, resubmits))
        _check_reachable(draft)
        if plan.flow.timeout is not None:
            draft.effects.append(FireTimer("", 1, 0, now + plan.flow.timeout))
        first = plan.root.first
        draft.agenda.append(Enter(first, first.path))
        try:
            return _done(draft)
        except Wanted as wanted:
            if wanted.outputs is None:
                raise  # of anything else, all is there
            slice_ = replace(slice_, gathered=slice_.gathered | {wanted.outputs})


def advance(plan: Plan, slice_: Slice, event: Event, *, now: datetime, ids: Ids) -> Transition:
    """Apply one event. Raises ``Refused`` where a person asked for what is not possible, and ``Wanted`` where the
    slice lacks rows that this transition turns out to need."""
    draft = Draft(plan, slice_, now, ids)
    if slice_.run.ending is not None and not isinstance(event, _AFTER_THE_END):
        if isinstance(event, _OF_PEOPLE):
            raise RunFinished(f"This run has ended already: {slice_.run.ending.outcome.value}.")
        return draft.transition()
    refusal: Closed | None = None
    match event:
        case ActionFinished():
            if (step := _acting(draft, event)) and event.attempt == step.attempt:
                _action_done(draft, step, event)
        case ActionSkipped():
            if step := _acting(draft, event):
                _action_done(draft, step, ActionFinished(event.path, event.round, step.attempt, None))
        case ActionFailed():
            if (step := _acting(draft, event)) and event.attempt == step.attempt:
                _action_failed(draft, step, event)
        case SuspendRequested():
            if (step := _acting(draft, event)) and event.attempt == step.attempt:
                _suspend_requested(draft, step, event)
        case PeopleResolved():
            _people_resolved(draft, event)
        case TimerFired():
            timers.fired(draft, event)
        case CallbackReceived():
            refusal = _called(draft, event)
        case DecisionMade():
            refusal = deciding.decide(draft, event)
        case DecidedEarly():
            deciding.decide_early(draft, event)
        case DropRequested():
            refusal = steering.drop(draft, event)
        case CancelRequested():
            steering.cancel(draft, event)
        case PauseRequested():
            steering.pause(draft, event)
        case ResumeRequested():
            steering.resume(draft, event)
        case LinkMade():
            if event.by == draft.run.requester and event.by != event.person:
                raise SelfApproval("This is your own request: somebody else has to make links of those who decide it.")
            draft.facts.append(LinkGiven(event.person, event.by, event.step))
        case Superseded():
            steering.supersede(draft, event)
        case PlaceGiven():
            steering.place_given(draft)
        case RosterReread():
            recounting.reread(draft, event)
        case PeopleMerged():
            recounting.merge(draft, event)
        case NudgeRequested() | ReassignRequested() | SnoozeRequested() | QuestionAsked() | QuestionAnswered():
            refusal = deciding.around(draft, event)
    return _done(draft, refusal)


def _done(draft: Draft, refusal: Closed | None = None) -> Transition:
    """Go on until nothing is left to do now; then say what has changed."""
    tree.go(draft)
    steering.give_place_away(draft)
    return draft.transition(refusal)


# -- actions --------------------------------------------------------------------------------------------------


def _acting(draft: Draft, event: ActionFinished | ActionFailed | ActionSkipped | SuspendRequested) -> StepRun | None:
    step = draft.steps.get(event.path)
    return step if step and step.state is StepState.ACTING and step.round == event.round else None


def _action_done(draft: Draft, step: StepRun, event: ActionFinished) -> None:
    plan = draft.plan.at(step.path)
    step = step.but(output=event.output, error=None)
    opened = draft.suspensions.get(step.suspension) if step.suspension is not None else None
    if opened is not None and event.rerun is not None:
        message = "an earlier attempt of this round has suspended, so it cannot ask for another round"
        _action_failed(draft, step, ActionFailed(step.path, step.round, step.attempt, message))
    elif opened is not None:
        # Its wait opened while the action was at work; it may be over already.
        step = step.but(state=StepState.SUSPENDED)
        draft.put(step)
        waits.over(draft, opened.n)
    elif event.rerun is not None:
        waits.open_rerun(draft, plan, step, event.rerun)
    elif plan.step.suspends:
        # Kept before the wait is rendered: what it asks and shows may come from this very output.
        draft.put(step)
        waits.open_wait(draft, plan, step.but(state=StepState.SUSPENDED))
    else:
        draft.agenda.append(Leave(step, StepState.SUCCEEDED))


def _action_failed(draft: Draft, step: StepRun, event: ActionFailed) -> None:
    retry = draft.plan.at(step.path).step.retry
    if event.retryable and step.attempt <= retry.max:
        pause = max(retry.pause(step.attempt), event.retry_after or timedelta(0))
        step = step.but(attempt=step.attempt + 1, error=event.message)
        draft.put(step)
        draft.facts.append(StepStarted(step.path, step.round, step.attempt))
        draft.effects.append(PerformAction(step.path, step.round, step.attempt, due=draft.now + pause))
        return
    tree.fail_open(draft, step, waits.failure(step, event.message))


def _suspend_requested(draft: Draft, step: StepRun, event: SuspendRequested) -> None:
    """A function asks for a wait. Asking again for the same, on another attempt, finds what is there."""
    plan = draft.plan.at(step.path)
    if _stands_beside(draft.plan, plan) and (event.spec is None or "delay" not in event.spec):
        raise NotAllowed("Steps in `finally` and `on_open` cannot wait for people or machines.")
    opened = draft.suspensions.get(step.suspension) if step.suspension is not None else None
    if opened is not None:
        if event.spec is not None and opened.spec is not None and dict(event.spec) != dict(opened.spec):
            raise NotAllowed("This round of the step waits already, for something else.")
        return
    roster = event.roster or Roster(read_at=draft.now)
    try:
        if event.spec is None:
            waits.open_made(draft, plan, step, None, None, roster)
            return
        wanted = made(event.spec)
        wait = wanted.approval or wanted.hold or wanted.callback
        if wait is not None:
            waits.open_made(draft, plan, step, wait, event.spec, roster)
        else:
            waits.open_made_delay(draft, plan, step, wanted.delay or "", event.spec)
    except (ExpressionError, InvalidHandle, NoWorkingTime) as error:
        raise InvalidForm({"suspend": str(error)}) from None


def _stands_beside(plan: Plan, step: StepPlan) -> bool:
    """Whether the step stands, at any depth, where nothing may wait for others: in ``finally`` or ``on_open``."""
    at: StepPlan | None = step
    while at is not None:
        owner = plan.at(at.owner) if at.owner is not None else None
        # A branch of `parallel` may be called finally.
        if at.block == "on_open" or (at.block == "finally" and (owner is None or owner.shape is Shape.CHILD)):
            return True
        at = owner
    return False


# -- time and look-ups --------------------


def _check_reachable(draft: Draft) -> None:
    """Refuse at once what can never be met: approvals that certainly open, whose approvers are known now."""
    for plan in draft.plan.root.steps:
        wait = plan.step.wait
        if not isinstance(wait, Approval) or not plan.static_handles or not plan.static_condition:
            continue
        values = draft.context(plan, plan.path, plan.opening_reads)
        try:
            if plan.condition is not None and not plan.condition.test(values):
                continue
            rendered = opening.handles(plan, values)
        except (ExpressionError, InvalidHandle):
            continue  # said where the step is reached, with its name
        roster = draft.run.roster
        if roster is not None and roster.covers(opening.flat(rendered), now=draft.now):
            try:
                quorum.seats(wait, rendered, roster, requester=draft.run.requester, people=draft.slice.people)
            except QuorumUnreachable as error:
                raise QuorumUnreachable(f"step {plan.path}: {error}") from None


def _people_resolved(draft: Draft, event: PeopleResolved) -> None:
    if event.n:
        suspension = draft.suspensions.get(event.n)
        if event.note is Note.ESCALATED:
            recounting.reread(draft, RosterReread(event.n, event.roster))
        elif suspension is not None and suspension.closing is None and event.note is not None:
            asking.tell_unanswered(draft, suspension, event.note, event.times, event.roster.ids())
        return
    step = draft.steps.get(event.path)
    if step is None or step.state is not StepState.RESOLVING or step.round != event.round:
        return
    draft.run = draft.run.but(roster=event.roster)
    waits.open_wait(draft, draft.plan.at(event.path), step)


# -- machines that call back --------------------


def _called(draft: Draft, event: CallbackReceived) -> Closed | None:
    """A machine has sent a request to one of the two links: it ends the wait, or is kept until there is one."""
    called = Called(event.n, draft.now, event.request, event.cancels)
    suspension = draft.suspensions.get(event.n)
    if suspension is None:
        step = next((one for one in draft.steps.values() if one.suspension == event.n), None)
        if step is None or step.state is not StepState.ACTING:
            raise Closed("This is no longer open: the step that gave this link away has ended.")
        if event.n in draft.slice.callbacks:
            raise Closed(wording.used(draft.slice.callbacks[event.n]))
        wait = draft.plan.at(step.path).step.callback
        if wait is not None and not event.cancels:
            waits.check_call(wait, called)
        waits.keep_call(draft, called)
        return None
    if suspension.kind not in (Kind.CALLBACK, Kind.RERUN):
        raise NotWaiting("This waits for people, not for a machine.")
    if suspension.closing is not None:
        used = draft.slice.callbacks.get(event.n)
        raise Closed(wording.used(used) if used is not None else wording.closed(suspension, draft.slice.people))
    if suspension.kind is Kind.CALLBACK and (passed := timers.first(draft, suspension)) is not None:
        return passed
    waits.take_call(draft, suspension, called)
    return None


# -- people --------------------
