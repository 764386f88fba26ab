"""A flow made ready to run: its steps compiled, in a tree, with what each of them can bring to be read.

A *plan path* is the path of a step run without the indexes of items and rounds: ``each.ask`` is the plan of
``each[3].ask``. Everything here is worked out once for each definition and never changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from types import MappingProxyType

from pydantic import TypeAdapter

from flows.definition import Approval, Callback, Flow, Hold, Range, SlackPlace, Step, Wait
from flows.expressions import CompiledValue, Expression, Template, compile_value
from flows.forms import default_templates, text_templates
from flows.ports import Json
from flows.run import Kind, Path, Suspension

_ANSWERS = frozenset(
    {"approved", "approvers", "decisions", "form", "comment", "timed_out", "resumed", "dropped", "option", "callback"}
)
_SHORTHANDS = frozenset({"approvers", "resume", "resumes"})
_INDEX = re.compile(r"\[\d+\]")
_PATH_ALONE = re.compile(r"\s*\{\{-?\s*[A-Za-z_]\w*(\.\w+)*\s*-?\}\}\s*")
_LAST_INDEX = re.compile(r"\[(\d+)\]$")
_SENDS_LINKS = frozenset({"slack.request_approval", "gmail.request_approval", "mail.request_approval"})

HANDLERS = ("on_open", "on_timeout", "on_reject", "on_error")
"""Blocks of a step that are no part of what it holds: they run beside its wait, or after it."""

PREFETCHED = 8
"""Steps whose rows a transition reads for the action that it asks for. A Python function may ask for all steps before
it; in a long flow each transition would read them all, inside the write transaction."""

_MAX_CHILDREN = 50
"""Child flows within one another and beside one another in one plan; a cycle would have no end."""


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
        used = _used(flow, children)
        compiler = _Compiler(used)
        root = compiler.flow(flow)
        return cls(
            flow,
            used,
            root,
            tuple(compiler.steps),
            compiler.scopes,
            flow.content_hash(used),
        )

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


def _used(flow: Flow, children: Mapping[str, Flow]) -> dict[str, Flow]:
    """The child flows that a flow really has, at any depth, by name in order."""
    found: dict[str, Flow] = {}

    def visit(one: Flow, around: tuple[str, ...]) -> None:
        for step in one.every_step():
            if step.flow is None:
                continue
            if step.flow in around:
                raise RecursionError(" -> ".join([*around, step.flow]))
            found[step.flow] = children[step.flow]
            visit(children[step.flow], (*around, step.flow))

    visit(flow, (flow.flow,))
    return dict(sorted(found.items()))


class _Compiler:
    """Compiles a flow and its children into one tree."""

    def __init__(self, children: Mapping[str, Flow]) -> None:
        self._children = children
        self.steps: list[StepPlan] = []
        self.scopes: dict[Path | None, Scope] = {}

    def flow(self, flow: Flow) -> Mapping[str, Block]:
        return _Flow(self, flow, None, (), ()).blocks

    def child(self, name: str, path: Path, loops: tuple[Path, ...]) -> Mapping[str, Block]:
        if len(self.scopes) > _MAX_CHILDREN:
            raise RecursionError(f"more than {_MAX_CHILDREN} child flows in one flow")
        return _Flow(self, self._children[name], path, loops, ()).blocks

    def place(self) -> int:
        """Keeps a place for a step that is compiled after those inside it."""
        self.steps.append(None)  # type: ignore[arg-type]  # filled by `put`, before anybody looks
        return len(self.steps) - 1

    def put(self, place: int, plan: StepPlan) -> None:
        self.steps[place] = plan


@dataclass(frozen=True)
class _Where:
    """Where a block stands."""

    owner: Path | None
    name: str
    loops: tuple[Path, ...]
    before: str
    """What stands before the ids of its steps."""
    answered: tuple[Path, ...]
    """What the shorthands mean at its beginning."""
    visible: tuple[Path, ...]
    """Steps that certainly or possibly came before it."""


class _Flow:
    """Compiles one flow: names are looked up in it alone."""

    def __init__(
        self, compiler: _Compiler, flow: Flow, path: Path | None, loops: tuple[Path, ...], _answered: tuple[Path, ...]
    ) -> None:
        self._compiler = compiler
        self._flow = flow
        self._base = path
        self._ids: dict[str, Path] = {}
        self._loops_of: dict[Path, tuple[Path, ...]] = {}
        self._raw: dict[Path, Step] = {}
        for name, steps in flow.blocks.items():
            self._index(steps, self._start(name), loops)
        outputs = compile_value(dict(flow.outputs)) if flow.outputs else None
        self._order = {one: place for place, one in enumerate(self._raw)}
        last = self._nearest(flow.steps, len(flow.steps), self._start(""), ())
        self._scope = Scope(
            path,
            flow,
            outputs,
            self._reads([outputs], last, loops),
            last,
        )
        compiler.scopes[path] = self._scope
        everything = tuple(one for one in self._raw if len(self._loops_of[one]) == len(loops))
        self.blocks: Mapping[str, Block] = {
            self._named(name): self._block(
                steps,
                _Where(path, self._named(name), loops, self._start(name), (), () if name == "" else everything),
            )
            for name, steps in flow.blocks.items()
        }

    def _named(self, block: str) -> str:
        """A flow's block as it stands in paths: ``on_error`` of a child flow is not that of the step which runs it."""
        return f"flow_{block}" if block == "on_error" and self._base is not None else block

    def _start(self, block: str) -> str:
        """What stands before the ids of a flow's block."""
        return "".join(f"{part}." for part in (self._base, self._named(block)) if part)

    def _index(self, steps: Iterable[Step], before: str, loops: tuple[Path, ...]) -> None:
        for step in steps:
            path = f"{before}{step.id}"
            self._ids.setdefault(step.id, path)
            self._loops_of[path] = loops
            self._raw[path] = step
            loop = bool(step.for_each is not None or step.repeat)
            for name, inner in step.blocks.items():
                here = (*loops, path) if loop and name == "" else loops
                self._index(inner, f"{path}.{name}." if name else f"{path}.", here)

    def _block(self, steps: Sequence[Step], where: _Where) -> Block:
        made = []
        for index, step in enumerate(steps):
            answered = self._nearest(steps, index, where.before, where.answered)
            visible = [*where.visible]
            for earlier in steps[:index]:
                visible.extend(self._within(f"{where.before}{earlier.id}"))
            made.append(self._step(step, index, where, answered, tuple(visible)))
        return Block(where.owner, where.name, tuple(made))

    def _within(self, path: Path) -> list[Path]:
        """A step and those inside it that can be read after it: all that are in no further loop."""
        loops = self._loops_of[path]
        start = f"{path}."
        return [path, *(one for one in self._raw if one.startswith(start) and self._loops_of[one] == loops)]

    def _nearest(self, steps: Sequence[Step], index: int, before: str, otherwise: tuple[Path, ...]) -> tuple[Path, ...]:
        """The waits that the shorthands may stand for just before the step at ``index``, the nearest first."""
        found: list[Path] = []
        for step in reversed(steps[:index]):
            path = f"{before}{step.id}"
            if step.suspending is not None:
                return (*found, path)
            if step.run is not None:
                found.append(path)  # it may have suspended
            elif step.then or step.switch is not None:
                inner = [
                    one
                    for name, block in step.blocks.items()
                    if name not in HANDLERS
                    for one in self._nearest(block, len(block), f"{path}.{name}.", ())
                ]
                if any(self._raw[one].suspending is not None for one in inner):
                    return (*found, *inner)
                found.extend(inner)
            elif step.holds_steps and step.flow is None and self._holds_waits(step):
                return tuple(found)  # several at once: which one is meant has to be said
        return (*found, *otherwise)

    def _holds_waits(self, step: Step) -> bool:
        return any(
            inner.suspending is not None or self._holds_waits(inner)
            for name, block in step.blocks.items()
            if name not in HANDLERS
            for inner in block
        )

    def _step(
        self, step: Step, index: int, where: _Where, answered: tuple[Path, ...], visible: tuple[Path, ...]
    ) -> StepPlan:
        path = f"{where.before}{step.id}"
        place = self._compiler.place()
        shape = _shape(step)
        loops = where.loops
        inner_loops = (*loops, path) if shape in (Shape.LOOP, Shape.REPEAT) else loops
        blocks: dict[str, Block] = {}
        for name, steps in step.blocks.items():
            handles = name in ("on_reject", "on_timeout") and step.suspending is not None
            inner = _Where(
                path,
                name,
                loops if name in HANDLERS else inner_loops,
                f"{path}.{name}." if name else f"{path}.",
                (path, *answered) if handles else answered,
                (*visible, path) if name in HANDLERS else visible,
            )
            blocks[name] = self._block(steps, inner)
        if step.flow is not None:
            blocks = {**self._compiler.child(step.flow, path, loops), **blocks}
        suspending = step.suspending
        wait = step.wait
        condition = Expression.compile(step.if_) if step.if_ else None
        params = compile_value(dict(step.with_))
        ask = Template.compile(suspending.ask) if suspending else None
        show = tuple((label, compile_value(value)) for label, value in suspending.show.items()) if suspending else ()
        handles_ = tuple(Template.compile(text) for text in _handles(wait))
        channels = tuple(
            Template.compile(place_.slack)
            for place_ in (wait.via if wait and wait.via and wait.via != "none" else ())
            if isinstance(place_, SlackPlace)
        )
        delay_text = step.repeat.delay if step.repeat else step.delay
        delay = Template.compile(delay_text) if delay_text else None
        templates = default_templates(wait.form) if wait else {}
        defaults = compile_value(dict(templates)) if templates else None
        labels = text_templates(wait.form) if wait else {}
        texts = compile_value(dict(labels)) if labels else None
        switch = Expression.compile(step.switch) if step.switch is not None else None
        items = _items(step)
        until = Expression.compile(step.repeat.until) if step.repeat else None
        output = compile_value(step.output) if step.output is not None else None
        opening = [ask, defaults, texts, *handles_, *channels, *(value for _, value in show)]
        holding = [switch, *(items if isinstance(items, tuple) else [items])]
        turning = [until, output, delay if step.repeat else None]
        inside_block = blocks.get("")
        inner_answered = answered
        if step.steps and inside_block is not None:
            inner_answered = self._nearest(step.steps, len(step.steps), f"{path}.", answered)
        elif step.then or step.switch is not None:
            inner_answered = self._nearest((step,), 1, where.before, answered)
        passed, mixed = self._secrets(step, answered)
        params_reads = self._reads([params], answered, loops)
        performing = params_reads
        if step.run is not None:
            performing |= self._everything(visible, loops)
        plan = StepPlan(
            step=step,
            path=path,
            shape=shape,
            owner=where.owner,
            block=where.name,
            index=index,
            scope=self._scope,
            loops=loops,
            answered=answered,
            blocks=blocks,
            condition=condition,
            params=params,
            ask=ask,
            show=show,
            handles=handles_,
            channels=channels,
            delay=delay,
            defaults=defaults,
            texts=texts,
            switch=switch,
            items=items,
            until=until,
            output=output,
            condition_reads=self._reads([condition], answered, loops),
            holding_reads=self._reads([*holding, params if step.flow else None], answered, loops),
            turning_reads=self._reads(turning, inner_answered, inner_loops),
            turning_answered=inner_answered,
            opening_reads=self._reads([*opening, None if step.repeat else delay], answered, loops),
            params_reads=params_reads,
            performing_reads=performing,
            reads_run=step.run is not None or _names_run([condition, params, *opening, *holding, *turning, delay]),
            passed=passed,
            mixed=mixed,
            more_handles=self._asks_again(path),
            _gathers=any(self._is_loop(one) for one in performing.outputs),
        )
        self._compiler.put(place, plan)
        return plan

    def _secrets(self, step: Step, answered: tuple[Path, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
        """Which inputs of a child flow get a secret as it is, and which get one with something else around it."""
        passed: list[str] = []
        mixed: list[str] = []
        for name, value in step.with_.items() if step.flow is not None else ():
            compiled = compile_value({name: value})
            if any(self._is_secret(read, answered) for read in compiled.names):
                whole = isinstance(value, str) and _PATH_ALONE.fullmatch(value) is not None
                (passed if whole else mixed).append(name)
        return frozenset(passed), tuple(mixed)

    def _is_secret(self, name: tuple[str, ...], answered: tuple[Path, ...]) -> bool:
        match name:
            case ("inputs", field, *_):
                return any(one.name == field and one.masked for one in self._flow.inputs)
            case ("steps", step, "form", field, *_) if step in self._ids:
                return self._asks_secret([self._ids[step]], field)
            case ("resume", field, *_):
                return self._asks_secret(answered, field)
            case _:
                return False

    def _asks_secret(self, paths: Iterable[Path], field: str) -> bool:
        waits = [wait for path in paths if (wait := self._raw[path].wait) is not None]
        return any(one.name == field and one.masked for wait in waits for one in wait.form)

    def _asks_again(self, path: Path) -> bool:
        """Whether people may be asked after the step at ``path``: by a later one, a child flow, another item."""
        here = self._order[path]
        return (
            self._base is not None
            or bool(self._loops_of[path])
            or any(
                step.flow is not None or _handles(step.wait)
                for other, step in self._raw.items()
                if self._order[other] > here
            )
        )

    def _is_loop(self, path: Path) -> bool:
        step = self._raw.get(path)
        return step is not None and (step.for_each is not None or step.repeat is not None)

    def _everything(self, visible: Sequence[Path], loops: tuple[Path, ...]) -> Reads:
        # Which of it the function asks for is not in the definition, and its parameters may change while a run waits.
        answers = [one for one in visible if self._raw[one].suspending is not None or self._raw[one].run is not None]
        return Reads(frozenset(visible), frozenset(answers), frozenset(loops))

    def _reads(
        self,
        compiled: Iterable[Template | Expression | CompiledValue | int | None],
        answered: tuple[Path, ...],
        loops: tuple[Path, ...],
    ) -> Reads:
        outputs: set[Path] = set()
        answers: set[Path] = set()
        items: set[Path] = set()
        for part in compiled:
            for name in part.names if part is not None and not isinstance(part, int) else ():
                if name[0] in _SHORTHANDS:
                    answers.update(answered)
                elif name[0] == "steps" and len(name) > 1 and name[1] in self._ids:
                    self._read_step(self._ids[name[1]], name[2] if len(name) > 2 else None, outputs, answers)
                elif name[0] in ("item", "loops"):
                    items.update(loops)
        return (
            Reads(frozenset(outputs), frozenset(answers), frozenset(items))
            if outputs or answers or items
            else (NOTHING_READ)
        )

    def _read_step(self, path: Path, wanted: str | None, outputs: set[Path], answers: set[Path]) -> None:
        if wanted not in _ANSWERS:
            outputs.update(self._output_of(path))
        if wanted is None or wanted in _ANSWERS:
            answers.add(path)

    def _output_of(self, path: Path) -> list[Path]:
        """The rows that a step's output is made of: its own, and of a branch or parallel those of the last steps."""
        step = self._raw[path]
        if step.output is not None or step.for_each is not None or step.repeat or step.flow or not step.holds_steps:
            return [path]
        found = [path]
        for name, block in step.blocks.items():
            if name not in HANDLERS:
                found.extend(self._output_of(f"{path}.{name}.{block[-1].id}"))
        return found


def _shape(step: Step) -> Shape:
    if step.then:
        return Shape.BRANCH
    if step.switch is not None:
        return Shape.SWITCH
    if step.for_each is not None:
        return Shape.LOOP
    if step.parallel:
        return Shape.PARALLEL
    if step.repeat is not None:
        return Shape.REPEAT
    return Shape.CHILD if step.flow is not None else Shape.LEAF


def _items(step: Step) -> Expression | CompiledValue | tuple[int | Expression, int | Expression] | None:
    each = step.for_each
    if isinstance(each, Range):
        low, high = (end if isinstance(end, int) else Expression.compile(end) for end in (each.from_, each.to))
        return low, high
    if isinstance(each, str):
        return Expression.compile(each)
    return None if each is None else compile_value(list(each))


def _names_run(compiled: Iterable[Template | Expression | CompiledValue | int | None]) -> bool:
    return any(
        name[0] == "run" for part in compiled if part is not None and not isinstance(part, int) for name in part.names
    )


def _handles(wait: Wait | None) -> tuple[str, ...]:
    match wait:
        case Approval():
            return wait.handles
        case Hold():
            return wait.by
        case _:
            return ()
