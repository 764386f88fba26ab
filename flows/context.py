"""What an expression can read: ``inputs``, ``run``, ``steps.<id>``, and the shorthands of the nearest wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.ids import Ids
from flows.people import Person, PersonId
from flows.plan import Plan, StepPlan
from flows.ports import Json
from flows.run import Answer, Close, Decision, Path, Run, StepRun, Verdict

Context = Mapping[str, Any]


def _by_name(person: Person) -> str:
    return person.name


@dataclass(frozen=True, slots=True)
class Approver:
    """A person who answered, as flows see them. Prints as ``says`` has it: by name, in Slack as a mention."""

    name: str
    email: str | None
    slack_id: str | None
    at: str
    door: str
    comment: str | None
    text: str = field(compare=False, repr=False)

    expression_fields = frozenset({"name", "email", "slack_id", "at", "door", "comment"})

    def __str__(self) -> str:
        return self.text

    def as_json(self) -> Json:
        return {name: getattr(self, name) for name in ("name", "email", "slack_id", "at", "door", "comment")}


@dataclass(frozen=True, slots=True)
class Someone:
    """A person who has not answered anything here: the requester."""

    name: str
    email: str | None
    slack_id: str | None
    text: str = field(compare=False, repr=False)

    expression_fields = frozenset({"name", "email", "slack_id"})

    def __str__(self) -> str:
        return self.text

    def as_json(self) -> Json:
        return {"name": self.name, "email": self.email, "slack_id": self.slack_id}


@dataclass(frozen=True, slots=True)
class Known:
    """Rows that were loaded for some expressions: step runs by path, answers by path, and the people in them."""

    run: Run
    steps: Mapping[Path, StepRun]
    answers: Mapping[Path, Answer]
    people: Mapping[PersonId, Person]


@dataclass(frozen=True, slots=True)
class Brief:
    """Everything that performing a step's action takes. ``secrets`` of the run are by name, and still sealed."""

    plan: Plan
    step: StepPlan
    known: Known
    secrets: Mapping[str, bytes]


def context(plan: StepPlan, known: Known, ids: Ids, *, says: Callable[[Person], str] = _by_name) -> Context:
    """The values for the expressions of one step. ``says`` decides how a person prints.

    Steps that have not run, or never will, read as null; whatever an expression may name is there, and whatever
    was loaded besides (for a Python function: all steps before it).
    """
    run = known.run
    steps = {
        path: _step(known.steps.get(path), known.answers.get(path), known.people, says)
        for path in plan.reads.outputs | plan.reads.answers | known.steps.keys()
    }
    nearest = steps.get(plan.answered) if plan.answered else None
    return {
        "inputs": run.inputs,
        "run": _run(run, known, ids, says) if plan.reads_run else {},
        "steps": steps,
        "approvers": nearest["approvers"] if nearest else [],
        "resume": nearest["form"] if nearest else None,
        "resumes": [decision["form"] for decision in nearest["decisions"]] if nearest else [],
    }


def _run(run: Run, known: Known, ids: Ids, says: Callable[[Person], str]) -> dict[str, Any]:
    return {
        "id": ids.run(run.id),
        "url": ids.run_url(run.id),
        "flow": run.flow,
        "requester": _someone(run.requester, known.people, says),
    }


def _someone(person: PersonId, people: Mapping[PersonId, Person], says: Callable[[Person], str]) -> Someone:
    who = people.get(person) or Person(person, "somebody")
    return Someone(who.name, who.email, _slack_id(who), says(who))


def _step(
    step: StepRun | None, answer: Answer | None, people: Mapping[PersonId, Person], says: Callable[[Person], str]
) -> dict[str, Any]:
    decisions = sorted(answer.decisions, key=lambda decision: decision.place) if answer else []
    closing = answer.suspension.closing if answer else None
    persons = {decision.person: _approver(decision, people, says) for decision in decisions}
    yes = [decision for decision in decisions if decision.verdict is not Verdict.REJECT]
    last = decisions[-1] if decisions else None
    return {
        "output": step.output if step else None,
        "approved": closing.how in (Close.APPROVED, Close.RESUMED) if closing else None,
        "approvers": [persons[decision.person] for decision in yes],
        "decisions": [
            {
                "person": persons[decision.person],
                "verdict": decision.verdict.value,
                "comment": decision.comment,
                "form": dict(decision.values),
                "at": decision.at.isoformat(),
                "door": decision.door.value,
            }
            for decision in decisions
        ],
        "form": dict(yes[-1].values) if yes else None,
        "comment": last.comment if last else None,
        "timed_out": answer is not None and closing is not None and _timed_out(answer),
        "resumed": {"by": persons[last.person], "at": last.at.isoformat()}
        if last and last.verdict is Verdict.RESUME
        else None,
    }


def _timed_out(answer: Answer) -> bool:
    closing = answer.suspension.closing
    # `on_timeout: approve` closes as approved, by nobody.
    return closing is not None and (closing.how is Close.EXPIRED or (closing.how is Close.APPROVED and not closing.by))


def _approver(decision: Decision, people: Mapping[PersonId, Person], says: Callable[[Person], str]) -> Approver:
    who = people.get(decision.person) or Person(decision.person, "somebody")
    return Approver(
        who.name, who.email, _slack_id(who), decision.at.isoformat(), decision.door.value, decision.comment, says(who)
    )


def _slack_id(person: Person) -> str | None:
    """``U...`` alone: what Slack's methods take."""
    return person.slack.rpartition("/")[2] if person.slack else None
