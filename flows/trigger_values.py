"""What the templates of a trigger read: ``schedule``, ``request``, ``event``. Pure.

Each key is always there, null (``approvers``: empty) where it says nothing, so that one template may serve several
events. A secret is null too: what one flow was trusted with is not handed to another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flows.context import Approver, Someone
from flows.definition import Flow
from flows.effects import On
from flows.ids import Ids
from flows.people import Person, PersonId
from flows.ports import Json
from flows.run import SECRET, Decision, Run, Suspension, Verdict

SCHEDULE = ("at",)
REQUEST = ("body", "headers", "query")
RUN = ("id", "url", "requester")
PERSON = ("name", "email", "slack_id")
EVENT = (
    "on",
    "flow",
    "run",
    "inputs",
    "at",
    "step",
    "kind",
    "ask",
    "show",
    "due",
    "outcome",
    "reason",
    "approvers",
    "option",
    "form",
    "outputs",
)

Values = Mapping[str, Any]


def schedule_values(planned: datetime, zone: ZoneInfo) -> Values:
    """``schedule.at``: the planned time in the trigger's own zone, also where the run starts later."""
    return {"schedule": {"at": planned.astimezone(zone).isoformat()}}


def request_values(body: Json, headers: Mapping[str, str], query: Mapping[str, str]) -> Values:
    """``request.body``, ``request.headers`` (names in small letters), ``request.query``."""
    return {"request": {"body": body, "headers": dict(headers), "query": dict(query)}}


def waiting_values(flow: Flow, run: Run, suspension: Suspension, people: Mapping[PersonId, Person], ids: Ids) -> Values:
    """``event``, where a run of ``flow`` has begun to wait."""
    return _event("waiting", flow, run, people, ids, at=suspension.opened_at.isoformat(), **_wait(suspension))


def decided_values(
    flow: Flow,
    run: Run,
    suspension: Suspension,
    decisions: Iterable[Decision],
    people: Mapping[PersonId, Person],
    ids: Ids,
) -> Values:
    """``event``, where people have decided a wait. ``form`` is what the last of those who made it so filled in."""
    closing = suspension.closing
    assert closing is not None  # only what is closed was decided
    settled = _settled(suspension, decisions)
    reasons = [one.comment for one in settled if one.comment]
    return _event(
        "decided",
        flow,
        run,
        people,
        ids,
        at=closing.at.isoformat(),
        outcome=closing.how.value,
        reason=closing.reason or (reasons[-1] if reasons else None),
        approvers=[_approver(one, people) for one in settled if one.verdict is not Verdict.REJECT],
        option=closing.option,
        form=_open(settled[-1].values) if settled and settled[-1].verdict is not Verdict.REJECT else None,
        **_wait(suspension),
    )


def ended_values(
    flow: Flow,
    run: Run,
    waits: Iterable[tuple[Suspension, Iterable[Decision]]],
    people: Mapping[PersonId, Person],
    ids: Ids,
) -> Values:
    """``event``, where a run has ended. ``approvers`` are those of all its ``waits``, ``outputs`` there where it succeeded."""
    ending = run.ending
    assert ending is not None  # only what has ended ends
    yes = {
        one.person: one
        for suspension, decisions in waits
        for one in _settled(suspension, decisions)
        if one.verdict is not Verdict.REJECT
    }
    return _event(
        "ended",
        flow,
        run,
        people,
        ids,
        at=ending.at.isoformat(),
        outcome=ending.outcome.value,
        reason=ending.reason,
        approvers=[_approver(one, people) for one in yes.values()],
        outputs=dict(run.outputs),
    )


def _event(on: On, flow: Flow, run: Run, people: Mapping[PersonId, Person], ids: Ids, **known: Json) -> Values:
    secrets = {field.name for field in flow.inputs if field.masked}
    event: dict[str, Any] = {
        **dict.fromkeys(EVENT),
        "on": on,
        "flow": run.flow,
        "run": {"id": ids.run(run.id), "url": ids.run_url(run.id), "requester": _someone(run.requester, people)},
        "approvers": [],
        "inputs": {name: None if name in secrets else value for name, value in run.inputs.items()},
        **known,
    }
    return {"event": event}


def _settled(suspension: Suspension, decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions that closed it, in the order in which they were made."""
    by = suspension.closing.by if suspension.closing else ()
    return sorted((one for one in decisions if one.person in by), key=lambda one: one.place)


def _wait(suspension: Suspension) -> dict[str, Json]:
    return {
        "step": suspension.path,
        "kind": suspension.kind.value,
        "ask": suspension.ask,
        "show": dict(suspension.show),
        "due": suspension.due.isoformat() if suspension.due else None,
    }


def _open(values: Mapping[str, Json]) -> dict[str, Json]:
    """A form's values without its secrets, of which only references are stored."""
    return {
        name: None if isinstance(value, Mapping) and set(value) == {SECRET} else value for name, value in values.items()
    }


def _approver(decision: Decision, people: Mapping[PersonId, Person]) -> Approver:
    who = _someone(decision.human, people)
    at, door = decision.at.isoformat(), decision.door.value
    principal = None if decision.by is None else _someone(decision.person, people)
    text = who.name if principal is None else f"{who.name} (for {principal.name})"
    return Approver(who.name, who.email, who.slack_id, at, door, decision.comment, text, principal)


def _someone(person: PersonId, people: Mapping[PersonId, Person]) -> Someone:
    who = people.get(person) or Person(person, "somebody")
    return Someone(who.name, who.email, who.slack.rpartition("/")[2] if who.slack else None, who.name)
