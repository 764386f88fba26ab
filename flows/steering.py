"""What people and other runs do to a whole run: cancel, pause, resume, drop a wait, take its place. Pure."""

from __future__ import annotations

from flows import asking, quorum, timers, tree, waits, wording
from flows.definition import Approval
from flows.effects import SyncCards
from flows.errors import Closed, NotWaiting, SelfApproval
from flows.events import (
    CancelRequested,
    DropRequested,
    PauseRequested,
    ResumeRequested,
    RunPaused,
    RunResumed,
    Superseded,
)
from flows.plan import Shape, wait_of
from flows.run import Close, Kind, Outcome, Paused, Place, StepState, Stop
from flows.transition import Draft


def cancel(draft: Draft, event: CancelRequested) -> None:
    """End the run now."""
    quorum.check_may_cancel(event.person, requester=draft.run.requester, admin=event.admin, owner=event.owner)
    tree.stop_run(draft, Stop(Outcome.CANCELLED, event.reason, (event.person,)))


def drop(draft: Draft, event: DropRequested) -> Closed | None:
    """End a wait without a decision, and let the run go on. It is never an approval."""
    quorum.check_may_drop(admin=event.admin, owner=event.owner)
    suspension = draft.suspensions.get(event.n)
    if suspension is None:
        raise NotWaiting("There is no such wait.")
    if suspension.closing is not None:
        raise Closed(wording.closed(suspension, draft.slice.people))
    if (passed := timers.first(draft, suspension)) is not None:
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
    return None


def pause(draft: Draft, event: PauseRequested) -> None:
    quorum.check_may_pause(event.person, requester=draft.run.requester, admin=event.admin, owner=event.owner)
    if draft.run.paused is not None:
        raise NotWaiting("This run is paused already.")
    draft.run = draft.run.but(paused=Paused(event.person, draft.now))
    draft.facts.append(RunPaused(event.person))
    _redraw(draft)


def resume(draft: Draft, event: ResumeRequested) -> None:
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


def supersede(draft: Draft, event: Superseded) -> None:
    """A newer run takes this one's place, as long as it only waits."""
    under_way = any(step.state in (StepState.ACTING, StepState.RESOLVING) for step in draft.steps.values())
    if under_way or draft.run.stop is not None:
        return  # it is retired once it waits again
    by = draft.ids.run(event.by)
    tree.stop_run(draft, Stop(Outcome.CANCELLED, f"superseded by {by}"), Close.SUPERSEDED, by)


def place_given(draft: Draft) -> None:
    """There is room for the run now."""
    if draft.run.place is Place.WANTED and draft.slice.place_free and draft.run.paused is None:
        draft.run = draft.run.but(place=Place.HELD)
        tree.enter_held(draft)


def give_place_away(draft: Draft) -> None:
    """A run that has ended, or that waits, needs no place among those under way; one that is about to end wants none."""
    limit, place = draft.plan.flow.concurrency, draft.run.place
    if limit is None or place is None:
        return
    waits_only = limit.while_waiting == "free" and not draft.acting and place is Place.HELD
    ends = draft.run.stop is not None and place is Place.WANTED
    if place is not Place.FREE and (draft.run.ending is not None or waits_only or ends):
        draft.run = draft.run.but(place=Place.FREE)
