"""How people who are waited for are asked again, later, or others in their place; and what they ask back. Pure.

Reminders, escalation, snoozing, reassigning, questions, and the time in which an answer can be undone. All of it is
about one open suspension; what the answers come to is said in ``flows.waits``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from flows import calendars, opening, quorum, wording
from flows.definition import Approval, Hold, Wait
from flows.delegation import Delegation, delegates, for_wait
from flows.effects import FireTimer, Note, ResolvePeople, SyncCards, Tell, Withdraw
from flows.errors import InvalidForm, NotAllowed, NotAnApprover, NotWaiting, SelfApproval, TooSoon
from flows.events import (
    Escalated,
    Nudged,
    NudgeRequested,
    QuestionAnswered,
    QuestionAsked,
    QuestionOpened,
    QuestionsClosed,
    Reassigned,
    ReassignRequested,
    Reminded,
    Settling,
    Snoozed,
    SnoozeRequested,
)
from flows.people import Person, PersonId, Roster
from flows.plan import wait_of
from flows.run import Clocks, Kind, Later, Question, Suspension, Timer
from flows.transition import Draft

NUDGES = timedelta(hours=1)
"""How far apart the requester may nudge those who are asked: a card is there already."""

MAX_QUESTIONS = 100
"""Questions to one suspension; whoever has more has to talk."""


# -- when a wait opens ----------------------------------------------------------------------------------------


def begin(
    wait: Wait,
    suspension: Suspension,
    seats: quorum.Seats,
    rendered: Mapping[str, tuple[str, ...]],
    roster: Roster,
    *,
    requester: PersonId,
    people: Mapping[PersonId, Person],
) -> Suspension:
    """The suspension with its clocks set: the deadline in working time, and whom it escalates to.

    Raises ``NoWorkingTime`` and ``QuorumUnreachable``, the latter where nobody stands behind an escalation.
    """
    zones = tuple(dict.fromkeys(people[one].tz if one in people else None for one in seats.asked)) or (None,)
    now = suspension.opened_at
    if wait.working_hours is not None and suspension.due is not None:
        suspension = suspension.but(due=_latest(wait, now, wait.timeout, zones))
    if not isinstance(wait, Approval) or not wait.escalate:
        return suspension
    later = []
    for step in wait.escalate:
        handles = tuple(dict.fromkeys(handle for item in step.to for handle in rendered[item]))
        approvers, asked = quorum.others(wait, handles, roster, requester=requester, people=people)
        later.append(Later(_latest(wait, now, step.after, zones), approvers, asked))
    return suspension.but(clocks=Clocks(later=tuple(later)))


def timers(draft: Draft, wait: Wait, suspension: Suspension) -> None:
    """Set what falls due besides the deadline."""
    clocks = suspension.clocks
    if wait.remind is not None and clocks.reminded < wait.remind.count:
        _timer(draft, suspension, Timer.REMIND, max(draft.now, _next_reminder(draft, wait, suspension)))
    if clocks.escalated < len(clocks.later):
        _timer(draft, suspension, Timer.ESCALATE, clocks.later[clocks.escalated].at)


# -- who answers for whom -------------------------------------------------------------------------------------


def standing_in(draft: Draft, wait: Approval | Hold) -> tuple[Delegation, ...]:
    """The delegations by which somebody may answer this wait for somebody else."""
    found = draft.slice.delegations
    return for_wait(found, wait, requester=draft.run.requester) if found else ()


def with_stand_ins(draft: Draft, wait: Approval | Hold, people: Iterable[PersonId]) -> tuple[PersonId, ...]:
    """These people, and whoever stands in for one of them: they are told too."""
    people = tuple(people)
    in_force = standing_in(draft, wait)
    more = [one for person in people for one in delegates(in_force, person)] if in_force else []
    counts = isinstance(wait, Hold) or wait.self_approval
    return tuple(dict.fromkeys([*people, *(one for one in more if counts or one != draft.run.requester)]))


# -- when something falls due ---------------------------------------------------------------------------------


def due(draft: Draft, suspension: Suspension, timer: Timer, planned: datetime | None, person: PersonId | None) -> None:
    """A timer of an open suspension has fired; one that is not wanted any more changes nothing."""
    wait = wait_of(draft.plan.at(suspension.path), suspension)
    if not isinstance(wait, Approval | Hold):
        return
    match timer:
        case Timer.REMIND:
            _remind(draft, wait, suspension, planned)
        case Timer.ESCALATE:
            _escalate(draft, wait, suspension)
        case Timer.WAKE:
            _wake(draft, suspension, person)
        case Timer.RESTART:
            _restart_if_due(draft, wait, suspension)
        case _:
            raise AssertionError(timer)  # the deadline and the answers are not asked here


def _remind(draft: Draft, wait: Wait, suspension: Suspension, planned: datetime | None) -> None:
    plan, clocks = wait.remind, suspension.clocks
    if plan is None or clocks.reminded >= plan.count or clocks.stopped_at is not None or clocks.settles_at is not None:
        return
    expected = _next_reminder(draft, wait, suspension)
    if draft.now < expected or (planned is not None and planned < expected):
        _again(draft, suspension, Timer.REMIND, expected, planned)
        return
    count = clocks.reminded + 1
    suspension = _set(draft, suspension, clocks.but(reminded=count))
    draft.facts.append(Reminded(suspension.n, count))
    ask_again(draft, suspension, Note.REMINDER, count)
    if count < plan.count:
        _timer(draft, suspension, Timer.REMIND, _next_reminder(draft, wait, suspension))


def _next_reminder(draft: Draft, wait: Wait, suspension: Suspension) -> datetime:
    """When the next reminder is planned: counted from the opening, so that a late one delays no other."""
    plan = wait.remind
    assert plan is not None  # only those with reminders come here
    after = plan.first + (plan.every or timedelta(0)) * suspension.clocks.reminded
    began = suspension.opened_at
    zones = tuple(dict.fromkeys(_zone_of(draft, one) for one in suspension.approvers.people)) or (None,)
    if wait.working_hours is None:
        return began + after
    return min(calendars.after(began, after, wait.working_hours, zone) for zone in zones)


def ask_again(draft: Draft, suspension: Suspension, note: Note, times: int) -> None:
    """Tell everybody who has not answered; the members of groups are looked up first."""
    groups = suspension.approvers.groups
    if groups:
        draft.effects.append(ResolvePeople(suspension.path, suspension.round, groups, suspension.n, note, times))
    else:
        tell_unanswered(draft, suspension, note, times, ())


def tell_unanswered(draft: Draft, suspension: Suspension, note: Note, times: int, members: Iterable[PersonId]) -> None:
    """A message to each of those who are asked and have not answered, in their working hours where the flow asks for it."""
    wait = wait_of(draft.plan.at(suspension.path), suspension)
    if not isinstance(wait, Approval | Hold):
        return
    answered = draft.standing_of(suspension.n)
    spoken = {said.by for said in answered.values()}
    counts = isinstance(wait, Hold) or wait.self_approval
    snoozed = suspension.clocks.snoozed
    everybody = (*suspension.approvers.people, *members)
    asked = [one for one in everybody if one not in answered and not quorum.is_relieved(suspension, one)]
    for person in with_stand_ins(draft, wait, asked):
        if person in answered or person in spoken or (person == draft.run.requester and not counts):
            continue
        if note is not Note.NUDGE and person in snoozed and draft.now < snoozed[person]:
            continue
        at = None
        if wait.working_hours is not None and note is not Note.WOKEN:
            at = calendars.opening(draft.now, wait.working_hours, _zone_of(draft, person))
        _tell(draft, suspension, note, person, times, due=at)


def _escalate(draft: Draft, wait: Approval | Hold, suspension: Suspension) -> None:
    clocks = suspension.clocks
    if not isinstance(wait, Approval) or clocks.escalated >= len(clocks.later):
        return
    if clocks.stopped_at is not None or clocks.settles_at is not None:
        return  # set anew when they run again; or the answers are there
    step, later = wait.escalate[clocks.escalated], clocks.later[clocks.escalated]
    named = later.approvers.people
    asked = [one for one in later.asked if one in named or one not in clocks.relieved]
    if draft.now < later.at:
        _again(draft, suspension, Timer.ESCALATE, later.at, None)
        return
    standing = draft.standing_of(suspension.n)
    # Nobody is relieved where those who would be left could never be enough.
    replaces = step.mode == "replace" and len({*standing, *asked}) >= suspension.needed
    after = quorum.escalated(suspension, later.approvers, standing, replaces=replaces)
    after = after.but(clocks=clocks.but(escalated=clocks.escalated + 1))
    draft.suspensions[suspension.n] = after
    draft.unseat(suspension, after)
    draft.facts.append(Escalated(after.n, named, later.approvers.groups, replaces))
    told = with_stand_ins(draft, wait, (one for one in asked if one not in standing))
    draft.effects.extend(opening.to_people(draft.plan.at(after.path), wait, after, told, draft.slice.people))
    # They were looked up when it opened, and nobody watched since whether they are still there.
    handles, times = quorum.look_up(after, draft.slice.people), after.clocks.escalated
    draft.effects.append(ResolvePeople(after.path, after.round, handles, after.n, Note.ESCALATED, times))
    _tell(draft, after, Note.ESCALATED, draft.run.requester, after.clocks.escalated)
    draft.effects.append(SyncCards(after.n))
    if after.clocks.escalated < len(clocks.later):
        _timer(draft, after, Timer.ESCALATE, clocks.later[after.clocks.escalated].at)


def _wake(draft: Draft, suspension: Suspension, person: PersonId | None) -> None:
    snoozed = suspension.clocks.snoozed
    if person is None or person not in snoozed:
        return
    until = snoozed[person]
    if draft.now < until:
        return  # they have put it off further, which has a timer of its own
    left = {one: when for one, when in snoozed.items() if one != person}
    suspension = _set(draft, suspension, suspension.clocks.but(snoozed=left))
    draft.facts.append(Snoozed(suspension.n, person, None))
    standing = draft.standing_of(suspension.n)
    if person not in standing and not any(said.by == person for said in standing.values()):
        _tell(draft, suspension, Note.WOKEN, person, draft.run.version + 1)


# -- what people ask for --------------------------------------------------------------------------------------


def nudge(draft: Draft, suspension: Suspension, event: NudgeRequested) -> None:
    """The requester asks those who have not answered once more."""
    if event.person != draft.run.requester:
        raise NotAllowed("Only the person who started this run can nudge those who are asked.")
    last = suspension.clocks.nudged_at
    if last is not None and draft.now < last + NUDGES:
        minutes = -(-(last + NUDGES - draft.now) // timedelta(minutes=1))
        raise TooSoon(f"They were nudged less than an hour ago. You can do it again in {minutes} min.")
    suspension = _set(draft, suspension, suspension.clocks.but(nudged_at=draft.now))
    draft.facts.append(Nudged(suspension.n, event.person))
    ask_again(draft, suspension, Note.NUDGE, draft.run.version + 1)
    draft.effects.append(SyncCards(suspension.n))


def snooze(draft: Draft, suspension: Suspension, event: SnoozeRequested) -> None:
    """A person wants to hear nothing of it for a while."""
    if event.until is not None:
        if event.until <= draft.now:
            raise InvalidForm({"until": "must be in the future"})
        if suspension.due is not None and event.until >= suspension.due:
            raise InvalidForm({"until": "is after the deadline; choose a time before it"})
    others = {one: when for one, when in suspension.clocks.snoozed.items() if one != event.person}
    snoozed = others if event.until is None else {**others, event.person: event.until}
    suspension = _set(draft, suspension, suspension.clocks.but(snoozed=snoozed))
    draft.facts.append(Snoozed(suspension.n, event.person, event.until))
    if event.until is not None:
        _timer(draft, suspension, Timer.WAKE, event.until, event.person)


def reassign(draft: Draft, wait: Approval | Hold, suspension: Suspension, event: ReassignRequested) -> None:
    """Somebody else is asked in a person's place."""
    people, to = draft.slice.people, event.to
    standing = draft.standing_of(suspension.n)
    if event.person in standing:
        raise NotAllowed(f"{wording.name(event.person, people)} has answered this already; that stands.")
    if isinstance(wait, Approval) and to == draft.run.requester and not wait.self_approval:
        raise SelfApproval(f"{wording.name(to, people)} has asked for this themselves, so they cannot decide it.")
    if to in suspension.approvers.people or to in standing or any(said.by == to for said in standing.values()):
        raise NotAllowed(f"{wording.name(to, people)} is asked already.")
    if suspension.terms is not None and event.person not in suspension.approvers.people:
        raise NotAllowed("You are asked as a member of a group, whose seat this is. You can hand your approvals over.")
    after = quorum.reassigned(suspension, event.person, to)
    draft.suspensions[suspension.n] = after
    draft.unseat(suspension, after)
    draft.facts.append(Reassigned(after.n, event.person, to, event.by))
    draft.effects.extend(
        opening.to_people(draft.plan.at(after.path), wait, after, with_stand_ins(draft, wait, [to]), people)
    )
    _tell(draft, after, Note.REASSIGNED, draft.run.requester, draft.run.version + 1)
    draft.effects.append(SyncCards(after.n))


def check_may_reassign(wait: Approval | Hold, event: ReassignRequested, requester: PersonId) -> None:
    """Return if who asks may hand this seat on: its person, and admins may."""
    if event.by != event.person and not event.admin:
        raise NotAllowed("Only the person who is asked, or an admin, can let somebody else be asked.")
    if isinstance(wait, Approval) and event.by == requester and not wait.self_approval:
        raise SelfApproval("This is your own request: somebody else has to say who decides it instead.")
    if isinstance(wait, Hold) and not wait.by:
        raise NotAllowed("This is resumed by who started the run, or an admin; there is no seat to hand on.")


# -- questions ------------------------------------------------------------------------------------------------


def ask(draft: Draft, wait: Approval | Hold, suspension: Suspension, event: QuestionAsked) -> None:
    """Somebody wants to know something first; where the flow says so, the clock stands still."""
    if event.person == draft.run.requester:
        raise NotAnApprover("This is your own request: you answer what others ask.")
    if len(draft.slice.questions) >= MAX_QUESTIONS:
        raise NotAllowed("There are too many open questions here already.")
    question = Question(suspension.n, draft.run.version + 1, event.person, draft.now, event.text)
    draft.questions.append(question)
    clocks = suspension.clocks
    stops = isinstance(wait, Approval) and wait.questions == "stop_clock" and clocks.settles_at is None
    # The clock runs although something is open: the requester has had their time to answer.
    stops = stops and (clocks.stopped_at is not None or not draft.slice.questions)
    if stops and clocks.stopped_at is None:
        suspension = _set(draft, suspension, suspension.clocks.but(stopped_at=draft.now))
        for timer in (Timer.DUE, Timer.REMIND, Timer.ESCALATE):
            draft.effects.append(Withdraw(suspension.path, timer=timer))
        # Not for ever: whoever asks and whoever does not answer must not keep a run waiting past all deadlines.
        _timer(draft, suspension, Timer.RESTART, draft.now + wait.timeout)
    draft.facts.append(QuestionOpened(suspension.n, event.person, stops))
    _tell(draft, suspension, Note.QUESTION, draft.run.requester, question.place)
    draft.effects.append(SyncCards(suspension.n))


def answer(draft: Draft, wait: Approval | Hold, suspension: Suspension, event: QuestionAnswered) -> None:
    """The requester has answered everything that is open."""
    if event.person != draft.run.requester and not event.owner and not event.admin:
        raise NotAllowed("Only the person who started this run, the owner of its flow, or an admin, can answer this.")
    if not draft.slice.questions:
        raise NotWaiting("Nobody has asked anything here, or it is answered already.")
    for question in draft.slice.questions:
        draft.questions.append(question.but(answer=event.text, answered_by=event.person, answered_at=draft.now))
        _tell(draft, suspension, Note.ANSWER, question.person, question.place)
    restart(draft, wait, suspension, event.person)
    draft.effects.append(SyncCards(suspension.n))


def answered_by_deciding(draft: Draft, wait: Approval | Hold, suspension: Suspension, person: PersonId) -> Suspension:
    """Who decides wants to know nothing any more: the clock runs again, once nobody else does."""
    theirs = [one for one in draft.slice.questions if one.person == person]
    if not theirs:
        return suspension
    for question in theirs:
        draft.questions.append(question.but(answered_by=person, answered_at=draft.now))
    if len(theirs) == len(draft.slice.questions):
        return restart(draft, wait, suspension, person)
    return suspension


def restart(draft: Draft, wait: Approval | Hold, suspension: Suspension, by: PersonId | None) -> Suspension:
    """The clocks go on from where they stood."""
    stopped = suspension.clocks.stopped_at
    if stopped is not None:
        pause = draft.now - stopped
        later = tuple(Later(one.at + pause, one.approvers, one.asked) for one in suspension.clocks.later)
        due_ = None if suspension.due is None else suspension.due + pause
        suspension = _set(draft, suspension.but(due=due_), suspension.clocks.but(stopped_at=None, later=later))
        draft.effects.append(Withdraw(suspension.path, timer=Timer.RESTART))
        if due_ is not None:
            _timer(draft, suspension, Timer.DUE, due_)
        timers(draft, wait, suspension)
    draft.facts.append(QuestionsClosed(suspension.n, by, suspension.due))
    return suspension


def _restart_if_due(draft: Draft, wait: Approval | Hold, suspension: Suspension) -> None:
    stopped = suspension.clocks.stopped_at
    if stopped is None:
        return
    until = stopped + wait.timeout
    if draft.now < until:
        _again(draft, suspension, Timer.RESTART, until, None)
        return
    restart(draft, wait, suspension, None)
    draft.effects.append(SyncCards(suspension.n))


# -- the time to undo -----------------------------------------------------------------------------------------


def settling(draft: Draft, wait: Approval | Hold, suspension: Suspension, *, complete: bool) -> bool:
    """Whether what was said takes effect later, because it can still be undone. Says so where that has changed."""
    pause = wait.settle if isinstance(wait, Approval) else None
    clocks = suspension.clocks
    if pause is None:
        return False
    if not complete:
        if clocks.settles_at is not None:
            suspension = _set(draft, suspension, clocks.but(settles_at=None))
            # What fell due meanwhile was left out, as the answers were there.
            for timer in (Timer.SETTLE, Timer.REMIND, Timer.ESCALATE):
                draft.effects.append(Withdraw(suspension.path, timer=timer))
            if clocks.stopped_at is None:
                timers(draft, wait, suspension)
            draft.facts.append(Settling(suspension.n, None))
        return False
    if clocks.settles_at is None:
        until = draft.now + pause
        if suspension.due is not None and clocks.stopped_at is None:
            until = min(until, suspension.due)
        suspension = _set(draft, suspension, clocks.but(settles_at=until))
        _timer(draft, suspension, Timer.SETTLE, until)
        draft.facts.append(Settling(suspension.n, until))
    return True


# -- inside ---------------------------------------------------------------------------------------------------


def _set(draft: Draft, suspension: Suspension, clocks: Clocks) -> Suspension:
    suspension = suspension.but(clocks=clocks)
    draft.suspensions[suspension.n] = suspension
    return suspension


def _timer(draft: Draft, suspension: Suspension, timer: Timer, at: datetime, person: PersonId | None = None) -> None:
    draft.effects.append(FireTimer(suspension.path, suspension.round, suspension.n, at, timer, person))


def _again(draft: Draft, suspension: Suspension, timer: Timer, at: datetime, planned: datetime | None) -> None:
    """It was told too early, because the wall clock was stepped back. However often that is so, one timer remains."""
    if planned is not None and planned < at:
        return  # an older one: there is one for the time that it is planned for now
    draft.effects.append(Withdraw(suspension.path, timer=timer))
    _timer(draft, suspension, timer, at)


def _tell(
    draft: Draft,
    suspension: Suspension,
    note: Note,
    person: PersonId | None,
    times: int,
    *,
    due: datetime | None = None,
) -> None:
    draft.effects.append(Tell(suspension.path, suspension.round, suspension.n, note, person, times, due))


def _latest(wait: Wait, start: datetime, amount: timedelta, zones: Iterable[str | None]) -> datetime:
    """When that much time has passed for everybody who is asked."""
    if wait.working_hours is None:
        return start + amount
    return max(calendars.after(start, amount, wait.working_hours, zone) for zone in zones)


def _zone_of(draft: Draft, person: PersonId) -> str | None:
    who = draft.slice.people.get(person)
    return who.tz if who is not None else None


def announce_drop(draft: Draft, suspension: Suspension) -> None:
    """Whoever is concerned hears that the run goes on without a decision, and the admins do."""
    if suspension.kind not in (Kind.APPROVAL, Kind.HOLD):
        return
    concerned = [draft.run.requester, *suspension.approvers.people]
    for person in [*dict.fromkeys(concerned), None]:
        _tell(draft, suspension, Note.DROPPED, person, 1)
