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

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from flows import asking, opening, quorum, tree, waits, wording
from flows.calendars import NoWorkingTime
from flows.context import Wanted
from flows.definition import Approval, Hold
from flows.delegation import Delegation, principals
from flows.effects import FireTimer, PerformAction, SyncCards, Withdraw
from flows.errors import (
    ChangedSinceShown,
    Closed,
    DecidedByYou,
    InvalidForm,
    NotAllowed,
    NotVerified,
    NotWaiting,
    QuorumUnreachable,
    RunFinished,
    SelfApproval,
)
from flows.events import (
    ActionFailed,
    ActionFinished,
    ActionSkipped,
    CallbackReceived,
    CancelRequested,
    DecidedEarly,
    DecisionKept,
    DecisionMade,
    DecisionWithdrawn,
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
    QuorumRecounted,
    ReassignRequested,
    ResumeRequested,
    RosterReread,
    RunPaused,
    RunResumed,
    RunStarted,
    SnoozeRequested,
    StepStarted,
    Superseded,
    SuspendRequested,
    TimerFired,
)
from flows.expressions import ExpressionError
from flows.forms import validate_answer
from flows.handles import InvalidHandle
from flows.ids import Ids
from flows.people import Person, PersonId, Roster
from flows.plan import Plan, Shape, StepPlan, made, wait_of
from flows.ports import Json
from flows.run import (
    SECRET,
    Approvers,
    Close,
    Decision,
    Door,
    Early,
    Kind,
    Later,
    Outcome,
    Paused,
    Place,
    Run,
    Slice,
    StepRun,
    StepState,
    Stop,
    Suspension,
    Timer,
    Verdict,
)
from flows.run import Callback as Called
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
            _timer_fired(draft, event)
        case CallbackReceived():
            return _called(draft, event)
        case DecisionMade():
            return _decide(draft, event)
        case DecidedEarly():
            _decide_early(draft, event)
        case DropRequested():
            return _drop(draft, event)
        case CancelRequested():
            quorum.check_may_cancel(event.person, requester=draft.run.requester, admin=event.admin, owner=event.owner)
            tree.stop_run(draft, Stop(Outcome.CANCELLED, event.reason, (event.person,)))
        case PauseRequested():
            _pause(draft, event)
        case ResumeRequested():
            _resume(draft, event)
        case LinkMade():
            if event.by == draft.run.requester and event.by != event.person:
                raise SelfApproval("This is your own request: somebody else has to make links of those who decide it.")
            draft.facts.append(LinkGiven(event.person, event.by, event.step))
        case Superseded():
            _supersede(draft, event)
        case PlaceGiven():
            _place_given(draft)
        case RosterReread():
            _reread(draft, event)
        case PeopleMerged():
            _merge(draft, event)
        case NudgeRequested() | ReassignRequested() | SnoozeRequested() | QuestionAsked() | QuestionAnswered():
            return _around(draft, event)
    return _done(draft)


def _done(draft: Draft, refusal: Closed | None = None) -> Transition:
    """Go on until nothing is left to do now; then say what has changed."""
    tree.go(draft)
    _give_place_away(draft)
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


# -- time and look-ups ----------------------------------------------------------------------------------------


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
        if suspension is not None and suspension.closing is None and event.note is not None:
            asking.tell_unanswered(draft, suspension, event.note, event.times, event.roster.ids())
        return
    step = draft.steps.get(event.path)
    if step is None or step.state is not StepState.RESOLVING or step.round != event.round:
        return
    draft.run = draft.run.but(roster=event.roster)
    waits.open_wait(draft, draft.plan.at(event.path), step)


def _timer_fired(draft: Draft, event: TimerFired) -> None:
    if event.n <= 0:
        _time_over(draft, event)
        return
    suspension = draft.suspensions.get(event.n)
    if suspension is None or suspension.closing is not None:
        return
    match event.timer:
        case Timer.DUE:
            planned, over = suspension.due, suspension.overdue(draft.now) or suspension.settled(draft.now)
        case Timer.SETTLE:
            planned, over = suspension.clocks.settles_at, suspension.settled(draft.now)
        case _:
            asking.due(draft, suspension, event.timer, event.due, event.person)
            return
    if over:
        _time_passed(draft, suspension)
    elif planned is not None and draft.now < planned and suspension.clocks.stopped_at is None:
        # The wall clock was stepped back between the timer and this transaction: not yet. However often it is
        # said too early, one timer remains.
        draft.effects.append(Withdraw(suspension.path, timer=event.timer))
        draft.effects.append(FireTimer(suspension.path, suspension.round, suspension.n, planned, event.timer))


def _clock_first(draft: Draft, suspension: Suspension) -> Transition | None:
    """What the clock alone has made true is done before a person is heard, whether or not its timer has fired: an answer
    takes effect, or the deadline has passed. None where neither is so. What the person sent is not looked at then, so
    none of it is kept."""
    if suspension.settled(draft.now):
        draft.event = TimerFired(suspension.path, suspension.n, timer=Timer.SETTLE)
    elif suspension.overdue(draft.now):
        draft.event = TimerFired(suspension.path, suspension.n)
    else:
        return None
    _time_passed(draft, suspension)
    return _done(draft, Closed(wording.closed(draft.suspensions[suspension.n], draft.slice.people)))


def _time_passed(draft: Draft, suspension: Suspension) -> None:
    wait = wait_of(draft.plan.at(suspension.path), suspension)
    if suspension.settled(draft.now) and isinstance(wait, Approval | Hold):
        waits.take_effect(draft, wait, suspension)
    else:
        _deadline(draft, suspension)


def _deadline(draft: Draft, suspension: Suspension) -> None:
    plan = draft.plan.at(suspension.path)
    if plan.shape is Shape.REPEAT:
        waits.close(draft, suspension, Close.ELAPSED)
        tree.next_round(draft, plan, draft.steps[suspension.path])
    else:
        waits.deadline(draft, suspension)


def _time_over(draft: Draft, event: TimerFired) -> None:
    """A timer of no suspension: for a step that gave way to other runs, or for the time that all of it may take."""
    step = draft.steps.get(event.path)
    if event.n == tree.GAVE_WAY:
        if step is not None and step.state is StepState.HELD:
            draft.agenda.append(Enter(draft.plan.at(step.path), step.path))
    elif not event.path:
        tree.time_over(draft, None, event.due)
    elif step is not None and step.state is StepState.RUNNING:
        tree.time_over(draft, step, event.due)


# -- machines that call back ----------------------------------------------------------------------------------


def _called(draft: Draft, event: CallbackReceived) -> Transition:
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
        return _done(draft)
    if suspension.kind not in (Kind.CALLBACK, Kind.RERUN):
        raise NotWaiting("This waits for people, not for a machine.")
    if suspension.closing is not None:
        used = draft.slice.callbacks.get(event.n)
        raise Closed(wording.used(used) if used is not None else wording.closed(suspension, draft.slice.people))
    if suspension.kind is Kind.CALLBACK and (passed := _clock_first(draft, suspension)) is not None:
        return passed
    waits.take_call(draft, suspension, called)
    return _done(draft)


# -- people ---------------------------------------------------------------------------------------------------


def _decide(draft: Draft, event: DecisionMade) -> Transition:
    suspension = draft.suspensions.get(event.n)
    wait = wait_of(draft.plan.at(suspension.path), suspension) if suspension else None
    if suspension is None or not isinstance(wait, Approval | Hold):
        raise NotWaiting("This waits for nobody's decision.")
    before = draft.slice.mine
    if suspension.closing is not None:
        became = wording.closed(suspension, draft.slice.people)
        if before is not None and (before.verdict, before.option) == (event.verdict, event.option):
            # Sent again because the answer was lost: what they said stands, and saying it again is no mistake.
            raise DecidedByYou(f"You have said so already: {wording.SAID[event.verdict]}. {became}")
        raise Closed(became)
    if (passed := _clock_first(draft, suspension)) is not None:
        return passed
    if event.verdict is Verdict.WITHDRAW:
        return _take_back(draft, suspension, before)
    seat = quorum.seat_of(
        wait,
        suspension,
        event.person,
        requester=draft.run.requester,
        memberships=event.memberships,
        admin=event.admin,
        verdict=event.verdict,
        standing=draft.standing_of(suspension.n),
        principals=principals(draft.slice.delegations, event.person),
        belonging=event.principals,
        people=draft.slice.people,
    )
    if before is not None and before.person != seat:
        before = None  # what they said for somebody else is refused above
    _check_verdict(wait, event.verdict)
    _check_verified(wait, event)
    if event.digest is not None and event.digest != suspension.digest:
        raise ChangedSinceShown("What is asked has changed since you were shown it. Please look at it again.")
    values = _answered(wait, suspension, event)
    for field_ in wait.form if values else ():
        if field_.masked and values[field_.name] is not None:
            name = f"{suspension.n}.{seat}.{field_.name}"
            draft.secrets[name] = str(values[field_.name])
            values[field_.name] = {SECRET: name}
    draft.event = replace(event, values=values)
    # A secret is not compared, its reference says nothing of it: sent again, it replaces the one that was kept.
    if (
        before is not None
        and not draft.secrets
        and (before.human, before.verdict, before.comment, before.option, dict(before.values))
        == (event.person, event.verdict, event.comment, event.option, values)
    ):
        raise DecidedByYou(f"You have said so already: {wording.SAID[event.verdict]}. It is counted once.")
    by = None if seat == event.person else event.person
    decision = Decision(
        n=suspension.n,
        person=seat,
        verdict=event.verdict,
        at=draft.now,
        door=event.door,
        place=draft.run.version + 1,
        comment=event.comment,
        values=values,
        digest=event.digest,
        memberships=event.memberships if by is None else event.principals.get(seat),
        option=event.option,
        by=by,
    )
    suspension = asking.answered_by_deciding(draft, wait, suspension, event.person)
    waits.count(draft, wait, suspension, decision, replaced=before)
    return _done(draft)


def _check_verdict(wait: Approval | Hold, verdict: Verdict) -> None:
    if isinstance(wait, Approval) == (verdict is Verdict.RESUME):
        fitting = "approve or reject" if isinstance(wait, Approval) else "resume"
        raise InvalidForm({"verdict": f"must be {fitting}, not {verdict.value}"})


def _check_verified(wait: Approval | Hold, event: DecisionMade) -> None:
    """A personal link is only as good as the mailbox that it lies in: the flow may ask for more."""
    if wait.verify is None or event.door is not Door.PAGE or event.verified in (wait.verify, "slack"):
        return
    if wait.verify == "slack":
        raise NotVerified("Please sign in with Slack first: this flow wants to know that it is you.")
    raise NotVerified("Please enter the code that the mail shows: this flow wants to know that it is you.")


def _answered(wait: Approval | Hold, suspension: Suspension, event: DecisionMade) -> dict[str, Json]:
    """The values that came with a decision, as they are kept. Raises ``InvalidForm`` with everything at once that this
    wait does not take: its option, its reason, its form."""
    problems: dict[str, str] = {}
    values: dict[str, Json] = {}
    names = [option.name for option in wait.options] if isinstance(wait, Approval) else []
    if event.verdict is Verdict.APPROVE and names and event.option not in names:
        problems["option"] = f"must be one of {', '.join(names)}"
    elif event.option is not None and (not names or event.verdict is not Verdict.APPROVE):
        problems["option"] = "is not asked for here" if not names else "belongs to an approval"
    reason = wait.reason if isinstance(wait, Approval) else "never"
    if event.comment is None and (reason == "both" or (reason == "reject" and event.verdict is Verdict.REJECT)):
        problems["comment"] = "is required: say why"
    try:
        values = validate_answer(wait, event.verdict, event.values, defaults=suspension.defaults)
    except InvalidForm as wrong:
        problems |= wrong.fields
    if problems:
        raise InvalidForm(problems)
    return values


def _take_back(draft: Draft, suspension: Suspension, before: Decision | None) -> Transition:
    """The person takes back what they said. It is theirs, whether or not they may decide now."""
    if before is None:
        raise NotWaiting("You have not decided this, so there is nothing to take back.")
    draft.withdraw(suspension.n, before.person)
    draft.facts.append(DecisionWithdrawn(suspension.n, before.person, before.verdict))
    wait = wait_of(draft.plan.at(suspension.path), suspension)
    assert isinstance(wait, Approval | Hold)  # nothing else can be decided
    left = quorum.tally(wait, suspension, draft.standing_of(suspension.n))
    asking.settling(draft, wait, suspension, complete=left is not None)
    draft.effects.append(SyncCards(suspension.n))
    return _done(draft)


def _around(
    draft: Draft,
    event: NudgeRequested | ReassignRequested | SnoozeRequested | QuestionAsked | QuestionAnswered,
) -> Transition:
    """What people do with an open suspension besides answering it."""
    suspension = draft.suspensions.get(event.n)
    wait = wait_of(draft.plan.at(suspension.path), suspension) if suspension else None
    if suspension is None or not isinstance(wait, Approval | Hold):
        raise NotWaiting("This waits for nobody's decision.")
    if suspension.closing is not None:
        raise Closed(wording.closed(suspension, draft.slice.people))
    if (passed := _clock_first(draft, suspension)) is not None:
        return passed
    if isinstance(event, ReassignRequested):
        asking.check_may_reassign(wait, event)
    if isinstance(event, ReassignRequested | SnoozeRequested | QuestionAsked):
        quorum.check_may_decide(
            wait,
            suspension,
            event.person,
            requester=draft.run.requester,
            memberships=event.memberships,
            admin=False,
        )
    match event:
        case NudgeRequested():
            asking.nudge(draft, suspension, event)
        case ReassignRequested():
            asking.reassign(draft, wait, suspension, event)
        case SnoozeRequested():
            asking.snooze(draft, suspension, event)
        case QuestionAsked():
            asking.ask(draft, wait, suspension, event)
        case QuestionAnswered():
            asking.answer(draft, wait, suspension, event)
    return _done(draft)


def _decide_early(draft: Draft, event: DecidedEarly) -> None:
    """A decision that may come before its approval. One that is open and takes it, counts it at once; else it is kept."""
    if event.verdict not in (Verdict.APPROVE, Verdict.REJECT):
        raise InvalidForm({"verdict": f"must be approve or reject, not {event.verdict.value}"})
    if event.step is not None and not any(
        plan.step.id == event.step and plan.step.approval is not None for plan in draft.plan.steps
    ):
        raise InvalidForm({"step": f"{event.step!r} is no approval of this flow"})
    early = Early(event.person, event.step, event.verdict, draft.now, event.door, event.comment)
    draft.early = [early]
    for suspension in sorted(draft.suspensions.values(), key=lambda one: one.path):
        if suspension.closing is not None or suspension.overdue(draft.now) or suspension.settled(draft.now):
            continue
        wait = wait_of(draft.plan.at(suspension.path), suspension)
        if not isinstance(wait, Approval) or not waits.takes_early(wait, suspension):
            continue
        if quorum.groups_asked(suspension) and event.memberships is None:
            raise quorum.MembershipsNeeded(quorum.groups_asked(suspension))
        known = draft.answers.get(suspension.path)
        standing = draft.standing_of(suspension.n)
        standing.update({one.person: one.said for one in (known.decisions if known else ())})
        groups = event.memberships.groups if event.memberships else frozenset()
        roster = Roster(draft.now, groups=dict.fromkeys(groups, (event.person,)))
        waits.answer_early(draft, suspension.n, roster)
        if not draft.early:
            # What others gave early is there for the approvals that open now.
            draft.early = [one for one in draft.slice.early if (one.person, one.step) not in draft.used]
            return
    draft.early = []
    draft.kept.append(early)
    draft.facts.append(DecisionKept(event.person, event.verdict, event.step))


def _drop(draft: Draft, event: DropRequested) -> Transition:
    """End a wait without a decision, and let the run go on. It is never an approval."""
    quorum.check_may_drop(admin=event.admin, owner=event.owner)
    suspension = draft.suspensions.get(event.n)
    if suspension is None:
        raise NotWaiting("There is no such wait.")
    if suspension.closing is not None:
        raise Closed(wording.closed(suspension, draft.slice.people))
    if (passed := _clock_first(draft, suspension)) is not None:
        return passed
    wait = wait_of(draft.plan.at(suspension.path), suspension)
    if isinstance(wait, Approval) and not wait.self_approval and event.person == draft.run.requester:
        raise SelfApproval("This is your own request: somebody else has to drop what others were to approve.")
    if draft.plan.at(suspension.path).shape is Shape.REPEAT:
        waits.close(draft, suspension, Close.DROPPED, by=(event.person,), reason=event.reason)
        tree.next_round(draft, draft.plan.at(suspension.path), draft.steps[suspension.path])
    else:
        waits.close(draft, suspension, Close.DROPPED, by=(event.person,), reason=event.reason)
        waits.over(draft, suspension.n)
    asking.announce_drop(draft, suspension)
    return _done(draft)


def _pause(draft: Draft, event: PauseRequested) -> None:
    quorum.check_may_pause(event.person, requester=draft.run.requester, admin=event.admin, owner=event.owner)
    if draft.run.paused is not None:
        raise NotWaiting("This run is paused already.")
    draft.run = draft.run.but(paused=Paused(event.person, draft.now))
    draft.facts.append(RunPaused(event.person))
    _redraw(draft)


def _resume(draft: Draft, event: ResumeRequested) -> None:
    quorum.check_may_pause(event.person, requester=draft.run.requester, admin=event.admin, owner=event.owner)
    if draft.run.paused is None:
        raise NotWaiting("This run is not paused.")
    draft.run = draft.run.but(paused=None)
    draft.facts.append(RunResumed(event.person))
    _redraw(draft)
    tree.enter_held(draft)


def _redraw(draft: Draft) -> None:
    """Whoever is asked sees whether their answer lets something start."""
    asking = (Kind.APPROVAL, Kind.HOLD)
    draft.effects.extend(
        SyncCards(one.n) for one in draft.suspensions.values() if one.closing is None and one.kind in asking
    )


def _place_given(draft: Draft) -> None:
    """There is room for the run now."""
    if draft.run.place is Place.WANTED and draft.slice.place_free and draft.run.paused is None:
        draft.run = draft.run.but(place=Place.HELD)
        tree.enter_held(draft)


def _give_place_away(draft: Draft) -> None:
    """A run that has ended, or that waits, needs no place among those under way; one that is about to end wants none."""
    limit, place = draft.plan.flow.concurrency, draft.run.place
    if limit is None or place is None:
        return
    waits_only = limit.while_waiting == "free" and not draft.acting and place is Place.HELD
    ends = draft.run.stop is not None and place is Place.WANTED
    if place is not Place.FREE and (draft.run.ending is not None or waits_only or ends):
        draft.run = draft.run.but(place=Place.FREE)


def _supersede(draft: Draft, event: Superseded) -> None:
    """A newer run takes this one's place, as long as it only waits."""
    under_way = any(step.state in (StepState.ACTING, StepState.RESOLVING) for step in draft.steps.values())
    if under_way or draft.run.stop is not None:
        return  # it is retired once it waits again
    by = draft.ids.run(event.by)
    tree.stop_run(draft, Stop(Outcome.CANCELLED, f"superseded by {by}"), Close.SUPERSEDED, by)


def _reread(draft: Draft, event: RosterReread) -> None:
    """Somebody may have left: a quorum that can no longer be met is said so at once, by name."""
    suspension = draft.suspensions.get(event.n)
    wait = wait_of(draft.plan.at(suspension.path), suspension) if suspension else None
    if suspension is None or suspension.closing is not None or not isinstance(wait, Approval):
        return
    try:
        quorum.still_reachable(
            wait,
            suspension,
            draft.standing_of(event.n),
            event.roster,
            requester=draft.run.requester,
            people=draft.slice.people,
        )
    except QuorumUnreachable as error:
        step = draft.steps[suspension.path]
        tree.fail_open(draft, step, waits.failure(step, str(error)))
        return
    left = quorum.without_gone(suspension, draft.standing_of(event.n), event.roster, draft.slice.people)
    if left is not suspension:
        draft.suspensions[suspension.n] = left
        draft.unseat(suspension, left)
        approvals = quorum.approvals(draft.standing_of(event.n))
        draft.facts.append(QuorumRecounted(suspension.n, approvals, suspension.needed))
        draft.effects.append(SyncCards(suspension.n))


def _merge(draft: Draft, event: PeopleMerged) -> None:
    """Two handles were one human: recount what is open. It takes people away, and may show that nobody is missing."""

    def one(person: PersonId) -> PersonId:
        return event.kept if person == event.gone else person

    draft.run = draft.run.but(requester=one(draft.run.requester))
    for suspension in list(draft.suspensions.values()):
        wait = wait_of(draft.plan.at(suspension.path), suspension)
        if suspension.closing is not None or not isinstance(wait, Approval | Hold):
            continue
        suspension = _clocks_merged(quorum.merged(suspension, wait, one, requester=draft.run.requester), one)
        draft.suspensions[suspension.n] = suspension
        decisions = sorted(
            (answer for answer in draft.answers[suspension.path].decisions), key=lambda decision: decision.place
        )
        # The later answer of the one human stands; one that the requester gave as somebody else never counted.
        kept = {one(decision.person): _decision_merged(decision, one) for decision in decisions}
        # One human counts once: who has answered themselves does not count for somebody else too.
        kept = {person: said for person, said in kept.items() if said.by is None or said.by not in kept}
        if isinstance(wait, Approval) and not wait.self_approval:
            kept.pop(draft.run.requester, None)
        draft.recount(suspension, decisions, kept)
        standing = {person: decision.said for person, decision in kept.items()}
        draft.facts.append(QuorumRecounted(suspension.n, quorum.approvals(standing), suspension.needed))
        waits.settle(draft, wait, suspension, standing, reason=None)


def _decision_merged(decision: Decision, one: Callable[[PersonId], PersonId]) -> Decision:
    person, by = one(decision.person), None if decision.by is None else one(decision.by)
    return decision.but(person=person, by=None if by == person else by)


def _clocks_merged(suspension: Suspension, one: Callable[[PersonId], PersonId]) -> Suspension:
    clocks = suspension.clocks
    if not clocks.snoozed and not clocks.later:
        return suspension
    later = tuple(
        Later(
            each.at,
            Approvers(
                tuple(dict.fromkeys(map(one, each.approvers.people))), each.approvers.groups, each.approvers.gaps
            ),
            tuple(dict.fromkeys(map(one, each.asked))),
        )
        for each in clocks.later
    )
    snoozed = {one(person): until for person, until in clocks.snoozed.items()}
    return suspension.but(clocks=clocks.but(later=later, snoozed=snoozed))
