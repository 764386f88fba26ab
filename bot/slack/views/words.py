"""Words that several surfaces share: people, groups, instants, how a suspension stands and what became of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from flows.definition import Approval
from flows.ids import Ids
from flows.people import Person
from flows.rules import Seat
from flows.run import Close, Decision, Kind, Suspension, Verdict
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


def moment(instant: datetime) -> str:
    """An instant in the reader's own time zone; where Slack cannot tell it, in UTC."""
    return f"<!date^{int(instant.timestamp())}^{{date_short_pretty}} {{time}}|{utc(instant)}>"


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


def waiting_for(view: SuspensionView, groups: Groups = NO_GROUPS) -> str:
    """``, waiting for @hr-leads or Bob``; nothing where the quorum takes anybody."""
    if not (view.open and _nested(view)):
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
    by = clip(those(view.person(person) for person in closing.by), _PEOPLE)
    what = f"{icon} *{word}*{chosen(view, closing.option)}{f' by {by}' if by else ''}, {moment(closing.at)}"
    return what + _remark(view.suspension) + _newer_run(view.suspension, ids)


def ended_plainly(view: SuspensionView) -> str:
    """The same without markup, for a notification."""
    closing = view.suspension.closing
    assert closing is not None  # asked of closed ones only
    by = clip(", ".join(view.person(person).name for person in closing.by[:PEOPLE]), _PEOPLE)
    return f"{_CLOSED[closing.how][1]}{f' by {by}' if by else ''}"


def said(view: SuspensionView, decision: Decision) -> str:
    """``approved (Staging) in advance``."""
    early = " in advance, without having seen this" if decision.unseen else ""
    return f"{DONE[decision.verdict]}{chosen(view, decision.option)}{early}"


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
