"""Words that several surfaces share: people, instants, what became of a suspension."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from flows.people import Person
from flows.run import Close, Kind, Suspension, Verdict
from flows.views import SuspensionView
from integrations.slack.text import clip, escape, mention

PEOPLE = 10
"""People who are named one by one; of more, the rest is counted."""

_NAME = 80  # characters
_PEOPLE = 400

DONE = {Verdict.APPROVE: "approved", Verdict.REJECT: "rejected", Verdict.RESUME: "resumed"}
ICONS = {Verdict.APPROVE: ":white_check_mark:", Verdict.REJECT: ":x:", Verdict.RESUME: ":arrow_forward:"}

_CLOSED = {
    Close.APPROVED: (":white_check_mark:", "Approved"),
    Close.REJECTED: (":x:", "Rejected"),
    Close.RESUMED: (":arrow_forward:", "Resumed"),
    Close.EXPIRED: (":hourglass:", "Expired"),
    Close.CANCELLED: (":no_entry_sign:", "Cancelled"),
    Close.ELAPSED: (":hourglass:", "Over"),
}


def line(text: str) -> str:
    """Inert, and on one line."""
    return escape(" ".join(text.split()))


def who(person: Person) -> str:
    """A mention where the person is in Slack, which shows the name as they have it there; else the name."""
    return mention(person.slack) if person.slack is not None else clip(line(person.name), _NAME)


def those(people: Iterable[Person]) -> str:
    """``A, B and C``."""
    named = [who(person) for person in people]
    if len(named) > PEOPLE:
        named = [*named[:PEOPLE], f"{len(named) - PEOPLE} more"]
    return " and ".join(filter(None, [", ".join(named[:-1]), *named[-1:]]))


def moment(instant: datetime) -> str:
    """An instant in the reader's own time zone; where Slack cannot tell it, in UTC."""
    return f"<!date^{int(instant.timestamp())}^{{date_short_pretty}} {{time}}|{utc(instant)}>"


def utc(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def progress(view: SuspensionView) -> str:
    """``1 of 2 approvals``; for a hold, that it waits."""
    if view.suspension.kind is Kind.HOLD:
        return "waiting to be resumed" if view.open else "resumed"
    return of(view.approvals, view.suspension.needed)


def of(approvals: int, needed: int) -> str:
    """``1 of 2 approvals``."""
    return f"{approvals} of {needed} {'approval' if needed == 1 else 'approvals'}"


def ended(view: SuspensionView) -> str:
    """What became of a closed suspension: what, by whom, when."""
    closing = view.suspension.closing
    assert closing is not None  # asked of closed ones only
    icon, word = _CLOSED[closing.how]
    by = clip(those(view.person(person) for person in closing.by), _PEOPLE)
    silence = "" if closing.by else _silence(view.suspension)
    return f"{icon} *{word}*{f' by {by}' if by else ''}, {moment(closing.at)}{silence}"


def ended_plainly(view: SuspensionView) -> str:
    """The same without markup, for a notification."""
    closing = view.suspension.closing
    assert closing is not None  # asked of closed ones only
    by = clip(", ".join(view.person(person).name for person in closing.by[:PEOPLE]), _PEOPLE)
    return f"{_CLOSED[closing.how][1]}{f' by {by}' if by else ''}"


def comment(text: str, limit: int = 500) -> str:
    """What somebody wrote, quoted."""
    return f"“{clip(line(text), limit)}”"


def _silence(suspension: Suspension) -> str:
    closing = suspension.closing
    assert closing is not None  # see ended
    if closing.how is Close.APPROVED:
        return ": nobody decided in time, which this flow takes for a yes"
    if closing.how is Close.EXPIRED:
        return f": nobody {'resumed it' if suspension.kind is Kind.HOLD else 'decided'} in time"
    return ""
