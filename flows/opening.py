"""How a wait opens: what is rendered when it does, and who is told where. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from flows.context import Context
from flows.definition import Approval, SlackPlace
from flows.durations import parse_duration
from flows.effects import Effect, SendMail, SyncCard
from flows.expressions import ExpressionError
from flows.forms import check_defaults
from flows.handles import normalise
from flows.people import Person, PersonId
from flows.plan import StepPlan
from flows.quorum import Seats
from flows.run import Kind, Suspension

MAX_HANDLES = 1_000
"""Approvers whom one wait may ask; each is looked up, and told."""


def suspension(plan: StepPlan, values: Context, seats: Seats, *, n: int, round_: int, now: datetime) -> Suspension:
    """The suspension of a step that waits for people, rendered, without its digest.

    Raises ``ExpressionError``, and ``InvalidForm`` where a rendered default is no value of its field.
    """
    wait = plan.step.wait
    assert wait is not None  # only steps with a wait come here
    defaults = plan.defaults.render(values) if plan.defaults is not None else {}
    check_defaults(wait.form, defaults)
    return Suspension(
        n=n,
        path=plan.path,
        kind=Kind.APPROVAL if isinstance(wait, Approval) else Kind.HOLD,
        opened_at=now,
        due=now + wait.timeout,
        round=round_,
        ask=line(plan.ask.render(values) if plan.ask else ""),
        show={label: value.render(values) for label, value in plan.show},
        defaults=defaults,
        approvers=seats.approvers,
        needed=seats.needed,
    )


def messages(
    plan: StepPlan, values: Context, opened: Suspension, seats: Seats, people: Mapping[PersonId, Person]
) -> list[Effect]:
    """Who is told where: a card for each channel of ``via``, and a card or a mail for each person."""
    wait = plan.step.wait
    assert wait is not None  # only steps with a wait come here
    channels = iter([line(template.render(values)) for template in plan.channels])
    told: list[Effect] = []
    for place in wait.via or (None,):
        if isinstance(place, SlackPlace):
            told.append(SyncCard(opened.path, opened.round, opened.n, channel=next(channels)))
        else:
            for person in seats.asked:
                told.extend(_told(opened, person, people.get(person), place))
    return told


def _told(opened: Suspension, person: PersonId, who: Person | None, place: str | None) -> Iterator[Effect]:
    """How one person is told: by ``place``, or without one where they can be reached."""
    if place == "slack" or (place is None and who is not None and who.slack is not None):
        yield SyncCard(opened.path, opened.round, opened.n, person=person)
    elif place == "gmail" or (who is not None and who.email is not None):
        yield SendMail(opened.path, opened.round, opened.n, person)


def handles(plan: StepPlan, values: Context) -> tuple[str, ...]:
    """The approvers' handles as rendered: a template may give one handle or a list of them.

    Raises ``InvalidHandle`` where one is none, and ``ExpressionError`` where they are more than ``MAX_HANDLES``.
    """
    found: dict[str, None] = {}
    for template in plan.handles:
        value = template.render(values)
        found.update(dict.fromkeys(map(normalise, value if isinstance(value, list | tuple) else [value])))
        if len(found) > MAX_HANDLES:
            raise ExpressionError(f"approvers: these are more than {MAX_HANDLES:,}; ask a group, or fewer people")
    return tuple(found)


def until(value: object, now: datetime) -> datetime:
    """When a delay ends: a duration from now, or an instant with its zone. Raises ``ExpressionError``."""
    text = value if isinstance(value, str) else str(value)
    try:
        return now + parse_duration(text)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ExpressionError(f"delay: {text[:40]!r} is neither a duration like 10m nor an instant") from None
    if instant.tzinfo is None:
        raise ExpressionError(f"delay: {text[:40]!r} needs a zone, like 2026-12-24T08:00:00+01:00")
    return instant.astimezone(UTC)


def line(value: object) -> str:
    """A rendered template as text."""
    return value if isinstance(value, str) else str(value)
