"""What the clock makes true: deadlines, answers that take effect, time limits. Pure.

A timer is a wake-up call, not a fact: what counts is the instant. So whoever comes after a deadline finds it passed,
whether or not its timer has fired, and a timer that fires too early or too late changes nothing.
"""

from __future__ import annotations

from flows import asking, tree, waits, wording
from flows.definition import Approval, Hold
from flows.effects import FireTimer, Withdraw
from flows.errors import Closed
from flows.events import TimerFired
from flows.plan import Shape, wait_of
from flows.run import Close, StepState, Suspension, Timer
from flows.transition import Draft, Enter


def fired(draft: Draft, event: TimerFired) -> None:
    """Something falls due: for a wait, for a step that gave way, or for the time that all of it may take."""
    if event.n <= 0:
        _time_over(draft, event)
        return
    suspension = draft.suspensions.get(event.n)
    if suspension is None or suspension.closing is not None:
        return
    match event.timer:
        case Timer.DUE:
            planned, over = suspension.due, suspension.overdue(draft.now) or suspension.settled(draft.now)
            if planned is not None and suspension.clocks.settles_at is not None:
                # What is said may be taken back until then; the deadline counts again if it is.
                planned = max(planned, suspension.clocks.settles_at)
        case Timer.SETTLE:
            planned, over = suspension.clocks.settles_at, suspension.settled(draft.now)
        case _:
            asking.due(draft, suspension, event.timer, event.due, event.person)
            return
    if over:
        _time_passed(draft, suspension)
    elif (
        planned is not None and draft.now < planned and not (suspension.clocks.stopped_at and event.timer is Timer.DUE)
    ):
        # The wall clock was stepped back between the timer and this transaction: not yet. However often it is
        # said too early, one timer remains.
        draft.effects.append(Withdraw(suspension.path, timer=event.timer))
        draft.effects.append(FireTimer(suspension.path, suspension.round, suspension.n, planned, event.timer))


def first(draft: Draft, suspension: Suspension) -> Closed | None:
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
    return Closed(wording.closed(draft.suspensions[suspension.n], draft.slice.people))


def _time_passed(draft: Draft, suspension: Suspension) -> None:
    wait = wait_of(draft.plan.at(suspension.path), suspension)
    if suspension.settled(draft.now) and isinstance(wait, Approval | Hold):
        waits.take_effect(draft, wait, suspension)
    else:
        deadline(draft, suspension)


def deadline(draft: Draft, suspension: Suspension) -> None:
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
