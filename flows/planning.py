"""How a flow is compiled: each step with its expressions, and with what it can bring to be read. Pure.

``Plan.of`` is the way in. What a plan is, is said in ``flows.plan``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flows.definition import Approval, Flow, Hold, Range, SlackPlace, Step, Wait
from flows.expressions import CompiledValue, Expression, Template, compile_value
from flows.forms import default_templates, text_templates
from flows.plan import HANDLERS, NOTHING_READ, Block, Reads, Scope, Shape, StepPlan
from flows.run import Path

_ANSWERS = frozenset(
    {"approved", "approvers", "decisions", "form", "comment", "timed_out", "resumed", "dropped", "option", "callback"}
)
_MAX_CHILDREN = 50
"""Child flows within one another and beside one another in one plan; a cycle would have no end."""

_SHORTHANDS = frozenset({"approvers", "resume", "resumes"})
_PATH_ALONE = re.compile(r"\s*\{\{-?\s*[A-Za-z_]\w*(\.\w+)*\s*-?\}\}\s*")


def used(flow: Flow, children: Mapping[str, Flow]) -> dict[str, Flow]:
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


class Compiler:
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
        self, compiler: Compiler, flow: Flow, path: Path | None, loops: tuple[Path, ...], _answered: tuple[Path, ...]
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
