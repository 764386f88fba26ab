"""How an approval stands, in words for the page: what it takes, who is waited for, what has become of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.web.moments import from_now, in_words, zone_named
from flows.definition import Approval, Choice, Wait
from flows.people import Person
from flows.rules import Seat, Tree
from flows.run import Close, Decision, Kind, Verdict
from flows.views import RunView, SuspensionView

SAID = {Verdict.APPROVE: "approved", Verdict.REJECT: "rejected", Verdict.RESUME: "resumed"}

_NAMED = 10
"""People who are named in a sentence; of more, the rest is counted."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant for a ``time`` element."""

    iso: str
    words: str
    from_now: str


class Moments:
    """Instants as a reader sees them now, in their own zone. ``zone`` is its name."""

    def __init__(self, reader: Person, now: datetime) -> None:
        self._zone = zone_named(reader.tz)
        self._now = now
        self.zone = self._zone.key if isinstance(self._zone, ZoneInfo) else "UTC"

    def __call__(self, instant: datetime) -> Moment:
        return Moment(instant.isoformat(), in_words(instant, self._zone), from_now(instant, self._now))

    def passed(self, instant: datetime | None) -> bool:
        return instant is not None and self._now >= instant


# -- what it takes --------------------------------------------------------------------------------------------


def progress(view: SuspensionView) -> str:
    """How many have said yes, and how many more it takes."""
    wait = view.wait
    if not isinstance(wait, Approval):
        return "Any one of those who were asked can resume it."
    needed, approvals, missing = view.suspension.needed, view.approvals, view.missing if view.open else 0
    terms = view.suspension.terms
    if wait.options:
        yes = [one.option for one in view.standing.values() if one.verdict is Verdict.APPROVE]
        counted = ", ".join(f"{option.title}: {yes.count(option.name)}" for option in wait.options)
        more = f"at least {missing} more needed for the same choice"
    elif terms is not None and terms.quorum is not None:
        counted = _many(approvals, "approval")
        more = f"at least {missing} more needed"
    else:
        counted = f"{approvals} of {_many(needed, 'approval')}"
        more = f"{missing} more needed"
    parts = [counted, more] if missing else [counted]
    if wait.reject_after > 1:
        no = sum(one.verdict is Verdict.REJECT for one in view.standing.values())
        parts.append(f"{no} of {wait.reject_after} rejections")
    return "; ".join(parts)


def rule(view: SuspensionView) -> str | None:
    """A nested quorum, as ``all of (Ann, 2 of @hr)``; None where it is a plain number."""
    terms = view.suspension.terms
    return _rule(view, terms.quorum) if terms is not None and terms.quorum is not None else None


def risk(view: SuspensionView) -> str | None:
    """``High``; None where the flow does not say how much is at stake."""
    wait = view.wait
    return wait.risk.capitalize() if isinstance(wait, Wait) and wait.risk is not None else None


def waiting_for(view: SuspensionView) -> list[str]:
    """Those whose answer would bring it nearer, where these are not simply all who were asked."""
    approvers = view.suspension.approvers
    seats = view.waiting_for if view.open and isinstance(view.wait, Approval) else ()
    return [] if seats == (*approvers.people, *approvers.groups) else named(view, seats)


def may_veto(view: SuspensionView) -> list[str]:
    """Those whose single rejection is enough."""
    return named(view, view.suspension.terms.veto) if view.suspension.terms is not None else []


def named(view: SuspensionView, seats: Iterable[Seat]) -> list[str]:
    """People by their names, groups by their handles."""
    return [seat if isinstance(seat, str) else view.person(seat).name for seat in seats]


def _rule(view: SuspensionView, tree: Tree) -> str:
    items = [_rule(view, one) if isinstance(one, Tree) else named(view, [one])[0] for one in tree.of]
    if not items:
        return "nobody who may decide"
    if len(items) == 1:
        return items[0] if tree.at_least == 1 else f"{tree.at_least} of {items[0]}"
    # A seat of its own for each is what "all" means; of people and groups beside each other, any may fill any seat.
    everyone = tree.at_least == len(items) and all(isinstance(one, Tree) for one in tree.of)
    many = "all" if everyone else "one" if tree.at_least == 1 else str(tree.at_least)
    return f"{many} of ({', '.join(items)})"


# -- what has become of it ------------------------------------------------------------------------------------


def state(view: SuspensionView, moment: Moments) -> str:
    """What has become of it, in a sentence or two."""
    closing, hold = view.suspension.closing, view.suspension.kind is Kind.HOLD
    if closing is None:
        if moment.passed(view.suspension.due):
            return "The deadline has passed, so this can no longer be decided."
        return "This waits to be resumed." if hold else "This waits for a decision."
    at = moment(closing.at).words
    # It may have been acted on later: while the bot is down a deadline passes all the same.
    due = moment(view.suspension.due or closing.at).words
    by = f" by {listed([view.person(person).name for person in closing.by])}" if closing.by else ""
    match closing.how:
        case Close.APPROVED if not closing.by:
            return f"Approved because the deadline passed on {due}, as the flow has it."
        case Close.APPROVED:
            return f"Approved{by} on {at}{_for(view.options, closing.option)}."
        case Close.REJECTED:
            return f"Rejected{by} on {at}."
        case Close.RESUMED:
            return f"Resumed{by} on {at}."
        case Close.CANCELLED:
            return f"Cancelled{by} on {at}. There is nothing to decide any more."
        case Close.SUPERSEDED:
            return f"A newer run took its place on {at}. There is nothing to decide here any more."
        case Close.DROPPED:
            became = "was not resumed" if hold else "was not approved"
            return f"Dropped{by} on {at}: the run went on without it, and this {became}. The reason: {closing.reason}"
        case _:
            return f"The deadline passed on {due} before it was decided."


def paused(view: SuspensionView | RunView, *, decidable: bool) -> str | None:
    """That somebody has halted the run, and what that means for who decides now; None where nobody has."""
    halted = view.run.paused
    if halted is None or view.run.ending is not None:
        return None
    counts = "Your answer counts all the same; nothing" if decidable else "Nothing"
    return f"The run is paused by {view.person(halted.by).name}. {counts} starts until it goes on."


def own(view: SuspensionView, mine: Decision | None, moment: Moments, *, changeable: bool) -> str | None:
    """What the reader themselves have said."""
    if mine is None:
        return None
    unseen = " in advance, without having seen it" if mine.unseen else ""
    said = f"You {SAID[mine.verdict]} this{unseen} on {moment(mine.at).words}{_for(view.options, mine.option)}."
    return f"{said} As long as it is open, you may change your answer or take it back." if changeable else said


def choice(options: Sequence[Choice], name: str | None) -> str | None:
    """What a chosen option is called."""
    return next((option.title for option in options if option.name == name), name)


def listed(names: Sequence[str]) -> str:
    """``Ann``, ``Ann and Bob``, ``Ann, Bob and 3 more``."""
    if len(names) > _NAMED:
        names = [*names[:_NAMED], f"{len(names) - _NAMED} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _for(options: Sequence[Choice], name: str | None) -> str:
    return f": {choice(options, name)}" if name is not None else ""


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"
