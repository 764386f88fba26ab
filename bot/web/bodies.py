"""From what the engine knows to what the API says. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from bot.web import models
from flows import people, run, views
from flows.definition import Approval, Flow, Hold
from flows.delegation import Delegation
from flows.forms import Field, check_defaults, json_schema_of, mask
from flows.ids import Ids
from flows.plan import bare
from flows.ports import Json
from flows.views import ParkedEffect, RunView, SuspensionView


def flow_body(flow: Flow) -> models.Flow:
    return models.Flow(
        flow=flow.flow,
        title=flow.name,
        description=flow.description,
        inputs=_fields(flow.inputs, {}),
        inputs_schema=json_schema_of(flow.inputs),
    )


def run_body(view: RunView, ids: Ids) -> models.Run:
    ending, paused = view.run.ending, view.run.paused
    return models.Run.model_validate(
        {
            "id": ids.run(view.run.id),
            "flow": view.plan.flow.flow,
            "flow_title": view.plan.flow.name,
            "status": view.status,
            "requester": person_body(view.person(view.run.requester), ids),
            "inputs": _plain(mask(view.plan.flow.inputs, view.run.inputs)),
            "outputs": _plain(view.run.outputs),
            "started_at": view.run.started_at,
            "resubmits": None if view.run.resubmits is None else ids.run(view.run.resubmits),
            "resubmitted": None if view.resubmitted is None else ids.run(view.resubmitted),
            "paused": models.Paused(by=person_body(view.person(paused.by), ids), at=paused.at) if paused else None,
            "queued": view.run.status is run.Status.QUEUED,
            "steps": [_step(step) for step in _in_order(view)],
            "suspensions": [_suspension(one, ids) for one in view.suspensions if one.open],
            "answered": [_suspension(one, ids) for one in view.suspensions if not one.open],
            "cut": view.cut,
            "outcome": ending.outcome if ending else None,
            "ended": models.Ended(
                outcome=ending.outcome,
                at=ending.at,
                reason=ending.reason,
                by=[person_body(view.person(person), ids) for person in ending.by],
            )
            if ending
            else None,
            "effects": [effect_body(effect, ids) for effect in view.troubled],
        }
    )


LISTED_TEXT = 500
"""Characters of a text in a list, and of the JSON of a list or mapping there."""


def _in_order(view: RunView) -> list[run.StepRun]:
    """The step runs as they stand in the tree: in the order of the flow, those of a loop item by item."""
    places = {step.path: place for place, step in enumerate(view.plan.steps)}

    def key(step: run.StepRun) -> list[tuple[int, int]]:
        parts = step.path.split(".")
        found: list[tuple[int, int]] = []
        place = -1
        for depth in range(len(parts), 0, -1):
            level = ".".join(parts[:depth])
            # The name of a block, like ``then``, is no step: it stands where the step in it does.
            place = places.get(bare(level), place)
            found.append((place, _index(level)))
        return found[::-1]

    return sorted(view.steps.values(), key=key)


def _index(path: str) -> int:
    """The item or round that the last part of a path says, -1 where it says none."""
    _, bracket, index = path.rpartition("[")
    return int(index[:-1]) if bracket and path.endswith("]") else -1


def run_status(row: run.Run) -> models.RunStatus:
    """``running``, ``waiting``, ``paused``, ``queued``, or the outcome."""
    return cast("models.RunStatus", row.ending.outcome.value if row.ending else row.status.value)


def approval_body(view: SuspensionView, ids: Ids) -> models.Approval:
    """An approval or a hold; not for other waits, of which nobody is asked anything."""
    return _approval(view, ids, _Whole())


def listed_approval_body(view: SuspensionView, ids: Ids) -> models.Approval:
    """The same as an item of a list: what is long is shortened before it is copied."""
    return _approval(view, ids, _Shortened())


def _approval(view: SuspensionView, ids: Ids, given: _Whole) -> models.Approval:
    request, suspension, wait = view.request, view.suspension, view.wait
    assert isinstance(wait, Approval | Hold)
    approval = wait if isinstance(wait, Approval) else None
    defaults = given.values(check_defaults(request.form, request.defaults))
    return models.Approval.model_validate(
        {
            **_in_common(view, ids, given),
            "run": ids.run(view.run.id),
            "flow": view.plan.flow.flow,
            "flow_title": request.flow,
            "step": suspension.path,
            "step_title": request.step,
            "digest": suspension.digest.hex(),
            "requester": person_body(view.requester, ids),
            "inputs": given.values(request.inputs),
            "show": given.values(request.show),
            "form": _fields(request.form, defaults),
            "form_schema": json_schema_of(request.form),
            "form_on": approval.form_on if approval else "approve",
            "options": [models.Option(name=one.name, label=one.title) for one in view.options],
            "reason": approval.reason if approval else "never",
            "pre_approval": approval.pre_approval if approval else "refuse",
            "approvers": [person_body(view.person(person), ids) for person in suspension.approvers.people],
            "groups": list(suspension.approvers.groups),
            "gaps": [models.Gap(handle=handle, reason=reason) for handle, reason in suspension.approvers.gaps],
            "missing": view.missing,
            "waiting_for": _waiting_for(view, ids) if view.open else None,
            "reject_after": approval.reject_after if approval else 0,
            "questions": [_question(view, question, ids, given) for question in view.questions],
            "shortened": given.shortened,
        }
    )


def _waiting_for(view: SuspensionView, ids: Ids) -> models.WaitingFor:
    seats = view.waiting_for
    return models.WaitingFor(
        people=[person_body(view.person(seat), ids) for seat in seats if not isinstance(seat, str)],
        groups=[seat for seat in seats if isinstance(seat, str)],
    )


def effect_body(effect: ParkedEffect, ids: Ids) -> models.Effect:
    return models.Effect(
        id=ids.effect(effect.id),
        run=ids.run(effect.run),
        what=effect.what,
        step=effect.path,
        error=effect.error,
        deliveries=effect.deliveries,
        parked_at=effect.parked_at,
        due=effect.due,
    )


def status_of(suspension: run.Suspension) -> str:
    """``pending``, or how it was closed."""
    return suspension.closing.how.value if suspension.closing else "pending"


def _in_common(view: SuspensionView, ids: Ids, given: _Whole) -> dict[str, object]:
    suspension = view.suspension
    return {
        "id": ids.suspension(view.run.id, suspension.n),
        "kind": suspension.kind,
        "status": status_of(suspension),
        "ask": given.text(suspension.ask),
        "opened_at": suspension.opened_at,
        "due": suspension.due,
        "needed": suspension.needed,
        "approvals": view.approvals,
        "decisions": [_decision(view, decision, ids, given) for decision in view.decisions],
        "closed": _closed(view, ids),
    }


def _suspension(view: SuspensionView, ids: Ids) -> models.Suspension:
    return models.Suspension.model_validate({**_in_common(view, ids, _Whole()), "step": view.suspension.path})


def _closed(view: SuspensionView, ids: Ids) -> models.Closed | None:
    closing = view.suspension.closing
    if closing is None:
        return None
    return models.Closed(
        how=closing.how,
        at=closing.at,
        by=[person_body(view.person(one), ids) for one in closing.by],
        reason=closing.reason,
        option=closing.option,
    )


def _decision(view: views.SuspensionView, decision: run.Decision, ids: Ids, given: _Whole) -> models.Decision:
    return models.Decision(
        person=person_body(view.person(decision.person), ids),
        by=None if decision.by is None else person_body(view.person(decision.by), ids),
        verdict=cast("models.Given", decision.verdict.value),
        at=decision.at,
        door=decision.door,
        comment=None if decision.comment is None else given.text(decision.comment),
        form=given.values(mask(view.request.form, decision.values)),
        option=decision.option,
        digest=decision.digest.hex() if decision.digest is not None else None,
        unseen=decision.unseen,
    )


def _question(view: SuspensionView, question: run.Question, ids: Ids, given: _Whole) -> models.Question:
    return models.Question(
        person=person_body(view.person(question.person), ids),
        at=question.at,
        text=given.text(question.text),
        answer=None if question.answer is None else given.text(question.answer),
        answered_by=None if question.answered_by is None else person_body(view.person(question.answered_by), ids),
        answered_at=question.answered_at,
    )


def delegation_body(
    delegation: Delegation, persons: Mapping[people.PersonId, people.Person], ids: Ids
) -> models.Delegation:
    """``persons`` are those whom it names."""
    return models.Delegation(
        id=ids.delegation(delegation.id),
        person=person_body(persons[delegation.person], ids),
        delegate=person_body(persons[delegation.delegate], ids),
        starts=delegation.starts,
        ends=delegation.ends,
        flows=list(delegation.flows),
        made_by=person_body(persons[delegation.made_by], ids),
    )


def person_body(person: people.Person, ids: Ids) -> models.Person:
    return models.Person(id=ids.person(person.id), name=person.name, email=person.email, slack=person.slack)


def _step(step: run.StepRun) -> models.StepRun:
    inside = step.inside
    return models.StepRun(
        path=step.path,
        state=step.state,
        round=step.round,
        attempt=step.attempt,
        output=_plain(step.output),
        error=step.error,
        inside=models.Inside(total=inside.total, begun=inside.next, active=inside.active) if inside else None,
    )


def _fields(fields: Sequence[Field], rendered: Mapping[str, Json]) -> list[dict[str, Json]]:
    """The fields as a flow file has them; a default that is a template is given as what it came to."""
    described = []
    for field in fields:
        body = field.model_dump(mode="json", exclude_none=True)
        if field.templated:
            body.pop("default")
            if rendered.get(field.name) is not None:
                body["default"] = rendered[field.name]
        described.append(body)
    return described


def _plain(value: Json) -> Json:
    """A copy without the engine's read-only mappings, which pydantic takes for no JSON."""
    return json.loads(json.dumps(value, default=dict))


class _Whole:
    """What people wrote and what flows computed, as it is."""

    shortened = False

    def text(self, text: str) -> str:
        return text

    def values(self, values: Mapping[str, Json]) -> dict[str, Json]:
        return {name: _plain(value) for name, value in values.items()}


class _Shortened(_Whole):
    """The same, with ``LISTED_TEXT`` characters of each."""

    def text(self, text: str) -> str:
        if len(text) <= LISTED_TEXT:
            return text
        self.shortened = True
        return text[: LISTED_TEXT - 1] + "…"

    def values(self, values: Mapping[str, Json]) -> dict[str, Json]:
        return {name: self._value(value) for name, value in values.items()}

    def _value(self, value: Json) -> Json:
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        if len(json.dumps(value, default=dict, ensure_ascii=False)) <= LISTED_TEXT:
            return _plain(value)
        self.shortened = True
        return None
