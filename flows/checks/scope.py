"""What can be read from where: which steps have certainly or possibly run before, and whose answer is meant. Pure.

``steps.X`` can be read where X came before: earlier in the same list, or in a list around it, or inside such a step.
Not out of a loop, where there is one of it for each item; not in another branch, which runs beside this one or not at
all. The shorthands (``approvers``, ``resume``, ``resumes``) stand for the nearest wait before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from flows.checks.readings import Place, Reading, output_readings, readings
from flows.checks.written import Block, Part, Written

Reason = tuple[str, str | None]
"""Why not, and what to write instead."""

_SENDS_LINKS = ("slack.request_approval", "gmail.request_approval", "mail.request_approval")

# What comes after what, where two of them are of the same step or of the flow.
_ORDER = {"steps": 0, "on_open": 1, "on_reject": 2, "on_timeout": 2, "on_error": 3, "finally": 4}


@dataclass(frozen=True)
class Answers:
    """Whose answer the shorthands may stand for, the nearest first.

    ``several`` is a step that holds more than one wait, of which none is nearer. ``python``: a function comes nearer,
    which may have waited. ``over``: there is no earlier one that could be meant.
    """

    parts: tuple[Part, ...] = ()
    several: Part | None = None
    python: bool = False
    over: bool = False

    def then(self, further: Answers) -> Answers:
        """With those that are further away."""
        if self.over:
            return self
        several = self.several or further.several
        return Answers((*self.parts, *further.parts), several, self.python or further.python, further.over)


class Scope:
    """A definition with all its expressions."""

    def __init__(self, written: Written) -> None:
        self.written = written
        self.readings: dict[Part, tuple[Reading, ...]] = {part: tuple(readings(part)) for part in written.parts}
        self.outputs = tuple(output_readings(written))

    @cached_property
    def everything(self) -> tuple[Reading, ...]:
        """All that is read anywhere in the flow."""
        return (*(reading for part in self.written.parts for reading in self.readings[part]), *self.outputs)

    def opens_first(self, part: Part) -> bool:
        """Whether its wait opens before its action, which gives the links away."""
        return sends_links(part) or any(
            name[0] == "links" for reading in self.readings[part] if reading.place.given for name in reading.names
        )

    # -- steps --------------------------------------------------------------------------------------------------

    def readable(self, place: Place) -> list[str]:
        """The ids of the steps that can be read there."""
        return [name for name, part in self.written.ids.items() if self.obstacle(part, place) is None]

    def obstacle(self, target: Part, place: Place) -> Reason | None:
        """Why ``target`` cannot be read there; None where it can."""
        reader = place.part
        if target is reader:
            return f"step {target.called} reads itself", "only an earlier step can be read"
        mine: dict[Block, Part | None] = {part.block: part for part in reader.around()} if reader is not None else {}
        if reader is None and self.written.steps is not None:
            mine[self.written.steps] = None
        # Outwards from the target, up to a list in which the reader stands too, itself or what holds it.
        step = target
        way: list[Block] = []
        while step.block not in mine:
            way.append(step.block)
            if step.block.holder is None:
                return _elsewhere(target, step.block, way, place.around[-1] if place.around else self.written.steps)
            step = step.block.holder
        here = mine[step.block]
        if here is None or step.place < here.place:
            return _in_loop(target, way)
        if step.place > here.place:
            return f"step {target.called} comes later", "only an earlier step can be read; move one of them"
        block = next((part.block for part in reader.around() if part.block.holder is step), None) if reader else None
        if step is target:
            if block is None or block.handles:
                return None
            return (
                f"step {target.called} holds this one, so there is nothing of it to read yet",
                "only an earlier step can be read",
            )
        return self._inside(target, step, way, block, place)

    def _inside(
        self, target: Part, step: Part, way: Sequence[Block], block: Block | None, place: Place
    ) -> Reason | None:
        """The target is in a step that is the reader (``block`` is None) or holds it, in ``block``."""
        leads = way[-1]
        if block is None:
            if place.when != "inside":
                return f"step {target.called} comes later", "only an earlier step can be read; move one of them"
            return _in_loop(target, way[:-1])
        if block.handles or leads.handles:
            if block.handles and (not leads.handles or _ORDER[leads.key] < _ORDER[block.key]):
                return _in_loop(target, way)
            return (
                f"step {target.called} runs in '{leads.key}' of {step.called}, which has not run here",
                "only an earlier step can be read",
            )
        if block.key == "parallel":
            return (
                f"step {target.called} runs beside this one, in the branch {leads.name!r} of {step.called}",
                f"read it after {step.called}, or move it before",
            )
        return (
            f"step {target.called} is in another branch of {step.called}, which does not run where this one does",
            f"read it after {step.called}, or move it before",
        )

    # -- answers ------------------------------------------------------------------------------------------------

    def answers(self, place: Place) -> Answers:
        """Whose answer the shorthands stand for there."""
        part, block, index = place.part, self.written.steps, -1
        found = Answers()
        if part is None:
            index = len(block.parts) if block is not None else 0
        else:
            block, index = part.block, part.place
            if place.when == "inside":
                body = next((inner for inner in part.blocks if inner.repeats), None)
                found = _before(body, len(body.parts)) if body is not None else _of(part)
        while block is not None and not found.over:
            found = found.then(_before(block, index))
            holder = block.holder
            if holder is None:
                break
            if block.handles and block.key != "on_open":
                found = found.then(_handled(block, holder))
            block, index = holder.block, holder.place
        return found


def sends_links(part: Part) -> bool:
    """Whether its action does nothing but send the links of its wait."""
    return part.raw.get("uses") in _SENDS_LINKS


def _elsewhere(target: Part, block: Block, way: Sequence[Block], mine: Block | None) -> Reason | None:
    """The target is in another list of the flow itself than the reader."""
    if mine is not None and _ORDER[block.key] < _ORDER[mine.key]:
        return _in_loop(target, way)
    return (
        f"step {target.called} runs in '{block.key}', when the run is about to end",
        "only an earlier step can be read",
    )


def _in_loop(target: Part, way: Sequence[Block]) -> Reason | None:
    """Whether the way to the target leads into a loop."""
    loops = [block.holder for block in way if block.repeats and block.holder is not None]
    if not loops:
        return None
    loop = loops[-1]
    each = "round" if loop.holding == "repeat" else "item"
    hint = f"read 'steps.{loop.id}.output', which has what each came to" if loop.id is not None else None
    return f"step {target.called} is inside the loop {loop.called}, so there is one of it for each {each}", hint


def _handled(block: Block, holder: Part) -> Answers:
    """The wait that the steps of a handler are there for."""
    if holder.waits is not None:
        return Answers((holder,), over=True) if block.key != "on_error" else Answers()
    return Answers(several=holder, over=True) if holder.awaits else Answers()


def _before(block: Block, index: int) -> Answers:
    """The waits of a list of steps, from the one before ``index`` backwards."""
    found = Answers()
    for part in reversed(block.parts[:index]):
        found = found.then(_of(part))
        if found.over:
            break
    return found


def _of(part: Part) -> Answers:
    """The waits of a step that has run."""
    if part.waits is not None:
        return Answers((part,), over=True)
    if part.python:
        return Answers(python=True)
    if part.holding in ("then", "switch"):
        # Which branch has run is known only then.
        branches = [_before(block, len(block.parts)) for block in part.blocks if not block.handles]
        parts = tuple(each for branch in branches for each in branch.parts)
        several = next((branch.several for branch in branches if branch.several is not None), None)
        python = any(branch.python for branch in branches)
        return Answers(parts, several, python, over=bool(parts) or several is not None)
    if part.holding != "flow" and part.awaits:
        return Answers(several=part, over=True)
    return Answers()
