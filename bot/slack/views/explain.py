"""Why a card is there, for the one who asks: why them, why it still waits, who can help, and what comes next.

Pure, like all views: ``now`` is passed in, and so is to which of the groups the reader belongs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from bot.slack.views import kit, words
from bot.slack.views.card import Shown
from bot.slack.views.request import title
from bot.slack.views.words import NO_GROUPS, Groups
from flows import calendars
from flows.definition import Approval, Hold, Wait, WorkingHours, word_of
from flows.delegation import principals
from flows.durations import format_duration
from flows.people import Person, PersonId
from flows.quorum import is_relieved
from flows.run import Kind, Verdict
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

TITLE = "Why this is here"

# Characters.
_PART = 1_800
_PEOPLE = 700
_TITLE = 150

_COMING = 4  # reminders that are told one by one
_TIMEOUTS = {
    "end": "the run ends as *expired*",
    "fail": "the run *fails*",
    "continue": "the run goes on *without* an answer",
    "approve": "it counts as *approved*: this flow takes silence for a yes",
}


def explain(
    view: SuspensionView,
    person: Person,
    now: datetime,
    *,
    belongs: frozenset[str] = frozenset(),
    groups: Groups = NO_GROUPS,
) -> Shown:
    """Everything about one wait that ``person`` may wonder about. ``belongs`` are the groups that they are in."""
    name = clip(escape(title(view)), _TITLE)
    parts = [("Why you see this", _why_you(view, person, belongs, groups))]
    if view.open:
        parts += [
            ("Why it still waits", _why_waiting(view, groups)),
            ("Who can move it on", _who_can_help(view, now, groups)),
            ("What happens at the deadline", _deadline(view, now)),
            ("What comes next", _next(view, person, now, groups)),
        ]
    else:
        parts.append(("How it stands", iter(["It is over; nobody is waited for any more."])))
    blocks = [kit.section(f"*{name}*")]
    for heading, found in parts:
        if lines := list(found):
            blocks.append(kit.section(f"*{heading}*\n{kit.fit(lines, _PART)[0]}"))
    return Shown(f"About {name}", blocks)


def explain_modal(shown: Shown) -> kit.Block:
    """The same as a modal."""
    return {
        "type": "modal",
        "callback_id": "explain",
        "title": kit.plain(TITLE),
        "close": kit.plain("Close"),
        "blocks": shown.blocks,
    }


# -- why them ---------------------------------------------------------------------------------------------------


def _why_you(view: SuspensionView, person: Person, belongs: frozenset[str], groups: Groups) -> Iterator[str]:
    verb = "resume" if view.suspension.kind is Kind.HOLD else "decide"
    own = person.id == view.run.requester
    found = list(_seats_of(view, person.id, belongs, groups))
    if own and not view.self_approval:
        yield "You asked for this yourself, and this flow lets nobody approve their own request."
    elif found:
        yield from found
    elif own:
        yield "You asked for this yourself."
    elif view.decision_of(person.id) is None:
        yield f"You are not asked to {verb} this. You see it because it stands where you can read it."
    for decision in view.decisions:
        if person.id in (decision.person, decision.by):
            whose = "" if decision.by is None else f" ({words.gave(view, decision)})"
            yield f"You have {words.said(view, decision)} this{whose}, {words.moment(decision.at)}. You can still change that."


def _seats_of(view: SuspensionView, person: PersonId, belongs: frozenset[str], groups: Groups) -> Iterator[str]:
    """By what the person may answer."""
    suspension, wait = view.suspension, view.wait
    veto = suspension.terms.veto if suspension.terms else ()
    verb = "resume this" if suspension.kind is Kind.HOLD else "decide this"
    if person in suspension.approvers.people:
        started = isinstance(wait, Hold) and not wait.by
        yield "You started this, so it is yours to resume." if started else f"You are asked by name to {verb}."
    if is_relieved(suspension, person):
        yield "Somebody else is asked in your place."
    elif mine := [group for group in suspension.approvers.groups if group in belongs]:
        named = words.listed([words.group(group, groups) for group in mine], "and")
        yield f"You belong to {named}, whose members are asked to {verb}."
    if person in veto or not belongs.isdisjoint(group for group in veto if isinstance(group, str)):
        yield "You may veto this: your rejection alone ends it."
    asked = (*suspension.approvers.people, *veto)
    for principal in principals(view.delegations, person):
        ends = next((one.ends for one in view.delegations if one.person == principal), None)
        if principal in asked or suspension.approvers.groups:
            until = f" until {words.moment(ends)}" if ends is not None else ""
            yield f"You stand in for {words.who(view.person(principal))}{until}."


# -- why it waits, and who can help -----------------------------------------------------------------------------


def _why_waiting(view: SuspensionView, groups: Groups) -> Iterator[str]:
    clocks = view.suspension.clocks
    if clocks.settles_at is not None:
        yield f"All that it takes is there. It takes effect at {words.exactly(clocks.settles_at)}; until then it can be undone."
    elif view.suspension.kind is Kind.HOLD:
        yield "Nobody has resumed it yet."
    else:
        yield f"It has {words.standing(view, groups)}."
        if rejections := words.rejections(view):
            yield f"It has {rejections}."
        if yes := [words.gave(view, one) for one in view.decisions if one.verdict is not Verdict.REJECT]:
            yield f"Yes: {clip(words.listed(yes, 'and'), _PEOPLE)}."
    for question in view.questions:
        if question.open:
            yield f":question: {words.question(view, question, 200)}"
    if view.run.paused is not None:
        by = words.who(view.person(view.run.paused.by))
        yield f"The run is paused by {by}: answers are counted, and nothing new starts."


def _who_can_help(view: SuspensionView, now: datetime, groups: Groups) -> Iterator[str]:
    suspension = view.suspension
    hold = suspension.kind is Kind.HOLD
    if any(question.open for question in view.questions):
        yield f"{words.who(view.requester)} can answer the question."
    if suspension.clocks.settles_at is None:
        waited = words.present(view, view.waiting_for)
        if not view.self_approval:
            waited = [seat for seat in waited if seat != view.run.requester]
        if waited:
            can = "can resume it" if hold else "can decide"
            yield f"{clip(words.listed(words.seats(view, waited, groups), 'or'), _PEOPLE)} {can}."
        yield from (f"{each}." for each in words.stand_ins(view))
        for person, until in suspension.clocks.snoozed.items():
            if until > now and person in waited:
                yield f"{words.who(view.person(person))} wants to be reminded {words.moment(until)}."
    wait = view.wait
    if isinstance(wait, Approval) and wait.veto:
        terms = suspension.terms
        named = words.listed(words.seats(view, terms.veto if terms else (), groups), "or")
        yield f"{clip(named, _PEOPLE)} can veto it."
    for handle, reason in suspension.approvers.gaps[:5]:
        yield f"{words.line(handle)} cannot be asked: {words.line(reason)}."
    admins = "An admin can resume it, or let" if hold else "An admin can let somebody else be asked, or let"
    yield f"{admins} the run go on without an answer, with a reason that is recorded."
    yield f"{words.who(view.requester)} can withdraw the request."


# -- what happens when ------------------------------------------------------------------------------------------


def _deadline(view: SuspensionView, now: datetime) -> Iterator[str]:
    suspension, wait = view.suspension, view.wait
    clocks = suspension.clocks
    if suspension.due is None or not isinstance(wait, Wait):
        yield "There is none; it waits until somebody answers."
        return
    what = _TIMEOUTS[word_of(wait.on_timeout)]
    if clocks.stopped_at is not None:
        left = max(suspension.due - clocks.stopped_at, timedelta(0))
        yield (
            f"The clock is stopped since {words.moment(clocks.stopped_at)}, until the question is answered, with"
            f" {_about(left)} left. When these are over and nobody has answered, {what}."
        )
        return
    yield f"{words.moment(suspension.due)}, in {_about(max(suspension.due - now, timedelta(0)))}: {what}."
    if wait.working_hours is not None:
        yield f"The clock runs in working hours only ({_hours(wait.working_hours)})."


def _next(view: SuspensionView, person: Person, now: datetime, groups: Groups) -> Iterator[str]:
    wait, clocks = view.wait, view.suspension.clocks
    if not isinstance(wait, Wait):
        return
    if clocks.stopped_at is not None:
        yield "While the clock is stopped nobody is reminded."
        return
    if wait.remind is not None:
        left = wait.remind.count - clocks.reminded
        if left > 0:
            times = [_reminder(view, wait, person, clocks.reminded + number) for number in range(min(left, _COMING))]
            told = [words.moment(max(at, now)) for at in times if at is not None and _in_time(view, at)]
            if told:
                more = f", and {left - len(told)} more" if left > len(told) == _COMING else ""
                yield f"Who has not answered is reminded {', '.join(told)}{more}."
        elif clocks.reminded:
            yield "All reminders have been sent."
    for step in clocks.later[clocks.escalated :]:
        if _in_time(view, step.at):
            named = words.seats(view, (*step.approvers.people, *step.approvers.groups), groups)
            index = clocks.later.index(step)
            instead = isinstance(wait, Approval) and wait.escalate[index].mode == "replace"
            verb = "is asked instead" if instead else "is asked too"
            yield f":arrow_up: {words.moment(step.at)}: {clip(words.listed(named, 'and'), _PEOPLE)} {verb}, if nobody has decided by then."
    mine = clocks.snoozed.get(person.id)
    if mine is not None and mine > now:
        yield f"You are reminded {words.moment(mine)}, as you wanted."


def _reminder(view: SuspensionView, wait: Wait, person: Person, number: int) -> datetime | None:
    """When the reader would be reminded for the so-manieth time, from 0."""
    plan = wait.remind
    assert plan is not None  # the caller has looked
    after = plan.first + (plan.every or timedelta(0)) * number
    began = view.suspension.opened_at
    if wait.working_hours is None:
        return began + after
    try:
        return calendars.after(began, after, wait.working_hours, person.tz)
    except calendars.NoWorkingTime:
        return None


def _in_time(view: SuspensionView, instant: datetime) -> bool:
    return view.suspension.due is None or instant < view.suspension.due


def _hours(hours: WorkingHours) -> str:
    days = ", ".join(day.capitalize() for day in hours.days)
    zone = hours.zone or "in the time zone of each person"
    return f"{days}, {hours.from_} to {hours.to}, {words.line(zone)}"


def _about(span: timedelta) -> str:
    """Its two largest units: ``1d2h``."""
    for unit in (timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)):
        if span >= 24 * unit or unit == timedelta(seconds=1):
            return format_duration(span - span % unit)
    raise AssertionError(span)  # a second is the last of them
