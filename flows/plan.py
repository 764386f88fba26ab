"""What a definition compiles to: its templates, and which rows each step needs. Made once per definition.

A transition reads only the rows that its expressions name, so that it costs the same in a run of 3 steps and
of 300. Which ones these are is known when the flow is loaded; here is where it is worked out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from flows.definition import Approval, Flow, Hold, SlackPlace, Step, Wait
from flows.expressions import CompiledValue, Expression, Template, compile_value
from flows.forms import default_templates
from flows.run import Path

_ANSWERS = frozenset({"approved", "approvers", "decisions", "form", "comment", "timed_out", "resumed"})
_SHORTHANDS = frozenset({"approvers", "resume", "resumes"})


PREFETCHED = 8
"""Steps whose rows a transition reads for the action that it asks for. A Python function may ask for all steps before
it; in a long flow each transition would read them all, inside the write transaction."""


@dataclass(frozen=True, slots=True)
class Reads:
    """Which step runs' outputs, and which steps' answers, some expressions name."""

    outputs: frozenset[Path] = frozenset()
    answers: frozenset[Path] = frozenset()

    def __or__(self, other: Reads) -> Reads:
        return Reads(self.outputs | other.outputs, self.answers | other.answers)

    @property
    def nothing(self) -> bool:
        return not self.outputs and not self.answers


@dataclass(frozen=True)
class StepPlan:
    """One step, compiled.

    ``condition_reads`` is for ``if``, ``opening_reads`` for what is rendered when its wait opens,
    ``params_reads`` for ``with``, ``performing_reads`` for that and for what a Python function may ask for by the
    names of its parameters; ``reads_run`` is whether any of them names ``run``. ``answered`` is the nearest step before it whose wait people answer, which
    the shorthands stand for. ``event_reads`` is all that an event of this step can bring to be rendered.
    """

    step: Step
    index: int
    answered: Path | None
    condition: Expression | None
    params: CompiledValue
    ask: Template | None
    show: tuple[tuple[str, CompiledValue], ...]
    handles: tuple[Template, ...]
    channels: tuple[Template, ...]
    delay: Template | None
    defaults: CompiledValue | None
    condition_reads: Reads
    opening_reads: Reads
    params_reads: Reads
    performing_reads: Reads
    reads_run: bool
    event_reads: Reads = field(default_factory=Reads)
    more_handles: bool = False
    """Whether a later step asks people too."""

    @cached_property
    def path(self) -> Path:
        return self.step.id

    @property
    def prefetches(self) -> bool:
        """Whether the transaction that asks for the action reads what it takes along, so that it can begin at once."""
        return len(self.performing_reads.outputs) <= PREFETCHED

    @property
    def prefetched(self) -> Reads:
        return self.performing_reads if self.prefetches else Reads()

    @cached_property
    def reads(self) -> Reads:
        """All that any of its expressions reads."""
        return self.condition_reads | self.opening_reads | self.params_reads

    @cached_property
    def static_handles(self) -> bool:
        """Whether the approvers can be worked out before the run starts: from its inputs alone."""
        return bool(self.handles) and all(
            name[0] in ("inputs", "run") for template in self.handles for name in template.names
        )

    @cached_property
    def static_condition(self) -> bool:
        return self.condition is None or all(name[0] in ("inputs", "run") for name in self.condition.names)


@dataclass(frozen=True)
class Plan:
    """A flow with everything about it that does not change from run to run."""

    flow: Flow
    steps: tuple[StepPlan, ...]
    digest: bytes
    """The definition's content hash."""

    @classmethod
    def of(cls, flow: Flow) -> Plan:
        steps: list[StepPlan] = []
        answered: Path | None = None
        for index, step in enumerate(flow.steps):
            steps.append(_compile(step, index, answered, flow.steps[:index]))
            if step.wait is not None:
                answered = step.id
        # From the last step backwards: what a step can bring to be rendered includes what follows it, up to the
        # first step that certainly stops there, which is one without a condition.
        following = Reads()
        more_handles = False
        planned: list[StepPlan] = []
        for plan in reversed(steps):
            planned.append(replace(plan, event_reads=plan.opening_reads | following, more_handles=more_handles))
            more_handles = more_handles or bool(plan.handles)
            entering = plan.condition_reads | (plan.prefetched if plan.step.action else plan.opening_reads)
            following = entering | following if plan.condition is not None else entering
        return cls(flow, tuple(reversed(planned)), flow.content_hash())

    @cached_property
    def _by_path(self) -> dict[Path, StepPlan]:
        return {plan.path: plan for plan in self.steps}

    @cached_property
    def has_secrets(self) -> bool:
        """Whether a run of it may have secrets: among its inputs, or in somebody's answer."""
        forms = [step.step.wait.form for step in self.steps if step.step.wait is not None]
        return any(field.masked for fields in (self.flow.inputs, *forms) for field in fields)

    def at(self, path: Path) -> StepPlan:
        """The step at ``path``; ``KeyError`` where the definition has none."""
        return self._by_path[path]

    def after(self, path: Path) -> StepPlan | None:
        """The step that follows the one at ``path``, or None at the end."""
        index = self.at(path).index + 1
        return self.steps[index] if index < len(self.steps) else None


def _compile(step: Step, index: int, answered: Path | None, before: Sequence[Step]) -> StepPlan:
    wait = step.wait
    condition = Expression.compile(step.if_) if step.if_ else None
    params = compile_value(dict(step.with_))
    ask = Template.compile(wait.ask) if wait else None
    show = tuple((label, compile_value(value)) for label, value in wait.show.items()) if wait else ()
    handles = tuple(Template.compile(text) for text in _handles(wait))
    channels = tuple(
        Template.compile(place.slack) for place in (wait.via or () if wait else ()) if isinstance(place, SlackPlace)
    )
    delay = Template.compile(step.delay) if step.delay else None
    templates = default_templates(wait.form) if wait else {}
    defaults = compile_value(dict(templates)) if templates else None
    params_reads = _reads([params], answered)
    opening = [ask, delay, defaults, *handles, *channels, *(value for _, value in show)]
    return StepPlan(
        step=step,
        index=index,
        answered=answered,
        condition=condition,
        params=params,
        ask=ask,
        show=show,
        handles=handles,
        channels=channels,
        delay=delay,
        defaults=defaults,
        condition_reads=_reads([condition], answered),
        opening_reads=_reads(opening, answered),
        params_reads=params_reads,
        reads_run=step.run is not None
        or any(name[0] == "run" for part in (condition, params, *opening) if part is not None for name in part.names),
        performing_reads=params_reads | _everything(before) if step.run else params_reads,
    )


def _everything(before: Sequence[Step]) -> Reads:
    # Which of it the function asks for is not in the definition, and its parameters may change while a run waits.
    answers = frozenset(step.id for step in before if step.wait is not None)
    return Reads(frozenset(step.id for step in before), answers)


def _handles(wait: Wait | None) -> tuple[str, ...]:
    match wait:
        case Approval():
            return wait.approvers
        case Hold():
            return wait.by
        case _:
            return ()


def _reads(compiled: Iterable[Template | Expression | CompiledValue | None], answered: Path | None) -> Reads:
    outputs: set[Path] = set()
    answers: set[Path] = set()
    for part in compiled:
        for name in part.names if part is not None else ():
            if name[0] in _SHORTHANDS and answered is not None:
                answers.add(answered)
            elif name[0] == "steps" and len(name) > 1:
                wanted = name[2] if len(name) > 2 else None
                if wanted not in _ANSWERS:
                    outputs.add(name[1])
                if wanted is None or wanted in _ANSWERS:
                    answers.add(name[1])
    return Reads(frozenset(outputs), frozenset(answers))
