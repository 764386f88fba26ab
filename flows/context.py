"""What an expression can read: ``inputs``, ``run``, ``steps.<id>``, and the shorthands of the nearest wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.ids import Ids
from flows.people import Person, PersonId
from flows.plan import Plan, Reads, Shape, StepPlan, above, bind, indexes
from flows.ports import Json
from flows.run import Answer, Callback, Close, Decision, Path, Row, Run, StepRun, StepState, Stop, Verdict

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
    on_behalf_of: Someone | None = None
    """For whom they answered, who had handed their approvals over."""

    expression_fields = frozenset({"name", "email", "slack_id", "at", "door", "comment", "on_behalf_of"})

    def __str__(self) -> str:
        return self.text

    def as_json(self) -> Json:
        said = {name: getattr(self, name) for name in ("name", "email", "slack_id", "at", "door", "comment")}
        return {**said, "on_behalf_of": self.on_behalf_of.as_json() if self.on_behalf_of else None}


@dataclass(frozen=True, slots=True)
class Someone:
    """A person who has not answered anything here themselves: the requester, or for whom somebody else has."""

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
class Known(Row):
    """Rows that were loaded for some expressions: step runs by path, answers by path, and the people in them.

    ``items`` are those of loops, by the path of the loop's step run and the index. ``gathered`` are the loops whose
    items' outputs are among ``steps``, all of them. ``woken`` is the request that woke this round of the step.
    ``looked`` are the paths of which the row was looked for, so that one which is not there has not run, ``asked``
    those of which the answer was; None where everything was.
    """

    run: Run
    steps: Mapping[Path, StepRun]
    answers: Mapping[Path, Answer]
    people: Mapping[PersonId, Person]
    items: Mapping[Path, Mapping[int, Json]] = field(default_factory=dict)
    gathered: frozenset[Path] = frozenset()
    woken: Callback | None = None
    looked: frozenset[Path] | None = None
    asked: frozenset[Path] | None = None


@dataclass(frozen=True, slots=True)
class Brief:
    """Everything that performing a step's action takes: of the step run at ``path``, in this ``round``.

    ``secrets`` of the run are by name, and still sealed. ``suspension`` is the number that its wait has or will have.
    """

    plan: Plan
    step: StepPlan
    known: Known
    secrets: Mapping[str, bytes]
    path: Path

    @property
    def row(self) -> StepRun:
        return self.known.steps[self.path]


class Wanted(Exception):
    """Rows that only few transitions need, and this one does: what a loop's items came to, what is open below a path,
    or what ``reads`` names, seen from the step run at ``path``.

    Never leaves the store: it reads them, in the same transaction, and asks the machine again.
    """

    def __init__(
        self,
        *,
        outputs: Path | None = None,
        opened: Path | None = None,
        path: Path | None = None,
        reads: Reads | None = None,
    ) -> None:
        self.outputs = outputs
        self.opened = opened
        self.path = path
        self.reads = reads
        super().__init__(outputs, opened, path, reads)


def context(
    plans: Plan,
    plan: StepPlan,
    path: Path,
    known: Known,
    ids: Ids,
    *,
    says: Callable[[Person], str] = _by_name,
    reads: Reads | None = None,
    answered: tuple[Path, ...] | None = None,
) -> Context:
    """The values for the expressions of the step run at ``path``. ``says`` decides how a person prints.

    Steps that have not run, or never will, read as null; whatever an expression may name is there, and whatever
    was loaded besides (for a Python function: all steps before it). Raises ``Wanted`` where rows that are read were
    not looked for.
    """
    run = known.run
    reads = plan.reads if reads is None else reads
    if lacks(plans, path, known, reads):
        raise Wanted(path=path, reads=reads)
    steps = {
        plans.at(target).step.id: _read(plans, target, path, target in reads.outputs, known, says)
        for target in reads.outputs | reads.answers
        if plans.at(target).scope is plan.scope
    }
    nearest = next(
        (
            steps[plans.at(target).step.id]
            for target in (plan.answered if answered is None else answered)
            if target in reads.answers and _bound(plans, target, path) in known.answers
        ),
        None,
    )
    values: dict[str, Any] = {
        "inputs": scope_inputs(plan, path, run, known.steps),
        "run": run_values(run, known, ids, says, _ending(plans, path, known)) if plan.reads_run else {},
        "steps": steps,
        "approvers": nearest["approvers"] if nearest else [],
        "resume": nearest["resume"] if nearest else None,
        "resumes": nearest["resumes"] if nearest else [],
    }
    if "[" in path or plan.shape in (Shape.LOOP, Shape.REPEAT):
        values |= _loops(path, known)
    if "on_error" in path:
        values["error"] = _error(plans, path, known)
    return values


def lacks(plans: Plan, path: Path, known: Known, reads: Reads) -> bool:
    """Whether something that ``reads`` names, seen from the step run at ``path``, was not looked for."""
    if known.looked is None or known.asked is None:
        return False
    for target in reads.outputs | reads.answers:
        bound = bind(target, plans.at(target).loops, path)
        if bound is None:
            continue
        if bound not in known.steps and bound not in known.looked:
            return True
        if target in reads.answers and bound not in known.answers and bound not in known.asked:
            return True
    return bool(reads.items) and any(
        target in reads.items and index not in known.items.get(run, ()) and plans.at(target).shape is Shape.LOOP
        for target, (run, index) in indexes(path).items()
    )


def _error(plans: Plan, path: Path, known: Known) -> dict[str, Json] | None:
    """What went wrong, for the steps that run because of it."""
    plan = plans.at(path)  # where an item or a round ends, that of its last step
    while plan.block not in ("on_error", "flow_on_error"):
        if plan.owner is None:
            return None
        path, _ = above(plan, path)
        plan = plans.at(path)
    if plan.owner is None:
        stop = known.run.stop
    else:
        holder = known.steps.get(above(plan, path)[0])
        stop = holder.inside.stop if holder is not None and holder.inside is not None else None
    return None if stop is None else {"step": stop.step, "message": stop.reason}


def scope_inputs(plan: StepPlan, path: Path, run: Run, steps: Mapping[Path, StepRun]) -> Mapping[str, Json]:
    """The inputs that a step reads: the run's, or those of the child flow that it stands in."""
    scope = plan.scope.path
    if scope is None:
        return run.inputs
    holder = steps.get(_cut(path, scope))
    return holder.context if holder is not None and holder.context is not None else {}


def _cut(path: Path, scope: Path) -> Path:
    """The path of the step run of ``scope``, a plan path above the step run at ``path``."""
    return ".".join(path.split(".")[: scope.count(".") + 1])


def _bound(plans: Plan, target: Path, path: Path) -> Path:
    return bind(target, plans.at(target).loops, path) or target


def _loops(path: Path, known: Known) -> dict[str, Any]:
    around = indexes(path)
    values: dict[str, Any] = {"loops": {}}
    for target, (run, index) in around.items():
        one: dict[str, Any] = {"index": index}
        if index in known.items.get(run, {}):
            one["item"] = values["item"] = known.items[run][index]
        values["index"] = index
        values["loops"][target.rpartition(".")[2]] = one
    return values


def _read(
    plans: Plan, target: Path, path: Path, output: bool, known: Known, says: Callable[[Person], str]
) -> dict[str, Any]:
    """What ``steps.<id>`` is, for the step of that plan path, seen from the step run at ``path``."""
    bound = _bound(plans, target, path)
    values = _step(known.steps.get(bound), known.answers.get(bound), known.people, says)
    if output:
        values["output"] = output_of(plans, bound, known)
    return values


def step_values(plans: Plan, path: Path, known: Known) -> dict[str, Any]:
    """All that ``steps.<id>`` means of the step run at ``path``, for whoever looks at a run from outside."""
    values = _step(known.steps.get(path), known.answers.get(path), known.people, _by_name)
    values["output"] = output_of(plans, path, known)
    return values


def output_of(plans: Plan, path: Path, known: Known) -> Json:
    """The output of the step run at ``path``; of one that holds others, what those inside came to.

    Raises ``Wanted`` where that takes rows of a loop which are not there.
    """
    plan, row = plans.at(path), known.steps.get(path)
    if row is None:
        return None
    if plan.shape is Shape.LEAF or plan.shape is Shape.CHILD:
        return row.output
    if plan.shape in (Shape.LOOP, Shape.REPEAT):
        if row.state is StepState.SKIPPED or row.inside is None:
            return row.output
        if not row.inside.next:
            return [] if plan.shape is Shape.LOOP else None
        if path not in known.gathered:
            raise Wanted(outputs=path)
        ran = (
            range(row.inside.next) if plan.shape is Shape.LOOP else range(max(0, row.inside.next - 1), row.inside.next)
        )
        outputs = [_turn(plans, plan, f"{path}[{index}]", known) for index in ran]
        return outputs if plan.shape is Shape.LOOP else (outputs[-1] if outputs else None)
    if plan.output is not None or row.inside is None:
        return row.output
    if plan.shape is Shape.PARALLEL:
        return {name: _last(plans, path, name, known) for name in plan.step.parallel}
    return _last(plans, path, row.inside.branch, known) if row.inside.branch else None


def _turn(plans: Plan, plan: StepPlan, place: Path, known: Known) -> Json:
    """The output of one item or round."""
    if plan.output is not None:
        row = known.steps.get(place)
        return row.output if row is not None else None
    return output_of(plans, f"{place}.{plan.blocks[''].last.step.id}", known)


def _last(plans: Plan, path: Path, block: str, known: Known) -> Json:
    return output_of(plans, f"{path}.{block}.{plans.at(path).blocks[block].last.step.id}", known)


def _ending(plans: Plan, path: Path, known: Known) -> Stop | None:
    """With what the flow ends in whose last steps this one stands: the run itself, or a child flow."""
    plan = plans.at(path)  # where an item or a round ends, that of its last step
    while plan.owner is not None:
        holder, _ = above(plan, path)
        owner = plans.at(holder)
        if owner.shape is Shape.CHILD and plan.block in ("finally", "flow_on_error"):
            row = known.steps.get(holder)
            return row.inside.stop if row is not None and row.inside is not None else None
        plan, path = owner, holder
    return known.run.stop


def run_values(run: Run, known: Known, ids: Ids, says: Callable[[Person], str], ending: Stop | None) -> dict[str, Any]:
    return {
        "id": ids.run(run.id),
        "url": ids.run_url(run.id),
        "flow": run.flow,
        "requester": _someone(run.requester, known.people, says),
        "outcome": ending.outcome.value if ending else None,
        "reason": ending.reason if ending else None,
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
    callback = dict(answer.callback.request) if answer and answer.callback else None
    forms = [_answered(decision) for decision in decisions]
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
                "option": decision.option,
                "unseen": decision.unseen,
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
        "dropped": closing is not None and closing.how is Close.DROPPED,
        "option": closing.option if closing else None,
        "callback": callback,
        "outcome": _OUTCOMES.get(step.state) if step else None,
        "resume": callback or (_answered(yes[-1]) if yes else None),
        "resumes": [callback] if callback else forms,
    }


def _answered(decision: Decision) -> dict[str, Json]:
    """What somebody answered, as ``resume`` has it: the form's values, and the option they chose."""
    return dict(decision.values) | ({} if decision.option is None else {"option": decision.option})


_OUTCOMES = {
    StepState.SUCCEEDED: "succeeded",
    StepState.REJECTED: "rejected",
    StepState.EXPIRED: "expired",
    StepState.CANCELLED: "cancelled",
    StepState.FAILED: "failed",
}


def _timed_out(answer: Answer) -> bool:
    closing = answer.suspension.closing
    # `on_timeout: approve` closes as approved, by nobody.
    return closing is not None and (closing.how is Close.EXPIRED or (closing.how is Close.APPROVED and not closing.by))


def _approver(decision: Decision, people: Mapping[PersonId, Person], says: Callable[[Person], str]) -> Approver:
    who = people.get(decision.human) or Person(decision.human, "somebody")
    principal = None if decision.by is None else _someone(decision.person, people, says)
    return Approver(
        who.name,
        who.email,
        _slack_id(who),
        decision.at.isoformat(),
        decision.door.value,
        decision.comment,
        says(who) if principal is None else f"{says(who)} (for {principal})",
        principal,
    )


def _slack_id(person: Person) -> str | None:
    """``U...`` alone: what Slack's methods take."""
    return person.slack.rpartition("/")[2] if person.slack else None
