"""What people say to a wait: they decide, take it back, decide beforehand, ask back, hand on. Pure.

This is the one decision path. Every door ends here, and nothing that a door says is taken on trust but who somebody is.
Each returns what the person is told where the clock was first (and then what they sent was not looked at), and raises
the refusal where what they want is not possible.
"""

from __future__ import annotations

from dataclasses import replace

from flows import asking, quorum, timers, waits, wording
from flows.definition import Approval, Hold
from flows.delegation import principals
from flows.effects import SyncCards
from flows.errors import ChangedSinceShown, Closed, DecidedByYou, InvalidForm, NotVerified, NotWaiting
from flows.events import (
    DecidedEarly,
    DecisionKept,
    DecisionMade,
    DecisionWithdrawn,
    NudgeRequested,
    QuestionAnswered,
    QuestionAsked,
    ReassignRequested,
    SnoozeRequested,
)
from flows.forms import validate_answer
from flows.people import Roster
from flows.plan import wait_of
from flows.ports import Json
from flows.run import SECRET, Decision, Door, Early, Suspension, Verdict
from flows.transition import Draft


def decide(draft: Draft, event: DecisionMade) -> Closed | None:
    """One person's answer, for themselves or for somebody whom they stand in for; or they take it back."""
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
    if (passed := timers.first(draft, suspension)) is not None:
        return passed
    _check_verified(wait, event)
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
        principals=principals(asking.standing_in(draft, wait), event.person),
        belonging=event.principals,
        people=draft.slice.people,
    )
    if before is not None and before.person != seat:
        before = None  # what they said for somebody else is refused above
    _check_verdict(wait, event.verdict)
    if event.digest is not None and event.digest != suspension.digest:
        raise ChangedSinceShown("What is asked has changed since you were shown it. Please look at it again.")
    values = _answered(wait, suspension, event)
    for field_ in wait.form if values else ():
        if field_.masked and values[field_.name] is not None:
            name = f"{suspension.n}.{seat}.{field_.name}"
            draft.secrets[name] = str(values[field_.name])
            values[field_.name] = {SECRET: name}
    if values or event.values:
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
    return None


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


def _take_back(draft: Draft, suspension: Suspension, before: Decision | None) -> Closed | None:
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
    return None


def decide_early(draft: Draft, event: DecidedEarly) -> None:
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


def around(
    draft: Draft,
    event: NudgeRequested | ReassignRequested | SnoozeRequested | QuestionAsked | QuestionAnswered,
) -> Closed | None:
    """What people do with an open suspension besides answering it."""
    suspension = draft.suspensions.get(event.n)
    wait = wait_of(draft.plan.at(suspension.path), suspension) if suspension else None
    if suspension is None or not isinstance(wait, Approval | Hold):
        raise NotWaiting("This waits for nobody's decision.")
    if suspension.closing is not None:
        raise Closed(wording.closed(suspension, draft.slice.people))
    if (passed := timers.first(draft, suspension)) is not None:
        return passed
    if isinstance(event, ReassignRequested):
        asking.check_may_reassign(wait, event, draft.run.requester)
    if isinstance(event, ReassignRequested | SnoozeRequested | QuestionAsked):
        # A seat is its person's to hand on, and nobody's who stands in for them.
        for_others = () if isinstance(event, ReassignRequested) else asking.standing_in(draft, wait)
        quorum.check_is_asked(
            wait,
            suspension,
            event.person,
            requester=draft.run.requester,
            memberships=event.memberships,
            principals=principals(for_others, event.person),
            belonging=quorum.NO_MEMBERSHIPS if isinstance(event, ReassignRequested) else event.principals,
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
    return None
