"""How a step waits: its suspension opens, is answered early, is over, and closes. Pure.

Nothing here goes on to another step: what a wait comes to is put on the draft's agenda, and ``flows.tree`` does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from flows import asking, opening, quorum, wording
from flows.calendars import NoWorkingTime
from flows.context import Context
from flows.definition import Approval, Callback, Hold, Wait, word_of
from flows.effects import Effect, FireTimer, PerformAction, ResolvePeople, SyncCards, SyncRequest, Withdraw
from flows.errors import InvalidForm, QuorumUnreachable, Refused
from flows.events import CallbackKept, DecisionCounted, StepStarted, SuspensionClosed, SuspensionOpened
from flows.expressions import ExpressionError
from flows.fields.json_schema import mismatch_of
from flows.forms import validate, validate_answer
from flows.handles import InvalidHandle
from flows.people import Memberships, Person, PersonId, Roster
from flows.plan import StepPlan, inside, wait_of
from flows.ports import Json
from flows.request import digest
from flows.run import (
    Answer,
    Close,
    Closing,
    Decision,
    Early,
    Inside,
    Kind,
    Outcome,
    Rerun,
    Said,
    StepRun,
    StepState,
    Stop,
    Suspension,
    Verdict,
)
from flows.run import (
    Callback as Called,
)
from flows.transition import Draft, Enter, Halt, Leave

Waiting = Approval | Hold | Callback


def open_wait(draft: Draft, plan: StepPlan, step: StepRun) -> None:
    """Suspend the step, or look up the people of its wait first. Every reason why that cannot be fails the step."""
    try:
        if plan.delay is not None:
            until = opening.until(plan.delay.render(_values(draft, plan, step)), draft.now)
            _suspend(draft, plan, step, _bare(draft, step, Kind.DELAY, until))
            return
        values = _values(draft, plan, step)
        rendered = opening.handles(plan, values)
        handles = opening.flat(rendered)
        roster = draft.run.roster
        if handles and (roster is None or not roster.covers(handles, now=draft.now)):
            if step.state is StepState.RESOLVING:
                draft.effects.append(Withdraw(step.path, everything=True))  # it came too late; it is asked once more
            draft.put(step.but(state=StepState.RESOLVING))
            draft.effects.append(ResolvePeople(step.path, step.round, handles))
            return
        definition = plan.suspending
        assert isinstance(definition, Waiting)  # only steps with a wait come here
        _open(draft, plan, step, definition, values, rendered, roster or Roster(read_at=draft.now))
    except (ExpressionError, InvalidHandle, InvalidForm, NoWorkingTime, QuorumUnreachable) as error:
        draft.agenda.append(Halt(step, failure(step, str(error))))


def open_made(
    draft: Draft, plan: StepPlan, step: StepRun, wait: Waiting | None, spec: Mapping[str, Json] | None, roster: Roster
) -> None:
    """Open a wait while the step's function runs: one that the function made, or the step's own.

    Raises what is wrong with it, for the function to be told.
    """
    if wait is None:
        wait = plan.suspending
        assert isinstance(wait, Waiting)  # the caller has seen that there is one
        values = _values(draft, plan, step)
        _open(draft, plan, step, wait, values, opening.handles(plan, values), roster)
    else:
        _open(draft, plan, step, wait, {}, opening.made_handles(wait), roster, spec=spec)


def open_made_delay(draft: Draft, plan: StepPlan, step: StepRun, delay: str, spec: Mapping[str, Json]) -> None:
    """The same for a delay."""
    suspension = _bare(draft, step, Kind.DELAY, opening.until(delay, draft.now)).but(spec=spec)
    _suspend(draft, plan, step, suspension)


def open_rerun(draft: Draft, plan: StepPlan, step: StepRun, rerun: Rerun) -> None:
    """The pause before another round."""
    step = step.but(context=rerun.context, state=StepState.SUSPENDED)
    _suspend(draft, plan, step, _bare(draft, step, Kind.RERUN, rerun.due))


def open_pause(draft: Draft, plan: StepPlan, step: StepRun) -> None:
    """The pause between two rounds of ``repeat``."""
    assert plan.delay is not None  # only those with a delay come here
    values = draft.context(plan, step.path, plan.turning_reads, answered=plan.turning_answered)
    until = opening.until(plan.delay.render(values), draft.now)
    step = step.but(suspension=None, state=StepState.SUSPENDED)
    _suspend(draft, plan, step, _bare(draft, step, Kind.DELAY, until))


def _values(draft: Draft, plan: StepPlan, step: StepRun) -> Context:
    return draft.context(plan, step.path, plan.opening_reads)


def _bare(draft: Draft, step: StepRun, kind: Kind, due: datetime) -> Suspension:
    n = step.suspension if step.suspension is not None else draft.number()
    return Suspension(n, step.path, kind, draft.now, due=due, round=step.round)


def _open(
    draft: Draft,
    plan: StepPlan,
    step: StepRun,
    wait: Waiting,
    values: Context,
    rendered: Mapping[str, tuple[str, ...]],
    roster: Roster,
    spec: Mapping[str, Json] | None = None,
) -> None:
    people = draft.slice.people
    seats = None
    if not isinstance(wait, Callback):
        seats = quorum.seats(wait, rendered, roster, requester=draft.run.requester, people=people)
    n = step.suspension if step.suspension is not None else draft.number()
    suspension = opening.suspension(
        plan, wait, values, seats, path=step.path, n=n, round_=step.round, now=draft.now, made=spec is not None
    ).but(spec=spec)
    if isinstance(wait, Wait) and seats is not None:
        suspension = asking.begin(
            wait, suspension, seats, rendered, roster, requester=draft.run.requester, people=people
        )
    scope = plan.scope.flow
    shown = digest(scope, plan.step, wait, draft.run, suspension, inputs=draft.shown_inputs(step.path))
    suspension = suspension.but(digest=shown)
    told: list[Effect] = []
    if seats is not None:
        asked = _with_delegates(draft, wait, seats)
        told = opening.messages(plan, wait, values, suspension, asked, people)
    if not plan.more_handles and draft.run.roster is not None and spec is None:
        # Nobody will ask it again; in a run that waits for weeks it only takes room.
        draft.run = draft.run.but(roster=None)
    _suspend(draft, plan, step, suspension, roster)
    draft.effects.extend(told)
    if isinstance(wait, Wait):
        asking.timers(draft, wait, suspension)
    who = people.get(draft.run.requester)
    if told and who is not None and who.slack is not None:
        draft.effects.append(SyncRequest(begins=True))


def _with_delegates(draft: Draft, wait: Waiting, seats: quorum.Seats) -> quorum.Seats:
    """Whoever stands in for one of those who are asked is told too."""
    if not draft.slice.delegations or not isinstance(wait, Approval | Hold):
        return seats
    return replace(seats, asked=asking.with_stand_ins(draft, wait, seats.asked))


def _suspend(draft: Draft, plan: StepPlan, step: StepRun, suspension: Suspension, roster: Roster | None = None) -> None:
    """The suspension is open. A step whose action is at work (its function opened the wait) stays with it."""
    if step.state is not StepState.ACTING:
        step = step.but(state=StepState.SUSPENDED)
    step = step.but(suspension=suspension.n)
    draft.suspensions[suspension.n] = suspension
    # Laid over the slice like a row: it may be answered, and what follows may read that, in this very transition.
    draft.answers[step.path] = Answer(suspension)
    draft.facts.append(SuspensionOpened(suspension.n, step.path, suspension.digest, suspension.due))
    if suspension.due is not None:
        draft.effects.append(FireTimer(step.path, step.round, suspension.n, suspension.due))
    if plan.announces and step.attempt == 0:
        # The action sends the links, so it comes after what they lead to.
        act(draft, step)
        step = draft.steps[step.path]
    if "on_open" in plan.blocks and suspension.kind is not Kind.RERUN:
        block = plan.blocks["on_open"]
        step = step.but(inside=Inside(active=1, handling=block.name))
        draft.agenda.append(Enter(block.first, inside(step.path, block) + block.first.step.id))
    draft.put(step)
    draft.opened.append((suspension.n, roster or Roster(read_at=draft.now)))


# -- answered before it was there ------------------------------------------------------------------------------


def answer_early(draft: Draft, n: int, roster: Roster) -> None:
    """Use what came before the suspension opened: a machine's request, or a decision that was given beforehand."""
    suspension = draft.suspensions[n]
    if suspension.closing is not None:
        return
    called = draft.slice.callbacks.get(n)
    if called is not None and suspension.kind in (Kind.CALLBACK, Kind.RERUN):
        try:
            take_call(draft, suspension, called)
        except InvalidForm:
            # It came before anybody knew what is expected: it does not count, and its sender may send again.
            draft.forgotten.append(n)
        return
    wait = wait_of(draft.plan.at(suspension.path), suspension)
    if not isinstance(wait, Approval) or not takes_early(wait, suspension):
        return
    for early in list(draft.early):
        if draft.suspensions[n].closing is None and early.step in (None, draft.plan.at(suspension.path).step.id):
            suspension = _use(draft, wait, suspension, early, roster)


def takes_early(wait: Approval, suspension: Suspension) -> bool:
    """Whether a decision that has seen nothing may count here: the flow says so, and the form needs no answer."""
    if wait.pre_approval != "allow" or wait.verify is not None:
        return False
    try:
        validate(wait.form, {}, defaults=suspension.defaults)
    except InvalidForm:
        return False
    return True


def _use(draft: Draft, wait: Approval, suspension: Suspension, early: Early, roster: Roster) -> Suspension:
    """Count one early decision, where its person may decide here."""
    people = draft.slice.people
    who = people[early.person].id if early.person in people else early.person
    member = frozenset(group for group, members in roster.groups.items() if who in members)
    memberships = Memberships(member, roster.read_at)
    try:
        quorum.check_may_decide(
            wait,
            suspension,
            who,
            requester=draft.run.requester,
            memberships=memberships,
            admin=False,
            verdict=early.verdict,
        )
    except Refused:
        return suspension
    if wait.options and early.verdict is Verdict.APPROVE:
        return suspension  # which of them, nobody has said
    if early.comment is None and (
        wait.reason == "both" or (wait.reason == "reject" and early.verdict is Verdict.REJECT)
    ):
        return suspension
    if who in draft.standing_of(suspension.n):
        return suspension
    draft.early.remove(early)
    draft.used.append((early.person, early.step))
    decision = Decision(
        n=suspension.n,
        person=who,
        verdict=early.verdict,
        at=early.at,
        door=early.door,
        # Before whatever is said to it later, and each before the next.
        place=draft.run.version + 1 - len(draft.early),
        comment=early.comment,
        values=validate_answer(wait, early.verdict, {}, defaults=suspension.defaults),
        memberships=memberships if quorum.groups_asked(suspension) else None,
        unseen=True,
    )
    count(draft, wait, suspension, decision, replaced=None)
    return draft.suspensions[suspension.n]


def count(
    draft: Draft, wait: Approval | Hold, suspension: Suspension, decision: Decision, replaced: Decision | None
) -> None:
    """A decision counts: record it, and close where that settles it."""
    draft.standing_of(suspension.n)[decision.person] = decision.said
    draft.decide(decision)
    standing = draft.standing_of(suspension.n)
    draft.facts.append(
        DecisionCounted(
            suspension.n,
            decision.person,
            decision.verdict,
            quorum.approvals(standing),
            suspension.needed,
            replaced=replaced.verdict if replaced else None,
            option=decision.option,
            unseen=decision.unseen,
            by=decision.by,
        )
    )
    suspension = draft.suspensions[suspension.n]
    settle(draft, wait, suspension, standing, reason=decision.comment)


def settle(
    draft: Draft, wait: Approval | Hold, suspension: Suspension, standing: Mapping[PersonId, Said], reason: str | None
) -> None:
    """Close the suspension where what was said settles it. ``reason`` is what the last of them gave."""
    settled = quorum.tally(wait, suspension, standing)
    if asking.settling(draft, wait, suspension, complete=settled is not None) or settled is None:
        draft.effects.append(SyncCards(suspension.n))
        return
    _take_effect(draft, suspension, settled, reason)


def take_effect(draft: Draft, wait: Approval | Hold, suspension: Suspension) -> None:
    """The time to undo what completed it is over."""
    settled = quorum.tally(wait, suspension, draft.standing_of(suspension.n))
    assert settled is not None  # it was when that time began, and whatever changes it ends it
    # Of several who have rejected, the reason is that of the last, which settled it.
    answer = draft.answers.get(suspension.path)
    last = next((one for one in reversed(answer.decisions if answer else ()) if one.person in settled.by), None)
    _take_effect(draft, suspension, settled, last.comment if last is not None else None)


def _take_effect(draft: Draft, suspension: Suspension, settled: quorum.Settled, reason: str | None) -> None:
    # Of several who have rejected, the reason is that of the last, which settled it.
    reason = reason if settled.verdict is Verdict.REJECT else None
    close(draft, suspension, _HOW[settled.verdict], by=settled.by, reason=reason, option=settled.option)
    over(draft, suspension.n)


_HOW = {Verdict.APPROVE: Close.APPROVED, Verdict.REJECT: Close.REJECTED, Verdict.RESUME: Close.RESUMED}


def take_call(draft: Draft, suspension: Suspension, called: Called) -> None:
    """A machine's request ends the wait. One that the schema does not allow raises ``InvalidForm``."""
    wait = wait_of(draft.plan.at(suspension.path), suspension)
    if not called.cancels and isinstance(wait, Callback):
        check_call(wait, called)
    draft.call(called)
    close(draft, suspension, Close.REFUSED if called.cancels else Close.ANSWERED)
    over(draft, suspension.n)


def check_call(wait: Callback, called: Called) -> None:
    """Raise ``InvalidForm`` where the body is not what the flow expects."""
    if wait.schema_ is None:
        return
    mismatch = mismatch_of(wait.schema_, called.request.get("body"))
    if mismatch is not None:
        raise InvalidForm({"body": mismatch})


def keep_call(draft: Draft, called: Called) -> None:
    """A machine's request came before there was a wait for it."""
    draft.callbacks.append(called)
    draft.facts.append(CallbackKept(called.n, called.cancels))


# -- over ------------------------------------------------------------------------------------------------------


def over(draft: Draft, n: int) -> None:
    """The suspension is closed: its step ends, once nothing else of it is under way."""
    suspension = draft.suspensions[n]
    step = draft.steps.get(suspension.path)
    closing = suspension.closing
    if step is None or closing is None or step.state is StepState.ACTING:
        return
    if step.inside is not None and step.inside.handling == "on_open":
        draft.put(step.but(state=StepState.RUNNING))
        return
    plan = draft.plan.at(step.path)
    match closing.how:
        case Close.APPROVED | Close.RESUMED | Close.ANSWERED | Close.ELAPSED:
            if suspension.kind is Kind.RERUN:
                _again(draft, plan, step, suspension)
            elif closing.how is Close.APPROVED and not closing.by and "on_timeout" in plan.blocks:
                draft.agenda.append(Halt(step, Stop(Outcome.EXPIRED, step=step.path)))
            else:
                draft.agenda.append(Leave(step, StepState.SUCCEEDED))
        case Close.DROPPED:
            draft.agenda.append(Leave(step, StepState.DROPPED))
        case Close.REJECTED:
            draft.agenda.append(Halt(step, Stop(Outcome.REJECTED, closing.reason, closing.by, step.path)))
        case Close.EXPIRED:
            done = {Kind.HOLD: "nobody resumed", Kind.APPROVAL: "nobody decided"}.get(
                suspension.kind, "nothing called back"
            )
            draft.agenda.append(Halt(step, Stop(Outcome.EXPIRED, f"{step.path}: {done} in time", step=step.path)))
        case Close.REFUSED:
            draft.agenda.append(
                Halt(step, Stop(Outcome.CANCELLED, f"{step.path}: cancelled by its link", step=step.path))
            )
        case Close.CANCELLED | Close.SUPERSEDED:
            return  # whoever closed it so has ended the step too


def _again(draft: Draft, plan: StepPlan, step: StepRun, suspension: Suspension) -> None:
    """Another round of the step."""
    step = step.but(
        state=StepState.ACTING,
        round=step.round + 1,
        attempt=1,
        error=None,
        woken=suspension.n,
        suspension=draft.number() if plan.reserves else None,
    )
    if draft.halted():
        draft.put(step.but(state=StepState.HELD))
    else:
        act(draft, step)


def act(draft: Draft, step: StepRun) -> None:
    """The step's action is to be performed."""
    draft.put(step.but(state=StepState.ACTING, attempt=1))
    draft.facts.append(StepStarted(step.path, step.round, 1))
    draft.effects.append(PerformAction(step.path, step.round, 1))


def deadline(draft: Draft, suspension: Suspension) -> None:
    """The deadline has passed: what the flow says of silence happens."""
    wait = wait_of(draft.plan.at(suspension.path), suspension)
    if wait is None:
        close(draft, suspension, Close.ELAPSED)
    else:
        close(draft, suspension, Close.APPROVED if word_of(wait.on_timeout) == "approve" else Close.EXPIRED)
    over(draft, suspension.n)


def close(
    draft: Draft,
    suspension: Suspension,
    how: Close,
    by: tuple[PersonId, ...] = (),
    reason: str | None = None,
    option: str | None = None,
) -> None:
    """Nothing can be said to the suspension any more; its cards show how it ended."""
    suspension = suspension.but(closing=Closing(how, draft.now, by, reason, option))
    draft.suspensions[suspension.n] = suspension
    known = draft.answers.get(suspension.path)
    if known is not None and known.suspension.n == suspension.n:
        draft.answers[suspension.path] = known.but(suspension=suspension)
    draft.facts.append(SuspensionClosed(suspension.n, how, by, reason, option))
    draft.effects.append(Withdraw(suspension.path))
    if suspension.kind in (Kind.APPROVAL, Kind.HOLD):
        draft.effects.append(SyncCards(suspension.n))


def rejected(stop: Stop, people: Mapping[PersonId, Person]) -> str:
    """A rejection that fails its step, as the step's error."""
    names = ", ".join(wording.name(person, people) for person in stop.by)
    return f"rejected by {names}{wording.because(stop.reason)}"


def failure(step: StepRun, message: str) -> Stop:
    """A step's failure, for its run."""
    return Stop(Outcome.FAILED, f"{step.path}: {message}", step=step.path)
