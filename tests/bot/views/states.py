"""What is drawn: people, requests and runs as the engine hands them to the views, all at one noon, and the largest ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from bot.slack.reference import Reference
from bot.slack.views.form_inputs import fits_modal
from bot.slack.views.modal import Origin
from flows.definition import Approval, Flow, Hold, Step
from flows.delegation import Delegation
from flows.ids import Ids
from flows.people import Person
from flows.plan import Plan
from flows.rules import Terms, Tree
from flows.run import (
    Approvers,
    Clocks,
    Close,
    Closing,
    Decision,
    Door,
    Ending,
    Kind,
    Later,
    Outcome,
    Paused,
    Question,
    Run,
    StepRun,
    StepState,
    Suspension,
    Verdict,
)
from flows.views import ParkedEffect, RunView, SuspensionView

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
IDS = Ids(b"0123456789abcdef", "https://signoff.example.com")
PAGE = "https://signoff.example.com/a/abc"
CARD = "https://acme.slack.com/archives/C00000001/p1767618000000001"
LONGEST_CARD = f"https://{'a' * 21}.enterprise.slack.com/archives/C{'0' * 10}/p1767618000000001"
DIGEST = bytes(range(32))

ANN = Person(1, "Ann Archer", "ann@example.com", "T00000001/UANN00001", "Europe/Berlin")
BOB = Person(2, "Bob Baker", "bob@example.com", "T00000001/UBOB00002", "America/New_York")
CAT = Person(3, "Cat Carter", "cat@example.com")
DAN = Person(4, "Dan Dyer", "dan@example.com", "T00000001/UDAN00004")
EVE = Person(5, "Eve Ellis", "eve@example.com", "T00000001/UEVE00005")
PEOPLE = {person.id: person for person in (ANN, BOB, CAT, DAN, EVE)}
GROUPS = {"@hr-leads": "SHRLEADS1"}

INPUTS: list[dict[str, Any]] = [
    {"name": "version", "type": "string", "label": "Version"},
    {"name": "changes", "type": "string", "label": "What changes", "multiline": True},
    {"name": "key", "type": "secret", "label": "Deploy key", "required": False},
]
GIVEN = {
    "version": "1.4.0",
    "changes": "Faster search & <b>bold</b> claims.\nFixes the time zone.",
    "key": {"$secret": "key"},
}
FORM: list[dict[str, Any]] = [
    {"name": "window", "type": "select", "label": "When", "options": ["tonight", {"value": "tomorrow", "label": "Tomorrow"}]},
    {"name": "note", "type": "string", "label": "Note", "required": False, "multiline": True, "description": "For the log."},
]  # fmt: skip


def approval(**more: Any) -> Approval:
    """An approval that takes two."""
    given = {"ask": "Release 1.4.0 to production?", "approvers": ("bob@example.com", "cat@example.com", "@hr-leads")}
    return Approval(**{**given, "quorum": 2, **more})


def a_request(
    wait: Approval | Hold | None = None,
    *,
    decisions: tuple[Decision, ...] = (),
    ending: Ending | None = None,
    paused: Paused | None = None,
    run: int = 7,
    **changes: Any,
) -> SuspensionView:
    """A request to release, open since noon, with two days to go; ``changes`` are of its suspension."""
    wait = approval() if wait is None else wait
    step = Step(id="gate", title="Go live", **{"hold" if isinstance(wait, Hold) else "approval": wait})
    flow = Flow(flow="release", title="Release", inputs=INPUTS, steps=[step, Step(id="ship", uses="log")])
    suspension = Suspension(
        n=1,
        path="gate",
        kind=Kind.HOLD if isinstance(wait, Hold) else Kind.APPROVAL,
        opened_at=NOON,
        due=NOON + timedelta(days=2),
        ask=wait.ask,
        show={"Tests": "512 green, 0 red"},
        approvers=Approvers(people=(BOB.id, CAT.id), groups=("@hr-leads",)),
        needed=1 if isinstance(wait, Hold) else 2,
        digest=DIGEST,
    )
    of = Run(run, "release", ANN.id, GIVEN, started_at=NOON, ending=ending, paused=paused)
    return SuspensionView(Plan.of(flow), of, replace(suspension, **changes), decisions, PEOPLE)


def said(
    person: Person, verdict: Verdict, comment: str | None = None, *, option: str | None = None, **values: Any
) -> Decision:
    """What somebody has said, an hour after noon, in Slack."""
    return Decision(1, person.id, verdict, LATER, Door.SLACK, person.id, comment, values, option=option)


def closed(how: Close, *by: Person, reason: str | None = None, option: str | None = None) -> Closing:
    """How it was closed, an hour after noon."""
    return Closing(how, LATER, tuple(person.id for person in by), reason, option)


def a_run(*waits: SuspensionView, ending: Ending | None = None, **changes: Any) -> RunView:
    """A run with these waits; ``changes`` are of the view."""
    waits = waits or (a_request(),)
    first = waits[0]
    state = StepState.SUSPENDED if first.open else StepState.SUCCEEDED
    steps: Mapping[str, StepRun] = {"gate": StepRun("gate", state)}
    view = RunView(first.plan, replace(first.run, ending=ending), steps, waits, PEOPLE)
    return replace(view, **changes)


def ended(outcome: Outcome, *by: Person, reason: str | None = None) -> Ending:
    """How a run ended, an hour after noon."""
    return Ending(outcome, LATER, reason, tuple(person.id for person in by))


def origin(view: SuspensionView, option: str | None = None) -> Origin:
    """A click on the card of a request."""
    return Origin(Reference.to(view), "C00000001", "1767618000.000001", option)


def a_question(person: Person, text: str, *, answer: str | None = None, place: int = 1) -> Question:
    """What somebody wants to know of Ann first, and what she says."""
    if answer is None:
        return Question(1, place, person.id, LATER, text)
    return Question(1, place, person.id, LATER, text, answer, ANN.id, LATER + timedelta(minutes=5))


def a_delegation(person: Person, delegate: Person, flows: tuple[str, ...] = (), id_: int = 1) -> Delegation:
    """Somebody is away for two weeks from noon's midnight on."""
    midnight = NOON.replace(hour=0)
    return Delegation(id_, person.id, delegate.id, midnight, midnight + timedelta(days=14), flows, person.id, NOON)


def escalates(*people: Person, group: str = "@hr-leads") -> Clocks:
    """It has escalated once, and would once more."""
    first = Later(LATER, Approvers(tuple(person.id for person in people)))
    second = Later(NOON + timedelta(days=1), Approvers((), (group,)))
    return Clocks(escalated=1, reminded=1, later=(first, second))


# -- the largest ------------------------------------------------------------------------------------------------


@cache
def largest_request(
    letter: str, *, closed: bool = False, value: int = 700, described: int = 2_000, labelled: int = 150, count: int = 90
) -> SuspensionView:
    """More of everything than any flow can have. ``value`` is the length of an input: 90 of 700 characters are about
    what one form may hold (64 KiB), and short ones fill every corner. ``described`` is the length of what stands under
    each of the form's fields, ``labelled`` of what stands above; ``count``
    is how many there are."""
    people = {n: Person(n, letter * 300, None, None) for n in range(1, 61)}
    label = letter * (labelled if value > 100 else value)
    fields: list[dict[str, Any]] = [
        {
            "name": f"field_{n}",
            "type": "string",
            "max_length": 20_000,
            "label": label,
            "description": letter * described,
        }
        for n in range(count)
    ]
    wait = Approval(
        approvers=("bob@example.com",),
        ask=letter * 10_000,
        form=fields,
        form_on="both",
        reason="both",
        risk="high",
        remind={"first": "1h", "every": "1h", "up_to": 50},
        working_hours={"zone": "America/Argentina/ComodRivadavia"},
        questions="stop_clock",
        thread_replies="count",
        escalate=[{"after": f"{n}h", "to": ["bob@example.com"]} for n in range(1, 12)],
        reject_after=40,
        options=[{"name": f"o{n}", "label": letter * 75} for n in range(23)],
    )
    values = {f"field_{n}": letter * value for n in range(count)}
    step = Step(id="gate", title=letter * 150, approval=wait)
    flow = Flow(flow="release", title=letter * 150, description=letter * 10_000, inputs=fields, steps=[step])
    shown = 40 if value > 100 else 200
    verdicts = (Verdict.APPROVE, Verdict.REJECT)
    suspension = Suspension(
        n=1,
        path="gate",
        kind=Kind.APPROVAL,
        opened_at=NOON,
        due=NOON + timedelta(days=2),
        ask=letter * 60_000,
        show={f"{letter * value}{n}": letter * (12_000 if value > 100 else value) for n in range(shown)},
        approvers=Approvers(tuple(people), tuple(letter * 80 for _ in range(50)), ((letter * 300, letter * 300),) * 50),
        needed=60,
        digest=DIGEST,
        terms=Terms(Tree(60, tuple(people)), (*people, *(letter * 80 for _ in range(50)))),
        clocks=Clocks(
            escalated=10,
            snoozed={n: NOON + timedelta(days=1) for n in people},
            later=tuple(Later(NOON, Approvers(tuple(people), (letter * 80,) * 50)) for _ in range(11)),
        ),
        closing=Closing(Close.REJECTED, NOON, tuple(people), letter * 3_000, "o1") if closed else None,
    )
    decisions = tuple(
        replace(said(people[n], verdicts[n % 2], letter * (value * 4), option="o1", **values), unseen=True)
        for n in range(1, 61)
    )
    run = Run(7, "release", 1, values, started_at=NOON, paused=Paused(1, NOON), resubmits=6)
    return SuspensionView(
        Plan.of(flow),
        run,
        suspension,
        decisions,
        people,
        questions=tuple(
            Question(1, n, n, NOON, letter * 3_000, *((letter * 3_000, 1, NOON) if n % 2 else (None, None, None)))
            for n in range(1, 31)
        ),
        delegations=tuple(Delegation(n, n, n + 1, NOON, NOON + timedelta(days=9), made_by=n) for n in range(1, 60)),
        resubmitted=8 if closed else None,
    )


@cache
def largest_form(letter: str) -> SuspensionView:
    """The same with as much to say of each field as a modal has room for; what has more is filled in on the page."""
    sizes = (2_000, 1_000, 500, 200, 50, 10)
    found = (largest_request(letter, described=size, labelled=min(size, 150), count=88) for size in sizes)
    return next(view for view in found if fits_modal(view.request.form, view.suspension.defaults))


@cache
def largest_run(letter: str) -> RunView:
    """A failed run with as many of these as are read at once, fifty parked effects, and a long tale of what went wrong."""
    waits = tuple(
        replace(one, suspension=replace(one.suspension, n=n))
        for n in range(1, 21)
        for one in (largest_request(letter),)
    )
    ending = Ending(Outcome.FAILED, NOON, letter * 20_000, tuple(range(1, 61)))
    return RunView(
        waits[0].plan,
        replace(waits[0].run, ending=ending),
        {"gate": StepRun("gate", StepState.FAILED, error=letter * 20_000)},
        waits,
        waits[0].people,
        (ParkedEffect(1, 7, letter * 300, "gate", letter * 3_000, 1, NOON, NOON),) * 50,
    )
