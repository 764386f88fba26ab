"""How a wait opens: what is rendered when it does, and who is told where. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from flows.context import Context
from flows.definition import Approval, Callback, Hold, SlackPlace, Wait
from flows.durations import parse_duration
from flows.effects import Effect, SendMail, SyncCard
from flows.expressions import ExpressionError
from flows.forms import check_defaults, rendered_texts
from flows.handles import normalise
from flows.people import Person, PersonId
from flows.plan import StepPlan
from flows.quorum import Seats
from flows.run import Approvers, Kind, Path, Suspension

MAX_HANDLES = 1_000
"""Approvers whom one wait may ask; each is looked up, and told."""


def suspension(
    plan: StepPlan,
    wait: Approval | Hold | Callback,
    values: Context,
    seats: Seats | None,
    *,
    path: Path,
    n: int,
    round_: int,
    now: datetime,
    made: bool,
) -> Suspension:
    """The suspension of a step that waits, rendered, without its digest.

    ``made``: by the step's function, so that nothing of it is a template. ``seats`` is None where a machine is waited
    for. Raises ``ExpressionError``, and ``InvalidForm`` where a rendered default is no value of its field.
    """
    form = wait.form if isinstance(wait, Wait) else ()
    defaults = plan.defaults.render(values) if plan.defaults is not None and not made else {}
    check_defaults(form, defaults)
    texts = plan.texts.render(values) if plan.texts is not None and not made else {}
    return Suspension(
        n=n,
        path=path,
        kind=_KINDS[type(wait)],
        opened_at=now,
        due=now + wait.timeout,
        round=round_,
        ask=wait.ask if made or plan.ask is None else line(plan.ask.render(values)),
        show=dict(wait.show) if made else {label: value.render(values) for label, value in plan.show},
        defaults=defaults,
        approvers=seats.approvers if seats is not None else Approvers(),
        needed=seats.needed if seats is not None else 0,
        terms=seats.terms if seats is not None else None,
        texts=rendered_texts(texts),
    )


_KINDS = {Approval: Kind.APPROVAL, Hold: Kind.HOLD, Callback: Kind.CALLBACK}


def messages(
    plan: StepPlan,
    wait: Approval | Hold | Callback,
    values: Context,
    opened: Suspension,
    seats: Seats,
    people: Mapping[PersonId, Person],
) -> list[Effect]:
    """Who is told where: a card for each channel of ``via``, and a card or a mail for each person."""
    told: list[Effect] = []
    if not isinstance(wait, Wait) or wait.via == "none" or (wait.via is None and plan.announces):
        return told
    made = opened.spec is not None
    channels = iter(
        [place.slack for place in wait.via or () if isinstance(place, SlackPlace)]
        if made
        else [line(template.render(values)) for template in plan.channels]
    )
    for place in wait.via or (None,):
        if isinstance(place, SlackPlace):
            told.append(SyncCard(opened.path, opened.round, opened.n, channel=next(channels), team=place.team))
        else:
            for person in seats.asked:
                told.extend(_told(opened, person, people.get(person), place))
    return told


def to_people(
    plan: StepPlan,
    wait: Approval | Hold,
    suspension: Suspension,
    asked: Iterable[PersonId],
    people: Mapping[PersonId, Person],
) -> list[Effect]:
    """How people are told who are asked later than the others: as ``via`` says, or where they can be reached where it
    names channels alone."""
    if wait.via == "none" or (wait.via is None and plan.announces):
        return []
    named: list[str | None] = [place for place in wait.via or () if isinstance(place, str)]
    places = named or [None]
    return [
        effect
        for place in places
        for person in asked
        for effect in _told(suspension, person, people.get(person), place)
    ]


def _told(opened: Suspension, person: PersonId, who: Person | None, place: str | None) -> Iterator[Effect]:
    """How one person is told: by ``place``, or without one where they can be reached."""
    if place == "slack" or (place is None and who is not None and who.slack is not None):
        yield SyncCard(opened.path, opened.round, opened.n, person=person)
    elif place in ("mail", "gmail") or (who is not None and who.email is not None):
        yield SendMail(opened.path, opened.round, opened.n, person)


def handles(plan: StepPlan, values: Context) -> dict[str, tuple[str, ...]]:
    """The handles of a wait's people: as the flow wrote each, and what it came to: one handle or several.

    Raises ``InvalidHandle`` where one is none, and ``ExpressionError`` where they are more than ``MAX_HANDLES``.
    """
    return _rendered({template.source: template.render(values) for template in plan.handles})


def made_handles(wait: Approval | Hold | Callback) -> dict[str, tuple[str, ...]]:
    """The same for a wait that a function made, in which nothing is a template."""
    named = wait.handles if isinstance(wait, Approval) else wait.by if isinstance(wait, Hold) else ()
    return _rendered({handle: handle for handle in named})


def flat(rendered: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """All handles, each once."""
    return tuple(dict.fromkeys(handle for several in rendered.values() for handle in several))


def _rendered(values: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    found = {
        source: tuple(dict.fromkeys(map(normalise, value if isinstance(value, list | tuple) else [value])))
        for source, value in values.items()
    }
    if len(flat(found)) > MAX_HANDLES:
        raise ExpressionError(f"approvers: these are more than {MAX_HANDLES:,}; ask a group, or fewer people")
    return found


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
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ExpressionError(f"delay: {text[:40]!r} is beyond the times that can be waited for") from None


def line(value: object) -> str:
    """A rendered template as text."""
    return value if isinstance(value, str) else str(value)
