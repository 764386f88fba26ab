"""Words that several surfaces share: people, groups, instants, how a suspension stands and what became of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from flows.definition import Approval, Hold
from flows.ids import Ids
from flows.people import Person, PersonId
from flows.rules import Seat
from flows.run import Close, Decision, Kind, Question, RunId, Suspension, Verdict
from flows.views import SuspensionView
from integrations.slack.text import clip, escape, mention

PEOPLE = 10
"""People who are named one by one; of more, the rest is counted."""

Groups = Mapping[str, str]
"""Slack's ids of user groups by handle (``@hr-leads``): what its own mention of one takes."""

NO_GROUPS: Groups = MappingProxyType({})

_NAME = 80  # characters
_PEOPLE = 300
_GROUP_ID = re.compile(r"S[A-Z0-9]+")

DONE = {Verdict.APPROVE: "approved", Verdict.REJECT: "rejected", Verdict.RESUME: "resumed"}
ICONS = {Verdict.APPROVE: ":white_check_mark:", Verdict.REJECT: ":x:", Verdict.RESUME: ":arrow_forward:"}

_RISKS = {
    # The number of squares says it too, to whoever does not tell the colours apart.
    "high": ":large_red_square::large_red_square::large_red_square: *High risk*",
    "medium": ":large_yellow_square::large_yellow_square: *Medium risk*",
    "low": ":large_green_square: *Low risk*",
}

_CLOSED = {
    Close.APPROVED: (":white_check_mark:", "Approved"),
    Close.REJECTED: (":x:", "Rejected"),
    Close.RESUMED: (":arrow_forward:", "Resumed"),
    Close.EXPIRED: (":hourglass:", "Expired"),
    Close.CANCELLED: (":no_entry_sign:", "Cancelled"),
    Close.ELAPSED: (":hourglass:", "Over"),
    Close.SUPERSEDED: (":arrows_counterclockwise:", "A newer run took its place"),
    Close.DROPPED: (":wastebasket:", "Dropped"),
    Close.ANSWERED: (":incoming_envelope:", "Answered by a machine"),
    Close.REFUSED: (":no_entry_sign:", "Ended by a machine"),
}


def line(text: str) -> str:
    """Inert, and on one line."""
    return escape(" ".join(text.split()))


# -- people and instants ----------------------------------------------------------------------------------------


def who(person: Person) -> str:
    """A mention where the person is in Slack, which shows the name as they have it there; else the name."""
    return mention(person.slack) if person.slack is not None else clip(line(person.name), _NAME)


def group(handle: str, groups: Groups) -> str:
    """Slack's own mention of a user group where its id is known, which shows who is in it; else the handle."""
    known = groups.get(handle, "")
    return f"<!subteam^{known}>" if _GROUP_ID.fullmatch(known) else clip(line(handle), _NAME)


def seats(view: SuspensionView, found: Iterable[Seat], groups: Groups) -> list[str]:
    """Each of these people and groups."""
    return [group(seat, groups) if isinstance(seat, str) else who(view.person(seat)) for seat in found]


def handles(person: Person) -> tuple[str, ...]:
    """Under which a person may stand in a flow, or be missing."""
    return tuple(filter(None, (person.slack, person.email.lower() if person.email else None)))


def present(view: SuspensionView, found: Iterable[Seat]) -> list[Seat]:
    """Those of these people and groups who are still there."""
    gone = {handle for handle, _ in view.suspension.approvers.gaps}
    if not gone:
        return list(found)
    return [seat for seat in found if gone.isdisjoint([seat] if isinstance(seat, str) else handles(view.person(seat)))]


def those(people: Iterable[Person]) -> str:
    """``A, B and C``."""
    return listed([who(person) for person in people], "and")


def listed(named: list[str], word: str) -> str:
    """``A, B and C``, or with ``or``; those beyond the first few are counted."""
    if len(named) > PEOPLE:
        named = [*named[:PEOPLE], f"{len(named) - PEOPLE} more"]
    return f" {word} ".join(filter(None, [", ".join(named[:-1]), *named[-1:]]))


def gave(view: SuspensionView, decision: Decision) -> str:
    """Who gave it, and for whom where that is somebody else: ``Bob for Ann``."""
    principal = who(view.person(decision.person))
    return principal if decision.by is None else f"{who(view.person(decision.by))} for {principal}"


def gave_plainly(view: SuspensionView, decision: Decision) -> str:
    """The same without markup."""
    principal = view.person(decision.person).name
    return principal if decision.by is None else f"{view.person(decision.by).name} for {principal}"


def moment(instant: datetime) -> str:
    """An instant in the reader's own time zone; where Slack cannot tell it, in UTC."""
    return _instant(instant, "{date_short_pretty} {time}")


def exactly(instant: datetime) -> str:
    """The same to the second, for what is over in a few of them."""
    return _instant(instant, "{time_secs}")


def _instant(instant: datetime, form: str) -> str:
    return f"<!date^{int(instant.timestamp())}^{form}|{utc(instant)}>"


def utc(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


# -- how it stands ----------------------------------------------------------------------------------------------


def progress(view: SuspensionView) -> str:
    """``1 of 2 approvals``; for a hold, that it waits."""
    if view.suspension.kind is Kind.HOLD:
        return "waiting to be resumed" if view.open else "resumed"
    return of(_counted(view), view.suspension.needed)


def standing(view: SuspensionView, groups: Groups = NO_GROUPS) -> str:
    """``1 of 2 approvals``, and whose are missing where that is not just anybody's of those who may decide."""
    return f"{progress(view)}{waiting_for(view, groups)}"


def waiting_for(view: SuspensionView, groups: Groups = NO_GROUPS, *, plain: bool = False) -> str:
    """``, waiting for @hr-leads or Bob``; nothing where the quorum takes anybody. ``plain``: there too, once somebody has
    answered."""
    if not view.open or view.suspension.clocks.settles_at is not None:
        return ""
    if not (_nested(view) or (plain and view.decisions)):
        return ""
    names = listed(seats(view, present(view, view.waiting_for), groups), "or")
    return f", waiting for {clip(names, _PEOPLE)}" if names else ""


def of(approvals: int, needed: int) -> str:
    """``1 of 2 approvals``."""
    return f"{approvals} of {needed} {'approval' if needed == 1 else 'approvals'}"


def rejections(view: SuspensionView) -> str | None:
    """``1 of 2 rejections`` where it takes several and some are there."""
    wait = view.wait
    if not isinstance(wait, Approval) or wait.reject_after == 1:
        return None
    said = sum(one.verdict is Verdict.REJECT for one in view.decisions)
    return f"{said} of {wait.reject_after} rejections" if said else None


def until(view: SuspensionView) -> str | None:
    """How long an open suspension waits, as its clocks stand: ``until ...``, or that they do not run. None: for ever."""
    suspension = view.suspension
    if suspension.clocks.settles_at is not None:
        return f"takes effect at {exactly(suspension.clocks.settles_at)}"
    if suspension.clocks.stopped_at is not None:
        return "clock stopped by a question"
    return f"until {moment(suspension.due)}" if suspension.due is not None else None


def risk(view: SuspensionView) -> str | None:
    """``High risk``, with as many squares of its colour; None where the flow does not say."""
    wait = view.wait
    return _RISKS.get(wait.risk or "") if isinstance(wait, Approval | Hold) else None


def question(view: SuspensionView, asked: Question, limit: int = 300) -> str:
    """``Bob asks: ...``, and what was answered."""
    text = f"{who(view.person(asked.person))} {'asks' if asked.open else 'asked'}: {comment(asked.text, limit)}"
    if asked.answer is not None and asked.answered_by is not None:
        text += f"\n>{who(view.person(asked.answered_by))}: {comment(asked.answer, limit)}"
    return text


def stand_ins(view: SuspensionView) -> list[str]:
    """``Bob stands in for Ann``, for each who is asked and has not answered."""
    return [
        f"{who(view.person(one.delegate))} stands in for {who(view.person(one.person))}"
        for one in view.delegations
        if view.decision_of(one.person) is None
    ]


def option(view: SuspensionView, name: str) -> str:
    """What an option is called."""
    return line(next((one.title for one in view.options if one.name == name), name))


def chosen(view: SuspensionView, name: str | None) -> str:
    """`` (Staging)``; nothing where nobody chose."""
    return f" ({option(view, name)})" if name is not None else ""


def _counted(view: SuspensionView) -> int:
    """How much of what it takes is there: of a nested quorum, and where people choose, not every yes is."""
    if _nested(view) or view.options:
        return max(0, view.suspension.needed - view.missing)
    return view.approvals


def _nested(view: SuspensionView) -> bool:
    terms = view.suspension.terms
    return terms is not None and terms.quorum is not None


# -- what became of it ------------------------------------------------------------------------------------------


def ended(view: SuspensionView, ids: Ids) -> str:
    """What became of a closed suspension: what, by whom, when."""
    closing = view.suspension.closing
    assert closing is not None  # asked of closed ones only
    icon, word = _CLOSED[closing.how]
    by = clip(listed([_closer(view, person) for person in closing.by], "and"), _PEOPLE)
    what = f"{icon} *{word}*{chosen(view, closing.option)}{f' by {by}' if by else ''}, {moment(closing.at)}"
    return what + _remark(view.suspension) + _newer_run(view.suspension, ids)


def ended_plainly(view: SuspensionView) -> str:
    """The same without markup, for a notification."""
    closing = view.suspension.closing
    assert closing is not None  # asked of closed ones only
    by = clip(", ".join(_closer(view, person, plainly=True) for person in closing.by[:PEOPLE]), _PEOPLE)
    return f"{_CLOSED[closing.how][1]}{f' by {by}' if by else ''}"


def _closer(view: SuspensionView, person: PersonId, *, plainly: bool = False) -> str:
    """One of those who have closed it; with their decision, who gave that."""
    decision = view.decision_of(person)
    if decision is not None and decision.by is not None:
        return gave_plainly(view, decision) if plainly else gave(view, decision)
    return view.person(person).name if plainly else who(view.person(person))


def said(view: SuspensionView, decision: Decision) -> str:
    """``approved (Staging) in advance``."""
    early = " in advance, without having seen this" if decision.unseen else ""
    return f"{DONE[decision.verdict]}{chosen(view, decision.option)}{early}"


def anew(run: RunId, ids: Ids) -> str:
    """Of what has ended: that it was asked for anew, and where."""
    return f":arrows_counterclockwise: Asked for anew: <{ids.run_url(run)}|{ids.run(run)}>"


def comment(text: str, limit: int = 500) -> str:
    """What somebody wrote, quoted."""
    return f"“{clip(line(text), limit)}”"


def _remark(suspension: Suspension) -> str:
    """What the word alone does not say."""
    closing = suspension.closing
    assert closing is not None  # see ended
    match closing.how:
        case Close.APPROVED if not closing.by:
            return ": nobody decided in time, which this flow takes for a yes"
        case Close.EXPIRED if not closing.by:
            return f": nobody {'resumed it' if suspension.kind is Kind.HOLD else 'decided'} in time"
        case Close.DROPPED:
            return f": nobody has {'resumed' if suspension.kind is Kind.HOLD else 'approved'} this, and the run goes on"
        case _:
            return ""


def _newer_run(suspension: Suspension, ids: Ids) -> str:
    closing = suspension.closing
    run = ids.parse_run(closing.reason or "") if closing and closing.how is Close.SUPERSEDED else None
    return f": <{ids.run_url(run)}|{ids.run(run)}>" if run is not None else ""
