"""A flow made ready to run: its steps compiled, in a tree, with what each of them can bring to be read.

A *plan path* is the path of a step run without the indexes of items and rounds: ``each.ask`` is the plan of
``each[3].ask``. Everything here is worked out once for each definition and never changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from types import MappingProxyType

from pydantic import TypeAdapter

from flows.definition import Approval, Callback, Flow, Hold, Step
from flows.expressions import CompiledValue, Expression, Template
from flows.ports import Json
from flows.run import Kind, Path, Suspension

_INDEX = re.compile(r"\[\d+\]")
_LAST_INDEX = re.compile(r"\[(\d+)\]$")
_SENDS_LINKS = frozenset({"slack.request_approval", "gmail.request_approval", "mail.request_approval"})

HANDLERS = ("on_open", "on_timeout", "on_reject", "on_error")
"""Blocks of a step that are no part of what it holds: they run beside its wait, or after it."""

PREFETCHED = 8
"""Steps whose rows a transition reads for the action that it asks for. A Python function may ask for all steps before
it; in a long flow each transition would read them all, inside the write transaction."""


class Shape(Enum):
    """What kind of step it is."""

    LEAF = "leaf"
    BRANCH = "branch"
    SWITCH = "switch"
    LOOP = "loop"
    PARALLEL = "parallel"
    REPEAT = "repeat"
    CHILD = "child"


@dataclass(frozen=True, slots=True)
class Reads:
    """What some expressions name, by plan path: outputs of steps, answers of waits, items of loops."""

    outputs: frozenset[Path] = frozenset()
    answers: frozenset[Path] = frozenset()
    items: frozenset[Path] = frozenset()

    def __or__(self, other: Reads) -> Reads:
        if other is NOTHING_READ or other == self:
            return self
        if self is NOTHING_READ:
            return other
        return Reads(self.outputs | other.outputs, self.answers | other.answers, self.items | other.items)


NOTHING_READ = Reads()


@dataclass(frozen=True)
class Block:
    """Steps that run one after the other: those of a flow, a branch, a loop's body, a handler.

    ``owner`` is the plan path of the step that holds them, None for the run itself.
    """

    owner: Path | None
    name: str
    steps: tuple[StepPlan, ...]

    @property
    def first(self) -> StepPlan:
        return self.steps[0]

    @property
    def last(self) -> StepPlan:
        return self.steps[-1]


@dataclass(frozen=True)
class Scope:
    """One flow within a plan: the flow itself, or a child flow that a step runs.

    ``path`` is the plan path of that step, None for the flow itself. ``outputs`` are compiled within it.
    """

    path: Path | None
    flow: Flow
    outputs: CompiledValue | None
    output_reads: Reads
    answered: tuple[Path, ...]
    """What the shorthands mean to the outputs."""


@dataclass(frozen=True)
class StepPlan:
    """One step, compiled.

    ``condition_reads`` is for ``if``, ``holding_reads`` for what a step that holds others evaluates when it begins,
    ``turning_reads`` when a round, item or branch ends, ``opening_reads`` for what is rendered when its wait opens,
    ``params_reads`` for ``with``, ``performing_reads`` for that and for what a Python function may ask for by the
    names of its parameters; ``reads_run`` is whether any of them names ``run``. ``answered`` are the waits that the
    shorthands may stand for, the nearest first: the first of them that has opened is meant. ``loops`` are the plan
    paths of the loops around it, the innermost last.
    """

    step: Step
    path: Path
    shape: Shape
    owner: Path | None
    block: str
    index: int
    scope: Scope
    loops: tuple[Path, ...]
    answered: tuple[Path, ...]
    blocks: Mapping[str, Block]
    condition: Expression | None
    params: CompiledValue
    ask: Template | None
    show: tuple[tuple[str, CompiledValue], ...]
    handles: tuple[Template, ...]
    channels: tuple[Template, ...]
    delay: Template | None
    defaults: CompiledValue | None
    texts: CompiledValue | None
    switch: Expression | None
    items: Expression | CompiledValue | tuple[int | Expression, int | Expression] | None
    until: Expression | None
    output: CompiledValue | None
    condition_reads: Reads
    holding_reads: Reads
    turning_reads: Reads
    turning_answered: tuple[Path, ...]
    """What the shorthands mean to what is evaluated when a round, item or branch ends."""
    opening_reads: Reads
    params_reads: Reads
    performing_reads: Reads
    reads_run: bool
    passed: frozenset[str] = frozenset()
    """Inputs of a child flow into which a secret is passed as it is."""
    mixed: tuple[str, ...] = ()
    """Those for which a secret is put together with something else, which cannot be."""
    more_handles: bool = False
    """Whether a step that may come later asks people too."""

    @property
    def suspending(self) -> Approval | Hold | Callback | None:
        return self.step.suspending

    @cached_property
    def reserves(self) -> bool:
        """Whether it has its suspension's number before its wait opens: its action may give links away."""
        return self.step.run is not None or self.announces

    @cached_property
    def announces(self) -> bool:
        """Whether its wait opens before its action, which sends the links."""
        return self.step.suspends and (
            self.step.uses in _SENDS_LINKS or any(name[0] == "links" for name in self.params.names)
        )

    @cached_property
    def prefetches(self) -> bool:
        """Whether the transaction that asks for the action reads what it takes along, so that it can begin at once."""
        return len(self.performing_reads.outputs) <= PREFETCHED and not self.gathers

    @cached_property
    def gathers(self) -> bool:
        """Whether its action reads what a loop came to, which is many rows."""
        return self._gathers

    _gathers: bool = False

    @property
    def prefetched(self) -> Reads:
        return self.performing_reads if self.prefetches else NOTHING_READ

    @cached_property
    def reads(self) -> Reads:
        """All that any of its expressions reads."""
        return self.condition_reads | self.holding_reads | self.turning_reads | self.opening_reads | self.params_reads

    @cached_property
    def static_handles(self) -> bool:
        """Whether the approvers can be worked out before the run starts: from its inputs alone."""
        return (
            self.scope.path is None
            and bool(self.handles)
            and all(name[0] in ("inputs", "run") for template in self.handles for name in template.names)
        )

    @cached_property
    def static_condition(self) -> bool:
        return self.condition is None or all(name[0] in ("inputs", "run") for name in self.condition.names)


@dataclass(frozen=True)
class Plan:
    """A flow with everything about it that does not change from run to run."""

    flow: Flow
    children: Mapping[str, Flow]
    blocks: Mapping[str, Block]
    """The run's own: its steps under the empty name, ``on_error``, ``finally``."""
    steps: tuple[StepPlan, ...]
    """Every step at any depth, each before those inside it."""
    scopes: Mapping[Path | None, Scope]
    digest: bytes
    """The definition's content hash."""
    _event_reads: dict[Path, Reads] = field(default_factory=dict, repr=False, compare=False)
    _entering: dict[Path, Reads] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, flow: Flow, children: Mapping[str, Flow] = MappingProxyType({})) -> Plan:
        """Compile. ``children`` are the flows that ``flow:`` steps name, at any depth. Raises ``KeyError`` for one
        that is missing, and ``RecursionError`` where they hold one another."""
        from flows.planning import Compiler, used  # not above: it is made of what stands here

        within = used(flow, children)
        compiler = Compiler(within)
        root = compiler.flow(flow)
        return cls(flow, within, root, tuple(compiler.steps), compiler.scopes, flow.content_hash(within))

    @classmethod
    def from_canonical(cls, body: str) -> Plan:
        """The plan of a stored definition."""
        return cls.of(*Flow.from_canonical(body))

    def canonical(self) -> str:
        """What is stored: the flow with its child flows."""
        return self.flow.canonical(self.children)

    @cached_property
    def _by_path(self) -> dict[Path, StepPlan]:
        return {plan.path: plan for plan in self.steps}

    @cached_property
    def has_secrets(self) -> bool:
        """Whether a run of it may have secrets: among its inputs, or in somebody's answer."""
        flows = [scope.flow for scope in self.scopes.values()]
        forms = [step.step.wait.form for step in self.steps if step.step.wait is not None]
        return any(each.masked for fields in (*(flow.inputs for flow in flows), *forms) for each in fields)

    @cached_property
    def takes_early(self) -> bool:
        """Whether any approval of it takes decisions that were given before it opened."""
        return any(step.step.approval is not None and step.step.approval.pre_approval == "allow" for step in self.steps)

    @cached_property
    def root(self) -> Block:
        return self.blocks[""]

    def at(self, path: Path) -> StepPlan:
        """The step of the step run at ``path``; ``KeyError`` where the definition has none."""
        return self._by_path[bare(path)]

    def scope_of(self, path: Path) -> Scope:
        return self.at(path).scope

    def block_of(self, plan: StepPlan) -> Block:
        """The block in which a step stands."""
        return self.blocks[plan.block] if plan.owner is None else self._by_path[plan.owner].blocks[plan.block]

    def next(self, plan: StepPlan) -> StepPlan | None:
        """The step that follows in the same block, or None at its end."""
        steps = self.block_of(plan).steps
        return steps[plan.index + 1] if plan.index + 1 < len(steps) else None

    def inner(self, plan: StepPlan) -> list[StepPlan]:
        """Every step inside this one, handlers included, each before those inside it."""
        found: list[StepPlan] = []
        stack = [step for block in reversed(list(plan.blocks.values())) for step in reversed(block.steps)]
        while stack:
            step = stack.pop()
            found.append(step)
            stack.extend(one for block in reversed(list(step.blocks.values())) for one in reversed(block.steps))
        return found

    # -- what an event can bring to be read -----------------------------------------------------------------------

    def event_reads(self, path: Path) -> Reads:
        """All that an event of the step at ``path`` can bring to be rendered in its transition."""
        plan = self.at(path)
        found = self._event_reads.get(plan.path)
        if found is None:
            found = plan.opening_reads | self._ended(plan)
            for block in plan.blocks.values():
                found |= self.entering(block.first)
            if plan.owner is not None:
                found |= self._by_path[plan.owner].turning_reads
            if plan.shape is not Shape.LEAF:
                found |= plan.turning_reads
            self._event_reads[plan.path] = found
        return found

    @cached_property
    def ending_reads(self) -> Reads:
        """What the steps that run when a run ends may read."""
        return self._scope_end(self.scopes[None], self.blocks)

    def entering(self, plan: StepPlan) -> Reads:
        """What may be read in going to a step: past those whose condition is false, and into those inside."""
        found = self._entering.get(plan.path)
        if found is None:
            found = plan.condition_reads | plan.holding_reads
            if plan.shape is Shape.LEAF:
                if plan.announces or not plan.step.action:
                    found |= plan.opening_reads
                found |= plan.prefetched
                if "on_open" in plan.blocks:
                    found |= self.entering(plan.blocks["on_open"].first)
            else:
                for name, block in plan.blocks.items():
                    if name not in HANDLERS:
                        found |= self.entering(block.first)
            if plan.condition is not None or plan.shape is not Shape.LEAF:
                after = self.next(plan)
                if after is not None:
                    found |= self.entering(after)
            self._entering[plan.path] = found
        return found

    def _ended(self, plan: StepPlan) -> Reads:
        """What may be read when a step has ended, in whatever way: what comes next, at each level above."""
        found = NOTHING_READ
        at: StepPlan | None = plan
        while at is not None:
            after = self.next(at)
            if after is not None:
                found |= self.entering(after)
            # A step with steps of its own for a failure may be at any level.
            for name in ("on_error", "on_reject", "on_timeout"):
                if name in at.blocks:
                    found |= self.entering(at.blocks[name].first)
            if at.owner is None:
                break
            owner = self._by_path[at.owner]
            found |= owner.turning_reads
            if owner.shape in (Shape.LOOP, Shape.REPEAT):
                found |= self.entering(owner.blocks[""].first)
            if owner.shape is Shape.CHILD:
                found |= self._scope_end(self.scopes[owner.path], owner.blocks)
            at = owner
        return found | self._scope_end(self.scopes[None], self.blocks)

    def _scope_end(self, scope: Scope, blocks: Mapping[str, Block]) -> Reads:
        found = scope.output_reads
        for name in ("on_error" if scope.path is None else "flow_on_error", "finally"):
            if name in blocks:
                found |= self.entering(blocks[name].first)
        return found


_SPEC: TypeAdapter[Step] = TypeAdapter(Step)


def wait_of(plan: StepPlan, suspension: Suspension) -> Approval | Hold | Callback | None:
    """The definition of a suspension's wait: the step's own, or one that its function made. None for delays."""
    if suspension.kind not in (Kind.APPROVAL, Kind.HOLD, Kind.CALLBACK):
        return None
    step = plan.step if suspension.spec is None else made(suspension.spec)
    return step.approval or step.hold or step.callback


def made(spec: Mapping[str, Json]) -> Step:
    """A wait that a function made, ``{"approval": {...}}``, as that of a step. Raises pydantic's ``ValidationError``."""
    return _SPEC.validate_python({"id": "made", **spec})


def bare(path: Path) -> Path:
    """The plan path of a step run's path."""
    return _INDEX.sub("", path) if "[" in path else path


def prefix(plan: StepPlan, path: Path) -> Path:
    """What stands before the step's own id in the path of its step run."""
    return path[: len(path) - len(plan.step.id)]


def above(plan: StepPlan, path: Path) -> tuple[Path, int | None]:
    """The path of the step run that holds this one (empty: the run itself), and the item or round it is in."""
    rest = path[: -len(plan.step.id) - 1]
    if plan.block:
        rest = rest[: -len(plan.block) - 1]
    match = _LAST_INDEX.search(rest) if rest.endswith("]") and plan.block == "" else None
    return (rest, None) if match is None else (rest[: match.start()], int(match[1]))


def ancestors(plans: Plan, path: Path) -> Iterator[Path]:
    """The paths of the step runs around this one, the nearest first."""
    plan = plans.at(path)
    while plan.owner is not None:
        path, _ = above(plan, path)
        yield path
        plan = plans.at(path)


def inside(path: Path, block: Block, index: int | None = None) -> Path:
    """What stands before the ids of a block's steps, for the step run at ``path`` that holds it."""
    place = path if index is None else f"{path}[{index}]"
    if block.name:
        place = f"{place}.{block.name}" if place else block.name
    return f"{place}." if place else ""


def bind(target: Path, loops: Sequence[Path], path: Path) -> Path | None:
    """The step run that is meant by a plan path, seen from the one at ``path``: the same item, the same round.

    ``loops`` are those around the target. None where the target is in a loop that ``path`` is not in.
    """
    if not loops:
        return target
    innermost = loops[-1]
    depth = innermost.count(".") + 1
    parts = path.split(".")
    if len(parts) < depth:
        return None
    head = parts[:depth]
    if _INDEX.sub("", ".".join(head)) != innermost or not head[-1].endswith("]"):
        return None
    return ".".join(head) + target[len(innermost) :]


def indexes(path: Path) -> dict[Path, tuple[Path, int]]:
    """The loops around the step run at ``path``: plan path of each -> its step run's path, and the index."""
    found: dict[Path, tuple[Path, int]] = {}
    if "[" not in path:
        return found
    for match in _INDEX.finditer(path):
        run = path[: match.start()]
        found[_INDEX.sub("", run)] = (run, int(match[0][1:-1]))
    return found
